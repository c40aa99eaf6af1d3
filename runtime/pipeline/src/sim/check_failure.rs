//! Whether an attempt that failed is followed by what must follow: another, when and counted as it
//! must be, or a dead letter.

use triphammer_journal::{RowStatus, Settle};
use triphammer_model::{DeliveryId, Manifest, RetryPolicy, RevisionId};

use super::HOPS_MAX;
use super::check_record::STARTS;
use super::checker::{Checker, Run, Verdict, ensure};
use super::facts::Delivery;
use super::observed::End;

/// The longest wait after a fault of the host's own.
const HOST_WAIT_MS: u64 = 5000;

impl Checker {
    /// Since when all attempts of a function have failed in the host.
    pub(super) fn count_host_faults(&mut self, settle: &Settle) {
        let name = &settle.id.function;
        let run = self.runs.values().find(|run| run.id == settle.id && run.end.is_some());
        match run.and_then(|run| run.end.as_ref()) {
            Some(End::HostFault) => {
                self.host_faults.entry(name.clone()).or_insert(settle.at);
            }
            _ => drop(self.host_faults.remove(name)),
        }
    }

    pub(super) fn check_retry(
        &self,
        run: &Run,
        delivery: &Delivery,
        status: &RowStatus,
        attempts: u32,
    ) -> Verdict {
        let id = &run.id;
        let RowStatus::Due(due) = status else { return Err(format!("{id} is retried and dead")) };
        let policy = self.policy(run)?;
        let ceiling = policy.ceiling(run.attempt - 1).as_millis() as u64;
        let wait = due.0.checked_sub(self.now.0).ok_or("a retry that is due in the past")?;
        let counted = match run.end {
            Some(End::HostFault) => {
                ensure!(wait <= ceiling.min(HOST_WAIT_MS), "{id} waits {wait} ms");
                0
            }
            Some(End::Trap | End::Retry { after_ms: None }) => {
                ensure!(wait <= ceiling, "{id} waits {wait} ms of at most {ceiling}");
                1
            }
            Some(End::Retry { after_ms: Some(after) }) => {
                ensure!(wait == after, "{id} waits {wait} ms, and asked for {after}");
                1
            }
            _ => return Err(format!("{id} is tried again after {:?}", run.end)),
        };
        let age = self.now.0 - delivery.place.0.0 + wait;
        let old = policy.age.is_some_and(|most| u128::from(age) > most.as_millis());
        ensure!(counted == 0 || !old, "{id} would be {age} ms old");
        let left = counted == 0 || run.attempt < policy.attempts;
        ensure!(left, "{id} is tried again after its last attempt");
        ensure!(attempts == delivery.attempts + counted, "{id} has had {attempts} attempts");
        Ok(())
    }

    /// A batch that fails counts for none of it, and is done with: they run one by one, at once, or
    /// when it has been asked for.
    pub(super) fn check_parted(&self, run: &Run, status: &RowStatus, attempts: u32) -> Verdict {
        let id = &run.id;
        let RowStatus::Due(due) = status else { return Err(format!("{id} is retried and dead")) };
        let wait = due.0.checked_sub(self.now.0).ok_or("a retry that is due in the past")?;
        let ceiling = self.policy(run)?.ceiling(run.attempt - 1).as_millis() as u64;
        let most = match &run.end {
            Some(End::HostFault) => ceiling.min(HOST_WAIT_MS),
            Some(End::Retry { after_ms: Some(after) }) => {
                ensure!(wait == *after, "the batch of {id} waits {wait} ms, and asked for {after}");
                *after
            }
            Some(End::Commit(effects)) => {
                let far = !effects.emits.is_empty() && self.hops(run) >= HOPS_MAX;
                ensure!(far, "the batch of {id} fails, and has succeeded");
                0
            }
            Some(_) => 0,
            None => return Err(format!("the batch of {id} fails before its end")),
        };
        ensure!(wait <= most, "the batch of {id} waits {wait} ms of at most {most}");
        let before = self.facts.deliveries[id].attempts;
        ensure!(attempts == before, "{id} has had {attempts} attempts, and its batch failed");
        Ok(())
    }

    pub(super) fn check_dead(&self, run: &Run, delivery: &Delivery, code: &str) -> Verdict {
        let policy = self.policy(run)?;
        let wait = match run.end {
            Some(End::Retry { after_ms: Some(after) }) => u128::from(after),
            _ => policy.ceiling(run.attempt - 1).as_millis(),
        };
        let age = u128::from(self.now.0 - delivery.place.0.0) + wait;
        let old = policy.age.is_some_and(|most| age > most.as_millis());
        let last = run.attempt >= policy.attempts || old;
        let may = match (&run.end, code) {
            (Some(End::Reject), "invoke.rejected") => true,
            (Some(End::Trap), "invoke.trap") | (Some(End::Retry { .. }), "invoke.retry") => last,
            (Some(End::Commit(effects)), "limit.hops") => {
                !effects.emits.is_empty() && delivery.hops.0 >= HOPS_MAX
            }
            (None, "invoke.crashed") => delivery.starts == STARTS && run.began == 0,
            _ => false,
        };
        ensure!(may, "{} is dead of {code} after {:?}, attempt {}", run.id, run.end, run.attempt);
        Ok(())
    }

    /// Of the revision that the attempt runs on.
    fn policy(&self, run: &Run) -> Result<RetryPolicy, String> {
        Ok(self.serving(&run.id, run.revision)?.retry)
    }

    /// The manifest of the revision that an attempt at this runs on.
    pub(super) fn serving(&self, id: &DeliveryId, on: RevisionId) -> Result<Manifest, String> {
        let revisions = &self.facts.functions[&id.function].definition.revisions;
        let def = revisions.iter().find(|def| def.id == on);
        let def = def.ok_or_else(|| format!("{id} runs on what is not kept"))?;
        Manifest::from_json(&def.manifest, &<_>::default()).map_err(|error| error.to_string())
    }
}
