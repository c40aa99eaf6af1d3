//! The shapes of the admin API that the commands read. Members that are not shown are not here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(crate) struct Functions {
    pub(crate) functions: Vec<Function>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) active: Option<String>,
    pub(crate) previous: Option<String>,
    pub(crate) paused: Option<Paused>,
    pub(crate) canary: Option<Canary>,
    #[serde(rename = "canaryEnded")]
    pub(crate) canary_ended: Option<CanaryEnded>,
    pub(crate) breaker: Option<Breaker>,
    #[serde(default)]
    pub(crate) revisions: Vec<Revision>,
    #[serde(default)]
    pub(crate) counts: Counts,
    #[serde(default)]
    pub(crate) schedules: Vec<Schedule>,
    #[serde(default)]
    pub(crate) state: StateUsage,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Schedule {
    pub(crate) name: String,
    pub(crate) cron: String,
    pub(crate) zone: String,
    pub(crate) next: Option<String>,
}

impl Function {
    pub(crate) fn active_revision(&self) -> Option<&Revision> {
        self.revisions.iter().find(|revision| revision.active)
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Paused {
    pub(crate) at: String,
    #[serde(default)]
    pub(crate) reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Canary {
    pub(crate) revision: String,
    pub(crate) weight: u8,
    pub(crate) since: String,
    pub(crate) attempts: u64,
    pub(crate) failures: u64,
    pub(crate) failures_max: u8,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CanaryEnded {
    pub(crate) revision: String,
    pub(crate) at: String,
    pub(crate) reason: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Breaker {
    pub(crate) state: String,
    pub(crate) failures: u64,
    pub(crate) since: Option<String>,
    pub(crate) until: Option<String>,
    pub(crate) error: Option<Failure>,
}

impl Breaker {
    pub(crate) fn is_closed(&self) -> bool {
        self.state == "closed"
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Revision {
    pub(crate) revision: String,
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) bytes: u64,
    #[serde(default)]
    pub(crate) active: bool,
    #[serde(default)]
    pub(crate) manifest: Value,
    #[serde(default)]
    pub(crate) config: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) created: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Counts {
    pub(crate) ready: u64,
    pub(crate) running: u64,
    pub(crate) waiting: u64,
    pub(crate) blocked: u64,
    pub(crate) dead: u64,
    pub(crate) committed: u64,
    pub(crate) dropped: u64,
    pub(crate) retried: u64,
}

impl Counts {
    /// Deliveries that have not been settled.
    pub(crate) fn open(&self) -> u64 {
        self.ready + self.running + self.waiting + self.blocked
    }
}

/// The answer to a deploy.
#[derive(Debug, Deserialize)]
pub(crate) struct Deployed {
    pub(crate) name: String,
    pub(crate) revision: String,
    pub(crate) active: bool,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    #[serde(default)]
    pub(crate) imports: Vec<String>,
    #[serde(default)]
    pub(crate) capabilities: Capabilities,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Capabilities {
    pub(crate) all: Vec<String>,
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Receipts {
    pub(crate) events: Vec<Receipt>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) id: String,
    pub(crate) seq: String,
    #[serde(default)]
    pub(crate) duplicate: bool,
    #[serde(default)]
    pub(crate) differs: bool,
    #[serde(default)]
    pub(crate) functions: Vec<String>,
    #[serde(default)]
    pub(crate) dead: Vec<DeadAtOnce>,
    pub(crate) results: Option<Vec<DeliveryResult>>,
}

/// A delivery that is a dead letter from the beginning.
#[derive(Debug, Deserialize)]
pub(crate) struct DeadAtOnce {
    pub(crate) function: String,
    pub(crate) error: Failure,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Failure {
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) message: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DeliveryResult {
    pub(crate) function: String,
    pub(crate) revision: Option<String>,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) attempts: u32,
    pub(crate) reply: Option<Reply>,
    pub(crate) error: Option<Failure>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reply {
    #[serde(default)]
    pub(crate) content_type: String,
    pub(crate) data: Option<Value>,
    pub(crate) data_base64: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Events {
    pub(crate) events: Vec<EventSummary>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct EventSummary {
    pub(crate) seq: String,
    #[serde(default)]
    pub(crate) accepted: String,
    pub(crate) id: String,
    pub(crate) source: String,
    #[serde(rename = "type")]
    pub(crate) ty: String,
    pub(crate) subject: Option<String>,
    #[serde(default)]
    pub(crate) bytes: u64,
}

/// All that is known of one event.
#[derive(Debug, Deserialize)]
pub(crate) struct Story {
    pub(crate) seq: String,
    pub(crate) accepted: String,
    #[serde(default)]
    pub(crate) entrance: String,
    pub(crate) event: Value,
    #[serde(default)]
    pub(crate) deliveries: Vec<DeliveryStory>,
    #[serde(default)]
    pub(crate) children: Vec<EventSummary>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DeliveryStory {
    #[serde(flatten)]
    pub(crate) delivery: Delivery,
    #[serde(default)]
    pub(crate) history: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Deliveries {
    pub(crate) deliveries: Vec<Delivery>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) function: String,
    pub(crate) key: Option<String>,
    pub(crate) timer: Option<String>,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) attempts: u32,
    pub(crate) due: Option<String>,
    pub(crate) died: Option<String>,
    #[serde(default)]
    pub(crate) reason: String,
    pub(crate) error: Option<Failure>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempt {
    pub(crate) attempt: u32,
    pub(crate) revision: String,
    #[serde(default)]
    pub(crate) started: String,
    #[serde(default)]
    pub(crate) ended: String,
    pub(crate) outcome: String,
    pub(crate) error: Option<Failure>,
    #[serde(default)]
    pub(crate) logs: Vec<LogLine>,
    #[serde(default)]
    pub(crate) logs_left_out: u64,
    #[serde(default)]
    pub(crate) state: Vec<StateWrite>,
    #[serde(default)]
    pub(crate) emitted: Vec<String>,
    pub(crate) reply: Option<Reply>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LogLine {
    pub(crate) level: String,
    pub(crate) message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StateWrite {
    pub(crate) name: String,
    pub(crate) value: Option<Value>,
    pub(crate) value_base64: Option<String>,
    #[serde(default)]
    pub(crate) deleted: bool,
    pub(crate) ttl_ms: Option<u64>,
}

/// The answer to a dry run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DryRun {
    pub(crate) revision: Option<String>,
    pub(crate) error: Option<Failure>,
    #[serde(default)]
    pub(crate) effects: DryEffects,
    #[serde(default)]
    pub(crate) logs: Vec<LogLine>,
    #[serde(default)]
    pub(crate) logs_left_out: u64,
    #[serde(default)]
    pub(crate) elapsed_ms: f64,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct DryEffects {
    #[serde(default)]
    pub(crate) state: Vec<StateWrite>,
    #[serde(default)]
    pub(crate) emitted: Vec<Value>,
    #[serde(default)]
    pub(crate) timers: Vec<TimerChange>,
    pub(crate) reply: Option<Reply>,
}

/// A timer that is set, with its event, or cancelled.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TimerChange {
    pub(crate) name: String,
    pub(crate) after_ms: Option<f64>,
    #[serde(default)]
    pub(crate) event: Value,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StateEntries {
    pub(crate) entries: Vec<StateEntry>,
    pub(crate) cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StateEntry {
    pub(crate) key: Option<String>,
    pub(crate) name: String,
    pub(crate) value: Option<Value>,
    pub(crate) value_base64: Option<String>,
    pub(crate) seq: String,
    pub(crate) expires: Option<String>,
}

/// How much state a function has.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StateUsage {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}
