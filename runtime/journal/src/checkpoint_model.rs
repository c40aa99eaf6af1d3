//! What the views must say, worked out the slow and obvious way; and the records to say it of.

use std::collections::BTreeMap;

use bytes::Bytes;
use triphammer_model::{
    DeliveryId, ErrorInfo, Event, EventParts, FunctionName, Hops, OrderingKey, Priority,
    RevisionId, Seq, StateWrite, Timestamp,
};

use crate::dedup::Hit;
use crate::record::{
    Accept, Accepted, DedupEntry, Definition, DeliveryRow, DropReason, Entrance, NewDelivery,
    Outcome, Record, RowChange, RowStatus, Settle,
};
use crate::record_replay::{Replay, ReplayFilter, ReplayState};
use crate::sim::Rng;
use crate::state::Versioned;
use crate::store_keys::Space;

/// All that the log says, by record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) records: Vec<(Seq, Record)>,
    pub(crate) rows: BTreeMap<DeliveryId, DeliveryRow>,
    pub(crate) state: BTreeMap<(Space, String), Versioned>,
    pub(crate) marks: BTreeMap<[u8; 16], Hit>,
    pub(crate) events: BTreeMap<Seq, (Timestamp, Accepted)>,
    pub(crate) definitions: BTreeMap<FunctionName, Definition>,
    pub(crate) replays: BTreeMap<u64, Replay>,
    pub(crate) committed: u64,
}

impl Model {
    pub(crate) fn apply(&mut self, seq: Seq, record: &Record) {
        self.records.push((seq, record.clone()));
        let (offset, events) = record.events();
        match record {
            Record::Settle(settle) => self.settle(seq, settle),
            Record::Rows { rows, .. } => {
                for row in rows {
                    self.rows.insert(row.id.clone(), row.clone());
                }
            }
            Record::Drop { ids, .. } => ids.iter().for_each(|id| drop(self.rows.remove(id))),
            Record::Define { name, definition, .. } => {
                self.definitions.insert(name.clone(), definition.clone());
            }
            Record::WipeState { function, .. } => {
                self.state.retain(|(space, _), _| space.function() != function);
            }
            Record::Replay { replay, .. } => {
                self.replays.insert(replay.id, (**replay).clone());
                Replay::trim(&mut self.replays);
            }
            Record::Accept(_) => {}
        }
        for (number, accepted) in (seq.get() + offset..).zip(events) {
            self.accept(Seq::new(number).unwrap(), record.at(), accepted);
        }
    }

    /// What there is at `now`: neither deleted nor over.
    pub(crate) fn live(&self, now: Timestamp) -> BTreeMap<(Space, String), (Seq, Bytes)> {
        let live = self.state.iter().filter(|(_, v)| v.expires.is_none_or(|at| at > now));
        live.map(|(at, v)| (at.clone(), (v.seq, v.value.clone()))).collect()
    }

    /// The model of the same records up to number `last`.
    pub(crate) fn up_to(&self, last: u64) -> Self {
        let mut model = Self::default();
        for (seq, record) in &self.records {
            if seq.get() + record.span() - 1 <= last {
                model.apply(*seq, record);
            }
        }
        model
    }

    fn settle(&mut self, seq: Seq, settle: &Settle) {
        match &settle.outcome {
            Outcome::Committed { writes, also, .. } => {
                self.committed += 1 + also.len() as u64;
                self.rows.remove(&settle.id);
                also.iter().for_each(|(id, _)| drop(self.rows.remove(id)));
                let space = Space::new(settle.id.function.clone(), settle.key.clone());
                for write in writes {
                    let at = (space.clone(), write.name.clone());
                    let expires = write.ttl_ms.map(|ms| Timestamp(settle.at.0 + ms));
                    match write.value.clone() {
                        Some(value) => {
                            drop(self.state.insert(at, Versioned { value, seq, expires }));
                        }
                        None => drop(self.state.remove(&at)),
                    }
                }
            }
            Outcome::Retry { row, .. } | Outcome::Dead { row, .. } => {
                self.rows.insert(row.id.clone(), row.clone());
            }
        }
    }

