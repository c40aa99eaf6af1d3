//! What the records say, folded in their order: the model that the host is compared with. Knows
//! no queue and no lock; a crash is a fold of fewer records.

use std::collections::BTreeMap;

use bytes::Bytes;
use triphammer_journal::{
    Accepted, Definition, DeliveryRow, DropReason, Entrance, NewDelivery, Outcome, Record, Replay,
    RowChange, RowStatus, Settle,
};
use triphammer_model::{
    DeliveryId, Event, FunctionName, Hops, Limits, Manifest, OrderingKey, Seq, Timestamp,
};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    Open,
    Dead,
    Committed,
    Dropped,
}

/// What a delivery is besides one event for one function.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Plain,
    /// Set by its function, under this name.
    Timer(String),
    /// Of a schedule's slot.
    Firing(Firing),
    /// Another of its key may take its place until then; `first` began the wait.
    Debounced {
        until: Timestamp,
        first: Timestamp,
    },
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Firing {
    pub(super) schedule: String,
    pub(super) slot: Timestamp,
    /// How many slots before it it stands for.
    pub(super) missed: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) kind: Kind,
    pub(super) accepted: Timestamp,
    pub(super) expires: Option<Timestamp>,
    /// A record tells of an attempt at it, or of a redrive.
    pub(super) tried: bool,
    /// The record that gave it up, and why.
    pub(super) dropped: Option<(Seq, DropReason)>,
    pub(super) key: Option<OrderingKey>,
    pub(super) hops: Hops,
    pub(super) due: Timestamp,
    /// Its place in its lane: when it entered, or will, and what decides between equal times.
    pub(super) place: (Timestamp, Seq, Seq),
    pub(super) attempts: u32,
    pub(super) starts: u8,
    pub(super) fate: Fate,
    /// The last time.
    pub(super) died: Timestamp,
}

impl Delivery {
    fn new(new: &NewDelivery, kind: Kind, (seq, at): (Seq, Timestamp), hops: Hops) -> Self {
        let due = new.due.unwrap_or(at);
        Self {
            kind,
            accepted: at,
            expires: new.expires,
            tried: false,
            dropped: None,
            key: new.key.clone(),
            hops,
            due,
            place: (due.max(at), seq, seq),
            attempts: 0,
            starts: 0,
            fate: if new.dead.is_some() { Fate::Dead } else { Fate::Open },
            died: at,
        }
    }
}

/// What was counted of a function since it was first deployed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    pub(super) committed: u64,
    pub(super) dropped: u64,
    pub(super) retried: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) definition: Definition,
    /// Of the active revision.
    pub(super) manifest: Option<Manifest>,
}

pub(super) type Space = (FunctionName, Option<OrderingKey>);

#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The number that the next record must have, less one.
    pub(super) last: u64,
    pub(super) deliveries: BTreeMap<DeliveryId, Delivery>,
    pub(super) events: BTreeMap<Seq, Event>,
    /// Entrance, source and id of what can be repeated.
    pub(super) known: BTreeMap<(Entrance, String, String), Seq>,
    /// Values, and when they are over.
    pub(super) state: BTreeMap<(Space, String), (Bytes, Option<Timestamp>)>,
    /// Commits in a space since its state was last wiped.
    pub(super) commits: BTreeMap<Space, u64>,
    pub(super) functions: BTreeMap<FunctionName, Function>,
    pub(super) tallies: BTreeMap<FunctionName, Tally>,
    pub(super) replays: BTreeMap<u64, Replay>,
}

/// The type of what schedules make.
pub(super) const FIRING: &str = "triphammer.schedule";

impl Facts {
    pub(super) fn apply(&mut self, seq: Seq, record: &Record) {
        self.last = seq.get() + record.span() - 1;
        match record {
            Record::Accept(accept) => {
                self.admit(seq, Some(&accept.entrance), &accept.events, accept.at);
            }
            Record::Settle(settle) => self.settle(seq, settle),
            Record::Rows { at, why, rows } => {
                for row in rows {
                    self.change(seq, *at, *why, row);
                }
            }
            Record::Drop { why, ids, .. } => ids.iter().for_each(|id| self.drop(id, seq, *why)),
            Record::Define { at, name, definition, raised } => {
                if let Some(first) = Seq::new(seq.get() + 1) {
                    self.admit(first, Some(&Entrance::Host), raised, *at);
                }
                let active = definition.active;
                let def = definition.revisions.iter().find(|def| Some(def.id) == active);
                let manifest =
                    def.map(|def| Manifest::from_json(&def.manifest, &Limits::default()).unwrap());
                let function = Function { definition: definition.clone(), manifest };
                self.functions.insert(name.clone(), function);
            }
            Record::WipeState { function, .. } => {
                self.state.retain(|((name, _), _), _| name != function);
                self.commits.retain(|(name, _), _| name != function);
            }
            Record::Replay { at, replay, events } => {
                let first = Seq::new(seq.get() + 1).unwrap();
                self.admit(first, None, events, *at);
                self.replays.insert(replay.id, (**replay).clone());
            }
        }
    }

