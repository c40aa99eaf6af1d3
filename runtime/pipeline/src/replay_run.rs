//! Carries replays on: a few events at a time, in the order in which they were accepted, each
//! replay at its own rate. One task for all of them.
//!
//! A step is one record: the events that it makes, and how far the replay is then. After a crash
//! it goes on behind the last step that is on disk, so no event is replayed twice. What lies ahead
//! is kept as places in the log, and events are read only for the step that makes them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use triphammer_journal::{
    Accepted, Body, Candidate, HistoryQuery, Record, Replay, ReplayState, StoreError,
};
use triphammer_model::{ErrorInfo, Event, Seq, Timestamp};

use crate::core::{Core, Inner};
use crate::error::{AcceptError, ChangeError, QueryError};
use crate::intake::may_accept;
use crate::replay::{To, replayed};
use crate::replays::query_of;

/// Places that are looked up at once, to be used and to be counted.
const AHEAD: usize = 4096;
const COUNT_AHEAD: usize = 1 << 16;
/// Events of one step: about twenty steps a second, unless they are large.
const STEPS_PER_SECOND: u32 = 20;
const STEP_EVENTS_MAX: u32 = 1000;
const STEP_BYTES: usize = 2 << 20;
/// Deliveries of one function that wait for a worker or for their lane: with more, replays do not
/// add to them. They take memory.
const BACKLOG_MAX: u64 = 100_000;
/// Before it is tried again what can't be done now: the disk is full, or a function is not loaded.
const WAIT: Duration = Duration::from_secs(1);

/// The replays that run.
#[derive(Default)]
pub(crate) struct Runs {
    by_id: BTreeMap<u64, Run>,
}

/// A replay that runs.
pub(crate) struct Run {
    id: u64,
    query: HistoryQuery,
    /// Not looked at before this time.
    due: Timestamp,
    ahead: VecDeque<Candidate>,
    /// Where the places behind those ahead begin.
    next: Seq,
    counted: bool,
}

/// What a step came to.
pub(crate) enum Stepped {
    /// So many events were made.
    Made(usize),
    /// Nothing can be done at the moment.
    Later,
    /// The replay has ended.
    Ended,
}

