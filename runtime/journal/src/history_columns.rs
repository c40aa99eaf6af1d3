//! Where the events and outcomes of one segment are, in columns that are scanned without touching
//! the log. Knows no disk.
//!
//! Texts are kept as 32-bit hashes (CRC-32C): an entry that matches is a candidate, to be checked
//! against its record. The event types are kept as they are as well, because patterns are asked
//! for and there are few of them.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use triphammer_model::{Seq, Timestamp, TypePattern};

use crate::record::{Location, Outcome, Record};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct HistoryQuery {
    pub ty: Option<TypePattern>,
    pub source: Option<String>,
    pub subject: Option<String>,
    pub id: Option<String>,
    /// Accepted at this time or later.
    pub after: Option<Timestamp>,
    /// Accepted before this time.
    pub before: Option<Timestamp>,
    /// Where the page before has ended: only events below this number.
    pub before_seq: Option<Seq>,
    pub limit: usize,
}

/// Entry `n` of each event column belongs to the same event; they are sorted by `seq`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Columns {
    pub(crate) seq: Vec<u64>,
    /// Of the record in its segment.
    pub(crate) offset: Vec<u32>,
    pub(crate) len: Vec<u32>,
    pub(crate) time: Vec<u64>,
    pub(crate) ty: Vec<u32>,
    pub(crate) source: Vec<u32>,
    pub(crate) subject: Vec<u32>,
    pub(crate) id: Vec<u32>,
}

/// Records that say what became of an event's deliveries: by event, then in the order of the log
/// once they are [sorted](Self::sort).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcomes {
    pub(crate) event: Vec<u64>,
    pub(crate) offset: Vec<u32>,
    pub(crate) len: Vec<u32>,
}

/// The event types of a segment, by their hash.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Types {
    by_hash: HashMap<u32, Vec<Box<str>>, RandomState>,
    count: usize,
}

/// More types than these in one segment, and patterns are checked against the records instead.
const TYPES_MAX: usize = 1024;

/// A query in terms of hashes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    source: Option<u32>,
    subject: Option<u32>,
    id: Option<u32>,
    after: u64,
    /// Exclusive.
    before: u64,
    pattern: Option<TypePattern>,
}

/// The types that a pattern matches in one segment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TypeHashes {
    Any,
    These(Vec<u32>),
}

pub(crate) fn hash(text: &str) -> u32 {
    crc32c::crc32c(text.as_bytes())
}

/// Of no subject.
const NO_SUBJECT: u32 = 0;

impl Columns {
    /// Adds the events of a record.
    pub(crate) fn note(&mut self, seq: Seq, record: &Record, location: Location) {
        let (first, events) = record.events();
        let at = record.at();
        for (number, accepted) in (seq.get() + first..).zip(events) {
            let event = &accepted.event;
            self.seq.push(number);
            self.offset.push(location.offset);
            self.len.push(location.len);
            self.time.push(at.ms());
            self.ty.push(hash(event.ty()));
            self.source.push(hash(event.source()));
            self.subject.push(event.subject().map_or(NO_SUBJECT, hash));
            self.id.push(hash(event.id()));
        }
    }

    /// The event's entry and its index among those of its record.
    pub(crate) fn find(&self, seq: u64) -> Option<(usize, u32)> {
        let entry = self.seq.binary_search(&seq).ok()?;
        let same = self.offset[..entry].iter().rev().take_while(|at| **at == self.offset[entry]);
        Some((entry, same.count() as u32))
    }

    /// Goes back from the entry before `end` and collects up to `max` that may match. Looks at
    /// `looks` entries at most, and counts them down. Returns where it has stopped.
    pub(crate) fn back(
        &self,
        end: usize,
        filter: &Filter,
        types: &TypeHashes,
        max: usize,
        looks: &mut usize,
        found: &mut Vec<usize>,
    ) -> usize {
        let mut entry = end;
        while entry > 0 && *looks > 0 && found.len() < max {
            entry -= 1;
            *looks -= 1;
            if self.may_match(entry, filter, types) {
                found.push(entry);
            }
        }
        entry
    }

    pub(crate) fn may_match(&self, entry: usize, filter: &Filter, types: &TypeHashes) -> bool {
        let is = |column: &[u32], wanted: Option<u32>| {
            wanted.is_none_or(|wanted| column[entry] == wanted)
        };
        let typed = match types {
            TypeHashes::Any => true,
            TypeHashes::These(hashes) => hashes.binary_search(&self.ty[entry]).is_ok(),
        };
        typed
            && is(&self.id, filter.id)
            && is(&self.subject, filter.subject)
            && is(&self.source, filter.source)
            && (filter.after..filter.before).contains(&self.time[entry])
    }
}

