//! Events by what they are: newest first, a page at a time, with bounded work for each.
//!
//! The columns give candidates, their records decide. A page that has cost too much ends early,
//! with the place where the next begins. A candidate whose record is damaged is named in place of
//! the event.

use std::sync::Arc;

use triphammer_model::Seq;

use crate::history::{History, found};
use crate::history_columns::{Columns, Filter, HistoryQuery, TypeHashes};
use crate::history_index::SegmentIndex;
use crate::record::{Location, Stored};
use crate::store_error::{Found, StoreError};

#[derive(Clone, Debug, Default)]
pub struct HistoryPage {
    /// Newest first.
    pub events: Vec<Found>,
    /// Events that may be asked for and can't be read, newest first; they count for the limit too.
    pub damaged: Vec<Seq>,
    /// `before_seq` of the next page. A page may be short, or empty, and still have one.
    pub next: Option<Seq>,
}

/// Entries of columns that one request looks at, and records that it reads.
const LOOKS_MAX: usize = 2_000_000;
const READS_MAX: usize = 5_000;
/// Candidates that are collected at once.
const CHUNK: usize = 256;

type Result<T, E = StoreError> = std::result::Result<T, E>;

impl History {
    pub fn query(&self, query: &HistoryQuery) -> Result<HistoryPage> {
        let durable = self.durable();
        let before = query.before_seq.map_or(u64::MAX, Seq::get).min(durable.saturating_add(1));
        let mut search = Search {
            history: self,
            query,
            filter: Filter::new(query),
            before,
            looks: LOOKS_MAX,
            loaded: None,
            last_read: None,
            last_damaged: None,
        };
        let mut page = HistoryPage::default();
        let mut reads = READS_MAX;
        while !page.is_full(query.limit) {
            let Some(chunk) = search.chunk(CHUNK)? else { return Ok(page) };
            let reached = search.before;
            for (number, location, index) in chunk {
                if page.is_full(query.limit) || reads == 0 {
                    page.next = Seq::new(search.before);
                    return Ok(page);
                }
                reads -= 1;
                search.before = number;
                match search.read(location, index)? {
                    Looked::Found(found) => page.events.push(*found),
                    Looked::Other => {}
                    Looked::Damaged => page.damaged.extend(Seq::new(number)),
                }
            }
            search.before = reached;
            if reads == 0 || search.looks == 0 {
                break;
            }
        }
        page.next = Seq::new(search.before);
        Ok(page)
    }
}

impl HistoryPage {
    fn is_full(&self, limit: usize) -> bool {
        self.events.len() + self.damaged.len() >= limit
    }
}

/// What a candidate turned out to be.
enum Looked {
    Found(Box<Found>),
    /// Not what is asked for, or gone in the meantime.
    Other,
    Damaged,
}

struct Search<'a> {
    history: &'a History,
    query: &'a HistoryQuery,
    filter: Filter,
    /// Everything from here on has been looked at.
    before: u64,
    looks: usize,
    /// The columns that were read last.
    loaded: Option<(u32, Columns)>,
    /// The record that was read last: neighbours are often in one.
    last_read: Option<Stored>,
    /// The damaged record that was met last.
    last_damaged: Option<Location>,
}

/// An event that may match: its number, its record, and its index there.
type Candidate = (u64, Location, u32);

