//! What can go wrong between the views and the disk, and what reading the past answers. Knows no
//! table.

use std::io;
use std::path::PathBuf;

use triphammer_model::{DeliveryId, Seq, Timestamp};

use crate::error::{OpenError, ReadError};
use crate::record::{Accepted, Entrance};

/// Why a view of the log can't be read or brought forward.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error(
        "{} is damaged: {what}; restore the data directory from a backup", .file.display()
    )]
    Damaged { file: PathBuf, what: &'static str },
    #[error("could not use {}", .file.display())]
    Io { file: PathBuf, source: io::Error },
    #[error("could not use {}", .file.display())]
    Database { file: PathBuf, source: Box<redb::Error> },
    #[error("{free} bytes are free on the disk, and the checkpoint needs {needed}")]
    DiskFull { free: u64, needed: u64 },
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl StoreError {
    /// Stable, and never reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => "journal.damaged",
            Self::Io { .. } | Self::Database { .. } => "journal.io",
            Self::DiskFull { .. } => "journal.disk_full",
            Self::Read(error) => error.code(),
        }
    }

    /// A write that the disk had no room for.
    pub(crate) fn is_out_of_space(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }

    pub(crate) fn io(file: PathBuf) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { file, source }
    }

    /// What redb says, in this crate's terms.
    pub(crate) fn database(file: PathBuf, error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
                Self::Damaged { file, what: "it is no checkpoint" }
            }
            redb::Error::Io(source) => Self::Io { file, source },
            redb::Error::Corrupted(_)
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::UpgradeRequired(_) => {
                Self::Damaged { file, what: "its pages are broken" }
            }
            other => Self::Database { file, source: Box::new(other) },
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        let other = |path, source| Self::Io { doing: "use", path, source };
        match error {
            StoreError::Damaged { file, what } => Self::Damaged { file, offset: 0, what },
            StoreError::Io { file, source } => other(file, source),
            StoreError::Database { file, source } => other(file, io::Error::other(source)),
            StoreError::Read(ReadError::Damaged { file, offset, what }) => {
                Self::Damaged { file, offset, what }
            }
            StoreError::Read(ReadError::Io { file, source }) => other(file, source),
            error => other(PathBuf::new(), io::Error::other(error)),
        }
    }
}

/// An event read back, with what its record says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub seq: Seq,
    /// When it was accepted.
    pub at: Timestamp,
    pub entrance: Entrance,
    /// The delivery whose attempt emitted it.
    pub parent: Option<DeliveryId>,
    pub accepted: Accepted,
}
