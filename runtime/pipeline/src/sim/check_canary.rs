//! Whether attempts run on the right side of a canary, and the host ends one exactly when it must.

use std::collections::BTreeMap;

use triphammer_journal::{Accepted, CanaryEnd, Definition, Outcome, Record, Settle};
use triphammer_model::{DeliveryId, FunctionName, Hops, RevisionId, Timestamp};

use super::check_accept::Way;
use super::checker::{Checker, Verdict, ensure};

/// Attempts before which a canary is not judged.
const ATTEMPTS: u64 = 20;

/// A canary as a definition has it: its function, its revision, and since when.
type Name = (FunctionName, RevisionId, Timestamp);

/// What is known of canaries beside the records.
#[derive(Debug, Default)]
pub(super) struct Canaries {
    /// Attempts and failures since the host is up.
    tallies: BTreeMap<Name, (u64, u64)>,
    /// Where a key, or a delivery without one, has run under a weight.
    sides: BTreeMap<(Name, u8, String), RevisionId>,
    /// The host must end it with its next record.
    over: Option<Name>,
}

impl Canaries {
    /// The host has gone down: it counts anew.
    pub(super) fn down(&mut self) {
        self.tallies.clear();
        self.over = None;
    }
}

impl Checker {
    /// A function's canary and its weight.
    fn canary(&self, function: &FunctionName) -> Option<(Name, u8, u8)> {
        let canary = self.facts.functions.get(function)?.definition.canary?;
        let name = (function.clone(), canary.revision, canary.since);
        Some((name, canary.weight, canary.failures_max))
    }

    pub(super) fn check_side(&mut self, id: &DeliveryId, revision: RevisionId) -> Verdict {
        let active = self.facts.functions[&id.function].definition.active;
        let Some((canary, weight, _)) = self.canary(&id.function) else {
            ensure!(active == Some(revision), "{id} runs on {revision}");
            return Ok(());
        };
        ensure!([active, Some(canary.1)].contains(&Some(revision)), "{id} runs on {revision}");
        let key = self.facts.deliveries[id].key.as_ref();
        let key = key.map_or_else(|| id.seq.to_string(), |key| format!("key {key:?}"));
        let before = self.canaries.sides.entry((canary, weight, key)).or_insert(revision);
        ensure!(*before == revision, "{id} runs on {revision}, and its key ran on {before}");
        Ok(())
    }

    /// Whether an attempt has failed by its own fault; none where that was the host's.
    pub(super) fn has_failed(settle: &Settle) -> Option<bool> {
        match &settle.outcome {
            Outcome::Committed { .. } => Some(false),
            Outcome::Dead { .. } => Some(true),
            Outcome::Retry { error, .. } => (error.code != "invoke.host").then_some(true),
        }
    }

    /// Counts an attempt, before its record is a fact.
    pub(super) fn count_canary(&mut self, settle: &Settle) {
        let Some((canary, _, bound)) = self.canary(&settle.id.function) else { return };
        if settle.revision != canary.1 || settle.started < canary.2 {
            return;
        }
        let Some(failed) = Self::has_failed(settle) else { return };
        let (attempts, failures) = self.canaries.tallies.entry(canary.clone()).or_default();
        *attempts += 1;
        *failures += u64::from(failed);
        if *attempts >= ATTEMPTS && *failures * 100 > *attempts * u64::from(bound) {
            self.canaries.over = Some(canary);
        }
    }

    /// What must come next comes next.
    pub(super) fn check_canary_over(&mut self, record: &Record) -> Verdict {
        let Some(over) = self.canaries.over.take() else { return Ok(()) };
        let ends = matches!(record, Record::Define { name, raised, .. }
            if *name == over.0 && !raised.is_empty());
        ensure!(ends || self.failed, "canary {} of {} fails, and goes on", over.1, over.0);
        Ok(())
    }

    /// The host ends a canary by its own decision.
    pub(super) fn check_canary_end(
        &self,
        name: &FunctionName,
        definition: &Definition,
        raised: &[Accepted],
    ) -> Verdict {
        let Some((canary, _, bound)) = self.canary(name) else {
            return Err("a definition that nobody asked for".into());
        };
        let (attempts, failures) = self.canaries.tallies.get(&canary).copied().unwrap_or_default();
        let over = attempts >= ATTEMPTS && failures * 100 > attempts * u64::from(bound);
        ensure!(over, "canary {} ends after {failures} of {attempts} failed", canary.1);
        let mut expect = self.facts.functions[name].definition.clone();
        expect.canary = None;
        let reason = definition.canary_ended.as_ref().map(|end| end.reason.clone());
        let reason = reason.ok_or("a canary ends without a reason")?;
        expect.canary_ended = Some(CanaryEnd { revision: canary.1, at: self.now, reason });
        ensure!(*definition == expect, "more ends than canary {} of {name}", canary.1);
        let [notice] = raised else { return Err("the end of a canary is not told once".into()) };
        let event = &notice.event;
        let about = event.ty() == "triphammer.revision.rolledback"
            && event.subject() == Some(name.as_str())
            && notice.hops == Hops(0);
        ensure!(about, "canary {} ends, and the host tells of {event:?}", canary.1);
        self.check_routes(notice, Way::Routed(None))
    }
}
