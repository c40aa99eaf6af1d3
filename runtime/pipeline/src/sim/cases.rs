//! Histories that were once wrong, by hand and as short as they can be. Random ones found them.

use triphammer_model::{Effects, Event, EventParts, NewEvent, StateWrite};

use super::generator::{FunctionSpec, Step};
use super::observed::End;
use super::world::World;
use crate::canary::Share;

/// A world with a keyed function `f0` that takes `t0`.
fn keyed() -> World {
    let mut world = World::new(1);
    world.begin().unwrap();
    world.deploy(spec()).unwrap();
    world
}

pub(super) fn spec() -> FunctionSpec {
    FunctionSpec {
        name: "f0".parse().unwrap(),
        types: vec![0],
        keyed: true,
        attempts: 2,
        initial_ms: 100,
        concurrency: 4,
        key_concurrency: 1,
        halts: false,
        keep: None,
        age: None,
        priority: 5,
        breaker: None,
    }
}

fn parts(ty: &str, subject: &str) -> EventParts {
    EventParts { ty: ty.into(), subject: Some(subject.into()), ..EventParts::default() }
}

fn event(id: &str, subject: &str) -> Event {
    Event::new(&EventParts { id: id.into(), source: "/sim".into(), ..parts("t0", subject) })
        .unwrap()
}

/// A first commit that emits one event for the lane of `subject`.
pub(super) fn emit(subject: &str, delay_ms: Option<u64>) -> End {
    let value = Some(bytes::Bytes::from_static(b"1"));
    let writes = vec![StateWrite { name: "count".into(), value, ttl_ms: None }];
    let emits = vec![NewEvent { parts: parts("t0", subject), delay_ms }];
    End::Commit(Effects { writes, emits, ..Effects::default() })
}

impl World {
    /// Sends an event, and has it on disk.
    pub(super) fn sent(&mut self, id: &str, subject: &str) {
        self.send(vec![event(id, subject)]).unwrap();
        self.write().unwrap();
    }

    /// Runs the next delivery to its end.
    pub(super) fn ran(&mut self, end: End) {
        assert!(self.work().unwrap());
        let run = *self.host.runs.keys().next().unwrap();
        self.end_with(run, end).unwrap();
        self.write().unwrap();
        self.look().unwrap();
    }
}

#[test]
fn the_head_of_a_lane_that_waits_for_another_attempt_keeps_its_lane_over_a_crash() {
    let mut world = keyed();
    world.sent("a", "s");
    world.sent("b", "s");
    world.ran(End::Retry { after_ms: Some(5000) });
    world.restart(Step::Kill).unwrap();
    assert!(!world.work().unwrap(), "the second waits behind the first");
    world.rest().unwrap();
}

#[test]
fn what_has_come_due_is_in_its_lane_before_what_is_emitted_after() {
    let mut world = keyed();
    world.sent("a", "s");
    world.ran(emit("lane", Some(100)));
    world.sent("b", "t");
    let now = world.clock.now().0;
    // No timer has looked yet.
    world.advance(now + 500).unwrap();
    world.ran(emit("lane", None));
    world.host.timers();
    world.look().unwrap();
    world.rest().unwrap();
}

#[test]
fn a_delivery_without_a_key_grows_older_from_retry_to_retry() {
    let mut world = World::new(1);
    world.begin().unwrap();
    world.deploy(FunctionSpec { keyed: false, age: Some(1), attempts: 9, ..spec() }).unwrap();
    world.sent("a", "s");
    for _ in 0..2 {
        world.ran(End::Retry { after_ms: Some(700) });
        let now = world.clock.now().0;
        world.advance(now + 700).unwrap();
        world.host.timers();
    }
    world.rest().unwrap();
}

#[test]
fn a_deploy_that_keeps_dead_letters_for_less_wakes_the_timers() {
    let mut world = keyed();
    world.sent("a", "s");
    world.ran(End::Reject);
    world.deploy(FunctionSpec { keep: Some(1), ..spec() }).unwrap();
    world.rest().unwrap();
}

#[test]
fn a_dead_letter_that_is_named_twice_is_dropped_once() {
    let mut world = keyed();
    world.sent("a", "s");
    world.ran(End::Reject);
    let id = world.host.shown().deliveries[0].0.clone();
    world.drop_these(vec![id.clone(), id]).unwrap();
    world.rest().unwrap();
}

#[test]
fn dead_letters_are_redriven_in_the_order_in_which_they_came() {
    let mut world = keyed();
    for id in ["a", "b", "c"] {
        world.sent(id, "s");
        world.ran(End::Reject);
    }
    let ids = world.host.shown().deliveries.into_iter().map(|(id, ..)| id).rev().collect();
    world.redrive_these(ids).unwrap();
    world.look().unwrap();
    world.rest().unwrap();
}

#[test]
fn a_canary_that_fails_is_ended_by_the_attempt_that_passes_its_bound() {
    let mut world = keyed();
    let share = Share::Canary { weight: 99, failures_max: 50 };
    world.try_out(spec(), share).unwrap();
    let is_canary = |world: &World| {
        let inner = world.host.core.lock();
        inner.functions[&spec().name].definition.canary.is_some()
    };
    // One key in a hundred is not the canary's.
    for n in 0..22 {
        assert!(is_canary(&world) || n >= 20, "it ends after {n}");
        world.sent(&format!("e{n}"), &format!("s{n}"));
        world.ran(End::Reject);
    }
    assert!(!is_canary(&world));
    world.restart(Step::Crash).unwrap();
    assert!(!is_canary(&world), "and stays so");
    world.rest().unwrap();
}
