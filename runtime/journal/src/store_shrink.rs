//! A checkpoint that is mostly free pages, as a large backlog leaves behind, is written anew at a
//! start: redb uses free pages again, but does not give them back. Knows nothing of the rows.

use std::io;
use std::ops::Bound;
use std::sync::Arc;

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction};

use crate::disk::Disk;
use crate::store_error::StoreError;
use crate::store_file::{
    FILE, FILE_NEW, OpenDatabase, StoreOptions, TABLES, Table, guarded, open_again, open_database,
};

/// What a row takes at least.
const ROW_BYTES_MIN: u64 = 64;
/// Written anew when the file is so many times as large as what is in it.
const FACTOR: u64 = 4;

type Result<T, E = redb::Error> = std::result::Result<T, E>;

/// Gives back the file, or a smaller one with the same rows.
pub(crate) fn shrunk(
    disk: &dyn Disk,
    options: &StoreOptions,
    db: OpenDatabase,
) -> Result<OpenDatabase, StoreError> {
    let len =
        disk.open(FILE).and_then(|file| file.len()).map_err(StoreError::io(disk.path(FILE)))?;
    if len < options.shrink_from || !db.with(|db| is_mostly_free(db, len))? {
        return Ok(db);
    }
    match copy(disk, options, &db) {
        Ok(()) => {}
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::StorageFull => {
            tracing::warn!("there is no room to write the checkpoint anew; it stays as it is");
            disk.remove(FILE_NEW).map_err(StoreError::io(disk.path(FILE_NEW)))?;
            return Ok(db);
        }
        Err(error) => return Err(error),
    }
    // Closed first: closing writes.
    drop(db);
    disk.rename(FILE_NEW, FILE).map_err(StoreError::io(disk.path(FILE_NEW)))?;
    disk.sync_dir().map_err(StoreError::io(disk.path(FILE)))?;
    open_again(disk, options)
}

fn is_mostly_free(db: &Database, len: u64) -> Result<bool> {
    let txn = db.begin_read()?;
    let mut rows = 0;
    for table in TABLES {
        rows += txn.open_table(table)?.len()?;
    }
    if rows * ROW_BYTES_MIN > len / FACTOR {
        return Ok(false);
    }
    // Few rows for so large a file: not many pages to be looked at.
    let mut bytes = 0;
    for table in TABLES {
        let stats = txn.open_table(table)?.stats()?;
        bytes += stats.stored_bytes() + stats.metadata_bytes();
    }
    Ok(bytes < len / FACTOR)
}

/// Writes all tables to the new file and syncs it.
fn copy(disk: &dyn Disk, options: &StoreOptions, from: &OpenDatabase) -> Result<(), StoreError> {
    let path = disk.path(FILE_NEW);
    let file = disk.create(FILE_NEW).map_err(StoreError::io(path.clone()))?;
    let to = guarded(&path, || open_database(Arc::clone(&file), options))?;
    let to = OpenDatabase::new(to, path.clone());
    from.with(|from| {
        to.with(|to| {
            let mut txn = to.begin_write()?;
            txn.set_quick_repair(true);
            TABLES.into_iter().try_for_each(|table| copy_table(from, &txn, table))?;
            Ok(txn.commit()?)
        })
        .map_err(into_redb)
    })?;
    drop(to);
    file.sync_data().map_err(StoreError::io(path))
}

fn copy_table(from: &Database, to: &WriteTransaction, table: Table) -> Result<()> {
    let source = from.begin_read()?.open_table(table)?;
    let mut target = to.open_table(table)?;
    let mut end = target.upper_bound_mut(Bound::<&[u8]>::Unbounded)?;
    for entry in source.iter()? {
        let (key, value) = entry?;
        end.insert_before(key.value(), value.value()).map_err(redb::Error::from)?;
    }
    Ok(end.close()?)
}

/// Keeps what matters to the caller: whether the disk was full.
fn into_redb(error: StoreError) -> redb::Error {
    match error {
        StoreError::Io { source, .. } => redb::Error::Io(source),
        other => redb::Error::Io(io::Error::other(other)),
    }
}
