//! What was written to one name of a function's state: by which attempts, at which events. Read back
//! from the log, segment by segment from the newest, because nothing is indexed for it.

use bytes::Bytes;
use triphammer_journal::{Outcome, ReadError, Record, SegmentInfo, Settle, Space, Stored};
use triphammer_model::{DeliveryId, RevisionId, Seq, Timestamp};

use crate::core::Core;
use crate::error::QueryError;
use crate::history::read_error;

/// One write, or a deletion.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StateChange {
    /// Of the record.
    pub seq: Seq,
    pub at: Timestamp,
    pub delivery: DeliveryId,
    pub attempt: u32,
    pub revision: RevisionId,
    /// None of a deletion.
    pub value: Option<Bytes>,
    pub expires: Option<Timestamp>,
}

#[derive(Clone, Debug, Default)]
pub struct StateChanges {
    /// Newest first.
    pub changes: Vec<StateChange>,
    /// Where the next page begins. A page may be short, or empty, and still have one.
    pub next: Option<Seq>,
}

/// Segments that are read for one page.
const SEGMENTS_MAX: usize = 4;

impl Core {
    /// Those of records below `before`, as far back as history is kept.
    pub(crate) fn state_changes(
        &self,
        space: &Space,
        name: &str,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<StateChanges, QueryError> {
        let mut page = StateChanges::default();
        let mut before = match before {
            Some(before) => Some(before),
            None => self.last_change(space, name)?,
        };
        let segments = self.reader.segments();
        let below = |info: &&SegmentInfo| before.is_none_or(|before| info.first < before);
        let segments: Vec<&SegmentInfo> = segments.iter().rev().filter(below).collect();
        for (read, info) in segments.iter().enumerate() {
            if read == SEGMENTS_MAX {
                page.next = before;
                return Ok(page);
            }
            let mut found = self.changes_in(info, space, name, before)?;
            found.reverse();
            for change in found {
                if page.changes.len() == limit {
                    page.next = before;
                    return Ok(page);
                }
                before = Some(change.seq);
                page.changes.push(change);
            }
            before = Some(info.first);
        }
        Ok(page)
    }

    /// Behind the record that wrote what is there now: a good place to begin at. None where nothing is.
    fn last_change(&self, space: &Space, name: &str) -> Result<Option<Seq>, QueryError> {
        let now = self.clock.now();
        let entry = self.state.get(space, name, now).map_err(read_error)?;
        Ok(entry.and_then(|entry| Seq::new(entry.seq.get() + 1)))
    }

    /// Oldest first.
    fn changes_in(
        &self,
        info: &SegmentInfo,
        space: &Space,
        name: &str,
        before: Option<Seq>,
    ) -> Result<Vec<StateChange>, QueryError> {
        let last = before.and_then(|before| Seq::new(before.get() - 1));
        let to = match (last, info.last) {
            (Some(last), Some(of_segment)) => Some(last.min(of_segment)),
            (last, of_segment) => last.or(of_segment),
        };
        let mut changes = Vec::new();
        for stored in self.reader.scan(info.first, to) {
            match stored {
                Ok(stored) => changes.extend(change(&stored, space, name)),
                // Dropped in the meantime.
                Err(ReadError::Gone { .. }) => break,
                Err(error) => return Err(read_error(error)),
            }
        }
        Ok(changes)
    }
}

fn change(stored: &Stored, space: &Space, name: &str) -> Option<StateChange> {
    let Record::Settle(settle) = &stored.record else { return None };
    let Settle { id, key, attempt, revision, at, outcome, .. } = &**settle;
    let Outcome::Committed { writes, .. } = outcome else { return None };
    if *space != Space::new(id.function.clone(), key.clone()) {
        return None;
    }
    let write = writes.iter().find(|write| write.name == name)?;
    Some(StateChange {
        seq: stored.seq,
        at: *at,
        delivery: id.clone(),
        attempt: *attempt,
        revision: *revision,
        value: write.value.clone(),
        expires: write.ttl_ms.map(|ttl| Timestamp(at.ms().saturating_add(ttl))),
    })
}
