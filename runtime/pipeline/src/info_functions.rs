//! What the pipeline tells of functions, and is told to make of them. No behaviour.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use triphammer_journal::StateUsage;
use triphammer_model::{Digest, FunctionName, Manifest, RevisionId, Timestamp};

use crate::breaker::BreakerInfo;
use crate::canary::Share;
use crate::capabilities::Capabilities;
use crate::measure::Attempts;
use crate::times::TimesRecent;

/// A module to become a revision.
#[derive(Clone, Debug)]
pub struct Deploy {
    pub wasm: Bytes,
    /// Overrides the module's own manifest, as JSON.
    pub manifest: Option<String>,
    /// The active revision's when none.
    pub config: Option<BTreeMap<String, String>>,
    pub activate: bool,
    /// What it gets when it is activated.
    pub share: Share,
}

#[derive(Clone, Debug)]
pub struct Deployed {
    pub name: FunctionName,
    pub revision: RevisionId,
    pub digest: Digest,
    pub active: bool,
    /// It gets a share beside the active revision.
    pub canary: bool,
    /// False when this module and config were a revision already.
    pub created: bool,
    pub manifest: Manifest,
    pub warnings: Vec<String>,
    /// What the module imports: all that it can reach.
    pub imports: Vec<String>,
    /// What of it this revision may reach.
    pub capabilities: Capabilities,
}

#[derive(Clone, Debug)]
pub struct FunctionInfo {
    pub name: FunctionName,
    pub active: Option<RevisionId>,
    pub previous: Option<RevisionId>,
    /// Since when, and why.
    pub paused: Option<(Timestamp, String)>,
    pub canary: Option<CanaryInfo>,
    /// The last canary that is one no longer.
    pub canary_ended: Option<CanaryEnded>,
    /// None where the active revision asks for none.
    pub breaker: Option<BreakerInfo>,
    pub revisions: Vec<RevisionInfo>,
    pub counts: Counts,
    pub schedules: Vec<ScheduleInfo>,
    pub state: StateUsage,
    /// How often its filter has failed on an event, since the host started.
    pub filter_errors: u64,
}

/// Which functions are meant: all, unless more is said.
#[derive(Clone, Debug, Default)]
pub struct FunctionQuery {
    /// How their names begin.
    pub prefix: String,
    /// What is anywhere in their names.
    pub contains: String,
    /// No bound when there is none.
    pub limit: Option<usize>,
    pub cursor: Option<String>,
}

#[derive(Clone, Debug)]
pub struct FunctionPage {
    /// By name.
    pub functions: Vec<FunctionInfo>,
    pub cursor: Option<String>,
}

/// A revision that gets a part of a function's work beside the active one.
#[derive(Clone, Copy, Debug)]
pub struct CanaryInfo {
    pub revision: RevisionId,
    /// Percent of the ordering keys, or of the deliveries of a function without.
    pub weight: u8,
    pub since: Timestamp,
    /// Counted since then, or since the start of the host if that was later. Attempts that failed by
    /// the host's own fault, and those run again after a conflict, are not among them.
    pub attempts: u64,
    pub failures: u64,
    /// It is given up when more than this many percent of its attempts fail.
    pub failures_max: u8,
}

#[derive(Clone, Debug)]
pub struct CanaryEnded {
    pub revision: RevisionId,
    pub at: Timestamp,
    /// As a sentence.
    pub reason: String,
}

/// A schedule of the active revision.
#[derive(Clone, Debug)]
pub struct ScheduleInfo {
    pub name: String,
    pub cron: String,
    pub zone: String,
    /// `skip`, `once` or `all`.
    pub missed: &'static str,
    /// The next slot; one that has passed waits for the function to run.
    pub next: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct RevisionInfo {
    pub id: RevisionId,
    pub digest: Digest,
    pub component_len: u64,
    pub manifest: serde_json::Value,
    pub config: BTreeMap<String, String>,
    pub created: Timestamp,
    pub active: bool,
    /// As [`Capabilities::all`]; none of a revision that is not loaded.
    pub capabilities: Option<BTreeSet<String>>,
    /// Its attempts, and their run times, since the host started.
    pub measured: (Attempts, TimesRecent),
}

/// Deliveries of one function. The first five are as of now, the rest since it was first deployed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    pub ready: u64,
    pub running: u64,
    pub waiting: u64,
    pub blocked: u64,
    pub dead: u64,
    pub committed: u64,
    /// All that were given up and are no dead letters, for whatever reason.
    pub dropped: u64,
    pub retried: u64,
}

/// How a function is removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Remove {
    /// Drop the deliveries that wait, instead of refusing.
    pub discard: bool,
    /// Delete its state too.
    pub state: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Removed {
    pub dropped: u64,
}
