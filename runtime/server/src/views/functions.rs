//! Functions, their revisions, their state, and what a dry run shows.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use triphammer_model::{Effects, NewEvent, TimerChange, TimerEvent, Timestamp};
use triphammer_pipeline::{
    Attempts, BreakerInfo, CanaryEnded, CanaryInfo, Capabilities, Counts, Deployed, DryRun,
    FunctionInfo, RevisionInfo, ScheduleInfo, StateEntry,
};

use super::{ErrorView, LogView, ValueView, WriteView, key, reply, revision, seq};
use crate::codec;
use crate::describe::{manifest, words};
use crate::overview::TimesView;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Function")]
pub(crate) struct FunctionView {
    #[schemars(with = "words::FunctionName")]
    name: String,
    #[schemars(with = "Option<words::Revision>")]
    active: Option<String>,
    #[schemars(with = "Option<words::Revision>")]
    previous: Option<String>,
    paused: Option<PausedView>,
    canary: Option<CanaryView>,
    #[serde(rename = "canaryEnded")]
    canary_ended: Option<CanaryEndedView>,
    /// Absent where the manifest asks for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<BreakerView>,
    revisions: Vec<RevisionView>,
    counts: CountsView,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    schedules: Vec<ScheduleView>,
    state: StateUsageView,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StateUsage")]
struct StateUsageView {
    entries: u64,
    bytes: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Schedule")]
struct ScheduleView {
    name: String,
    cron: String,
    zone: String,
    #[schemars(with = "words::Missed")]
    missed: &'static str,
    #[schemars(with = "Option<words::Time>")]
    next: Option<String>,
}

impl From<ScheduleInfo> for ScheduleView {
    fn from(info: ScheduleInfo) -> Self {
        let ScheduleInfo { name, cron, zone, missed, next } = info;
        Self { name, cron, zone, missed, next: next.map(Timestamp::to_rfc3339) }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Paused")]
struct PausedView {
    #[schemars(with = "words::Time")]
    at: String,
    reason: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Canary")]
struct CanaryView {
    #[schemars(with = "words::Revision")]
    revision: String,
    /// In percent, as the bound is.
    weight: u8,
    #[schemars(with = "words::Time")]
    since: String,
    attempts: u64,
    failures: u64,
    failures_max: u8,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CanaryEnded")]
struct CanaryEndedView {
    #[schemars(with = "words::Revision")]
    revision: String,
    #[schemars(with = "words::Time")]
    at: String,
    reason: String,
}

/// The last three are null while it is closed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Breaker")]
struct BreakerView {
    #[schemars(with = "words::BreakerState")]
    state: &'static str,
    failures: u32,
    #[schemars(with = "Option<words::Time>")]
    since: Option<String>,
    #[schemars(with = "Option<words::Time>")]
    until: Option<String>,
    error: Option<ErrorView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RevisionInfo")]
struct RevisionView {
    #[schemars(with = "words::Revision")]
    revision: String,
    #[schemars(with = "words::Digest")]
    digest: String,
    bytes: u64,
    active: bool,
    #[schemars(with = "manifest::Manifest")]
    manifest: serde_json::Value,
    config: BTreeMap<String, String>,
    #[schemars(with = "words::Time")]
    created: String,
    /// What it may reach; null of one that does not serve.
    capabilities: Option<BTreeSet<String>>,
    /// Since the host started, as the next.
    attempts: AttemptsView,
    handling: TimesView,
}

/// Attempts by how they ended.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Attempts")]
struct AttemptsView {
    committed: u64,
    retried: u64,
    dead: u64,
}

impl From<Attempts> for AttemptsView {
    fn from(attempts: Attempts) -> Self {
        let Attempts { committed, retried, dead } = attempts;
        Self { committed, retried, dead }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Counts")]
struct CountsView {
    ready: u64,
    running: u64,
    waiting: u64,
    blocked: u64,
    dead: u64,
    committed: u64,
    /// All that were given up and are no dead letters: those that expired too, and timers that were
    /// cancelled or set again.
    dropped: u64,
    retried: u64,
}

impl From<FunctionInfo> for FunctionView {
    fn from(info: FunctionInfo) -> Self {
        Self {
            name: info.name.to_string(),
            active: info.active.map(revision),
            previous: info.previous.map(revision),
            paused: info.paused.map(|(at, reason)| PausedView { at: at.to_rfc3339(), reason }),
            canary: info.canary.map(Into::into),
            canary_ended: info.canary_ended.map(Into::into),
            breaker: info.breaker.map(Into::into),
            revisions: info.revisions.into_iter().map(Into::into).collect(),
            counts: info.counts.into(),
            schedules: info.schedules.into_iter().map(Into::into).collect(),
            state: StateUsageView { entries: info.state.entries, bytes: info.state.bytes },
        }
    }
}

impl From<CanaryInfo> for CanaryView {
    fn from(info: CanaryInfo) -> Self {
        Self {
            revision: revision(info.revision),
            weight: info.weight,
            since: info.since.to_rfc3339(),
            attempts: info.attempts,
            failures: info.failures,
            failures_max: info.failures_max,
        }
    }
}

impl From<CanaryEnded> for CanaryEndedView {
    fn from(ended: CanaryEnded) -> Self {
        Self { revision: revision(ended.revision), at: ended.at.to_rfc3339(), reason: ended.reason }
    }
}

impl From<BreakerInfo> for BreakerView {
    fn from(info: BreakerInfo) -> Self {
        Self {
            state: info.state.as_str(),
            failures: info.failures,
            since: info.since.map(Timestamp::to_rfc3339),
            until: info.until.map(Timestamp::to_rfc3339),
            error: info.error.map(Into::into),
        }
    }
}

impl From<RevisionInfo> for RevisionView {
    fn from(info: RevisionInfo) -> Self {
        Self {
            revision: revision(info.id),
            digest: info.digest.to_string(),
            bytes: info.component_len,
            active: info.active,
            manifest: info.manifest,
            config: info.config,
            created: info.created.to_rfc3339(),
            capabilities: info.capabilities,
            attempts: info.measured.0.into(),
            handling: info.measured.1.into(),
        }
    }
}

impl From<Counts> for CountsView {
    fn from(counts: Counts) -> Self {
        Self {
            ready: counts.ready,
            running: counts.running,
            waiting: counts.waiting,
            blocked: counts.blocked,
            dead: counts.dead,
            committed: counts.committed,
            dropped: counts.dropped,
            retried: counts.retried,
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Deployed")]
pub(crate) struct DeployedView {
    #[schemars(with = "words::FunctionName")]
    name: String,
    #[schemars(with = "words::Revision")]
    revision: String,
    #[schemars(with = "words::Digest")]
    digest: String,
    active: bool,
    canary: bool,
    #[schemars(with = "manifest::Manifest")]
    manifest: serde_json::Value,
    warnings: Vec<String>,
    imports: Vec<String>,
    capabilities: CapabilitiesView,
}

/// What a revision may reach, and what of it the revision that was active may not, or may alone.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Capabilities")]
struct CapabilitiesView {
    all: BTreeSet<String>,
    added: BTreeSet<String>,
    removed: BTreeSet<String>,
}

impl From<Capabilities> for CapabilitiesView {
    fn from(capabilities: Capabilities) -> Self {
        let Capabilities { all, added, removed } = capabilities;
        Self { all, added, removed }
    }
}

impl From<Deployed> for DeployedView {
    fn from(deployed: Deployed) -> Self {
        Self {
            name: deployed.name.to_string(),
            revision: revision(deployed.revision),
            digest: deployed.digest.to_string(),
            active: deployed.active,
            canary: deployed.canary,
            manifest: deployed.manifest.to_json(),
            warnings: deployed.warnings,
            imports: deployed.imports,
            capabilities: deployed.capabilities.into(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StateEntry")]
pub(crate) struct StateEntryView {
    key: Option<String>,
    name: String,
    #[serde(flatten)]
    value: ValueView,
    #[schemars(with = "words::Seq")]
    seq: String,
    /// Absent for an entry that stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::Time>")]
    expires: Option<String>,
}

impl From<StateEntry> for StateEntryView {
    fn from(entry: StateEntry) -> Self {
        Self {
            key: entry.key.map(key),
            name: entry.name,
            value: ValueView::new(&entry.value),
            seq: seq(entry.seq),
            expires: entry.expires.map(Timestamp::to_rfc3339),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DryRun")]
pub(crate) struct DryRunView {
    #[schemars(with = "Option<words::Revision>")]
    revision: Option<String>,
    #[schemars(with = "manifest::Manifest")]
    manifest: serde_json::Value,
    #[schemars(with = "words::RunStatus")]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView>,
    effects: EffectsView,
    logs: Vec<LogView>,
    logs_left_out: u32,
    elapsed_ms: f64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Effects")]
struct EffectsView {
    state: Vec<WriteView>,
    #[schemars(with = "Vec<words::NewEvent>")]
    emitted: Vec<Box<RawValue>>,
    timers: Vec<TimerView>,
    #[schemars(with = "Option<words::Reply>")]
    reply: Option<Box<RawValue>>,
}

/// A timer that is set, with its event, or cancelled.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TimerChange")]
struct TimerView {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::NewEvent>")]
    event: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled: Option<bool>,
}

impl From<TimerChange> for TimerView {
    fn from(change: TimerChange) -> Self {
        let cancelled = change.set.is_none().then_some(true);
        let (after_ms, event) = match change.set {
            Some(TimerEvent { parts, after_ms }) => {
                let event = NewEvent { parts, delay_ms: None };
                (Some(after_ms), Some(codec::new_event_json(&event)))
            }
            None => (None, None),
        };
        Self { name: change.name, after_ms, event, cancelled }
    }
}

impl From<DryRun> for DryRunView {
    fn from(run: DryRun) -> Self {
        let (status, effects, error) = match run.result {
            Ok(effects) => ("committed", effects, None),
            Err(error) => ("failed", Effects::default(), Some(error.into())),
        };
        Self {
            revision: run.revision.map(revision),
            manifest: run.manifest.to_json(),
            status,
            error,
            effects: EffectsView {
                state: effects.writes.into_iter().map(Into::into).collect(),
                emitted: effects.emits.iter().map(codec::new_event_json).collect(),
                timers: effects.timers.into_iter().map(Into::into).collect(),
                reply: effects.reply.as_ref().map(reply),
            },
            logs: run.logs.into_iter().map(Into::into).collect(),
            logs_left_out: run.logs_left_out,
            // In steps of a microsecond: more digits would be noise.
            elapsed_ms: run.elapsed.as_micros() as f64 / 1e3,
        }
    }
}