/// Carries on whatever runs until the host stops.
pub(crate) async fn run(core: Arc<Core>) {
    let mut runs = Runs::default();
    while !core.is_stopping() {
        let Some(due) = runs.look(&core) else {
            core.replays.notified().await;
            continue;
        };
        let wait = due.since(core.clock.now());
        if !wait.is_zero() {
            tokio::select! {
                () = core.replays.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            continue;
        }
        let Some(run) = runs.take_first() else { continue };
        let worker = Arc::clone(&core);
        // It reads the disk.
        let step = move || {
            let mut run = run;
            let stepped = worker.step(&mut run);
            (run, stepped)
        };
        // It panics only when the lock's holder has: the host is ending then.
        let Ok((run, stepped)) = tokio::task::spawn_blocking(step).await else { return };
        runs.go_on(&core, run, stepped);
    }
}

impl Runs {
    /// Takes up what has begun, and lets go of what has ended. Answers when the first of them is
    /// due.
    pub(crate) fn look(&mut self, core: &Core) -> Option<Timestamp> {
        let inner = core.lock();
        self.by_id.retain(|id, _| inner.replays.get(*id).is_some_and(Replay::is_running));
        let mut wrong = Vec::new();
        for replay in inner.replays.running() {
            if self.by_id.contains_key(&replay.id) {
                continue;
            }
            match query_of(&replay.filter) {
                Ok(query) => {
                    let (ahead, due) = (VecDeque::new(), core.clock.now());
                    let (id, next) = (replay.id, replay.next);
                    self.by_id.insert(id, Run { id, query, due, ahead, next, counted: false });
                }
                Err(error) => wrong.push((replay.id, error.into())),
            }
        }
        drop(inner);
        wrong.iter().for_each(|(id, error)| core.fail_replay(*id, error));
        self.by_id.values().map(|run| run.due).min()
    }

    /// The one that is due first.
    pub(crate) fn take_first(&mut self) -> Option<Run> {
        let id = self.by_id.values().min_by_key(|run| run.due)?.id;
        self.by_id.remove(&id)
    }

    /// Says when it goes on after a step, if it does.
    pub(crate) fn go_on(
        &mut self,
        core: &Core,
        mut run: Run,
        stepped: Result<Stepped, ChangeError>,
    ) {
        match stepped {
            Ok(Stepped::Made(events)) => run.due = core.after(run.due, &run, events),
            Ok(Stepped::Later) => run.due = core.clock.now().plus(WAIT),
            Ok(Stepped::Ended) => return,
            Err(error) => return core.fail_replay(run.id, &error),
        }
        self.by_id.insert(run.id, run);
    }
}

impl Core {
    /// Makes the next events of a replay, as many as a step has.
    pub(crate) fn step(&self, run: &mut Run) -> Result<Stepped, ChangeError> {
        let Some(replay) = self.lock().replays.get(run.id).cloned() else {
            return Ok(Stepped::Ended);
        };
        if !replay.is_running() {
            return Ok(Stepped::Ended);
        }
        if let Some(last) = Seq::new(replay.end.get() - 1) {
            // History shows what is on disk, and the replay is of all that was accepted.
            self.durable.wait_blocking(last).map_err(|_| AcceptError::Journal)?;
        }
        if !run.counted {
            self.count(run, &replay)?;
        }
        let max = (replay.rate / STEPS_PER_SECOND).clamp(1, STEP_EVENTS_MAX) as usize;
        let (events, next) = self.read_ahead(run, &replay, max)?;
        let made = match self.make(&replay, &events, next) {
            Err(ChangeError::Accept(AcceptError::Disk { .. } | AcceptError::Busy { .. }))
            | Err(ChangeError::NotActive(_)) => Ok(Stepped::Later),
            made => made,
        };
        if matches!(made, Ok(Stepped::Later)) {
            // What was read is not made: it is looked up again.
            (run.next, run.ahead) = (replay.next, VecDeque::new());
        }
        made
    }

    /// Counts what it will make, so that it can be told how far it is.
    fn count(&self, run: &mut Run, replay: &Replay) -> Result<(), ChangeError> {
        let (mut next, mut events) = (replay.next, replay.done);
        while next < replay.end && !self.is_stopping() {
            let found = self.history.candidates(&run.query, next, replay.end, COUNT_AHEAD);
            let found = found.map_err(unread)?;
            events += found.found.len() as u64;
            next = found.next;
        }
        self.lock().replays.count(run.id, events);
        run.counted = true;
        Ok(())
    }

    /// The next events of the past, up to `max` of them, and where the rest begins.
    fn read_ahead(
        &self,
        run: &mut Run,
        replay: &Replay,
        max: usize,
    ) -> Result<(Vec<(Seq, Event)>, Seq), ChangeError> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        while events.len() < max && bytes < STEP_BYTES && !self.is_stopping() {
            let Some(candidate) = run.ahead.pop_front() else {
                if run.next >= replay.end {
                    return Ok((events, replay.end));
                }
                let found = self.history.candidates(&run.query, run.next, replay.end, AHEAD);
                let found = found.map_err(unread)?;
                (run.next, run.ahead) = (found.next, found.found.into());
                continue;
            };
            let found = self.history.read_candidate(&run.query, candidate).map_err(unread)?;
            if let Some(found) = found {
                bytes += found.accepted.event.as_bytes().len();
                events.push((candidate.seq, found.accepted.event));
            }
        }
        let rest = run.ahead.front().map_or(run.next, |candidate| candidate.seq);
        Ok((events, rest))
    }

    /// Appends one step: the events, and the replay as it is then.
    fn make(
        &self,
        replay: &Replay,
        events: &[(Seq, Event)],
        next: Seq,
    ) -> Result<Stepped, ChangeError> {
        loop {
            let (table, at) = (self.routes(), self.clock.now());
            let key = replay.function.as_ref().map(|name| self.key_of(name)).transpose()?;
            let to = match (&replay.function, &key) {
                (Some(name), Some(key)) => To::Function(name, key.as_ref()),
                _ => To::Routed(&table),
            };
            let again = |(seq, event): &(Seq, _)| replayed(*seq, event, &to, at);
            let events: Vec<Accepted> = events.iter().map(again).collect();
            let after = step_of(replay, &events, next, at);
            let record = Record::Replay { at, replay: Box::new(after.clone()), events };
            let body = Body::encode(&record);
            let mut inner = self.lock();
            if inner.replays.get(replay.id) != Some(replay) {
                return Ok(Stepped::Ended);
            }
            if inner.routes_version != table.version {
                continue;
            }
            may_accept(&inner)?;
            if record.events().1.iter().any(|accepted| inner.is_behind(accepted)) {
                return Ok(Stepped::Later);
            }
            let due_before = inner.catch_up(at);
            let (seq, location) = inner.log.append(&body)?;
            self.history.note(seq, &record, location);
            inner.admit_all(&record, (seq, location), at);
            let ended = !after.is_running();
            inner.replays.set(after);
            self.raise(&mut inner);
            self.wake(inner, due_before);
            let made = record.events().1.len();
            return Ok(if ended { Stepped::Ended } else { Stepped::Made(made) });
        }
    }

    /// Ends a replay that can't go on.
    fn fail_replay(&self, id: u64, error: &ChangeError) {
        tracing::warn!(replay = id, %error, "a replay can't go on");
        let mut inner = self.lock();
        let Some(replay) = inner.replays.get(id).filter(|replay| replay.is_running()) else {
            return;
        };
        let error = ErrorInfo { code: error.code().into(), message: error.to_string() };
        let state = ReplayState::Failed { at: self.clock.now(), error };
        let replay = Replay { state, ..replay.clone() };
        if let Err(error) = self.write_replay(&mut inner, replay.clone()) {
            // The log takes nothing: it is tried again after the next start.
            tracing::warn!(replay = id, %error, "the end of a replay could not be recorded");
            inner.replays.set(replay);
        }
    }

    /// When the next step is due, if this one made so many events.
    fn after(&self, due: Timestamp, run: &Run, events: usize) -> Timestamp {
        let rate = self.lock().replays.get(run.id).map_or(1, |replay| replay.rate);
        paced(due, self.clock.now(), events, rate)
    }
}

