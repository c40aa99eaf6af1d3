//! What the journal asks of a disk, and nothing more: flat names, positioned reads and writes,
//! explicit syncs. Knows nothing of what is stored.
//!
//! Two things count as stable: file contents after [`DiskFile::sync_data`], and names (creation,
//! rename, removal) after [`Disk::sync_dir`]. Until then a crash may keep any part of them.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One directory, held exclusively.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file that exists.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Creates an empty file; an existing one is an error.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Replaces `to` when it exists.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of all files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes creations, renames and removals so far survive a crash.
    fn sync_dir(&self) -> io::Result<()>;

    /// What this process may still allocate.
    fn free_bytes(&self) -> io::Result<u64>;

    /// A number that nobody outside can guess.
    fn random(&self) -> u64;

    /// Where `name` is, for messages.
    fn path(&self, name: &str) -> PathBuf;

    fn open_or_create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        match self.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create(name),
            other => other,
        }
    }
}

/// An open file. Reads and writes may come from several threads at once.
pub trait DiskFile: Debug + Send + Sync {
    /// Fills `buffer`, or as much of it as there is of the file; returns how much.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `data`, extending the file where needed.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Writes `len` zeros, at most [`ZEROS_MAX`]; both numbers are multiples of 4096. For files
    /// that are allocated ahead: not kept in any cache, where the system can do without.
    fn write_zeros(&self, offset: u64, len: usize) -> io::Result<()> {
        self.write_at(offset, zeros(len))
    }

    /// Makes contents and length survive a crash.
    fn sync_data(&self) -> io::Result<()>;

    fn len(&self) -> io::Result<u64>;

    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// For messages.
    fn path(&self) -> &Path;
}

/// The most zeros that are written at once.
pub const ZEROS_MAX: usize = 1 << 20;

/// Aligned, for writes that go past the cache.
#[repr(align(4096))]
struct Zeros([u8; ZEROS_MAX]);

/// `len` of them, at most [`ZEROS_MAX`].
pub(crate) fn zeros(len: usize) -> &'static [u8] {
    static ZEROS: Zeros = Zeros([0; ZEROS_MAX]);
    &ZEROS.0[..len.min(ZEROS_MAX)]
}

/// Fills `buffer`; a file that is too short is an error.
pub fn read_exact_at(file: &dyn DiskFile, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    if file.read_at(offset, buffer)? == buffer.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
