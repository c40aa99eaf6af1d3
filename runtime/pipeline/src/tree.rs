//! Everything that came of one event: the events that its handlers emitted, those of their handlers,
//! and so on, from the first of them all. Reads only what is on disk.

use std::collections::VecDeque;

use triphammer_model::Seq;

use crate::core::Core;
use crate::error::QueryError;
use crate::history::read_error;
use crate::info::Story;

/// Events that caused each other, with their stories.
#[derive(Clone, Debug)]
pub struct Tree {
    pub root: Seq,
    /// The root first, then its children, then theirs.
    pub nodes: Vec<Story>,
    /// There were more than are told.
    pub truncated: bool,
}

/// Events in one tree.
const NODES_MAX: usize = 200;
/// Their attributes and payloads together, in bytes: the event that goes beyond is the last.
const BYTES_MAX: usize = 4 << 20;
/// Parents that are looked for. A chain of emitted events is shorter, for their hops are bounded.
const CLIMB_MAX: usize = 1000;

impl Core {
    /// The tree that the event is in; none where there is no such event, or it is kept no longer.
    pub(crate) fn tree(&self, seq: Seq) -> Result<Option<Tree>, QueryError> {
        let Some(root) = self.root_of(seq)? else { return Ok(None) };
        let mut tree = Tree { root, nodes: Vec::new(), truncated: false };
        let mut next = VecDeque::from([root]);
        let mut bytes = 0;
        while let Some(seq) = next.pop_front() {
            if tree.nodes.len() == NODES_MAX || bytes > BYTES_MAX {
                tree.truncated = true;
                break;
            }
            let Some(story) = self.story(seq)? else { continue };
            bytes += story.event.as_bytes().len();
            next.extend(story.children.iter().map(|child| child.seq));
            tree.nodes.push(story);
        }
        Ok(Some(tree))
    }

    /// The first of the events that led to this one, as far as they are kept.
    fn root_of(&self, seq: Seq) -> Result<Option<Seq>, QueryError> {
        let mut root = None;
        let mut at = Some(seq);
        for _ in 0..CLIMB_MAX {
            let Some(seq) = at else { break };
            let Some(found) = self.history.event(seq).map_err(read_error)? else { break };
            root = Some(seq);
            at = found.parent.map(|delivery| delivery.seq);
        }
        Ok(root)
    }
}
