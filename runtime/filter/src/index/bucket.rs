//! The subscriptions whose type patterns end at one place, by what their filters require. Knows
//! nothing of types.
//!
//! Filters that require the same attributes share a table, keyed by a hash of the texts: an event
//! looks once into each. There are few such tables; behind them, a subscription is kept under one
//! of its attributes, the one with the fewest others, and an event looks once for each attribute
//! it has. So what a look costs is bounded by the event, not by the subscriptions.
//!
//! Hashes stand for texts: when two are the same, a candidate too many is asked.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use super::{Conditions, EntryId};
use crate::view::View;

/// The most tables of a bucket.
const TABLES_MAX: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// Those that require nothing.
    plain: Vec<EntryId>,
    tables: Vec<Table>,
    /// By one attribute's name and text.
    singles: HashMap<u64, Vec<EntryId>>,
}

/// The subscriptions that require texts of just these attributes.
#[derive(Debug)]
struct Table {
    names: Vec<Box<str>>,
    entries: HashMap<u64, Vec<EntryId>>,
}

/// Where in a bucket an entry is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Plain,
    Table(u64),
    Single(u64),
}

impl Bucket {
    pub(super) fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.tables.is_empty() && self.singles.is_empty()
    }

    pub(super) fn insert(
        &mut self,
        conditions: &Conditions<'_>,
        hasher: &RandomState,
        id: EntryId,
    ) -> Place {
        let single = |(name, text): (&&str, &&str)| hash(hasher, [*name, *text]);
        let least = |key: &u64| self.singles.get(key).map_or(0, Vec::len);
        let Some(key) = conditions.iter().map(single).min_by_key(least) else {
            self.plain.push(id);
            return Place::Plain;
        };
        match self.table(conditions) {
            Some(table) => {
                let key = hash(hasher, conditions.values().copied());
                table.entries.entry(key).or_default().push(id);
                Place::Table(key)
            }
            None => {
                self.singles.entry(key).or_default().push(id);
                Place::Single(key)
            }
        }
    }

    pub(super) fn remove(&mut self, place: Place, id: EntryId) {
        match place {
            Place::Plain => self.plain.retain(|entry| *entry != id),
            Place::Single(key) => {
                take(&mut self.singles, key, id);
            }
            Place::Table(key) => {
                // The hash says nothing of the attributes, and there are few tables.
                self.tables.iter_mut().any(|table| take(&mut table.entries, key, id));
                self.tables.retain(|table| !table.entries.is_empty());
            }
        }
    }

    /// Appends the entries that may want the event.
    pub(super) fn collect(&self, view: &View<'_>, hasher: &RandomState, found: &mut Vec<EntryId>) {
        found.extend(&self.plain);
        for table in &self.tables {
            let texts = table.names.iter().map(|name| view.text(name));
            if let Some(key) = hash_all(hasher, texts) {
                found.extend(table.entries.get(&key).into_iter().flatten());
            }
        }
        if self.singles.is_empty() {
            return;
        }
        for (name, text) in view.texts() {
            let key = hash(hasher, [name, text]);
            found.extend(self.singles.get(&key).into_iter().flatten());
        }
    }

    /// The table of these attributes, made if there is room for it.
    fn table(&mut self, conditions: &Conditions<'_>) -> Option<&mut Table> {
        let names = || conditions.keys().copied();
        let fits = |table: &Table| table.names.iter().map(|name| &**name).eq(names());
        let found = self.tables.iter().position(fits);
        if found.is_none() && self.tables.len() < TABLES_MAX {
            let names = names().map(Into::into).collect();
            self.tables.push(Table { names, entries: HashMap::new() });
            return self.tables.last_mut();
        }
        self.tables.get_mut(found?)
    }
}

/// Returns whether it was there.
fn take(entries: &mut HashMap<u64, Vec<EntryId>>, key: u64, id: EntryId) -> bool {
    let Some(ids) = entries.get_mut(&key) else { return false };
    let Some(at) = ids.iter().position(|entry| *entry == id) else { return false };
    ids.swap_remove(at);
    if ids.is_empty() {
        entries.remove(&key);
    }
    true
}

fn hash<'t>(hasher: &RandomState, texts: impl IntoIterator<Item = &'t str>) -> u64 {
    let mut hasher = hasher.build_hasher();
    texts.into_iter().for_each(|text| text.hash(&mut hasher));
    hasher.finish()
}

/// None when an attribute is missing.
fn hash_all<'t>(hasher: &RandomState, texts: impl Iterator<Item = Option<&'t str>>) -> Option<u64> {
    let mut hasher = hasher.build_hasher();
    for text in texts {
        text?.hash(&mut hasher);
    }
    Some(hasher.finish())
}
