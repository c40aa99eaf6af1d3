//! A simulated host with one function, driven step by step, for what happens later: timers and schedules.

use serde_json::{Value, json};
use triphammer_journal::sim::SimDisk;
use triphammer_journal::{Definition, DropReason, Outcome, Record, RevisionDef};
use triphammer_model::{
    Digest, Effects, Event, EventParts, FunctionName, Limits, Manifest, RevisionId, Seq,
    TimerChange, TimerEvent, Timestamp,
};

use super::host::{Host, revision};
use super::observed::End;
use crate::clock::Clock;
use crate::define::Change;
use crate::info::Status;
use crate::lease::Lease;

pub(super) const MINUTE: u64 = 60_000;

/// A host with the function `f`, on a disk that outlives it.
pub(super) struct World {
    sim: SimDisk,
    pub(super) clock: Clock,
    pub(super) host: Host,
    definition: Definition,
    runs: u32,
    /// The slots whose firings have been committed, and how many they stand for.
    pub(super) fired: Vec<Value>,
    /// The last number whose record has been looked at.
    seen: u64,
}

pub(super) fn name() -> FunctionName {
    "f".parse().unwrap()
}

pub(super) fn timer(timer: &str, after_ms: u64) -> TimerChange {
    let parts = EventParts { ty: "f.timer".into(), ..EventParts::default() };
    TimerChange { name: timer.into(), set: Some(TimerEvent { parts, after_ms }) }
}

pub(super) fn cancel(timer: &str) -> TimerChange {
    TimerChange { name: timer.into(), set: None }
}

impl World {
    pub(super) fn new(manifest: Value) -> Self {
        let (sim, clock) = (SimDisk::new(7), Clock::manual(Timestamp(10 * MINUTE + 1)));
        let host = Host::open(&sim, &clock).unwrap();
        let mut world = Self {
            sim,
            clock,
            host,
            definition: Definition::default(),
            runs: 0,
            fired: Vec::new(),
            seen: 0,
        };
        world.deploy(manifest);
        world
    }

    pub(super) fn deploy(&mut self, manifest: Value) {
        let manifest = Manifest::from_json(&manifest.to_string(), &Limits::default()).unwrap();
        let id = RevisionId::new(self.definition.revision_last + 1).unwrap();
        let def = RevisionDef {
            id,
            digest: Digest([0; 32]),
            component_len: 0,
            manifest: manifest.to_json().to_string(),
            config: Default::default(),
            created: self.clock.now(),
        };
        self.definition.revision_last = id.get();
        (self.definition.active, self.definition.revisions) = (Some(id), vec![def]);
        self.define();
    }

    pub(super) fn pause(&mut self, paused: bool) {
        let (at, reason) = (self.clock.now(), "a test".to_owned());
        self.definition.paused = paused.then_some(triphammer_journal::Pause { at, reason });
        self.define();
    }

    pub(super) fn define(&mut self) {
        let active = revision(&name(), &self.definition.revisions[0]);
        let mut inner = self.host.core.lock();
        let definition = self.definition.clone();
        let change = Change { loaded: Some(active), ..Change::default() };
        self.host.core.define_in(&mut inner, &name(), definition, change).unwrap();
        drop(inner);
        self.write();
    }

    /// Everything that was appended is on disk.
    pub(super) fn write(&mut self) {
        while self.host.write() {}
    }

    /// The host ends here, and comes up again at `now`. What was not written is lost.
    pub(super) fn crash(&mut self, now: Timestamp) {
        self.sim.crash();
        self.clock.advance_to(now);
        self.host = Host::open(&self.sim, &self.clock).unwrap();
        self.write();
    }

    pub(super) fn send(&mut self, id: &str, subject: &str) {
        let (source, ty, subject) = ("/s".into(), "f.go".into(), Some(subject.into()));
        let parts = EventParts { id: id.into(), source, ty, subject, ..EventParts::default() };
        self.host.send(0, vec![Event::new(&parts).unwrap()]);
        assert_eq!(self.host.answers().len(), 0, "it is not on disk yet");
        self.write();
        assert_eq!(self.host.answers().len(), 1);
    }

    pub(super) fn advance(&mut self, ms: u64) {
        self.clock.advance_to(Timestamp(self.clock.now().ms() + ms));
        self.host.core.release_due();
    }

    pub(super) fn lease(&mut self) -> Option<Lease> {
        self.host.core.lease()
    }

    /// Runs the next delivery to this end, and says what its event was.
    pub(super) fn run(&mut self, end: End) -> Option<Event> {
        let lease = self.lease()?;
        Some(self.finish(lease, end))
    }

    pub(super) fn finish(&mut self, lease: Lease, end: End) -> Event {
        self.runs += 1;
        self.host.begin(self.runs, lease);
        loop {
            // A recovered delivery first waits for the record of its start.
            assert!(!self.host.go_on(self.runs));
            self.write();
            if let Some(begun) = self.host.script.begun().pop() {
                self.host.script.end(self.runs, end);
                assert!(self.host.go_on(self.runs));
                self.write();
                return begun.event;
            }
        }
    }

    pub(super) fn commit(&mut self, timers: Vec<TimerChange>) -> Option<Event> {
        self.run(End::Commit(Effects { timers, ..Effects::default() }))
    }

    /// Commits whatever is ready, and notes the slots of the firings among it.
    pub(super) fn commit_all(&mut self) {
        while let Some(event) = self.commit(Vec::new()) {
            let data: Value = serde_json::from_slice(event.data().unwrap_or(b"null")).unwrap();
            if !data.is_null() {
                let slot = Timestamp::parse_rfc3339(data["slot"].as_str().unwrap()).unwrap();
                let missed = data["missed"].as_u64().unwrap_or(0);
                self.fired.push(json!([slot.ms() / MINUTE, missed]));
            }
        }
    }

    /// The names, or else the subjects, of what waits for its time, with when.
    pub(super) fn waiting(&self) -> Vec<(String, u64)> {
        let inner = self.host.core.lock();
        let waits =
            inner.queue.entries().filter(|(slot, _)| inner.queue.status(*slot) == Status::Waiting);
        let mut found: Vec<_> =
            waits.map(|(_, entry)| (entry.name().unwrap().to_string(), entry.due().ms())).collect();
        found.sort();
        found
    }

    pub(super) fn next_slot(&self) -> u64 {
        let info = self.host.core.function_info(&name()).unwrap();
        info.schedules[0].next.unwrap().ms() / MINUTE
    }

    pub(super) fn open(&self) -> u64 {
        let inner = self.host.core.lock();
        inner.queue.function(inner.queue.find(&name()).unwrap()).open()
    }

    /// Why deliveries were given up since the last call.
    pub(super) fn dropped(&mut self) -> Vec<DropReason> {
        self.write();
        let mut found = Vec::new();
        for stored in self.host.core.reader.scan(Seq::FIRST, None) {
            let stored = stored.unwrap();
            if stored.seq.get() <= self.seen {
                continue;
            }
            self.seen = stored.seq.get();
            let (why, count) = match stored.record {
                Record::Drop { why, ids, .. } => (why, ids.len()),
                Record::Settle(settle) => match settle.outcome {
                    Outcome::Committed { cancelled, .. } => {
                        (DropReason::Cancelled, cancelled.len())
                    }
                    _ => continue,
                },
                _ => continue,
            };
            found.extend(vec![why; count]);
        }
        found
    }
}

pub(super) fn plain() -> Value {
    json!({ "on": ["f.go"], "key": "subject" })
}
