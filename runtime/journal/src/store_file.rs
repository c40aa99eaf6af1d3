//! The checkpoint's file: which tables it has, how it is made, opened and opened again. Knows
//! nothing of what the tables hold.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Builder, Database, ReadOnlyTable, ReadableDatabase, TableDefinition};

use crate::disk::Disk;
use crate::error::OpenError;
use crate::store_backend::Backend;
use crate::store_error::StoreError;
use crate::store_shrink::shrunk;
use crate::store_value::{seal, unseal};

pub(crate) type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;
pub(crate) type ReadTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

pub(crate) const STATE: Table = TableDefinition::new("state");
pub(crate) const DELIVERIES: Table = TableDefinition::new("deliveries");
pub(crate) const PAYLOADS: Table = TableDefinition::new("payloads");
pub(crate) const DEFINITIONS: Table = TableDefinition::new("definitions");
pub(crate) const REPLAYS: Table = TableDefinition::new("replays");
pub(crate) const COUNTERS: Table = TableDefinition::new("counters");
pub(crate) const RUNS: Table = TableDefinition::new("runs");
/// Which state expires when: one row, without a value, for each row of `state` that does.
pub(crate) const EXPIRIES: Table = TableDefinition::new("expiries");
/// How much state there is of each function.
pub(crate) const USAGE: Table = TableDefinition::new("usage");
pub(crate) const META: Table = TableDefinition::new("meta");
pub(crate) const TABLES: [Table; 10] =
    [STATE, EXPIRIES, USAGE, DELIVERIES, PAYLOADS, DEFINITIONS, REPLAYS, COUNTERS, RUNS, META];

/// Rows of the table `meta`.
pub(crate) const META_VERSION: &[u8] = b"version";
pub(crate) const META_HOST: &[u8] = b"host";
pub(crate) const META_KEY: &[u8] = b"key";
pub(crate) const META_NEXT: &[u8] = b"next";
/// The oldest and the newest segment of the log.
pub(crate) const META_SEGMENTS: &[u8] = b"segments";
/// The row of the table `counters` that belongs to no function.
pub(crate) const TOTAL_ACCEPTED: &[u8] = b"";

pub(crate) const FILE: &str = "checkpoint.redb";
/// Under this name until it has its first rows: a half-made file is never taken for a checkpoint.
pub(crate) const FILE_NEW: &str = "checkpoint.new";
const VERSION: u32 = 2;

#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// What redb may keep in memory, dirty pages included.
    pub cache_bytes: usize,
    /// A file that is at least so large, and mostly free, is written anew when it is opened.
    pub shrink_from: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { cache_bytes: 12 << 20, shrink_from: 64 << 20 }
    }
}

/// What a data directory is given once.
pub(crate) struct Meta {
    pub(crate) host_id: String,
    pub(crate) key: [u8; 32],
}

impl Meta {
    pub(crate) fn read(db: &OpenDatabase, path: &Path) -> Result<Self, StoreError> {
        let damaged = |what| StoreError::Damaged { file: path.to_owned(), what };
        let read = |name: &[u8]| {
            db.with(|db| {
                let table = db.begin_read()?.open_table(META)?;
                let value = table.get_owned(name)?;
                Ok(value.and_then(|value| unseal(name, value.value()).map(<[u8]>::to_vec)))
            })
        };
        let version = read(META_VERSION)?;
        if version.as_deref() != Some(&VERSION.to_le_bytes()[..]) {
            return Err(damaged("it does not say the version that this program reads"));
        }
        let host = read(META_HOST)?.and_then(|host| String::from_utf8(host).ok());
        let key = read(META_KEY)?.and_then(|key| key.try_into().ok());
        match (host, key) {
            (Some(host_id), Some(key)) => Ok(Self { host_id, key }),
            _ => Err(damaged("it does not say whose it is")),
        }
    }
}

/// The open file. Closing it is guarded as well.
pub(crate) struct OpenDatabase {
    /// Taken only to be dropped.
    db: Option<Database>,
    path: PathBuf,
}

impl OpenDatabase {
    pub(crate) fn new(db: Database, path: PathBuf) -> Self {
        Self { db: Some(db), path }
    }

    /// Calls into redb, guarded.
    pub(crate) fn with<T>(
        &self,
        call: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        guarded(&self.path, || self.db.as_ref().map_or(Err(redb::Error::DatabaseClosed), call))
    }
}

impl Drop for OpenDatabase {
    fn drop(&mut self) {
        let db = self.db.take();
        // What is broken has been reported, or will be by the next start.
        let _ = guarded(&self.path, || {
            drop(db);
            Ok(())
        });
    }
}

/// Opens the file, which is there. A directory with a log and without a checkpoint is refused: the
/// log may not reach back to its beginning.
pub(crate) fn open(disk: &dyn Disk, options: &StoreOptions) -> Result<OpenDatabase, OpenError> {
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
    Ok(shrunk(disk, options, open_again(disk, options)?)?)
}

/// Opens the file that was open before.
pub(crate) fn open_again(
    disk: &dyn Disk,
    options: &StoreOptions,
) -> Result<OpenDatabase, StoreError> {
    let path = disk.path(FILE);
    let file = disk.open(FILE).map_err(StoreError::io(path.clone()))?;
    if file.is_empty().map_err(StoreError::io(path.clone()))? {
        // What is empty would be made anew, and forget that there was anything.
        return Err(StoreError::Damaged { file: path, what: "it is empty" });
    }
    let db = guarded(&path, || open_database(file, options))?;
    Ok(OpenDatabase::new(db, path))
}

/// Calls into redb, which trusts what its pages say: broken ones may make it panic instead of
/// saying so.
pub(crate) fn guarded<T>(
    path: &Path,
    call: impl FnOnce() -> Result<T, redb::Error>,
) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(done) => done.map_err(|error| StoreError::database(path.to_owned(), error)),
        Err(_) => Err(StoreError::Damaged { file: path.to_owned(), what: "its pages are broken" }),
    }
}

pub(crate) fn open_database(
    file: Arc<dyn crate::disk::DiskFile>,
    options: &StoreOptions,
) -> Result<Database, redb::Error> {
    let backend = Backend::new(file);
    Ok(Builder::new().set_cache_size(options.cache_bytes).create_with_backend(backend)?)
}

/// Makes the file with its tables and its identity, and gives it its name when all is on disk.
fn make(disk: &dyn Disk, options: &StoreOptions) -> Result<(), StoreError> {
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
                meta.insert(name, seal(name, value).as_slice())?;
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