impl Search<'_> {
    /// Candidates below `before`, newest first; none when there is nothing below. When it is done
    /// with all that it has collected, the search goes on below what was looked at.
    fn chunk(&mut self, max: usize) -> Result<Option<Vec<Candidate>>> {
        loop {
            if let Some(done) = self.in_tail(max) {
                if !done.is_empty() || self.looks == 0 {
                    return Ok(Some(done));
                }
                continue;
            }
            let sealed = self.history.sealed_from(0);
            let newest = sealed
                .into_iter()
                .rev()
                .find(|index| index.summary.events > 0 && index.summary.first < self.before);
            let Some(index) = newest else { return Ok(None) };
            let done = self.in_sealed(&index, max)?;
            if !done.is_empty() || self.looks == 0 {
                return Ok(Some(done));
            }
        }
    }

    /// None when no event below `before` is in memory.
    fn in_tail(&mut self, max: usize) -> Option<Vec<Candidate>> {
        let tail = self.history.tail();
        let has = |columns: &Columns| columns.seq.first().is_some_and(|seq| *seq < self.before);
        let (generation, part) = tail.iter().rev().find(|(_, part)| has(&part.columns))?;
        let types = part.types.matching(&self.filter);
        let walk = Walk { generation: *generation, max, before: self.before };
        let (done, before) = walk.back(&part.columns, &self.filter, &types, &mut self.looks);
        drop(tail);
        self.before = before;
        Some(done)
    }

    fn in_sealed(&mut self, index: &Arc<SegmentIndex>, max: usize) -> Result<Vec<Candidate>> {
        let summary = index.summary;
        let types = index.types.matching(&self.filter);
        let empty = matches!(&types, TypeHashes::These(h) if h.is_empty());
        if empty || !self.filter.overlaps(summary.time_first, summary.time_last) {
            self.before = summary.first;
            self.looks = self.looks.saturating_sub(1);
            return Ok(Vec::new());
        }
        let columns = match self.loaded.take() {
            Some((generation, columns)) if generation == summary.generation => columns,
            _ => self.history.readable(index, SegmentIndex::columns)?,
        };
        let walk = Walk { generation: summary.generation, max, before: self.before };
        let (done, before) = walk.back(&columns, &self.filter, &types, &mut self.looks);
        self.before = before.min(self.before);
        // All events of the segment have been looked at.
        if columns.seq.first().is_some_and(|first| *first >= before) {
            self.before = summary.first;
        }
        self.loaded = Some((summary.generation, columns));
        Ok(done)
    }

    /// The candidate, if it is what is asked for.
    fn read(&mut self, location: Location, index: u32) -> Result<Looked> {
        if self.last_damaged == Some(location) {
            return Ok(Looked::Damaged);
        }
        let same = self.last_read.as_ref().is_some_and(|stored| stored.location == location);
        if !same {
            self.last_read = match self.history.read(location) {
                Err(error) if self.history.leaves_out(&error) => {
                    self.last_damaged = Some(location);
                    return Ok(Looked::Damaged);
                }
                read => read?,
            };
        }
        let found = self.last_read.as_ref().and_then(|stored| found(stored, index as usize));
        let asked_for = found.filter(|found| is_asked_for(self.query, found));
        Ok(asked_for.map_or(Looked::Other, |found| Looked::Found(Box::new(found))))
    }
}

/// A stretch of one segment's columns.
struct Walk {
    generation: u32,
    max: usize,
    before: u64,
}

impl Walk {
    /// The candidates, and the number from which on everything was looked at.
    fn back(
        &self,
        columns: &Columns,
        filter: &Filter,
        types: &TypeHashes,
        looks: &mut usize,
    ) -> (Vec<Candidate>, u64) {
        let end = columns.seq.partition_point(|seq| *seq < self.before);
        let mut entries = Vec::new();
        let reached = columns.back(end, filter, types, self.max, looks, &mut entries);
        let candidates = entries.into_iter().filter_map(|entry| {
            let number = columns.seq[entry];
            let (_, index) = columns.find(number)?;
            let (offset, len) = (columns.offset[entry], columns.len[entry]);
            Some((number, Location { segment: self.generation, offset, len }, index))
        });
        let before = columns.seq.get(reached).copied().unwrap_or(self.before).min(self.before);
        (candidates.collect(), before)
    }
}

pub(crate) fn is_asked_for(query: &HistoryQuery, found: &Found) -> bool {
    let event = &found.accepted.event;
    let is = |wanted: &Option<String>, text: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| Some(wanted) == text)
    };
    is(&query.source, Some(event.source()))
        && is(&query.subject, event.subject())
        && is(&query.id, Some(event.id()))
        && query.ty.as_ref().is_none_or(|pattern| pattern.matches(event.ty()))
        && query.after.is_none_or(|after| found.at >= after)
        && query.before.is_none_or(|before| found.at < before)
}
