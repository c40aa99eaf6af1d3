//! Timers and schedules on the simulated host, step by step: what is set, replaced, due, missed, and
//! what a crash leaves of it.

use std::collections::BTreeSet;

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

const MINUTE: u64 = 60_000;

/// A host with the function `f`, on a disk that outlives it.
struct World {
    sim: SimDisk,
    clock: Clock,
    host: Host,
    definition: Definition,
    runs: u32,
    /// The slots whose firings have been committed, and how many they stand for.
    fired: Vec<Value>,
    /// The last number whose record has been looked at.
    seen: u64,
}

fn name() -> FunctionName {
    "f".parse().unwrap()
}

fn timer(timer: &str, after_ms: u64) -> TimerChange {
    let parts = EventParts { ty: "f.timer".into(), ..EventParts::default() };
    TimerChange { name: timer.into(), set: Some(TimerEvent { parts, after_ms }) }
}

fn cancel(timer: &str) -> TimerChange {
    TimerChange { name: timer.into(), set: None }
}

impl World {
    fn new(manifest: Value) -> Self {
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

    fn deploy(&mut self, manifest: Value) {
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

    fn pause(&mut self, paused: bool) {
        let (at, reason) = (self.clock.now(), "a test".to_owned());
        self.definition.paused = paused.then_some(triphammer_journal::Pause { at, reason });
        self.define();
    }

    fn define(&mut self) {
        let active = revision(&name(), &self.definition.revisions[0]);
        let mut inner = self.host.core.lock();
        let definition = self.definition.clone();
        let change = Change { loaded: Some(active), ..Change::default() };
        self.host.core.define_in(&mut inner, &name(), definition, change).unwrap();
        drop(inner);
        self.write();
    }

    /// Everything that was appended is on disk.
    fn write(&mut self) {
        while self.host.write() {}
    }

    /// The host ends here, and comes up again at `now`. What was not written is lost.
    fn crash(&mut self, now: Timestamp) {
        self.sim.crash();
        self.clock.advance_to(now);
        self.host = Host::open(&self.sim, &self.clock).unwrap();
        self.write();
    }

    fn send(&mut self, id: &str, subject: &str) {
        let (source, ty, subject) = ("/s".into(), "f.go".into(), Some(subject.into()));
        let parts = EventParts { id: id.into(), source, ty, subject, ..EventParts::default() };
        self.host.send(0, vec![Event::new(&parts).unwrap()]);
        assert_eq!(self.host.answers().len(), 0, "it is not on disk yet");
        self.write();
        assert_eq!(self.host.answers().len(), 1);
    }

    fn advance(&mut self, ms: u64) {
        self.clock.advance_to(Timestamp(self.clock.now().ms() + ms));
        self.host.core.release_due();
    }

    fn lease(&mut self) -> Option<Lease> {
        self.host.core.lease()
    }

    /// Runs the next delivery to this end, and says what its event was.
    fn run(&mut self, end: End) -> Option<Event> {
        let lease = self.lease()?;
        Some(self.finish(lease, end))
    }

    fn finish(&mut self, lease: Lease, end: End) -> Event {
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

    fn commit(&mut self, timers: Vec<TimerChange>) -> Option<Event> {
        self.run(End::Commit(Effects { timers, ..Effects::default() }))
    }

    /// Commits whatever is ready, and notes the slots of the firings among it.
    fn commit_all(&mut self) {
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
    fn waiting(&self) -> Vec<(String, u64)> {
        let inner = self.host.core.lock();
        let waits =
            inner.queue.entries().filter(|(slot, _)| inner.queue.status(*slot) == Status::Waiting);
        let mut found: Vec<_> =
            waits.map(|(_, entry)| (entry.name().unwrap().to_string(), entry.due().ms())).collect();
        found.sort();
        found
    }

    fn next_slot(&self) -> u64 {
        let info = self.host.core.function_info(&name()).unwrap();
        info.schedules[0].next.unwrap().ms() / MINUTE
    }

    fn open(&self) -> u64 {
        let inner = self.host.core.lock();
        inner.queue.function(inner.queue.find(&name()).unwrap()).open()
    }

    /// Why deliveries were given up since the last call.
    fn dropped(&mut self) -> Vec<DropReason> {
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

fn plain() -> Value {
    json!({ "on": ["f.go"], "key": "subject" })
}

#[test]
fn a_timer_comes_back_to_its_function_under_its_key() {
    let mut world = World::new(plain());
    world.send("1", "a");
    world.commit(vec![timer("t", 500)]);
    assert!(world.lease().is_none());
    world.advance(499);
    assert!(world.lease().is_none(), "it is early");
    world.advance(1);
    let lease = world.lease().unwrap();
    assert_eq!(lease.entry.key.as_ref().unwrap().as_str(), "a");
    assert_eq!((lease.entry.name().map(|name| &**name), lease.entry.hops.0), (Some("t"), 0));
    let event = world.finish(lease, End::Commit(Effects::default()));
    assert_eq!((event.ty(), event.source()), ("f.timer", "/functions/f"));
    assert_eq!(world.open(), 0);
}

#[test]
fn setting_a_timer_again_takes_the_place_of_the_one_before() {
    let mut world = World::new(plain());
    world.send("1", "a");
    world.commit(vec![timer("t", 500), timer("u", 100), timer("t", 900)]);
    assert_eq!(world.waiting().len(), 2, "the last of a name holds");
    world.send("2", "b");
    world.commit(vec![timer("t", 700)]);
    assert_eq!(world.waiting().len(), 3, "another key has timers of its own");
    world.dropped();
    world.send("3", "a");
    world.commit(vec![timer("t", 800), cancel("u"), cancel("none")]);
    assert_eq!(world.dropped(), [DropReason::Cancelled; 2]);
    let now = world.clock.now().ms();
    assert_eq!(world.waiting(), [("t".into(), now + 700), ("t".into(), now + 800)]);
    world.crash(world.clock.now());
    assert_eq!(world.waiting().len(), 2);
    world.send("4", "a");
    world.commit(vec![cancel("t")]);
    assert_eq!(world.dropped(), [DropReason::Cancelled], "its name is known after a crash");
    assert_eq!(world.waiting(), [("t".into(), now + 700)]);
}

#[test]
fn a_timer_that_sets_itself_is_no_replacement() {
    let mut world = World::new(plain());
    world.send("1", "a");
    world.commit(vec![timer("t", 100)]);
    for _ in 0..100 {
        world.advance(100);
        assert!(world.commit(vec![timer("t", 100)]).is_some(), "hops do not grow");
        assert_eq!((world.open(), world.dropped()), (1, vec![]));
    }
}

#[test]
fn a_timer_that_runs_is_not_taken_back() {
    let mut world = World::new(json!({ "on": ["f.go"] }));
    world.send("1", "-");
    world.commit(vec![timer("t", 100)]);
    world.advance(100);
    let running = world.lease().unwrap();
    world.send("2", "-");
    world.commit(vec![timer("t", 300)]);
    assert_eq!(world.dropped(), []);
    world.finish(running, End::Retry { after_ms: Some(50) });
    assert_eq!(world.waiting().len(), 2, "both are open");
    world.send("3", "-");
    world.commit(vec![cancel("t")]);
    assert_eq!((world.dropped().len(), world.open()), (2, 0), "and neither runs now");
}

#[test]
fn what_fails_sets_no_timer() {
    let mut world = World::new(plain());
    world.send("1", "a");
    world.run(End::Reject);
    assert_eq!(world.waiting(), []);
}

#[test]
fn a_commit_that_is_lost_has_set_and_cancelled_nothing() {
    let mut world = World::new(plain());
    world.send("1", "a");
    world.commit(vec![timer("t", 100)]);
    world.send("2", "a");
    let lease = world.lease().unwrap();
    world.host.begin(99, lease);
    world.host.go_on(99);
    world.host.script.begun();
    let timers = vec![timer("t", 900), timer("u", 1)];
    world.host.script.end(99, End::Commit(Effects { timers, ..Effects::default() }));
    world.host.go_on(99);
    assert_eq!(world.waiting().len(), 2);
    world.crash(world.clock.now());
    assert_eq!(world.waiting().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["t"]);
}

#[test]
fn timers_go_with_their_function() {
    let mut world = World::new(plain());
    world.send("1", "a");
    world.commit(vec![timer("t", 100)]);
    let gone = Definition { deleted: true, ..Definition::default() };
    let mut inner = world.host.core.lock();
    world.host.core.define_in(&mut inner, &name(), gone, Change::default()).unwrap();
    let ids: Vec<_> =
        inner.queue.entries().map(|(slot, _)| (inner.id_of(slot), Some(slot))).collect();
    world.host.core.give_up(&mut inner, DropReason::Removed, &ids).unwrap();
    let id = inner.queue.find(&name()).unwrap();
    assert_eq!(inner.queue.function(id).timers.len(), 0);
}

fn each_minute(missed: &str) -> Value {
    let schedule = json!({ "name": "s", "cron": "* * * * *", "missed": missed });
    json!({ "on": ["f.go"], "schedule": schedule })
}

#[test]
fn a_schedule_fires_once_in_each_slot() {
    let mut world = World::new(each_minute("once"));
    for minute in 11..20 {
        assert_eq!(world.next_slot(), minute);
        assert_eq!(world.open(), 1, "one sleeps");
        world.commit_all();
        assert_eq!(world.fired.len() as u64, minute - 11, "none is early");
        world.advance(MINUTE);
        world.commit_all();
    }
    let expect: Vec<Value> = (11..20).map(|minute| json!([minute, 0])).collect();
    assert_eq!(world.fired, expect);
    assert_eq!(world.dropped(), []);
}

/// Wherever the host ends: each slot is committed once, and none is left out.
#[test]
fn a_slot_fires_once_wherever_the_host_ends() {
    for cut in 0..4 {
        let mut world = World::new(each_minute("all"));
        for _ in 0..5 {
            world.advance(MINUTE);
            let lease = if cut > 0 { world.lease() } else { None };
            match (cut, lease) {
                // The one that follows is made, and not on disk; then it is.
                (0 | 1, _) => {}
                (2, _) => world.write(),
                (_, Some(lease)) => {
                    world.host.begin(1, lease);
                    world.host.go_on(1);
                    world.host.script.begun();
                    world.host.script.end(1, End::Commit(Effects::default()));
                    world.host.go_on(1);
                }
                (_, None) => panic!("its slot has come"),
            }
            world.crash(world.clock.now());
            world.commit_all();
        }
        let slots: Vec<u64> = world.fired.iter().map(|fired| fired[0].as_u64().unwrap()).collect();
        let once: BTreeSet<u64> = slots.iter().copied().collect();
        assert_eq!(slots.len(), once.len(), "cut {cut}: {slots:?}");
        assert_eq!(slots, [11, 12, 13, 14, 15], "cut {cut}");
        assert_eq!((world.open(), world.next_slot()), (1, 16), "cut {cut}");
    }
}

#[track_caller]
fn check_missed(missed: &str, paused: bool, expect: Value, given_up: usize) {
    let mut world = World::new(each_minute(missed));
    world.advance(MINUTE);
    world.commit_all();
    world.fired.clear();
    if paused {
        world.pause(true);
        for _ in 0..5 {
            world.advance(MINUTE);
            assert!(world.lease().is_none());
        }
        world.crash(world.clock.now());
        assert_eq!(world.open(), 1, "nothing piles up");
        world.pause(false);
    } else {
        world.crash(Timestamp(world.clock.now().ms() + 5 * MINUTE));
    }
    world.commit_all();
    assert_eq!(Value::from(world.fired.clone()), expect, "{missed}");
    assert_eq!((world.open(), world.next_slot()), (1, 17), "{missed}");
    let gone = world.dropped().iter().filter(|why| **why == DropReason::Missed).count();
    assert_eq!(gone, given_up, "{missed}");
}

#[test]
fn slots_that_the_host_missed_are_treated_as_the_manifest_says() {
    check_missed("once", false, json!([[16, 4]]), 1);
    check_missed("skip", false, json!([]), 1);
    check_missed("all", false, json!([[12, 0], [13, 0], [14, 0], [15, 0], [16, 0]]), 0);
}

#[test]
fn slots_that_passed_in_a_pause_are_treated_alike() {
    check_missed("once", true, json!([[16, 4]]), 1);
    check_missed("skip", true, json!([]), 1);
    check_missed("all", true, json!([[12, 0], [13, 0], [14, 0], [15, 0], [16, 0]]), 0);
}

#[test]
fn a_deploy_takes_back_what_is_no_longer_scheduled() {
    let mut world = World::new(each_minute("once"));
    world.dropped();
    world.deploy(each_minute("skip"));
    assert_eq!((world.dropped(), world.open()), (vec![], 1), "the same slots");
    let hourly = json!({ "name": "s", "cron": "0 * * * *" });
    world.deploy(
        json!({ "on": ["f.go"], "schedule": [hourly, { "name": "t", "cron": "5 * * * *" }] }),
    );
    assert_eq!((world.dropped(), world.open()), (vec![DropReason::Cancelled], 2));
    assert_eq!(world.next_slot(), 60);
    world.deploy(each_minute("once"));
    assert_eq!((world.dropped().len(), world.open(), world.next_slot()), (2, 1, 11));
    world.deploy(json!({ "on": ["f.go"] }));
    assert_eq!((world.dropped().len(), world.open()), (1, 0));
    world.advance(10 * MINUTE);
    assert!(world.lease().is_none());
}

#[test]
fn a_sleeping_firing_is_in_nobody_s_way() {
    let mut world = World::new(each_minute("once"));
    let inner = world.host.core.lock();
    assert_eq!(inner.waiting(&name()), 0);
    drop(inner);
    let mut keyed = each_minute("once");
    keyed["key"] = "subject".into();
    world.deploy(keyed);
    world.advance(MINUTE);
    let lease = world.lease().unwrap();
    assert_eq!(lease.entry.key.as_ref().unwrap().as_str(), "s", "its key is its name");
}

#[test]
fn a_firing_that_an_operator_drops_is_followed_by_the_next() {
    let world = World::new(each_minute("once"));
    let mut inner = world.host.core.lock();
    let (slot, _) = inner.queue.entries().next().unwrap();
    let id = inner.id_of(slot);
    world.host.core.give_up(&mut inner, DropReason::Operator, &[(id, Some(slot))]).unwrap();
    drop(inner);
    assert_eq!((world.open(), world.next_slot()), (1, 12));
}
