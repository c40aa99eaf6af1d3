//! Events by what they are, oldest first: where they are, to be read one at a time. For whoever
//! goes over much of history, and can't hold it.

use triphammer_model::Seq;

use crate::history::{History, found};
use crate::history_columns::{Columns, Filter, HistoryQuery, TypeHashes};
use crate::history_query::is_asked_for;
use crate::record::Location;
use crate::store_error::{Found, StoreError};

/// An event that may be asked for: its record decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Candidate {
    pub seq: Seq,
    location: Location,
    index: u32,
}

#[derive(Clone, Debug)]
pub struct Candidates {
    /// Oldest first.
    pub found: Vec<Candidate>,
    /// Everything below has been looked at.
    pub next: Seq,
}

/// Entries of columns that one call looks at.
const LOOKS_MAX: usize = 1_000_000;

type Result<T, E = StoreError> = std::result::Result<T, E>;

impl History {
    /// Up to `max` candidates from `from` to below `end`, as far as it is on disk. May find fewer,
    /// or none, and not be at the end.
    pub fn candidates(
        &self,
        query: &HistoryQuery,
        from: Seq,
        end: Seq,
        max: usize,
    ) -> Result<Candidates> {
        let filter = Filter::new(query);
        let mut walk = Forward {
            filter: &filter,
            from: from.get(),
            end: end.get().min(self.durable().saturating_add(1)),
            max,
            looks: LOOKS_MAX,
            found: Vec::new(),
        };
        while walk.goes_on() {
            if !self.in_segment(&mut walk)? {
                walk.from = walk.end.max(walk.from);
            }
        }
        let next = Seq::new(walk.from).unwrap_or(from);
        Ok(Candidates { found: walk.found, next })
    }

    /// The event; none when it is not asked for, or the log no longer has it.
    pub fn read_candidate(
        &self,
        query: &HistoryQuery,
        candidate: Candidate,
    ) -> Result<Option<Found>> {
        let Some(stored) = self.read(candidate.location)? else { return Ok(None) };
        let found = found(&stored, candidate.index as usize);
        Ok(found.filter(|found| is_asked_for(query, found)))
    }

    /// Walks over what is left of the segment with the next event. False when there is none.
    fn in_segment(&self, walk: &mut Forward<'_>) -> Result<bool> {
        // Memory first: what is taken out of it is among the indexes by then.
        let tail = self.tail();
        let from = walk.from;
        let has = |columns: &Columns| columns.seq.last().is_some_and(|last| *last >= from);
        let in_tail = tail.iter().find(|(_, part)| has(&part.columns));
        let sealed = self.sealed_from(0);
        let sealed =
            sealed.iter().find(|index| index.summary.events > 0 && index.summary.last >= from);
        let newest = in_tail.map(|(generation, _)| *generation);
        if let Some(index) =
            sealed.filter(|index| newest.is_none_or(|newest| index.summary.generation <= newest))
        {
            drop(tail);
            let summary = index.summary;
            let types = index.types.matching(walk.filter);
            let none = matches!(&types, TypeHashes::These(hashes) if hashes.is_empty());
            if none || !walk.filter.overlaps(summary.time_first, summary.time_last) {
                walk.from = summary.last + 1;
                return Ok(true);
            }
            let columns = self.readable(index, crate::history_index::SegmentIndex::columns)?;
            walk.over(summary.generation, &columns, &types);
            if columns.seq.last().is_none_or(|last| *last < walk.from) {
                walk.from = walk.from.max(summary.last + 1);
            }
            return Ok(true);
        }
        let Some((generation, part)) = in_tail else { return Ok(false) };
        let types = part.types.matching(walk.filter);
        walk.over(*generation, &part.columns, &types);
        Ok(true)
    }
}

struct Forward<'a> {
    filter: &'a Filter,
    from: u64,
    end: u64,
    max: usize,
    looks: usize,
    found: Vec<Candidate>,
}

impl Forward<'_> {
    fn goes_on(&self) -> bool {
        self.from < self.end && self.looks > 0 && self.found.len() < self.max
    }

    fn over(&mut self, generation: u32, columns: &Columns, types: &TypeHashes) {
        let mut entry = columns.seq.partition_point(|seq| *seq < self.from);
        while let Some(number) = columns.seq.get(entry).copied() {
            self.from = number;
            if !self.goes_on() {
                return;
            }
            self.looks -= 1;
            if columns.may_match(entry, self.filter, types)
                && let (Some(seq), Some((_, index))) = (Seq::new(number), columns.find(number))
            {
                let (offset, len) = (columns.offset[entry], columns.len[entry]);
                let location = Location { segment: generation, offset, len };
                self.found.push(Candidate { seq, location, index });
            }
            self.from = number + 1;
            entry += 1;
        }
    }
}
