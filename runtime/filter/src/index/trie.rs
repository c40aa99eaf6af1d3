//! Patterns of event types as a trie of their segments, with a bucket where each ends. Knows
//! nothing of what is in the buckets.
//!
//! A type walks all branches side by side. However many `**` there are, a node is on the way at
//! most once for each segment, so a hostile type costs no more than its segments times the nodes
//! it can reach.

use std::collections::HashMap;

use triphammer_model::TypePattern;

use super::bucket::Bucket;

pub(super) type NodeId = u32;

const ROOT: NodeId = 0;

/// The first segment of the host's own types, which no wildcard stands for.
const HOST_SEGMENT: &str = "triphammer";

#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// The places in `nodes` that are empty.
    free: Vec<NodeId>,
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, NodeId>,
    /// Behind `*`.
    star: Option<NodeId>,
    /// Behind `**`.
    deep: Option<NodeId>,
    /// Whether this node is behind `**` itself, and so stays where it is with any segment.
    is_deep: bool,
    /// None for the root.
    above: Option<(NodeId, Box<str>)>,
    bucket: Bucket,
}

impl Default for Trie {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], free: Vec::new() }
    }
}

impl Trie {
    /// The node where the pattern ends, made if there is none.
    pub(super) fn node(&mut self, pattern: &TypePattern) -> NodeId {
        pattern.as_str().split('.').fold(ROOT, |node, segment| self.child(node, segment))
    }

    pub(super) fn bucket(&mut self, node: NodeId) -> &mut Bucket {
        &mut self.nodes[node as usize].bucket
    }

    /// Drops a node that leads nowhere, and those above it that now do so too.
    pub(super) fn prune(&mut self, mut node: NodeId) {
        while self.nodes[node as usize].is_empty() {
            let Some((above, segment)) = self.nodes[node as usize].above.take() else { return };
            self.nodes[node as usize] = Node::default();
            self.free.push(node);
            self.nodes[above as usize].unlink(&segment);
            node = above;
        }
    }

    /// Shows the buckets of all patterns that match the type.
    pub(super) fn visit<'t>(&'t self, ty: &str, mut each: impl FnMut(&'t Bucket)) {
        let host = ty.split('.').next() == Some(HOST_SEGMENT);
        let (mut active, mut next) = (Vec::new(), Vec::new());
        if host {
            active.push(ROOT);
        } else {
            self.enter(ROOT, &mut active);
        }
        for (index, segment) in ty.split('.').enumerate() {
            next.clear();
            let wild = index > 0 || !host;
            for id in &active {
                let node = &self.nodes[*id as usize];
                if let Some(child) = node.children.get(segment) {
                    self.enter(*child, &mut next);
                }
                if let Some(star) = node.star.filter(|_| wild) {
                    self.enter(star, &mut next);
                }
                if node.is_deep {
                    self.enter(*id, &mut next);
                }
            }
            next.sort_unstable();
            next.dedup();
            std::mem::swap(&mut active, &mut next);
        }
        active.iter().for_each(|id| each(&self.nodes[*id as usize].bucket));
    }

    /// A node, and those behind `**` that stand for no segment at all.
    fn enter(&self, mut node: NodeId, active: &mut Vec<NodeId>) {
        active.push(node);
        while let Some(deep) = self.nodes[node as usize].deep {
            active.push(deep);
            node = deep;
        }
    }

    fn child(&mut self, node: NodeId, segment: &str) -> NodeId {
        if let Some(found) = self.nodes[node as usize].link(segment) {
            return found;
        }
        let above = Some((node, segment.into()));
        let new = Node { is_deep: segment == "**", above, ..Node::default() };
        let id = match self.free.pop() {
            Some(id) => {
                self.nodes[id as usize] = new;
                id
            }
            None => {
                self.nodes.push(new);
                (self.nodes.len() - 1) as NodeId
            }
        };
        let node = &mut self.nodes[node as usize];
        match segment {
            "*" => node.star = Some(id),
            "**" => node.deep = Some(id),
            _ => {
                node.children.insert(segment.into(), id);
            }
        }
        id
    }

    /// Nodes in use, the root included.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }
}

impl Node {
    fn link(&self, segment: &str) -> Option<NodeId> {
        match segment {
            "*" => self.star,
            "**" => self.deep,
            _ => self.children.get(segment).copied(),
        }
    }

    fn unlink(&mut self, segment: &str) {
        match segment {
            "*" => self.star = None,
            "**" => self.deep = None,
            _ => {
                self.children.remove(segment);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.bucket.is_empty()
            && self.children.is_empty()
            && self.star.is_none()
            && self.deep.is_none()
    }
}
