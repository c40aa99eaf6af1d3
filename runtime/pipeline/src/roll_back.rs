//! The host ends a canary on its own decision: one that fails too often, or that could not be loaded
//! again. One record has the end, the reason and the event about it.

use std::sync::Arc;

use triphammer_journal::{Accepted, Canary, RevisionDef};
use triphammer_model::{FunctionName, Hops, Timestamp};

use crate::canary::{RunningCanary, Tally, Verdict};
use crate::core::{Core, Inner};
use crate::define::Change;
use crate::notice::Notice;
use crate::registry::{Function, Revision, find_revision};
use crate::rollout::end_canary;

/// The type of the event.
const ROLLED_BACK: &str = "triphammer.revision.rolledback";

impl Function {
    /// Counts an attempt, if it was a canary's. Says so when the canary is to be given up.
    pub(crate) fn count(
        &mut self,
        revision: &Revision,
        started: Timestamp,
        failed: bool,
    ) -> Option<Verdict> {
        self.canary.as_mut()?.count(revision.id, started, failed)
    }
}

impl Core {
    /// Counts an attempt that failed by its own fault.
    pub(crate) fn count_failure(&self, inner: &mut Inner, revision: &Revision, started: Timestamp) {
        let function = inner.functions.get_mut(&revision.function);
        if let Some(verdict) = function.and_then(|f| f.count(revision, started, true)) {
            self.roll_back_in(inner, &revision.function, &verdict);
        }
    }

    /// Ends the canary: the active revision gets everything again.
    pub(crate) fn roll_back_in(&self, inner: &mut Inner, name: &FunctionName, verdict: &Verdict) {
        let Some(function) = inner.functions.get(name) else { return };
        let Some(canary) = function.definition.canary else { return };
        let mut definition = function.definition.clone();
        end_canary(&mut definition, self.clock.now(), verdict.reason.clone());
        let revision = canary.revision;
        tracing::warn!(function = %name, %revision, reason = verdict.reason, "canary ended");
        let raised = self.rolled_back(inner, name, &canary, verdict).into_iter().collect();
        let change = Change { raised, ..Change::default() };
        // It fails only with the journal, which ends the process.
        if self.define_in(inner, name, definition, change).is_ok() {
            inner.totals.rolledback += 1;
        }
    }

    fn rolled_back(
        &self,
        inner: &Inner,
        name: &FunctionName,
        canary: &Canary,
        verdict: &Verdict,
    ) -> Option<Accepted> {
        let data = serde_json::json!({
            "function": name.as_str(),
            "revision": canary.revision.to_string(),
            "attempts": verdict.tally.attempts,
            "failures": verdict.tally.failures,
            "bound": verdict.bound,
            "reason": verdict.reason,
        });
        self.announce(Notice {
            ty: ROLLED_BACK,
            function: Some(name.clone()),
            subject: name.to_string(),
            // The number of the record that it is in.
            id: format!("{}-{name}-rolledback", inner.log.next_seq()),
            at: self.clock.now(),
            data,
            hops: Hops(0),
            cause: None,
        })
    }

    /// Functions with a canary, and its revision.
    pub(crate) fn canaries(&self) -> Vec<(FunctionName, RevisionDef)> {
        let inner = self.lock();
        let canary = |(name, function): (&FunctionName, &Function)| {
            let id = function.definition.canary?.revision;
            Some((name.clone(), find_revision(&function.definition, id)?.clone()))
        };
        inner.functions.iter().filter_map(canary).collect()
    }

    /// Takes up a canary at the start of the host, as it was loaded or not.
    pub(crate) fn resume_canary(&self, name: &FunctionName, loaded: Result<Arc<Revision>, String>) {
        let mut inner = self.lock();
        let Some(function) = inner.functions.get_mut(name) else { return };
        let Some(canary) = function.definition.canary else { return };
        match loaded {
            Ok(revision) => {
                function.canary = Some(RunningCanary::new(canary, revision, None));
            }
            Err(why) => {
                let verdict = Verdict {
                    tally: Tally::default(),
                    bound: canary.failures_max,
                    reason: format!("it could not be loaded: {why}"),
                };
                self.roll_back_in(&mut inner, name, &verdict);
            }
        }
    }
}
