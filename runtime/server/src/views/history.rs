//! Events and deliveries, and all that has happened to one of them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use triphammer_model::Timestamp;
use triphammer_pipeline::{
    AttemptStory, DeliveryInfo, DeliveryStory, Entrance, EventSummary, Story, WaitingFor,
};

use super::{ErrorView, LogView, WriteView, key, reply, revision, seq};
use crate::codec;
use crate::describe::words;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventSummary")]
pub(crate) struct EventSummaryView {
    #[schemars(with = "words::Seq")]
    seq: String,
    #[schemars(with = "words::Time")]
    accepted: String,
    #[schemars(with = "words::Attribute")]
    id: String,
    #[schemars(with = "words::EventSource")]
    source: String,
    #[schemars(with = "words::Attribute")]
    r#type: String,
    #[schemars(with = "Option<words::Attribute>")]
    subject: Option<String>,
    /// Of the payload.
    bytes: usize,
}

impl From<EventSummary> for EventSummaryView {
    fn from(summary: EventSummary) -> Self {
        let event = &summary.event;
        Self {
            seq: seq(summary.seq),
            accepted: summary.accepted.to_rfc3339(),
            id: event.id().into(),
            source: event.source().into(),
            r#type: event.ty().into(),
            subject: event.subject().map(Into::into),
            bytes: event.data().map_or(0, <[u8]>::len),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventStory")]
pub(crate) struct StoryView {
    #[schemars(with = "words::Seq")]
    seq: String,
    #[schemars(with = "words::Time")]
    accepted: String,
    #[schemars(with = "words::Entrance")]
    entrance: String,
    hops: u16,
    #[schemars(with = "Option<words::DeliveryId>")]
    parent: Option<String>,
    #[schemars(with = "words::CloudEvent")]
    event: Box<RawValue>,
    deliveries: Vec<DeliveryStoryView>,
    children: Vec<EventSummaryView>,
}

impl From<Story> for StoryView {
    fn from(story: Story) -> Self {
        Self {
            seq: seq(story.seq),
            accepted: story.accepted.to_rfc3339(),
            entrance: match story.entrance {
                Entrance::Ingress => "ingress".into(),
                Entrance::Hook(name) => format!("hook:{name}"),
                Entrance::Function(name) => format!("function:{name}"),
                Entrance::Host => "host".into(),
                Entrance::Post => "post".into(),
            },
            hops: story.hops,
            parent: story.parent.map(|id| id.to_string()),
            event: codec::event_json(&story.event),
            deliveries: story.deliveries.into_iter().map(Into::into).collect(),
            children: story.children.into_iter().map(Into::into).collect(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Delivery")]
pub(crate) struct DeliveryView {
    #[schemars(with = "words::DeliveryId")]
    id: String,
    #[schemars(with = "words::Seq")]
    seq: String,
    #[schemars(with = "words::FunctionName")]
    function: String,
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timer: Option<String>,
    #[schemars(with = "words::DeliveryStatus")]
    status: &'static str,
    attempts: u32,
    #[schemars(with = "words::Time")]
    accepted: String,
    #[schemars(with = "Option<words::Time>")]
    due: Option<String>,
    #[schemars(with = "Option<words::Time>")]
    died: Option<String>,
    reason: String,
    waiting_for: Option<WaitingForView>,
    error: Option<ErrorView>,
}

/// Members that say nothing are left out.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WaitingFor")]
struct WaitingForView {
    #[schemars(with = "words::WaitKind")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::DeliveryId>")]
    delivery: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::Time>")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
}

impl From<WaitingFor> for WaitingForView {
    fn from(waiting_for: WaitingFor) -> Self {
        let WaitingFor { kind, delivery, until, ahead, limit } = waiting_for;
        Self {
            kind: kind.as_str(),
            delivery: delivery.map(|id| id.to_string()),
            until: until.map(Timestamp::to_rfc3339),
            ahead,
            limit,
        }
    }
}

impl From<DeliveryInfo> for DeliveryView {
    fn from(info: DeliveryInfo) -> Self {
        Self {
            id: info.id.to_string(),
            seq: seq(info.id.seq),
            function: info.id.function.to_string(),
            key: info.key.map(key),
            timer: info.timer,
            status: info.status.as_str(),
            attempts: info.attempts,
            accepted: info.accepted.to_rfc3339(),
            due: info.due.map(Timestamp::to_rfc3339),
            died: info.died.map(Timestamp::to_rfc3339),
            reason: info.reason,
            waiting_for: info.waiting_for.map(Into::into),
            error: info.error.map(Into::into),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeliveryStory")]
struct DeliveryStoryView {
    #[serde(flatten)]
    delivery: DeliveryView,
    history: Vec<AttemptView>,
}

impl From<DeliveryStory> for DeliveryStoryView {
    fn from(story: DeliveryStory) -> Self {
        Self {
            delivery: story.info.into(),
            history: story.attempts.into_iter().map(Into::into).collect(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Attempt")]
struct AttemptView {
    attempt: u32,
    #[schemars(with = "words::Revision")]
    revision: String,
    #[schemars(with = "words::Time")]
    started: String,
    #[schemars(with = "words::Time")]
    ended: String,
    #[schemars(with = "words::Outcome")]
    outcome: &'static str,
    error: Option<ErrorView>,
    logs: Vec<LogView>,
    logs_left_out: u32,
    state: Vec<WriteView>,
    #[schemars(with = "Vec<words::Seq>")]
    emitted: Vec<String>,
    #[schemars(with = "Option<words::Reply>")]
    reply: Option<Box<RawValue>>,
}

impl From<AttemptStory> for AttemptView {
    fn from(story: AttemptStory) -> Self {
        Self {
            attempt: story.attempt,
            revision: revision(story.revision),
            started: story.started.to_rfc3339(),
            ended: story.ended.to_rfc3339(),
            outcome: story.outcome,
            error: story.error.map(Into::into),
            logs: story.logs.into_iter().map(Into::into).collect(),
            logs_left_out: story.logs_left_out,
            state: story.writes.into_iter().map(Into::into).collect(),
            emitted: story.emitted.into_iter().map(seq).collect(),
            reply: story.reply.as_ref().map(reply),
        }
    }
}
