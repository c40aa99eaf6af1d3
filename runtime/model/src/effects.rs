//! What an attempt asked for, as plain data. Nothing here has happened yet.

use bytes::Bytes;

use crate::event::EventParts;

/// Exists only when the handler has succeeded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Effects {
    /// The last write of each name, in the order of the names.
    pub writes: Vec<StateWrite>,
    /// In the order in which they were emitted.
    pub emits: Vec<NewEvent>,
    /// The last change of each name, in the order in which they were asked for.
    pub timers: Vec<TimerChange>,
    pub reply: Option<Reply>,
}

/// One name's new value; none deletes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StateWrite {
    pub name: String,
    pub value: Option<Bytes>,
    /// Gone this many milliseconds after the commit; never when none.
    pub ttl_ms: Option<u64>,
}

/// A timer of the function, under the ordering key of the delivery that sets it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TimerChange {
    /// Setting it again puts the new one in the place of the old.
    pub name: String,
    /// The event that the function gets when it has come due; none cancels the timer.
    pub set: Option<TimerEvent>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TimerEvent {
    /// `id` and `source` are empty: the host makes them.
    pub parts: EventParts,
    /// Milliseconds from the commit.
    pub after_ms: u64,
}

/// Something that an attempt read of committed state, own writes left out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StateRead {
    Name(String),
    /// A scan: the names from `from` (or the first) of this prefix that it saw, and whether it
    /// saw the range to its end.
    Range {
        prefix: String,
        after: Option<String>,
        seen: Vec<String>,
        whole: bool,
    },
}

/// An emitted event. What it leaves out, the host fills in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NewEvent {
    /// `id` and `source` are empty where the host is to make them.
    pub parts: EventParts,
    /// Deliver no sooner than this many milliseconds after the commit.
    pub delay_ms: Option<u64>,
}

/// The answer to a sender that waits for one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    pub content_type: String,
    pub data: Bytes,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl LogLevel {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// One line that a guest logged, or wrote to stdout (info) or stderr (warn).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLine {
    pub level: LogLevel,
    pub message: String,
}
