//! The shapes of the admin API's JSON. What the pipeline says, in the words of the contract.
//!
//! Sequence numbers and revisions are strings, times RFC 3339, names in camel case. Payloads are
//! spliced in as they are stored.

mod bodies;
mod functions;
mod history;
mod insight;
mod replays;
mod stats;
mod subscriptions;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use triphammer_model::{ErrorInfo, LogLine, OrderingKey, Reply, RevisionId, Seq, StateWrite};

use crate::describe::words;
use crate::{codec, receipts};

pub(crate) use bodies::{
    Activate, Counted, EvaluationErrorView, EvaluationView, FilterTest, HookView, OneReplay,
    RawReplay, RawSelection, RemovedView, ReplayOne, ReplayedView,
};
pub(crate) use functions::{DeployedView, DryRunView, FunctionView, StateEntryView};
pub(crate) use history::{DeliveryView, EventSummaryView, StoryView};
pub(crate) use insight::{CauseView, CausesView, LaneView, LanesView, StateChangeView, TreeView};
pub(crate) use replays::ReplayView;
pub(crate) use stats::StatsView;
pub(crate) use subscriptions::{InvalidSubscription, RawSubscription, SubscriptionView};

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(crate) struct ErrorView {
    #[schemars(with = "words::ErrorCode")]
    code: String,
    message: String,
}

impl From<ErrorInfo> for ErrorView {
    fn from(error: ErrorInfo) -> Self {
        Self { code: error.code, message: error.message }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LogLine")]
struct LogView {
    #[schemars(with = "words::LogLevel")]
    level: &'static str,
    message: String,
}

impl From<LogLine> for LogView {
    fn from(line: LogLine) -> Self {
        Self { level: line.level.as_str(), message: line.message }
    }
}

/// A value as JSON where it is JSON, else as Base64.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Value")]
struct ValueView {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl ValueView {
    fn new(bytes: &[u8]) -> Self {
        let shown = codec::is_shown_as_json(bytes).then(|| serde_json::from_slice(bytes));
        match shown {
            Some(Ok(value)) => Self { value: Some(value), value_base64: None },
            _ => Self { value: None, value_base64: Some(STANDARD.encode(bytes)) },
        }
    }
}

/// A value that was written, or an entry that was deleted.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StateWrite")]
struct WriteView {
    name: String,
    #[serde(flatten)]
    value: Option<ValueView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<bool>,
    #[serde(rename = "ttlMs", skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
}

impl From<StateWrite> for WriteView {
    fn from(write: StateWrite) -> Self {
        Self {
            name: write.name,
            deleted: write.value.is_none().then_some(true),
            value: write.value.map(|bytes| ValueView::new(&bytes)),
            ttl_ms: write.ttl_ms,
        }
    }
}

fn seq(seq: Seq) -> String {
    seq.to_string()
}

fn revision(revision: RevisionId) -> String {
    revision.to_string()
}

fn key(key: OrderingKey) -> String {
    key.as_str().into()
}

fn reply(reply: &Reply) -> Box<RawValue> {
    let mut out = Vec::with_capacity(reply.data.len() + 64);
    receipts::write_reply(&mut out, reply);
    serde_json::from_slice(&out).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests;
