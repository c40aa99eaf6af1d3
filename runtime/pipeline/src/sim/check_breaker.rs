//! Whether a function's circuit breaker opens, is probed and closes exactly when it must, each step
//! with its record and its event.

use std::collections::{BTreeMap, BTreeSet};

use triphammer_journal::{Accepted, Definition, OpenBreaker, Outcome, Record, RowStatus, Settle};
use triphammer_model::{DeliveryId, Event, FunctionName, RevisionId, Timestamp};

use super::HOPS_MAX;
use super::check_accept::Way;
use super::checker::{Checker, Verdict, ensure};

/// What is known of breakers beside the records.
#[derive(Debug, Default)]
pub(super) struct Breakers {
    /// Failures in a row since the host is up, of what began at this time or later.
    streaks: BTreeMap<FunctionName, (u32, Timestamp)>,
    /// The step that the host must take with its next record, and the delivery that led to it.
    due: Option<(DeliveryId, Option<OpenBreaker>)>,
    /// Functions that have been probed since their breakers opened, and the host is up.
    probed: BTreeSet<FunctionName>,
}

impl Breakers {
    /// The host has gone down: it counts anew.
    pub(super) fn down(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_due(&self, name: &FunctionName) -> bool {
        self.due.as_ref().is_some_and(|(id, _)| id.function == *name)
    }
}

impl Checker {
    fn open_breaker(&self, name: &FunctionName) -> Option<&OpenBreaker> {
        self.facts.functions.get(name)?.definition.breaker.as_ref()
    }

    /// An attempt may begin now.
    pub(super) fn check_breaker(&self, id: &DeliveryId) -> Verdict {
        let Some(open) = self.open_breaker(&id.function) else { return Ok(()) };
        ensure!(open.probe <= self.now, "{id} runs while its function's breaker is open");
        let beside = self.running().find(|other| other.function == id.function);
        ensure!(beside.is_none(), "{id} runs beside {beside:?}, and its breaker is half-open");
        Ok(())
    }

    /// Whether an attempt that was leased at this time is the probe of its function.
    fn is_probe(&self, id: &DeliveryId, revision: RevisionId, leased: Timestamp) -> bool {
        let active = self.facts.functions[&id.function].definition.active == Some(revision);
        active && self.open_breaker(&id.function).is_some_and(|open| leased >= open.probe)
    }

    /// Whether a step that this delivery leads to is told.
    fn is_told(&self, id: &DeliveryId) -> bool {
        let own = self.facts.events[&id.seq].ty().starts_with("triphammer.breaker.");
        !own && self.facts.deliveries[id].hops.0 < HOPS_MAX
    }

    /// The handler of a probe begins.
    pub(super) fn check_probing(&mut self, run: u32) -> Verdict {
        let run = &self.runs[&run];
        let probes = self.is_probe(&run.id, run.revision, run.leased);
        if probes && self.breakers.probed.insert(run.id.function.clone()) {
            ensure!(run.told || !self.is_told(&run.id), "{} probes, and nobody is told", run.id);
        }
        Ok(())
    }

    /// The host's event of a probe.
    pub(super) fn check_probing_told(&mut self, notice: &Accepted) -> Verdict {
        let data = notice.event.data().unwrap_or_default();
        let data: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
        let run = self.runs.values().find(|run| {
            data["delivery"] == run.id.to_string() && run.began == 0 && !run.told && !run.settled
        });
        let run = run.ok_or("a probe that does not run is told of")?;
        let (id, revision, leased) = (run.id.clone(), run.revision, run.leased);
        ensure!(self.is_probe(&id, revision, leased) && self.is_told(&id), "{id} is no probe");
        let first = !self.breakers.probed.contains(&id.function);
        ensure!(first, "{id} is not the first probe");
        self.check_told(&id, "triphammer.breaker.probing", notice)?;
        let run = self.runs.values_mut().find(|run| run.id == id && !run.settled);
        run.expect("it was found above").told = true;
        Ok(())
    }

    fn check_told(&self, id: &DeliveryId, ty: &str, notice: &Accepted) -> Verdict {
        let event = &notice.event;
        let about = event.ty() == ty && event.subject() == Some(id.function.as_str());
        ensure!(about, "{id} leads to {ty}, and the host tells of {event:?}");
        let hops = self.facts.deliveries[id].hops.0 + 1;
        ensure!(notice.hops.0 == hops, "{ty} after {id} is at {:?}", notice.hops);
        self.check_routes(notice, Way::Routed(None))
    }

