//! Why the pipeline refuses, one enum for each kind of request. Each code is stable and public.

use std::time::Duration;

use triphammer_filter::InvalidFilter;
use triphammer_journal::AppendError;
use triphammer_model::{FunctionName, InvalidEvent, InvalidManifest, RevisionId, Seq};
use triphammer_sandbox::ModuleError;

use crate::canary::InvalidShare;

/// Why events were not taken in. None of the batch was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    #[error("the event has {len} bytes, more than the {max} that this host takes")]
    TooLarge { len: usize, max: usize },
    /// Of a post: an idempotency key names one event.
    #[error("the idempotency key `{key}` was used for another event, {seq}")]
    KeyReused { key: String, seq: Seq },
    #[error("{source}")]
    Invalid {
        /// Of the event in its batch, counted from 0; none for one alone.
        index: Option<usize>,
        source: InvalidEvent,
    },
    #[error("more is waiting for the disk than may be held in memory")]
    Busy { retry_after: Duration },
    #[error("the disk is nearly full: no events are taken in until there is room again")]
    Disk { retry_after: Duration },
    #[error("the host is stopping")]
    Stopped,
    #[error("the journal has failed, and the host is ending")]
    Journal,
}

impl AcceptError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "event.too_large",
            Self::KeyReused { .. } => "event.key_reused",
            Self::Invalid { .. } => "event.malformed",
            Self::Busy { .. } => "journal.behind",
            Self::Disk { .. } => "journal.disk_full",
            Self::Stopped => "host.stopping",
            Self::Journal => "journal.failed",
        }
    }
}

/// How long a sender is asked to wait when the disk is full.
pub(crate) const DISK_RETRY_AFTER: Duration = Duration::from_secs(10);

impl From<AppendError> for AcceptError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::TooLarge { len, max } => Self::TooLarge { len, max },
            AppendError::DiskFull => Self::Disk { retry_after: DISK_RETRY_AFTER },
            _ => Self::Journal,
        }
    }
}

impl From<AppendError> for ChangeError {
    fn from(error: AppendError) -> Self {
        Self::Accept(error.into())
    }
}

/// Why an operator's change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    #[error("there is no function `{0}`")]
    NoFunction(FunctionName),
    #[error("function `{function}` has no revision {revision}")]
    NoRevision { function: FunctionName, revision: RevisionId },
    #[error("function `{0}` has no revision that was active before")]
    NoPrevious(FunctionName),
    #[error("function `{0}` has no active revision")]
    NotActive(FunctionName),
    #[error("`{0}` is a function: remove it first, or give the subscription another name")]
    IsFunction(FunctionName),
    #[error("there are {max} subscriptions already: `subscriptions_max`")]
    TooManySubscriptions { max: usize },
    #[error("`{0}` is a subscription, which has a sink and no module")]
    IsSubscription(FunctionName),
    #[error("{waiting} deliveries of `{function}` wait; let them finish, or discard them")]
    Waiting { function: FunctionName, waiting: u64 },
    #[error("the ordering key of `{function}` can't change while {waiting} deliveries wait")]
    KeyChange { function: FunctionName, waiting: u64 },
    #[error(
        "a canary runs beside an active revision, and `{0}` has none: deploy one without a weight"
    )]
    CanaryAlone(FunctionName),
    #[error("{revision} is the active revision of `{function}`: a canary is another one")]
    CanaryActive { function: FunctionName, revision: RevisionId },
    #[error(
        "{revision} has another ordering key than the active revision of `{function}`, and so other \
         state: it can't be a canary"
    )]
    CanaryKey { function: FunctionName, revision: RevisionId },
    #[error("revision {revision} of `{function}` can't be loaded: {message}")]
    Load { function: FunctionName, revision: RevisionId, message: String },
    #[error("there is no replay {0}, or it ended long ago")]
    NoReplay(u64),
    #[error("a replay makes 1 to {max} events a second")]
    ReplayRate { max: u32 },
    #[error("the event with its new payload is larger than {max} bytes")]
    ReplayTooLarge { max: usize },
    #[error("{max} replays run already: cancel one, or let one end")]
    ReplaysRunning { max: usize },
    #[error("a selection needs ids, or a function, status or code")]
    EmptySelection,
    #[error("{0}")]
    Query(#[from] QueryError),
    #[error(transparent)]
    Accept(#[from] AcceptError),
}

impl ChangeError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoFunction(_) => "function.not_found",
            Self::NoRevision { .. } => "function.no_revision",
            Self::NoPrevious(_) => "function.no_previous",
            Self::NotActive(_) => "function.not_active",
            Self::IsFunction(_) => "subscription.function",
            Self::TooManySubscriptions { .. } => "subscription.too_many",
            Self::IsSubscription(_) => "function.subscription",
            Self::Waiting { .. } => "function.deliveries_wait",
            Self::KeyChange { .. } => "function.key_change",
            Self::CanaryAlone(_) => "canary.no_active",
            Self::CanaryActive { .. } => "canary.is_active",
            Self::CanaryKey { .. } => "canary.key",
            Self::Load { .. } => "function.load",
            Self::NoReplay(_) => "replay.not_found",
            Self::ReplayRate { .. } => "replay.rate",
            Self::ReplaysRunning { .. } => "replay.too_many",
            Self::ReplayTooLarge { .. } => "event.too_large",
            Self::EmptySelection => "delivery.no_selection",
            Self::Query(error) => error.code(),
            Self::Accept(error) => error.code(),
        }
    }
}

