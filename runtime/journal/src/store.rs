//! The checkpoint: what the log says up to one position, in tables that are read by key.
//!
//! A redb file on the same [`Disk`] as the log. Every change comes with the log position it
//! belongs to, in one transaction, so the tables are always a state that the log has been in.
//! Knows what the tables hold and how to read it; what is written into them, the fold says.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use redb::WriteTransaction;
use triphammer_model::{FunctionName, Seq};

use crate::codec::Decoder;
use crate::codec_parts::decode_definition;
use crate::dedup_fingerprint::Fingerprint;
use crate::disk::Disk;
use crate::error::OpenError;
use crate::fold::PayloadRef;
use crate::record::{Definition, DeliveryRow};
use crate::record_replay::{Replay, decode_replay};
use crate::recover::Known;
use crate::segment_table::SegmentInfo;
use crate::store_commit::Commit;
use crate::store_counters::{Counters, FunctionCounters};
use crate::store_error::{Found, StoreError};
use crate::store_file::{self, FILE, Meta, OpenDatabase, StoreOptions, TOTAL_ACCEPTED};
use crate::store_value::{read_payload, read_row};
use crate::store_view::View;

/// The checkpoint's tables. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    disk: Arc<dyn Disk>,
    options: StoreOptions,
    path: PathBuf,
    /// None only while it is opened again.
    db: Mutex<Option<OpenDatabase>>,
    host_id: String,
    fingerprint: Fingerprint,
    view: RwLock<Arc<View>>,
}

impl Store {
    /// Opens the checkpoint, or makes one in a directory without.
    pub fn open(disk: &Arc<dyn Disk>, options: &StoreOptions) -> Result<Self, OpenError> {
        let path = disk.path(FILE);
        let db = store_file::open(&**disk, options)?;
        let meta = Meta::read(&db, &path)?;
        let view = View::open(&db, &path)?;
        let shared = Shared {
            disk: Arc::clone(disk),
            options: options.clone(),
            path,
            db: Mutex::new(Some(db)),
            host_id: meta.host_id,
            fingerprint: Fingerprint::new(meta.key),
            view: RwLock::new(Arc::new(view)),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Every record below this number is in the checkpoint: what is left to do begins here. None
    /// when it has seen no record.
    pub fn position(&self) -> Option<Seq> {
        self.view().next
    }

    /// What it knows of the log that it belongs to.
    pub fn known(&self) -> Known {
        let view = self.view();
        Known { replay_from: view.next, segments: view.segments }
    }

    /// Writes down which segments the log consists of, so that the next start misses those that
    /// are gone. Durable when it returns.
    pub fn note_segments(&self, segments: &[SegmentInfo]) -> Result<(), StoreError> {
        let (Some(oldest), Some(newest)) = (segments.first(), segments.last()) else {
            return Ok(());
        };
        let now = (oldest.generation, newest.generation);
        if self.view().segments == Some(now) {
            return Ok(());
        }
        let commit = Commit::begin(self)?;
        commit.segments(now.0, now.1)?;
        commit.finish()
    }

    /// Eight hexadecimal digits that tell this data directory from others.
    pub fn host_id(&self) -> &str {
        &self.shared.host_id
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.shared.fingerprint.clone()
    }

    pub fn definitions(&self) -> Result<Vec<(FunctionName, Definition)>, StoreError> {
        let view = self.view();
        let mut definitions = Vec::new();
        view.each(&view.definitions, |key, value| {
            let definition = view.decode(decode_definition(&mut Decoder::new(&value)))?;
            definitions.push((view.function(key)?, definition));
            Ok(())
        })?;
        Ok(definitions)
    }

    /// By id.
    pub fn replays(&self) -> Result<BTreeMap<u64, Replay>, StoreError> {
        let view = self.view();
        let mut replays = BTreeMap::new();
        view.each(&view.replays, |_, value| {
            let replay = view.decode(decode_replay(&mut Decoder::new(&value)))?;
            replays.insert(replay.id, replay);
            Ok(())
        })?;
        Ok(replays)
    }

    /// As of [`Store::position`].
    pub fn counters(&self) -> Result<Counters, StoreError> {
        let view = self.view();
        let mut counters = Counters::default();
        view.each(&view.counters, |key, value| {
            if key == TOTAL_ACCEPTED {
                counters.accepted = view.decode(Decoder::new(&value).varint())?;
            } else {
                let one = view.decode(FunctionCounters::decode(&value))?;
                counters.functions.insert(view.function(key)?, one);
            }
            Ok(())
        })?;
        Ok(counters)
    }

    /// Every delivery that is not settled, and every dead letter, in the order of their events.
    pub fn deliveries(
        &self,
        mut each: impl FnMut(DeliveryRow, PayloadRef),
    ) -> Result<(), StoreError> {
        let view = self.view();
        view.each(&view.deliveries, |_, value| {
            let (row, payload) = view.decode(read_row(&value))?;
            each(row, payload);
            Ok(())
        })
    }

    /// An event that the log no longer has, and that a delivery still needs.
    pub fn payload(&self, seq: Seq) -> Result<Option<Found>, StoreError> {
        let view = self.view();
        let key = seq.get().to_be_bytes();
        let Some(value) = view.get(&view.payloads, &key)? else { return Ok(None) };
        view.decode(read_payload(seq, &value)).map(Some)
    }

    pub(crate) fn runs(&self) -> Result<Vec<(u64, Bytes)>, StoreError> {
        let view = self.view();
        let mut runs = Vec::new();
        view.each(&view.runs, |key, value| {
            let id = *key.first_chunk().ok_or_else(|| view.damaged("a key has another form"))?;
            runs.push((u64::from_be_bytes(id), value));
            Ok(())
        })?;
        Ok(runs)
    }

    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.shared.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows what the last transaction has written.
    pub(crate) fn refresh(&self) -> Result<(), StoreError> {
        let view = match &*self.db() {
            Some(db) => View::open(db, &self.shared.path)?,
            None => return Err(self.closed()),
        };
        *self.shared.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        Ok(())
    }

    /// Opens the file again. After a write that the disk had no room for, redb does nothing more.
    pub(crate) fn reopen(&self) -> Result<(), StoreError> {
        {
            let mut db = self.db();
            // Closed first: two that write to one file would ruin it.
            drop(db.take());
            *db = Some(store_file::open_again(&*self.shared.disk, &self.shared.options)?);
        }
        self.refresh()
    }

    pub(crate) fn begin_write(&self) -> Result<WriteTransaction, StoreError> {
        match &*self.db() {
            Some(db) => db.with(|db| Ok(db.begin_write()?)),
            None => Err(self.closed()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.shared.path
    }

    pub(crate) fn error(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::database(self.shared.path.clone(), error)
    }

    fn closed(&self) -> StoreError {
        self.error(redb::Error::DatabaseClosed)
    }

    fn db(&self) -> MutexGuard<'_, Option<OpenDatabase>> {
        self.shared.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.shared.path).finish_non_exhaustive()
    }
}
