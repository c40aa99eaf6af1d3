//! Why a module is refused and why an attempt fails, with the stable code of each.

use std::time::Duration;

/// Who must act on a failed attempt. The caller decides on this, never on the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The guest said that trying again is useless.
    Final,
    /// The guest failed: the attempt counts.
    Guest,
    /// The host failed, which says nothing about the event: the attempt does not count.
    Host,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// The guest says that trying again is useless.
    #[error("{message}")]
    Rejected { message: String },
    /// The guest asks for another try, by the policy or after the given time.
    #[error("{message}")]
    Retry { message: String, after: Option<Duration> },
    /// The guest ran past its deadline.
    #[error("the function ran longer than its timeout of {} ms", timeout.as_millis())]
    Deadline { timeout: Duration },
    /// The guest used more of something than an attempt may.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// The guest broke off: a panic, a stack overflow, an illegal access.
    #[error("{message}")]
    Trap { message: String },
    /// The guest ended the process instead of returning.
    #[error("the function called exit({status}) instead of returning")]
    Exit { status: i32 },
    /// The host could not run the guest, or could not read its state.
    #[error("the host could not run the function: {message}")]
    Host { message: String },
}

impl InvokeError {
    /// The stable name used in logs, metrics, the admin API and the documents. Never reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Rejected { .. } => "invoke.rejected",
            Self::Retry { .. } => "invoke.retry",
            Self::Deadline { .. } => "invoke.deadline",
            Self::Limit(exceeded) => exceeded.limit.code(),
            Self::Trap { .. } => "invoke.trap",
            Self::Exit { .. } => "invoke.exit",
            Self::Host { .. } => "invoke.host",
        }
    }

    pub fn fault(&self) -> Fault {
        match self {
            Self::Rejected { .. } => Fault::Final,
            Self::Host { .. } => Fault::Host,
            Self::Retry { .. }
            | Self::Deadline { .. }
            | Self::Limit(_)
            | Self::Trap { .. }
            | Self::Exit { .. } => Fault::Guest,
        }
    }
}

/// What ended the attempt, and how much of it there may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{} at most {max} {}", limit.rule(), limit.unit())]
pub struct LimitExceeded {
    pub limit: Limit,
    pub max: u64,
}

/// The limits that end an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Limit {
    Memory,
    Emits,
    EmitBytes,
    Timers,
    StateWrites,
    StateBytes,
    Reply,
    Logs,
    Call,
}

impl Limit {
    pub fn code(self) -> &'static str {
        match self {
            Self::Memory => "limit.memory",
            Self::Emits => "limit.emits",
            Self::EmitBytes => "limit.emit_bytes",
            Self::Timers => "limit.timers",
            Self::StateWrites => "limit.state_writes",
            Self::StateBytes => "limit.state_bytes",
            Self::Reply => "limit.reply",
            Self::Logs => "limit.logs",
            Self::Call => "limit.call",
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::Memory => "all memories and tables of an instance together may take",
            Self::Emits => "an attempt may emit",
            Self::EmitBytes => "the events that an attempt emits may take together",
            Self::Timers => "an attempt may set and cancel",
            Self::StateWrites => "an attempt may write",
            Self::StateBytes => "the state that an attempt writes may take",
            Self::Reply => "a reply may have",
            Self::Logs => "an attempt may log",
            Self::Call => "one call may pass to the host",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Memory | Self::EmitBytes | Self::StateBytes | Self::Reply | Self::Call => "bytes",
            Self::Emits => "events",
            Self::Timers => "timers",
            Self::StateWrites => "state entries",
            Self::Logs => "lines",
        }
    }

    pub(crate) fn exceeded(self, max: impl TryInto<u64>) -> LimitExceeded {
        LimitExceeded { limit: self, max: max.try_into().unwrap_or(u64::MAX) }
    }
}

/// Raised inside a call of the host, to end the attempt; it comes out as an [`InvokeError`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    #[error("the deadline has passed")]
    Deadline,
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Why the host could not do its part, such as reading committed state.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    message: String,
}

impl HostError {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// Why a module is refused, or could not be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    #[error("the module is {len} bytes long; at most {max} are allowed")]
    TooLarge { len: usize, max: usize },
    #[error("{message}")]
    Malformed { message: String },
    #[error(
        "this is a core WebAssembly module, not a component; build it with `--target \
         wasm32-wasip2`, or wrap it with `wasm-tools component new`"
    )]
    Core,
    /// It is a component, of another world.
    #[error("the component fits no world of `triphammer:function`: {}", problems.join("; "))]
    World { problems: Vec<String> },
    /// An instance of it would not fit into the pool.
    #[error("the component needs more than an instance may have: {message}")]
    Resources { message: String },
    /// `describe` failed, so that the function's manifest is unknown.
    #[error("the component's `describe` failed: {error}")]
    Describe { error: InvokeError },
    /// Not the module that it is said to be: the store of modules is damaged.
    #[error("the module's bytes are not those of its digest; upload it again")]
    Damaged,
    #[error("the host could not prepare the module: {message}")]
    Host { message: String },
}

impl ModuleError {
    /// The stable name used in answers, logs and the documents. Never reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "module.too_large",
            Self::Malformed { .. } => "module.malformed",
            Self::Core => "module.core",
            Self::World { .. } => "module.world",
            Self::Resources { .. } => "module.resources",
            Self::Describe { .. } => "module.describe",
            Self::Damaged => "module.damaged",
            Self::Host { .. } => "module.host",
        }
    }

    /// Everything that is wrong, one sentence each.
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::World { problems } => problems.clone(),
            other => vec![other.to_string()],
        }
    }
}

/// The host can't run guests at all.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("could not set up the WebAssembly engine: {0}")]
    Engine(String),
    #[error("could not prepare the directory for compiled modules, {path}")]
    Artefacts { path: String, source: std::io::Error },
    #[error("could not set up the client for functions' requests")]
    Requests(#[from] triphammer_outbound::SetupError),
    #[error("could not start the thread `{name}`")]
    Thread { name: &'static str, source: std::io::Error },
}

impl SetupError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Engine(_) => "sandbox.engine",
            Self::Artefacts { .. } => "sandbox.artefacts",
            Self::Requests(error) => error.code(),
            Self::Thread { .. } => "sandbox.thread",
        }
    }
}
