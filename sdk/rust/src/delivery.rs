//! One event for one function, as the host tells it.

/// Shared by an event and the context of its handler.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) seq: String,
    pub(crate) function: String,
    pub(crate) revision: String,
    pub(crate) attempt: u32,
    pub(crate) key: Option<String>,
    pub(crate) accepted_ms: u64,
    pub(crate) deadline_ms: u64,
    pub(crate) idempotency_key: String,
}