/// Why a module did not become a revision. The active one goes on serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    #[error(transparent)]
    Module(#[from] ModuleError),
    #[error(transparent)]
    Manifest(#[from] InvalidManifest),
    #[error("manifest member `filter` is wrong")]
    Filter(#[from] InvalidFilter),
    #[error("neither the deploy nor the manifest gives a name")]
    NoName,
    #[error(transparent)]
    Share(#[from] InvalidShare),
    #[error("the config has {0}")]
    Config(&'static str),
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl DeployError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Module(error) => error.code(),
            Self::Manifest(error) => error.code,
            Self::Filter(error) => error.code(),
            Self::NoName => "function.no_name",
            Self::Share(error) => error.code(),
            Self::Config(_) => "deploy.config",
            Self::Change(error) => error.code(),
        }
    }
}

/// Why a question about the past has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    #[error("`{0}` is not a cursor of this listing")]
    Cursor(String),
    #[error("{0} deliveries are not listed here: each is shown with its event")]
    Settled(&'static str),
    #[error("the journal could not be read")]
    Read(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl QueryError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cursor(_) => "query.cursor",
            Self::Settled(_) => "delivery.settled",
            Self::Read(_) => "journal.read",
        }
    }
}

/// Why the host does not want work at the moment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    #[error("the disk is nearly full")]
    Disk,
    #[error("more is waiting for the disk than may be held in memory")]
    Behind,
    #[error("the journal has failed")]
    Journal,
    #[error("the host is stopping")]
    Stopping,
}

/// Why the pipeline did not start. Nothing on disk was deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    #[error(transparent)]
    Journal(#[from] triphammer_journal::OpenError),
    #[error("the checkpoint could not be read")]
    Store(#[from] triphammer_journal::StoreError),
    #[error("the log could not be read")]
    Log(#[from] triphammer_journal::ReadError),
    #[error(transparent)]
    Sandbox(#[from] triphammer_sandbox::SetupError),
    #[error("the executor threads could not be started")]
    Threads(#[source] std::io::Error),
}

impl OpenError {
    /// Stable and public.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Journal(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Log(error) => error.code(),
            Self::Sandbox(error) => error.code(),
            Self::Threads(_) => "host.threads",
        }
    }
}