    /// Takes in the events of a record. A replay is no entrance.
    fn admit(
        &mut self,
        first: Seq,
        entrance: Option<&Entrance>,
        events: &[Accepted],
        at: Timestamp,
    ) {
        let of = |accepted: &Accepted| -> Vec<Kind> {
            let kind = |new| self.kind(entrance, accepted, new, at);
            accepted.deliveries.iter().map(kind).collect()
        };
        // As things were before the record.
        let kinds: Vec<Vec<Kind>> = events.iter().map(of).collect();
        for (index, (accepted, kinds)) in (0..).zip(events.iter().zip(kinds)) {
            let seq = Seq::new(first.get() + index).unwrap();
            let event = &accepted.event;
            if let Some(entrance) = entrance.filter(|_| accepted.dedup.is_some()) {
                let known = (entrance.clone(), event.source().into(), event.id().into());
                self.known.insert(known, seq);
            }
            self.events.insert(seq, event.clone());
            for (new, kind) in accepted.deliveries.iter().zip(kinds) {
                let delivery = Delivery::new(new, kind, (seq, at), accepted.hops);
                let id = DeliveryId { seq, function: new.function.clone() };
                self.deliveries.insert(id, delivery);
            }
        }
    }

    pub(super) fn kind(
        &self,
        entrance: Option<&Entrance>,
        accepted: &Accepted,
        new: &NewDelivery,
        at: Timestamp,
    ) -> Kind {
        let event = &accepted.event;
        if event.ty() == FIRING {
            let data: serde_json::Value =
                serde_json::from_slice(event.data().unwrap_or_default()).unwrap_or_default();
            let schedule = data["schedule"].as_str().unwrap_or_default().to_owned();
            let missed = data["missed"].as_u64().unwrap_or(0);
            return Kind::Firing(Firing { schedule, slot: new.due.unwrap_or(at), missed });
        }
        // What a function emits is one hop from where it is emitted.
        if matches!(entrance, Some(Entrance::Function(_))) && accepted.hops == Hops(0) {
            return Kind::Timer(new.name.clone().unwrap_or_default());
        }
        let debounce = self.manifest(&new.function).and_then(|manifest| manifest.debounce);
        match debounce.filter(|_| entrance.is_some() && new.dead.is_none()) {
            None => Kind::Plain,
            Some(debounce) => {
                let wait = self.wait(&new.function, new.key.as_ref(), at);
                let first = debounce.max.and(wait).map_or(at, |(_, first)| first);
                Kind::Debounced { until: new.due.unwrap_or(at), first }
            }
        }
    }

    /// The delivery of a function and a key whose place another would take, and when the first of
    /// those was accepted whose places it has.
    pub(super) fn wait(
        &self,
        function: &FunctionName,
        key: Option<&OrderingKey>,
        now: Timestamp,
    ) -> Option<(&DeliveryId, Timestamp)> {
        let waiting = |(id, delivery): (_, &Delivery)| match delivery.kind {
            Kind::Debounced { until, first } if until > now => Some((id, first)),
            _ => None,
        };
        let of = |(id, delivery): &(&DeliveryId, &Delivery)| {
            id.function == *function && delivery.key.as_ref() == key && delivery.fate == Fate::Open
        };
        self.deliveries.iter().filter(of).filter_map(waiting).next_back()
    }

    fn drop(&mut self, id: &DeliveryId, seq: Seq, why: DropReason) {
        let delivery = self.delivery(id);
        (delivery.fate, delivery.dropped) = (Fate::Dropped, Some((seq, why)));
        self.tally(&id.function).dropped += 1;
    }

