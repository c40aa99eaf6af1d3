//! One event for one function, and what is said of it. Knows nothing of queues.

use std::fmt;
use std::sync::Arc;

use crate::ids::{FunctionName, RevisionId, Seq};
use crate::time::Timestamp;

/// Written `seq/function`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DeliveryId {
    pub seq: Seq,
    pub function: FunctionName,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.seq, self.function)
    }
}

impl std::str::FromStr for DeliveryId {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let parse = || {
            let (seq, function) = text.split_once('/')?;
            Some(Self { seq: seq.parse().ok()?, function: function.parse().ok()? })
        };
        parse().ok_or(InvalidKey("a delivery's id is written SEQ/FUNCTION"))
    }
}

/// Deliveries of one function with the same key run one at a time, in order.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OrderingKey(Arc<str>);

/// Why a text is no ordering key, or no delivery id.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidKey(&'static str);

impl OrderingKey {
    /// The longest key, in bytes.
    pub const LEN_MAX: usize = 512;

    pub fn new(text: &str) -> Result<Self, InvalidKey> {
        if text.len() > Self::LEN_MAX {
            return Err(InvalidKey("the ordering key is longer than 512 bytes"));
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many emits lie between an event and the one that came in from outside.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Hops(pub u16);

/// What a handler is told of the delivery that it handles.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub revision: RevisionId,
    /// Counts from 1.
    pub attempt: u32,
    pub key: Option<OrderingKey>,
    pub accepted: Timestamp,
    pub deadline: Timestamp,
}

impl Delivery {
    /// The same for every attempt at this delivery, and for no other on this host.
    pub fn idempotency_key(&self, host: &str) -> String {
        format!("{host}-{}-{}", self.id.seq, self.id.function)
    }
}

/// Why an attempt failed, as it is kept and shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ErrorInfo {
    /// Stable: `invoke.trap`, `limit.emits`, ….
    pub code: String,
    pub message: String,
}
