//! Old segments are dropped whole, once nothing needs them: they are checkpointed, their index is
//! written, and the events that deliveries still need are kept in the checkpoint. Knows no clock.

use std::time::Duration;

use triphammer_model::{Seq, Timestamp};

use crate::history::{History, found};
use crate::log_read::LogReader;
use crate::record::{DeliveryRow, Stored};
use crate::segment_table::SegmentInfo;
use crate::store::Store;
use crate::store_commit::{Commit, LiveRow};
use crate::store_error::StoreError;

/// What history may take; what comes first counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retention {
    pub age: Duration,
    /// Of the log. Deliveries that wait are not limited by it.
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age: Duration::from_secs(7 * 24 * 3600), bytes: 4 << 30 }
    }
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Rows that are looked at, and payload bytes that are written, in one transaction.
const ROWS_AT_ONCE: usize = 4096;
const BYTES_AT_ONCE: usize = 16 << 20;

/// Drops what is too old or too much, oldest first, and says how many segments that were.
pub(crate) fn apply(
    retention: &Retention,
    store: &Store,
    reader: &LogReader,
    history: &History,
    now: Timestamp,
) -> Result<u32> {
    let mut dropped = 0;
    store.note_segments(&reader.segments())?;
    while let Some(oldest) = candidate(retention, store, reader, history, now) {
        let keep_from = match oldest.last {
            Some(last) => {
                pin(store, reader, &oldest, last)?;
                after(last)
            }
            None => oldest.first,
        };
        // Before it goes: a segment must not be missed by the next start that was given up.
        store.note_segments(reader.segments().get(1..).unwrap_or_default())?;
        let io = StoreError::io(reader.disk.path(""));
        if !reader.drop_oldest(keep_from).map_err(io)? {
            break;
        }
        // After the log: an index without its segment is removed by the next start.
        history.forget(oldest.generation)?;
        dropped += 1;
    }
    Ok(dropped)
}

/// The oldest segment, if it is to go now.
fn candidate(
    retention: &Retention,
    store: &Store,
    reader: &LogReader,
    history: &History,
    now: Timestamp,
) -> Option<SegmentInfo> {
    let segments = reader.segments();
    let oldest = *segments.first()?;
    let next = store.position()?;
    let Some(last) = oldest.last.filter(|_| oldest.sealed) else {
        // Empty, such as after two starts in a row.
        return (oldest.sealed && oldest.first <= next).then_some(oldest);
    };
    let newest = history.newest_time(oldest.generation)?;
    let total: u64 = segments.iter().map(|segment| u64::from(segment.len)).sum();
    let goes = newest.plus(retention.age) < now || total > retention.bytes;
    (last < next && goes).then_some(oldest)
}

/// Copies the events of a segment that deliveries still need into the checkpoint.
fn pin(store: &Store, reader: &LogReader, segment: &SegmentInfo, last: Seq) -> Result<()> {
    let mut from = segment.first;
    loop {
        let rows = store.rows_in_log(from, after(last), ROWS_AT_ONCE)?;
        let Some(newest) = rows.last() else { return Ok(()) };
        from = after(newest.row.id.seq);
        pin_rows(store, reader, rows)?;
    }
}

fn pin_rows(store: &Store, reader: &LogReader, rows: Vec<LiveRow>) -> Result<()> {
    let mut commit = Commit::begin(store)?;
    let mut bytes = 0;
    let mut record: Option<Stored> = None;
    for event in rows.chunk_by(|a, b| a.row.id.seq == b.row.id.seq) {
        let Some((location, index)) =
            event[0].payload.location.map(|location| (location, event[0].payload.index))
        else {
            continue;
        };
        if record.as_ref().is_none_or(|record| record.location != location) {
            record = Some(reader.read(location)?);
        }
        let Some(found) = record.as_ref().and_then(|record| found(record, index as usize)) else {
            return Err(store.view().damaged("a row names an event that its record does not have"));
        };
        let rows: Vec<DeliveryRow> = event.iter().map(|live| live.row.clone()).collect();
        commit.pin(&found, &rows)?;
        bytes += found.accepted.event.as_bytes().len();
        if bytes > BYTES_AT_ONCE {
            commit.finish()?;
            commit = Commit::begin(store)?;
            bytes = 0;
        }
    }
    commit.finish()
}

fn after(seq: Seq) -> Seq {
    // Numbers end long after the sun does.
    Seq::new(seq.get().saturating_add(1)).unwrap_or(seq)
}