impl Outcomes {
    /// Adds the record to every event whose deliveries it tells of.
    pub(crate) fn note(&mut self, record: &Record, location: Location) {
        let mut push = |event: Seq| {
            self.event.push(event.get());
            self.offset.push(location.offset);
            self.len.push(location.len);
        };
        match record {
            Record::Settle(settle) => {
                push(settle.id.seq);
                if let Outcome::Committed { also, cancelled, .. } = &settle.outcome {
                    also.iter().for_each(|(id, _)| push(id.seq));
                    cancelled.iter().for_each(|id| push(id.seq));
                }
            }
            Record::Rows { rows, .. } => rows.iter().for_each(|row| push(row.id.seq)),
            Record::Drop { ids, .. } => ids.iter().for_each(|id| push(id.seq)),
            Record::Accept(_)
            | Record::Define { .. }
            | Record::WipeState { .. }
            | Record::Replay { .. } => {}
        }
    }

    pub(crate) fn sort(&mut self) {
        let entries = self.event.iter().zip(&self.offset).zip(&self.len);
        let mut entries: Vec<_> = entries.map(|((e, o), l)| (*e, *o, *l)).collect();
        entries.sort_unstable();
        entries.dedup();
        self.event = entries.iter().map(|entry| entry.0).collect();
        self.offset = entries.iter().map(|entry| entry.1).collect();
        self.len = entries.iter().map(|entry| entry.2).collect();
    }

    /// Offset and length of each record that tells of the event, not in order unless sorted.
    pub(crate) fn of(&self, event: u64, sorted: bool) -> Vec<(u32, u32)> {
        let from = if sorted { self.event.partition_point(|other| *other < event) } else { 0 };
        let entries = self.event[from..].iter().zip(&self.offset[from..]).zip(&self.len[from..]);
        entries
            .take_while(|((other, _), _)| !sorted || **other == event)
            .filter(|((other, _), _)| **other == event)
            .map(|((_, offset), len)| (*offset, *len))
            .collect()
    }
}

impl Types {
    pub(crate) fn note(&mut self, record: &Record) {
        for accepted in record.events().1 {
            self.add(accepted.event.ty());
        }
    }

    pub(crate) fn add(&mut self, ty: &str) {
        if self.count > TYPES_MAX {
            return;
        }
        let texts = self.by_hash.entry(hash(ty)).or_default();
        if !texts.iter().any(|text| **text == *ty) {
            texts.push(ty.into());
            self.count += 1;
        }
    }

    /// None when there were too many to keep.
    pub(crate) fn all(&self) -> Option<Vec<&str>> {
        let texts = || self.by_hash.values().flatten().map(|text| &**text);
        (self.count <= TYPES_MAX).then(|| {
            let mut all: Vec<&str> = texts().collect();
            all.sort_unstable();
            all
        })
    }

    pub(crate) fn too_many() -> Self {
        Self { by_hash: HashMap::default(), count: TYPES_MAX + 1 }
    }

    pub(crate) fn matching(&self, filter: &Filter) -> TypeHashes {
        let Some(pattern) = &filter.pattern else { return TypeHashes::Any };
        if self.count > TYPES_MAX {
            return match pattern.exact() {
                Some(ty) => TypeHashes::These(vec![hash(ty)]),
                None => TypeHashes::Any,
            };
        }
        let matches = |texts: &[Box<str>]| texts.iter().any(|text| pattern.matches(text));
        let mut hashes: Vec<u32> = self
            .by_hash
            .iter()
            .filter(|(_, texts)| matches(texts))
            .map(|(hash, _)| *hash)
            .collect();
        hashes.sort_unstable();
        TypeHashes::These(hashes)
    }
}

impl Filter {
    pub(crate) fn new(query: &HistoryQuery) -> Self {
        Self {
            source: query.source.as_deref().map(hash),
            subject: query.subject.as_deref().map(hash),
            id: query.id.as_deref().map(hash),
            after: query.after.map_or(0, Timestamp::ms),
            before: query.before.map_or(u64::MAX, Timestamp::ms),
            pattern: query.ty.clone(),
        }
    }

    /// Whether a segment with events of these times can have any that is asked for.
    pub(crate) fn overlaps(&self, first: u64, last: u64) -> bool {
        self.after <= last && first < self.before
    }
}