impl Inner {
    /// Whether a function that gets the event has as much to do as replays may leave waiting.
    fn is_behind(&self, accepted: &Accepted) -> bool {
        accepted.deliveries.iter().filter(|delivery| delivery.dead.is_none()).any(|delivery| {
            self.queue.find(&delivery.function).is_some_and(|id| {
                let counts = self.queue.function(id).counts;
                counts.ready + counts.blocked >= BACKLOG_MAX
            })
        })
    }
}

/// The replay after a step that makes these events.
fn step_of(replay: &Replay, events: &[Accepted], next: Seq, at: Timestamp) -> Replay {
    let deliveries: usize = events.iter().map(|accepted| accepted.deliveries.len()).sum();
    let ended = next >= replay.end;
    Replay {
        next,
        done: replay.done + events.len() as u64,
        deliveries: replay.deliveries + deliveries as u64,
        state: if ended { ReplayState::Done { at } } else { ReplayState::Running },
        ..replay.clone()
    }
}

/// A step's time is as long as its events take at the rate. What a late step lost is not made up.
fn paced(due: Timestamp, now: Timestamp, events: usize, rate: u32) -> Timestamp {
    let ms = (events as u64 * 1000).div_ceil(u64::from(rate.max(1)));
    let next = due.plus(Duration::from_millis(ms));
    if next < now { now } else { next }
}

fn unread(error: StoreError) -> ChangeError {
    ChangeError::Query(QueryError::Read(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_bounds_every_second() {
        let at = Timestamp;
        assert_eq!(paced(at(1000), at(1001), 50, 1000), at(1050));
        assert_eq!(paced(at(1000), at(1001), 1, 3), at(1334));
        assert_eq!(paced(at(1000), at(1001), 0, 3), at(1001));
        // The time that a full disk took does not make it hurry.
        assert_eq!(paced(at(1000), at(9000), 50, 1000), at(9000));
    }
}
