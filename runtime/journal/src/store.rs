//! The checkpoint: what the log says up to one position, in tables that are read by key.
//!
//! A redb file on the same [`Disk`] as the log. Every change comes with the log position it
//! belongs to, in one transaction, so the tables are always a state that the log has been in.
//! Knows the tables and how to read them; what is written into them, the fold says.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use redb::{Builder, Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};
use triphammer_model::{FunctionName, Seq};

use crate::codec::Decoder;
use crate::codec_parts::decode_definition;
use crate::dedup_fingerprint::Fingerprint;
use crate::disk::Disk;
use crate::error::{CodecError, OpenError};
use crate::fold::PayloadRef;
use crate::record::{Definition, DeliveryRow};
use crate::store_backend::Backend;
use crate::store_counters::{Counters, FunctionCounters};
use crate::store_error::{Found, StoreError};
use crate::store_keys::seq_of;
use crate::store_value::{read_payload, read_row, read_state_value, unseal};

pub(crate) type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;
pub(crate) type ReadTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

pub(crate) const STATE: Table = TableDefinition::new("state");
pub(crate) const DELIVERIES: Table = TableDefinition::new("deliveries");
pub(crate) const PAYLOADS: Table = TableDefinition::new("payloads");
pub(crate) const DEFINITIONS: Table = TableDefinition::new("definitions");
pub(crate) const COUNTERS: Table = TableDefinition::new("counters");
pub(crate) const RUNS: Table = TableDefinition::new("runs");
pub(crate) const META: Table = TableDefinition::new("meta");
pub(crate) const TABLES: [Table; 7] =
    [STATE, DELIVERIES, PAYLOADS, DEFINITIONS, COUNTERS, RUNS, META];

/// Rows of the table `meta`.
pub(crate) const META_VERSION: &[u8] = b"version";
pub(crate) const META_HOST: &[u8] = b"host";
pub(crate) const META_KEY: &[u8] = b"key";
pub(crate) const META_NEXT: &[u8] = b"next";
/// The row of the table `counters` that belongs to no function.
pub(crate) const TOTAL_ACCEPTED: &[u8] = b"";

const FILE: &str = "checkpoint.redb";
/// Under this name until it has its first rows: a half-made file is never taken for a checkpoint.
const FILE_NEW: &str = "checkpoint.new";
const VERSION: u32 = 1;

#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// What redb may keep in memory, dirty pages included.
    pub cache_bytes: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { cache_bytes: 24 << 20 }
    }
}

/// The checkpoint's tables. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) db: Database,
    pub(crate) path: PathBuf,
    host_id: String,
    fingerprint: Fingerprint,
    view: RwLock<Arc<View>>,
}

/// The tables as they were after one transaction.
pub(crate) struct View {
    /// Every record below this number is in it.
    pub(crate) next: Option<Seq>,
    pub(crate) state: ReadTable,
    pub(crate) deliveries: ReadTable,
    pub(crate) payloads: ReadTable,
    definitions: ReadTable,
    counters: ReadTable,
    runs: ReadTable,
    path: PathBuf,
}

