//! What an operator looks into: the tree of an event, dead letters by cause, lanes, what was written to
//! a name of a state.

use schemars::JsonSchema;
use serde::Serialize;
use triphammer_model::Timestamp;
use triphammer_pipeline::{Cause, LaneInfo, StateChange, Tree};

use super::history::{DeliveryView, StoryView};
use super::{ValueView, key, revision, seq};
use crate::describe::words;

/// Events that caused each other: the first, its children, theirs, and so on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventTree")]
pub(crate) struct TreeView {
    #[schemars(with = "words::Seq")]
    root: String,
    nodes: Vec<StoryView>,
    /// There are more than are shown.
    truncated: bool,
}

impl From<Tree> for TreeView {
    fn from(tree: Tree) -> Self {
        Self {
            root: seq(tree.root),
            nodes: tree.nodes.into_iter().map(Into::into).collect(),
            truncated: tree.truncated,
        }
    }
}

/// Dead letters by function and error code, the most first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Causes")]
pub(crate) struct CausesView {
    pub(crate) causes: Vec<CauseView>,
    /// There are more than were looked at.
    pub(crate) truncated: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Cause")]
pub(crate) struct CauseView {
    #[schemars(with = "words::FunctionName")]
    function: String,
    #[schemars(with = "words::ErrorCode")]
    code: String,
    count: u64,
    #[schemars(with = "words::Time")]
    oldest: String,
    #[schemars(with = "words::Time")]
    newest: String,
    /// What some of them say, each once.
    messages: Vec<String>,
    /// The one that died last.
    #[schemars(with = "words::DeliveryId")]
    example: String,
}

impl From<Cause> for CauseView {
    fn from(cause: Cause) -> Self {
        Self {
            function: cause.function.to_string(),
            code: cause.code,
            count: cause.count,
            oldest: cause.oldest.to_rfc3339(),
            newest: cause.newest.to_rfc3339(),
            messages: cause.messages,
            example: cause.example.to_string(),
        }
    }
}

/// The longest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Lanes")]
pub(crate) struct LanesView {
    pub(crate) lanes: Vec<LaneView>,
    /// There are more than are shown.
    pub(crate) truncated: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Lane")]
pub(crate) struct LaneView {
    #[schemars(with = "words::FunctionName")]
    function: String,
    key: String,
    /// Deliveries in it that are open.
    length: u64,
    /// The one that runs or is next, or the dead letter that the lane stands for.
    head: DeliveryView,
}

impl From<LaneInfo> for LaneView {
    fn from(lane: LaneInfo) -> Self {
        Self {
            function: lane.function.to_string(),
            key: key(lane.key),
            length: lane.length,
            head: lane.head.into(),
        }
    }
}

/// A value that was written to a name of a state, or its deletion.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "StateChange")]
pub(crate) struct StateChangeView {
    /// Of the record that made it.
    #[schemars(with = "words::Seq")]
    seq: String,
    #[schemars(with = "words::Time")]
    at: String,
    /// The event that was handled.
    #[schemars(with = "words::Seq")]
    event: String,
    #[schemars(with = "words::DeliveryId")]
    delivery: String,
    attempt: u32,
    #[schemars(with = "words::Revision")]
    revision: String,
    #[serde(flatten)]
    value: Option<ValueView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::Time>")]
    expires: Option<String>,
}

impl From<StateChange> for StateChangeView {
    fn from(change: StateChange) -> Self {
        Self {
            seq: seq(change.seq),
            at: change.at.to_rfc3339(),
            event: seq(change.delivery.seq),
            delivery: change.delivery.to_string(),
            attempt: change.attempt,
            revision: revision(change.revision),
            deleted: change.value.is_none().then_some(true),
            value: change.value.map(|bytes| ValueView::new(&bytes)),
            expires: change.expires.map(Timestamp::to_rfc3339),
        }
    }
}
