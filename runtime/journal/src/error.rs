//! What can go wrong with the log, each with a stable code. Knows no remedy but the one in the
//! message.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use triphammer_model::Seq;

/// Why the data directory can't be opened. Nothing has been deleted or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    #[error(
        "the data directory {} is in use by another process; stop that one, or give this one a \
         directory of its own", .dir.display()
    )]
    InUse { dir: PathBuf },
    #[error(
        "the data directory {} has another format (`{found}`, this program reads `{expected}`); \
         start the version of the program that wrote it, or give this one another directory",
        .dir.display()
    )]
    Version { dir: PathBuf, found: String, expected: &'static str },
    #[error(
        "{} is damaged at byte {offset}: {what}; nothing was changed; restore the data directory \
         from a backup, or move it away to begin with an empty one", .file.display()
    )]
    Damaged { file: PathBuf, offset: u64, what: &'static str },
    #[error(
        "{} is missing from the data directory; nothing was changed; put the file back, or restore \
         the directory from a backup", .file.display()
    )]
    Missing { file: PathBuf },
    #[error(
        "the checkpoint has seen record {checkpoint}, but the log ends with {log} ({} is unreadable \
         from byte {offset}); nothing was changed; restore log and checkpoint from the same backup",
        .file.display()
    )]
    CheckpointAhead { checkpoint: u64, log: u64, file: PathBuf, offset: u64 },
    #[error(
        "the log begins with record {first}, but the checkpoint needs it from {needed}; restore \
             log and checkpoint from the same backup"
    )]
    CheckpointBehind { needed: Seq, first: Seq },
    #[error("could not {doing} {}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl OpenError {
    /// Stable, and never reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "journal.in_use",
            Self::Version { .. } => "journal.version",
            Self::Damaged { .. } => "journal.damaged",
            Self::Missing { .. } => "journal.missing",
            Self::CheckpointAhead { .. } => "journal.checkpoint_ahead",
            Self::CheckpointBehind { .. } => "journal.checkpoint_behind",
            Self::Io { .. } => "journal.io",
        }
    }
}

/// Why a record can't be read back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Its segment was given up, as retention does with old ones.
    #[error("segment {segment} of the log is no longer kept")]
    Gone { segment: u32 },
    #[error("{} is damaged at byte {offset}: {what}", .file.display())]
    Damaged { file: PathBuf, offset: u64, what: &'static str },
    #[error("could not read {}", .file.display())]
    Io { file: PathBuf, source: io::Error },
}

impl ReadError {
    /// Stable, and never reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Gone { .. } => "journal.gone",
            Self::Damaged { .. } => "journal.damaged",
            Self::Io { .. } => "journal.io",
        }
    }
}

/// Why a record was not taken. It has no number, and nothing of it will be written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("the disk is full: free some space and work goes on by itself")]
    DiskFull,
    #[error("the record has {len} bytes, and the log takes at most {max}")]
    TooLarge { len: usize, max: usize },
}

impl AppendError {
    /// Stable, and never reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Failed(failure) => failure.code(),
            Self::DiskFull => "journal.disk_full",
            Self::TooLarge { .. } => "journal.record_too_large",
        }
    }
}

/// The log could not be written or synced: nothing more will be acknowledged, and the process has
/// to end. What is on disk is sorted out by the next start.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the journal failed: could not {doing} {}: {source}", .file.display())]
pub struct Failure {
    pub doing: &'static str,
    pub file: PathBuf,
    pub source: Arc<io::Error>,
}

impl Failure {
    /// Stable, and never reworded.
    pub fn code(&self) -> &'static str {
        "journal.failed"
    }
}

/// Why bytes are no record: where reading stopped, and what was expected there.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("byte {offset} of the record is no {expected}")]
pub struct CodecError {
    pub offset: usize,
    pub expected: &'static str,
}
