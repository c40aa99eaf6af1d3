//! Records read back from the log for deliveries whose payload is not in memory.
//!
//! The events of a batch lie in one record and come up one after the other: without this, a batch
//! of a hundred would be read and decoded a hundred times. Knows nothing of deliveries.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use triphammer_journal::{Location, LogReader, ReadError, Stored};

/// The few records read last, newest at the front.
#[derive(Debug, Default)]
pub(crate) struct RecordCache {
    records: Mutex<VecDeque<(Location, Arc<Stored>)>>,
}

const RECORDS_MAX: usize = 32;
/// Of one record, encoded, in bytes. A larger one is read each time.
const RECORD_LEN_MAX: u32 = 512 << 10;

impl RecordCache {
    pub(crate) fn read(
        &self,
        reader: &LogReader,
        location: Location,
    ) -> Result<Arc<Stored>, ReadError> {
        if let Some(stored) = self.find(location) {
            return Ok(stored);
        }
        // Two workers may read the same record at once: no harm, and no lock held over a read.
        let stored = Arc::new(reader.read(location)?);
        if stored.record.events().1.len() > 1 && location.len <= RECORD_LEN_MAX {
            let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            records.truncate(RECORDS_MAX - 1);
            records.push_front((location, Arc::clone(&stored)));
        }
        Ok(stored)
    }

    fn find(&self, location: Location) -> Option<Arc<Stored>> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().find(|(at, _)| *at == location).map(|(_, stored)| Arc::clone(stored))
    }
}