    /// What there is of the state at this time.
    pub(super) fn state_at(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (&(Space, String), &Bytes)> {
        let live = self.state.iter().filter(move |(_, (_, at))| at.is_none_or(|at| at > now));
        live.map(|(entry, (value, _))| (entry, value))
    }

    fn settle(&mut self, seq: Seq, settle: &Settle) {
        let name = settle.id.function.clone();
        match &settle.outcome {
            Outcome::Committed { writes, emitted, also, cancelled, .. } => {
                for id in cancelled {
                    self.drop(id, seq, DropReason::Cancelled);
                }
                let space = (name.clone(), settle.key.clone());
                for write in writes {
                    let entry = (space.clone(), write.name.clone());
                    let expires = write.ttl_ms.map(|ms| Timestamp(settle.at.ms() + ms));
                    match write.value.clone() {
                        Some(value) => drop(self.state.insert(entry, (value, expires))),
                        None => drop(self.state.remove(&entry)),
                    }
                }
                *self.commits.entry(space).or_default() += 1;
                self.tally(&name).committed += 1 + also.len() as u64;
                self.delivery(&settle.id).fate = Fate::Committed;
                also.iter().for_each(|(id, _)| self.delivery(id).fate = Fate::Committed);
                let first = Seq::new(seq.get() + 1).unwrap();
                self.admit(first, Some(&Entrance::Function(name)), emitted, settle.at);
            }
            Outcome::Retry { row, .. } => {
                self.tally(&name).retried += 1;
                let delivery = self.delivery(&settle.id);
                (delivery.attempts, delivery.starts) = (row.attempts, 0);
                delivery.tried = true;
                if let RowStatus::Due(due) = row.status {
                    delivery.due = due;
                }
            }
            Outcome::Dead { row, raised } => {
                let delivery = self.delivery(&settle.id);
                (delivery.fate, delivery.attempts) = (Fate::Dead, row.attempts);
                delivery.died = settle.at;
                let first = Seq::new(seq.get() + 1).unwrap();
                self.admit(first, Some(&Entrance::Host), raised, settle.at);
            }
        }
    }

    fn change(&mut self, seq: Seq, at: Timestamp, why: RowChange, row: &DeliveryRow) {
        let halts = self.manifest(&row.id.function).is_some_and(|m| m.dead_letter.halts);
        let delivery = self.delivery(&row.id);
        delivery.tried = true;
        match why {
            RowChange::Redriven => {
                (delivery.fate, delivery.attempts, delivery.starts) = (Fate::Open, 0, 0);
                delivery.due = at;
                // A lane that stood for it goes on with it.
                if !halts || delivery.key.is_none() {
                    delivery.place = (at, seq, row.id.seq);
                }
            }
            RowChange::Started => delivery.starts = row.starts,
        }
    }

    fn delivery(&mut self, id: &DeliveryId) -> &mut Delivery {
        self.deliveries.get_mut(id).expect("the checker has seen that it is there")
    }

    fn tally(&mut self, name: &FunctionName) -> &mut Tally {
        self.tallies.entry(name.clone()).or_default()
    }

    pub(super) fn manifest(&self, function: &FunctionName) -> Option<&Manifest> {
        self.functions.get(function)?.manifest.as_ref()
    }

    /// The delivery that a lane waits for: a dead letter that halts it, else the first of those
    /// that have entered it.
    pub(super) fn lane_head(
        &self,
        function: &FunctionName,
        key: &OrderingKey,
        now: Timestamp,
    ) -> Option<&DeliveryId> {
        let in_lane = |(id, delivery): &(&DeliveryId, &Delivery)| {
            id.function == *function && delivery.key.as_ref() == Some(key)
        };
        let lane = || self.deliveries.iter().filter(in_lane);
        if self.manifest(function).is_some_and(|manifest| manifest.dead_letter.halts)
            && let Some((id, _)) = lane().find(|(_, delivery)| delivery.fate == Fate::Dead)
        {
            return Some(id);
        }
        let entered = lane().filter(|(_, d)| d.fate == Fate::Open && d.place.0 <= now);
        entered.min_by_key(|(_, delivery)| delivery.place).map(|(id, _)| id)
    }

    /// Whether deliveries with the same key run one at a time.
    pub(super) fn is_orderly(&self, function: &FunctionName) -> bool {
        self.manifest(function).is_none_or(|manifest| manifest.key_concurrency == 1)
    }

    /// The functions that an event goes to, each with the key, or none where the key is missing.
    pub(super) fn route(&self, event: &Event) -> Vec<(FunctionName, Result<Option<String>, ()>)> {
        let mut found = Vec::new();
        for (name, function) in &self.functions {
            let Some(manifest) = &function.manifest else { continue };
            if !manifest.on.iter().any(|pattern| pattern.as_str() == event.ty()) {
                continue;
            }
            let key = self.key(name, event);
            found.push((name.clone(), key));
        }
        found
    }

    /// An event's key at a function; none where the function has none, an error where the event
    /// lacks it.
    pub(super) fn key(&self, name: &FunctionName, event: &Event) -> Result<Option<String>, ()> {
        match self.manifest(name).and_then(|manifest| manifest.key.as_ref()) {
            None => Ok(None),
            Some(_) => event.subject().map(|subject| Some(subject.to_owned())).ok_or(()),
        }
    }
}