    fn accept(&mut self, seq: Seq, at: Timestamp, accepted: &Accepted) {
        if let Some(entry) = accepted.dedup {
            self.marks.insert(entry.id, Hit { seq, payload: entry.payload });
        }
        self.events.insert(seq, (at, accepted.clone()));
        for delivery in &accepted.deliveries {
            let id = DeliveryId { seq, function: delivery.function.clone() };
            let due = delivery.due.unwrap_or(at);
            let row = DeliveryRow {
                id: id.clone(),
                key: delivery.key.clone(),
                hops: accepted.hops,
                accepted: at,
                entered: if due > at { due } else { at },
                order: seq,
                attempts: 0,
                starts: 0,
                priority: delivery.priority,
                expires: delivery.expires,
                name: delivery.name.clone(),
                status: match &delivery.dead {
                    None => RowStatus::Due(due),
                    Some(error) => RowStatus::Dead { at, error: error.clone() },
                },
            };
            self.rows.insert(id, row);
        }
    }
}

/// Makes records that could follow on `model`.
pub(crate) struct Maker {
    pub(crate) rng: Rng,
    pub(crate) now: Timestamp,
    ids: u64,
}

pub(crate) fn function(n: u64) -> FunctionName {
    ["f", "f-1", "g"][n as usize % 3].parse().unwrap()
}

pub(crate) fn key(n: u64) -> Option<OrderingKey> {
    [None, Some(""), Some("a"), Some("a\0b")][n as usize % 4]
        .map(|key| OrderingKey::new(key).unwrap())
}

