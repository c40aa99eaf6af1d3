//! A [`DiskFile`] as redb wants it, so that the checkpoint lives on the same disk as the log: the
//! real one, or the simulated one. Knows nothing of what redb keeps.

use std::io;
use std::sync::Arc;

use redb::StorageBackend;

use crate::disk::{DiskFile, read_exact_at};

#[derive(Debug)]
pub(crate) struct Backend {
    file: Arc<dyn DiskFile>,
}

impl Backend {
    pub(crate) fn new(file: Arc<dyn DiskFile>) -> Self {
        Self { file }
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        read_exact_at(&*self.file, offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, data)
    }
}
