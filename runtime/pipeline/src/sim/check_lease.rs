//! Whether an attempt may begin, and what its handler is given; and that a worker lets go of nothing
//! undecided. Knows no rule of batches, flow or breakers: those are asked.

use triphammer_model::{DeliveryId, Event, RevisionId};

use super::checker::{Checker, Run, Verdict, ensure};
use super::facts::{Delivery, Fate, Kind};
use super::observed::Item;
use super::seen::Seen;

/// Runs of one lease whose reads have changed, after which it gives way.
const CONFLICTS: u32 = 3;

impl Checker {
    pub(super) fn leased(
        &mut self,
        run: u32,
        (id, attempt): (&DeliveryId, u32),
        revision: RevisionId,
        along: &[DeliveryId],
    ) -> Verdict {
        let delivery = self.facts.deliveries.get(id).ok_or_else(|| format!("{id} is unknown"))?;
        ensure!(delivery.fate == Fate::Open, "{id} runs and is {:?}", delivery.fate);
        ensure!(!self.is_running(id), "{id} runs twice at once");
        let due = self.due_of(id, delivery);
        ensure!(due <= self.now, "{id} runs early: due {due:?}");
        let expires = delivery.expires.filter(|expires| *expires <= self.now);
        ensure!(expires.is_none(), "{id} runs and has expired: {expires:?}");
        ensure!(attempt == delivery.attempts + 1, "{id}: attempt {attempt} is out of order");
        self.check_room(id, delivery)?;
        self.check_side(id, revision)?;
        self.check_breaker(id)?;
        self.check_batch(id, revision, along)?;
        self.begins(id)?;
        let run_of = Run {
            id: id.clone(),
            along: along.to_vec(),
            attempt,
            revision,
            leased: self.now,
            sole: self.facts.is_orderly(&id.function),
            told: false,
            began: 0,
            reads: Vec::new(),
            end: None,
            started: None,
            settled: false,
        };
        ensure!(self.runs.insert(run, run_of).is_none(), "run {run} is leased twice");
        Ok(())
    }

    /// Whether nothing that runs is in its way.
    fn check_room(&self, id: &DeliveryId, delivery: &Delivery) -> Verdict {
        let function = &self.facts.functions[&id.function];
        ensure!(function.definition.paused.is_none(), "{id} runs while its function is paused");
        let limit = function.manifest.as_ref().map_or(0, |manifest| manifest.concurrency);
        let beside = self.attempts().filter(|run| run.id.function == id.function).count();
        ensure!(beside < limit as usize, "{id} is one more than run at a time");
        let same_lane = |run: &&Run| {
            run.id.function == id.function && self.facts.deliveries[&run.id].key == delivery.key
        };
        if delivery.key.is_some() {
            let most = function.manifest.as_ref().map_or(1, |manifest| manifest.key_concurrency);
            let beside = self.attempts().filter(same_lane).count();
            ensure!(beside < most as usize, "{id} is one more than run of a lane");
            let sole = self.attempts().find(|run| run.sole && same_lane(run));
            ensure!(sole.is_none(), "{id} runs beside one that began alone: {sole:?}");
        }
        if let Some(key) = &delivery.key
            && self.facts.is_orderly(&id.function)
        {
            let head = self.facts.lane_head(&id.function, key, self.now);
            ensure!(head == Some(id), "{id} is out of order: {head:?} is before it in its lane");
        }
        Ok(())
    }

    fn begins(&mut self, id: &DeliveryId) -> Verdict {
        let delivery = &self.facts.deliveries[id];
        match delivery.kind {
            Kind::Timer(_) => self.notes.saw(Seen::TimerBegins),
            Kind::Firing(_) => self.notes.saw(Seen::FiringBegins),
            Kind::Plain if !delivery.tried && delivery.due > delivery.accepted => {
                self.notes.saw(Seen::DelayedBegins);
            }
            _ => {}
        }
        self.flow_started(id)?;
        self.firing_begins(id)
    }

    pub(super) fn began(
        &mut self,
        run: u32,
        (event, attempt): (&Event, u32),
        along: &[Item],
    ) -> Verdict {
        let durable = self.durable;
        let id = self.run(run)?.id.clone();
        ensure!(self.facts.events.get(&id.seq) == Some(event), "{id} is given another event");
        if self.run(run)?.began == 0 {
            self.check_probing(run)?;
        }
        self.check_items(run, along)?;
        let run = self.run(run)?;
        ensure!(attempt == run.attempt, "{id} is told attempt {attempt}");
        run.began += 1;
        (run.reads, run.end) = (Vec::new(), None);
        let on_disk = run.started.is_some_and(|seq| seq.get() <= durable);
        ensure!(
            on_disk || !self.suspects.contains(&id),
            "{id} begins again after an unclean stop, and no record on disk says so"
        );
        Ok(())
    }

    pub(super) fn left(&mut self, run: u32) -> Verdict {
        let run = self.runs.remove(&run).ok_or("a run ends that never began")?;
        let open = self.facts.deliveries[&run.id].fate == Fate::Open;
        let gave_way = run.began == CONFLICTS && run.end.is_some();
        ensure!(
            run.settled || !open || gave_way || self.failed,
            "{} is let go with nothing decided",
            run.id
        );
        if gave_way {
            self.batches.runs_alone(&run.id);
        }
        Ok(())
    }
}