impl Maker {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), now: Timestamp(1_000_000), ids: 0 }
    }

    pub(crate) fn record(&mut self, model: &Model) -> Record {
        self.now.0 += self.rng.below(2000);
        let at = self.now;
        match self.rng.below(100) {
            0..40 => self.accept(),
            40..85 => self.attempt(model).unwrap_or_else(|| self.accept()),
            85..90 => {
                let rows = self.some_rows(model);
                let rows = rows.into_iter().map(|row| DeliveryRow {
                    status: RowStatus::Due(at),
                    starts: row.starts + 1,
                    ..row
                });
                Record::Rows { at, why: RowChange::Redriven, rows: rows.collect() }
            }
            90..94 => {
                let ids = self.some_rows(model).into_iter().map(|row| row.id).collect();
                Record::Drop { at, why: DropReason::Operator, ids }
            }
            94..97 => {
                let definition = Definition {
                    revision_last: self.rng.below(100) as u32,
                    ..Definition::default()
                };
                let name = function(self.rng.next());
                let raised = self.rng.chance(30).then(|| self.accepted(0));
                Record::Define { at, name, definition, raised: raised.into_iter().collect() }
            }
            97..99 => self.replay(model),
            _ => Record::WipeState { at, function: function(self.rng.next()) },
        }
    }

    /// A step of one that runs, or a new one.
    fn replay(&mut self, model: &Model) -> Record {
        let running = model.replays.values().find(|replay| replay.is_running()).cloned();
        let mut replay = running.unwrap_or_else(|| Replay {
            id: model.replays.keys().last().map_or(1, |last| last + 1),
            created: self.now,
            filter: ReplayFilter::default(),
            function: None,
            rate: 1,
            next: Seq::FIRST,
            end: Seq::FIRST,
            done: 0,
            deliveries: 0,
            state: ReplayState::Running,
        });
        let events: Vec<_> = (0..self.rng.below(3)).map(|_| self.accepted(0)).collect();
        replay.done += events.len() as u64;
        if self.rng.chance(50) {
            replay.state = ReplayState::Done { at: self.now };
        }
        Record::Replay { at: self.now, replay: Box::new(replay), events }
    }

    pub(crate) fn accept(&mut self) -> Record {
        let count = self.rng.below(3) + 1;
        let events = (0..count).map(|_| self.accepted(0)).collect();
        Record::Accept(Accept { at: self.now, entrance: Entrance::Ingress, events })
    }

    pub(crate) fn accepted(&mut self, hops: u16) -> Accepted {
        self.ids += 1;
        let mut id = [0; 16];
        let hash = blake3::hash(&self.ids.to_le_bytes());
        id.copy_from_slice(&hash.as_bytes()[..16]);
        let len = self.rng.below(400) as usize;
        let event = Event::new(&EventParts {
            id: format!("id-{}", self.ids),
            source: format!("source-{}", self.rng.below(3)),
            ty: ["a.b", "a.c", "d"][self.rng.below(3) as usize].into(),
            subject: self.rng.chance(50).then(|| format!("s{}", self.rng.below(3))),
            data: Some(Bytes::from(vec![self.ids as u8; len])),
            ..EventParts::default()
        });
        let functions = self.rng.below(3);
        let deliveries = (0..functions).map(|n| NewDelivery {
            function: function(n),
            key: key(self.rng.next()),
            priority: Priority::of(self.rng.below(10) as u32),
            due: self.rng.chance(20).then(|| Timestamp(self.now.0 + self.rng.below(10_000))),
            expires: self.rng.chance(10).then(|| Timestamp(self.now.0 + self.rng.below(10_000))),
            name: self.rng.chance(10).then(|| "timer".to_owned()),
            dead: self.rng.chance(10).then(error),
        });
        Accepted {
            event: event.unwrap(),
            hops: Hops(hops),
            deliveries: deliveries.collect(),
            dedup: self.rng.chance(80).then_some(DedupEntry { id, payload: self.ids }),
        }
    }

    fn some_rows(&mut self, model: &Model) -> Vec<DeliveryRow> {
        let count = self.rng.below(3) + 1;
        let mut rows: Vec<DeliveryRow> =
            (0..count).filter_map(|_| self.row(model).cloned()).collect();
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        rows.dedup_by(|a, b| a.id == b.id);
        rows
    }

    fn row<'a>(&mut self, model: &'a Model) -> Option<&'a DeliveryRow> {
        let count = model.rows.len() as u64;
        // Mostly the oldest, so that not everything is settled where it was accepted.
        let skip = if count == 0 { return None } else { self.rng.below(count) };
        model.rows.values().nth(if self.rng.chance(50) { 0 } else { skip as usize })
    }

    fn attempt(&mut self, model: &Model) -> Option<Record> {
        let row = self.row(model)?.clone();
        let failed = |status| DeliveryRow { attempts: row.attempts + 1, status, ..row.clone() };
        let outcome = match self.rng.below(10) {
            0 => {
                let due = Timestamp(self.now.0 + self.rng.below(10_000));
                Outcome::Retry { error: error(), row: failed(RowStatus::Due(due)) }
            }
            1 => Outcome::Dead {
                row: failed(RowStatus::Dead { at: self.now, error: error() }),
                raised: (0..self.rng.below(2)).map(|_| self.accepted(0)).collect(),
            },
            _ => Outcome::Committed {
                writes: self.writes(),
                emitted: (0..self.rng.below(3)).map(|_| self.accepted(row.hops.0 + 1)).collect(),
                reply: None,
                also: self.others(model, &row).into_iter().map(|row| (row.id, 1)).collect(),
                cancelled: Vec::new(),
            },
        };
        Some(Record::Settle(Box::new(Settle {
            id: row.id.clone(),
            key: row.key.clone(),
            attempt: row.attempts + 1,
            revision: RevisionId::new(1).unwrap(),
            started: self.now,
            at: self.now,
            logs: Vec::new(),
            logs_left_out: 0,
            outcome,
        })))
    }

    fn others(&mut self, model: &Model, but: &DeliveryRow) -> Vec<DeliveryRow> {
        let mut rows = if self.rng.chance(10) { self.some_rows(model) } else { Vec::new() };
        rows.retain(|row| row.id != but.id && row.id.function == but.id.function);
        rows
    }

    fn writes(&mut self) -> Vec<StateWrite> {
        let mut names: Vec<u64> = (0..self.rng.below(4)).map(|_| self.rng.below(40)).collect();
        names.sort_unstable();
        names.dedup();
        let value = |rng: &mut Rng| {
            let len = rng.below(60) as usize;
            rng.chance(75).then(|| Bytes::from(vec![len as u8; len]))
        };
        let write = |n| {
            let value = value(&mut self.rng);
            // Some live for a while: by their length, which is as good as chance.
            let ttl_ms = value.as_ref().map(|v| v.len() as u64).filter(|len| len % 3 == 0);
            StateWrite { name: format!("n{n}"), value, ttl_ms: ttl_ms.map(|len| len * 300) }
        };
        names.into_iter().map(write).collect()
    }
}

fn error() -> ErrorInfo {
    ErrorInfo { code: "invoke.trap".into(), message: "a wrong turn".into() }
}