    /// Counts an attempt, before its record is a fact.
    pub(super) fn count_breaker(&mut self, settle: &Settle) {
        let name = &settle.id.function;
        let function = &self.facts.functions[name];
        let rule = function.manifest.as_ref().and_then(|manifest| manifest.breaker);
        let active = function.definition.active == Some(settle.revision);
        let (Some(rule), true) = (rule, active) else { return };
        let Some(failed) = Self::has_failed(settle) else { return };
        let open = function.definition.breaker.clone();
        let (failures, since) = self.breakers.streaks.entry(name.clone()).or_default();
        let begins = settle.started;
        let step = match open {
            Some(open) if begins < open.probe => return,
            Some(open) => failed.then(|| (open.since, open.failures + 1)),
            None if begins < *since => return,
            None => {
                *failures = if failed { *failures + 1 } else { 0 };
                if *failures < rule.failures {
                    return;
                }
                Some((settle.at, *failures))
            }
        };
        let error = match &settle.outcome {
            Outcome::Retry { error, .. } => Some(error.clone()),
            Outcome::Dead { row, .. } => match &row.status {
                RowStatus::Dead { error, .. } => Some(error.clone()),
                RowStatus::Due(_) => None,
            },
            Outcome::Committed { .. } => None,
        };
        let probe = settle.at.plus(rule.probe);
        let breaker = step.zip(error).map(|((since, failures), error)| OpenBreaker {
            since,
            probe,
            failures,
            error,
        });
        self.breakers.due = Some((settle.id.clone(), breaker));
    }

    /// What must come next comes next.
    pub(super) fn check_breaker_due(&mut self, record: &Record) -> Verdict {
        let Some((id, _)) = &self.breakers.due else { return Ok(()) };
        let steps = matches!(record, Record::Define { name, .. } if *name == id.function);
        ensure!(steps || self.failed, "{id} decides on its breaker, and nothing comes of it");
        if !steps {
            self.breakers.due = None;
        }
        Ok(())
    }

    /// The host opens a breaker, or closes it, by its own decision.
    pub(super) fn check_breaker_step(
        &mut self,
        name: &FunctionName,
        definition: &Definition,
        raised: &[Accepted],
    ) -> Verdict {
        let Some((id, breaker)) = self.breakers.due.take() else {
            return Err("a step of a breaker that is not due".into());
        };
        let ty = match &breaker {
            Some(_) => "triphammer.breaker.opened",
            None => "triphammer.breaker.closed",
        };
        let expect = Definition { breaker, ..self.facts.functions[name].definition.clone() };
        ensure!(*definition == expect, "{id} makes of {name} {definition:?}, not {expect:?}");
        match raised {
            [notice] if self.is_told(&id) => self.check_told(&id, ty, notice),
            [] if !self.is_told(&id) => Ok(()),
            _ => Err(format!("{ty} after {id} is told {} times", raised.len())),
        }
    }

    /// What an operator's definition becomes: another revision begins with a closed breaker.
    pub(super) fn as_defined(&self, name: &FunctionName, asked: &Definition) -> Definition {
        let now = self.facts.functions.get(name).map(|function| &function.definition);
        let same = now.is_none_or(|now| now.active == asked.active);
        let breaker = asked.breaker.clone().filter(|_| same);
        Definition { breaker, ..asked.clone() }
    }

    /// A pause, or its end, is told last of what a definition tells. What it tells besides.
    pub(super) fn check_paused_told<'r>(
        &self,
        name: &FunctionName,
        definition: &Definition,
        raised: &'r [Accepted],
    ) -> Result<&'r [Accepted], String> {
        let before = self.facts.functions.get(name).map(|function| &function.definition);
        let live = before.filter(|before| !before.deleted && !definition.deleted);
        let ty = match live.map(|before| (before.paused.is_some(), definition.paused.is_some())) {
            Some((false, true)) => "triphammer.function.paused",
            Some((true, false)) => "triphammer.function.resumed",
            _ => return Ok(raised),
        };
        let (notice, rest) =
            raised.split_last().ok_or_else(|| format!("{ty} of {name} is not told"))?;
        let about = notice.event.ty() == ty && notice.event.subject() == Some(name.as_str());
        ensure!(about && notice.hops.0 == 0, "{ty} of {name} is told as {:?}", notice.event);
        self.check_routes(notice, Way::Routed(None))?;
        Ok(rest)
    }

    /// An operator's definition tells of the breaker that it closes, and of nothing else.
    pub(super) fn check_closed_told(
        &self,
        name: &FunctionName,
        definition: &Definition,
        raised: &[Accepted],
    ) -> Verdict {
        let was_open = self.open_breaker(name).is_some();
        let closes = was_open && definition.breaker.is_none() && !definition.deleted;
        match raised {
            [notice] if closes => {
                let event: &Event = &notice.event;
                let about = event.ty() == "triphammer.breaker.closed"
                    && event.subject() == Some(name.as_str());
                ensure!(about && notice.hops.0 == 0, "an operator closes {name}: {event:?}");
                self.check_routes(notice, Way::Routed(None))
            }
            [] if !closes => Ok(()),
            _ => Err(format!("{name} is defined, and {} events are told", raised.len())),
        }
    }

    /// A function is another from now on: its failures are counted anew.
    pub(super) fn follow_breaker(&mut self, record: &Record) {
        let Record::Define { at, name, definition, .. } = record else { return };
        let before = self.facts.functions.get(name).map(|function| &function.definition);
        let same = before.is_some_and(|before| {
            (before.active, &before.breaker) == (definition.active, &definition.breaker)
        });
        if !same {
            self.breakers.streaks.insert(name.clone(), (0, *at));
            self.breakers.probed.remove(name);
        }
    }
}
