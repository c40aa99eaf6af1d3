//! Which subscriptions want an event, without asking each of them. Knows nothing of what a
//! subscription is for.
//!
//! Types lead through a trie of their segments to the subscriptions whose patterns match. There,
//! what a filter requires (`exact`, on its own or within `all`, and `attribute = 'text'` AND-ed at
//! the top of a CloudEvents SQL expression) is a hash key. What is left are candidates, and only
//! they are asked. A filter that requires nothing of this kind is a candidate for every event that
//! its patterns match.
//!
//! A subscription that is no candidate is not evaluated: an error that its filter would have met
//! doesn't exist. What passes is the same as if all were asked.

mod bucket;
mod trie;

use std::collections::BTreeMap;
use std::hash::RandomState;
use std::sync::Arc;

use triphammer_model::TypePattern;

use crate::filter::{Filter, Verdict};
use crate::view::View;
use bucket::Place;
use trie::{NodeId, Trie};

/// Subscriptions by their names `T`.
#[derive(Debug)]
pub struct Index<T> {
    trie: Trie,
    entries: Vec<Option<Entry<T>>>,
    /// The places in `entries` that are empty.
    free: Vec<EntryId>,
    ids: BTreeMap<T, EntryId>,
    /// Seeded, so that no one can choose keys that collide.
    hasher: RandomState,
}

#[derive(Debug)]
struct Entry<T> {
    subscription: T,
    filter: Option<Arc<Filter>>,
    postings: Vec<(NodeId, Place)>,
}

type EntryId = u32;

/// Attributes and the texts they must have, by name and each name once.
type Conditions<'f> = BTreeMap<&'f str, &'f str>;

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self {
            trie: Trie::default(),
            entries: Vec::new(),
            free: Vec::new(),
            ids: BTreeMap::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<T: Clone + Ord> Index<T> {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Adds a subscription to the events whose types match one of `patterns` (none matches
    /// nothing) and that pass `filter`. One of the same name is replaced; returns whether there
    /// was one.
    pub fn insert(
        &mut self,
        subscription: T,
        patterns: &[TypePattern],
        filter: Option<Arc<Filter>>,
    ) -> bool {
        let replaced = self.remove(&subscription);
        let id = self.free.pop().unwrap_or(self.entries.len() as EntryId);
        let postings = self.post(id, patterns, filter.as_deref());
        let entry = Entry { subscription: subscription.clone(), filter, postings };
        match self.entries.get_mut(id as usize) {
            Some(place) => *place = Some(entry),
            None => self.entries.push(Some(entry)),
        }
        self.ids.insert(subscription, id);
        replaced
    }

    /// Returns whether there was such a subscription.
    pub fn remove(&mut self, subscription: &T) -> bool {
        let Some(id) = self.ids.remove(subscription) else { return false };
        let entry = self.entries.get_mut(id as usize).and_then(Option::take);
        for (node, place) in entry.into_iter().flat_map(|entry| entry.postings) {
            self.trie.bucket(node).remove(place, id);
            self.trie.prune(node);
        }
        self.free.push(id);
        true
    }

    /// Appends the subscriptions that want the event, in the order of their names.
    pub fn matching(&self, view: &View<'_>, found: &mut Vec<T>) {
        let start = found.len();
        self.examine(view, |subscription, verdict| {
            if verdict.passed {
                found.push(subscription.clone());
            }
        });
        found[start..].sort_unstable();
    }

    /// Asks every candidate, in no particular order, and gives what its filter says. Returns how
    /// many there were.
    pub fn examine(&self, view: &View<'_>, mut each: impl FnMut(&T, Verdict)) -> usize {
        let mut candidates = Vec::new();
        self.trie.visit(view.event().ty(), |bucket| {
            bucket.collect(view, &self.hasher, &mut candidates);
        });
        // More than one pattern of a subscription may match.
        candidates.sort_unstable();
        candidates.dedup();
        for id in &candidates {
            let Some(Some(entry)) = self.entries.get(*id as usize) else { continue };
            let verdict = match &entry.filter {
                Some(filter) => filter.matches_view(view),
                None => Verdict { passed: true, error: None },
            };
            each(&entry.subscription, verdict);
        }
        candidates.len()
    }

    /// Puts an entry where its events look for it, and returns where that is.
    fn post(
        &mut self,
        id: EntryId,
        patterns: &[TypePattern],
        filter: Option<&Filter>,
    ) -> Vec<(NodeId, Place)> {
        let Some(mut conditions) = conditions(filter) else { return Vec::new() };
        let nodes = match literal_type(&conditions) {
            Some(ty) => {
                conditions.remove("type");
                let wanted = patterns.iter().any(|pattern| pattern.matches(ty.as_str()));
                wanted.then(|| self.trie.node(&ty)).into_iter().collect()
            }
            None => {
                let mut nodes: Vec<NodeId> =
                    patterns.iter().map(|pattern| self.trie.node(pattern)).collect();
                nodes.sort_unstable();
                nodes.dedup();
                nodes
            }
        };
        let hasher = &self.hasher;
        let trie = &mut self.trie;
        let mut post = |node| (node, trie.bucket(node).insert(&conditions, hasher, id));
        nodes.into_iter().map(&mut post).collect()
    }
}

/// What the filter requires; none when that can never be.
fn conditions(filter: Option<&Filter>) -> Option<Conditions<'_>> {
    let mut conditions = Conditions::new();
    for (name, text) in filter.map(Filter::required).unwrap_or_default() {
        if *conditions.entry(name).or_insert(text) != text {
            return None;
        }
    }
    Some(conditions)
}

/// The one type that is required, when it can be looked for as a pattern without wildcards.
fn literal_type(conditions: &Conditions<'_>) -> Option<TypePattern> {
    let pattern: TypePattern = conditions.get("type")?.parse().ok()?;
    pattern.exact().is_some().then_some(pattern)
}

#[cfg(test)]
mod tests;