impl Store {
    /// Opens the checkpoint, or makes one in a directory without.
    pub fn open(disk: &Arc<dyn Disk>, options: &StoreOptions) -> Result<Self, OpenError> {
        let path = disk.path(FILE);
        let names = disk.list().map_err(StoreError::io(path.clone()))?;
        if names.iter().any(|name| name == FILE_NEW) {
            disk.remove(FILE_NEW).map_err(StoreError::io(disk.path(FILE_NEW)))?;
        }
        if !names.iter().any(|name| name == FILE) {
            if names.iter().any(|name| name.ends_with(".seg")) {
                return Err(OpenError::Missing { file: path });
            }
            make(disk, options)?;
        }
        let file = disk.open(FILE).map_err(StoreError::io(path.clone()))?;
        let db = open_database(file, options)
            .map_err(|error| StoreError::database(path.clone(), error))?;
        let meta = Meta::read(&db, &path)?;
        let view = View::open(&db, &path)?;
        let shared = Shared {
            db,
            path,
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
    pub(crate) fn refresh(&self) -> Result<Arc<View>, StoreError> {
        let view = Arc::new(View::open(&self.shared.db, &self.shared.path)?);
        *self.shared.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&view);
        Ok(view)
    }

    pub(crate) fn error(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::database(self.shared.path.clone(), error)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

impl View {
    fn open(db: &Database, path: &PathBuf) -> Result<Self, StoreError> {
        let fail = |error: redb::Error| StoreError::database(path.clone(), error);
        let open = || -> Result<_, redb::Error> {
            let txn = db.begin_read()?;
            let table = |table| txn.open_table(table);
            let view = Self {
                next: None,
                state: table(STATE)?,
                deliveries: table(DELIVERIES)?,
                payloads: table(PAYLOADS)?,
                definitions: table(DEFINITIONS)?,
                counters: table(COUNTERS)?,
                runs: table(RUNS)?,
                path: path.clone(),
            };
            Ok((view, table(META)?))
        };
        let (mut view, meta) = open().map_err(fail)?;
        if let Some(next) = view.get(&meta, META_NEXT)? {
            let next = view.decode(Decoder::new(&next).seq())?;
            view.next = Some(next);
        }
        Ok(view)
    }

    pub(crate) fn get(&self, table: &ReadTable, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let found = table.get_owned(key).map_err(|error| self.error(error))?;
        let Some(guard) = found else { return Ok(None) };
        self.unseal(key, guard.value()).map(|value| Some(Bytes::copy_from_slice(value)))
    }

    /// The number of the record that wrote a state name, and the value.
    pub(crate) fn state(&self, key: &[u8]) -> Result<Option<(Seq, Bytes)>, StoreError> {
        let found = self.state.get_owned(key).map_err(|error| self.error(error))?;
        let Some(guard) = found else { return Ok(None) };
        self.state_value(key, guard.value()).map(Some)
    }

    pub(crate) fn state_value(
        &self,
        key: &[u8],
        sealed: &[u8],
    ) -> Result<(Seq, Bytes), StoreError> {
        let (seq, value) = read_state_value(key, sealed).ok_or_else(|| self.flipped())?;
        Ok((seq, Bytes::copy_from_slice(value)))
    }

    fn each(
        &self,
        table: &ReadTable,
        mut each: impl FnMut(&[u8], Bytes) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for entry in table.iter().map_err(|error| self.error(error))? {
            let (key, value) = entry.map_err(|error| self.error(error))?;
            let value = self.unseal(key.value(), value.value())?;
            each(key.value(), Bytes::copy_from_slice(value))?;
        }
        Ok(())
    }

    pub(crate) fn unseal<'a>(&self, key: &[u8], value: &'a [u8]) -> Result<&'a [u8], StoreError> {
        unseal(key, value).ok_or_else(|| self.flipped())
    }

    pub(crate) fn decode<T>(&self, decoded: Result<T, CodecError>) -> Result<T, StoreError> {
        decoded.map_err(|_| self.damaged("a value has another form"))
    }

    fn function(&self, key: &[u8]) -> Result<FunctionName, StoreError> {
        let name = std::str::from_utf8(key).ok().and_then(|text| text.parse().ok());
        name.ok_or_else(|| self.damaged("a key has another form"))
    }

    fn flipped(&self) -> StoreError {
        self.damaged("a value does not have its checksum")
    }

    pub(crate) fn damaged(&self, what: &'static str) -> StoreError {
        StoreError::Damaged { file: self.path.clone(), what }
    }

    pub(crate) fn error(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::database(self.path.clone(), error)
    }

    /// The events of all pinned payloads lie at or below this one.
    pub(crate) fn last_pinned(&self) -> Result<Option<Seq>, StoreError> {
        let last = self.payloads.last().map_err(|error| self.error(error))?;
        Ok(last.and_then(|(key, _)| seq_of(key.value())))
    }
}

/// What a data directory is given once.
struct Meta {
    host_id: String,
    key: [u8; 32],
}

impl Meta {
    fn read(db: &Database, path: &PathBuf) -> Result<Self, StoreError> {
        let fail = |error: redb::Error| StoreError::database(path.clone(), error);
        let damaged = |what| StoreError::Damaged { file: path.clone(), what };
        let read = |name: &[u8]| -> Result<Option<Vec<u8>>, redb::Error> {
            let table = db.begin_read()?.open_table(META)?;
            let value = table.get_owned(name)?;
            Ok(value.and_then(|value| unseal(name, value.value()).map(<[u8]>::to_vec)))
        };
        let version = read(META_VERSION).map_err(fail)?;
        if version.as_deref() != Some(&VERSION.to_le_bytes()[..]) {
            return Err(damaged("it does not say the version that this program reads"));
        }
        let host = read(META_HOST).map_err(fail)?.and_then(|host| String::from_utf8(host).ok());
        let key = read(META_KEY).map_err(fail)?.and_then(|key| key.try_into().ok());
        match (host, key) {
            (Some(host_id), Some(key)) => Ok(Self { host_id, key }),
            _ => Err(damaged("it does not say whose it is")),
        }
    }
}

fn open_database(
    file: Arc<dyn crate::disk::DiskFile>,
    options: &StoreOptions,
) -> Result<Database, redb::Error> {
    let backend = Backend::new(file);
    Ok(Builder::new().set_cache_size(options.cache_bytes).create_with_backend(backend)?)
}

/// Makes the file with its tables and its identity, and gives it its name when all is on disk.
fn make(disk: &Arc<dyn Disk>, options: &StoreOptions) -> Result<(), StoreError> {
    let path = disk.path(FILE_NEW);
    let io = || StoreError::io(path.clone());
    let file = disk.create(FILE_NEW).map_err(io())?;
    let fill = || -> Result<(), redb::Error> {
        let db = open_database(Arc::clone(&file), options)?;
        let mut txn = db.begin_write()?;
        txn.set_quick_repair(true);
        for table in TABLES {
            txn.open_table(table)?;
        }
        let mut key = [0; 32];
        for part in key.chunks_exact_mut(8) {
            part.copy_from_slice(&disk.random().to_le_bytes());
        }
        let host = format!("{:08x}", disk.random() as u32);
        {
            let mut meta = txn.open_table(META)?;
            let rows: [(&[u8], &[u8]); 3] = [
                (META_VERSION, &VERSION.to_le_bytes()),
                (META_HOST, host.as_bytes()),
                (META_KEY, &key),
            ];
            for (name, value) in rows {
                meta.insert(name, crate::store_value::seal(name, value).as_slice())?;
            }
        }
        txn.commit()?;
        Ok(())
    };
    fill().map_err(|error| StoreError::database(path.clone(), error))?;
    file.sync_data().map_err(io())?;
    disk.rename(FILE_NEW, FILE).map_err(io())?;
    disk.sync_dir().map_err(io())
}
