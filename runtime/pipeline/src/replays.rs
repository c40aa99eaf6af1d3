//! Replays of much of the past: begun, listed and cancelled. Each goes on by itself, and over a
//! restart, until it is through with what was there when it began. Knows no pace: see
//! `replay_run`.

use std::collections::BTreeMap;

use triphammer_journal::{Body, HistoryQuery, Record, Replay, ReplayFilter, ReplayState};
use triphammer_model::{FunctionName, Seq, TypePattern};

use crate::core::{Core, Inner};
use crate::error::{ChangeError, QueryError};
use crate::info::EventQuery;
use crate::intake::may_accept;

/// A replay that is asked for.
#[derive(Clone, Debug)]
pub struct NewReplay {
    /// Which events; its limit and its cursor have no meaning here.
    pub events: EventQuery,
    /// The only one that gets them; whoever asks for them when none.
    pub function: Option<FunctionName>,
    /// Events a second, at the most.
    pub rate: u32,
}

impl NewReplay {
    /// Events a second when nobody says it.
    pub const RATE: u32 = 1000;
    /// The most that can be asked for.
    pub const RATE_MAX: u32 = 100_000;
}

/// A replay as it stands.
#[derive(Clone, Debug)]
pub struct ReplayInfo {
    pub replay: Replay,
    /// How many events it will have made in the end; none as long as they are not counted.
    pub events: Option<u64>,
}

/// Replays that may run at the same time.
const RUNNING_MAX: usize = 16;

/// All that are known, by id.
#[derive(Debug, Default)]
pub(crate) struct Replays {
    by_id: BTreeMap<u64, Replay>,
    /// What those that run have found.
    counted: BTreeMap<u64, u64>,
}

impl Replays {
    pub(crate) fn new(mut by_id: BTreeMap<u64, Replay>) -> Self {
        Replay::trim(&mut by_id);
        Self { by_id, counted: BTreeMap::new() }
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Replay> {
        self.by_id.get(&id)
    }

    /// Those that have something left to do.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Replay> {
        self.by_id.values().filter(|replay| replay.is_running())
    }

    pub(crate) fn set(&mut self, replay: Replay) {
        if !replay.is_running() {
            self.counted.remove(&replay.id);
        }
        self.by_id.insert(replay.id, replay);
        Replay::trim(&mut self.by_id);
    }

    pub(crate) fn count(&mut self, id: u64, events: u64) {
        if self.by_id.get(&id).is_some_and(Replay::is_running) {
            self.counted.insert(id, events);
        }
    }

    fn info(&self, id: u64) -> Option<ReplayInfo> {
        let replay = self.by_id.get(&id)?.clone();
        let events = match replay.state {
            ReplayState::Done { .. } => Some(replay.done),
            _ => self.counted.get(&id).copied(),
        };
        Some(ReplayInfo { replay, events })
    }
}

impl Core {
    /// Begins a replay of what is there now.
    pub(crate) async fn start_replay(&self, new: NewReplay) -> Result<ReplayInfo, ChangeError> {
        if !(1..=NewReplay::RATE_MAX).contains(&new.rate) {
            return Err(ChangeError::ReplayRate { max: NewReplay::RATE_MAX });
        }
        if let Some(name) = &new.function {
            self.key_of(name)?;
        }
        let (info, seq) = {
            let mut inner = self.lock();
            may_accept(&inner)?;
            if inner.replays.running().count() >= RUNNING_MAX {
                return Err(ChangeError::ReplaysRunning { max: RUNNING_MAX });
            }
            let last = inner.replays.by_id.last_key_value().map_or(0, |(id, _)| *id);
            let replay = Replay {
                id: last + 1,
                created: self.clock.now(),
                filter: filter(&new.events),
                function: new.function,
                rate: new.rate,
                next: Seq::FIRST,
                end: inner.log.next_seq(),
                done: 0,
                deliveries: 0,
                state: ReplayState::Running,
            };
            let seq = self.write_replay(&mut inner, replay)?;
            (inner.replays.info(last + 1), seq)
        };
        self.settle_change(Some(seq)).await?;
        self.replays.notify_one();
        info.ok_or(ChangeError::NoReplay(0))
    }

    /// Ends a replay where it is. One that has ended is left as it is.
    pub(crate) async fn cancel_replay(&self, id: u64) -> Result<ReplayInfo, ChangeError> {
        let (info, seq) = {
            let mut inner = self.lock();
            let replay = inner.replays.get(id).ok_or(ChangeError::NoReplay(id))?.clone();
            let seq = if replay.is_running() {
                let state = ReplayState::Cancelled { at: self.clock.now() };
                Some(self.write_replay(&mut inner, Replay { state, ..replay })?)
            } else {
                Seq::new(inner.log.next_seq().get() - 1)
            };
            (inner.replays.info(id), seq)
        };
        self.settle_change(seq).await?;
        self.replays.notify_one();
        info.ok_or(ChangeError::NoReplay(id))
    }

    /// Newest first.
    pub(crate) fn replay_infos(&self) -> Vec<ReplayInfo> {
        let inner = self.lock();
        let ids = inner.replays.by_id.keys().rev();
        ids.filter_map(|id| inner.replays.info(*id)).collect()
    }

    pub(crate) fn replay_info(&self, id: u64) -> Option<ReplayInfo> {
        self.lock().replays.info(id)
    }

    /// A record of a replay that makes no events.
    pub(crate) fn write_replay(
        &self,
        inner: &mut Inner,
        replay: Replay,
    ) -> Result<Seq, ChangeError> {
        let at = self.clock.now();
        let record = Record::Replay { at, replay: Box::new(replay.clone()), events: Vec::new() };
        let (seq, location) = inner.log.append(&Body::encode(&record))?;
        self.history.note(seq, &record, location);
        inner.replays.set(replay);
        Ok(seq)
    }
}

fn filter(query: &EventQuery) -> ReplayFilter {
    ReplayFilter {
        ty: query.ty.as_ref().map(ToString::to_string),
        source: query.source.clone(),
        subject: query.subject.clone(),
        id: query.id.clone(),
        after: query.after,
        before: query.before,
    }
}

/// What a replay looks for. Without a type, that is all but the host's own events.
pub(crate) fn query_of(filter: &ReplayFilter) -> Result<HistoryQuery, QueryError> {
    let ty = filter.ty.as_deref().unwrap_or("**");
    let ty: TypePattern = ty.parse().map_err(|error| QueryError::Read(Box::new(error)))?;
    Ok(HistoryQuery {
        ty: Some(ty),
        source: filter.source.clone(),
        subject: filter.subject.clone(),
        id: filter.id.clone(),
        after: filter.after,
        before: filter.before,
        before_seq: None,
        limit: 0,
    })
}
