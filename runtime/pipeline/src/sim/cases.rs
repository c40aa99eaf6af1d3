//! Histories that were once wrong, by hand and as short as they can be. Random ones found them.

use triphammer_model::{
    Effects, Event, EventParts, ExtensionValue, NewEvent, StateWrite, TimerChange, TimerEvent,
};

use super::generator::Step;
use super::observed::End;
use super::spec::{FunctionSpec, ScheduleSpec};
use super::world::World;
use crate::canary::Share;
use crate::info::Remove;

/// A world with a keyed function `f0` that takes `t0`.
fn keyed() -> World {
    let mut world = World::new(1);
    world.begin().unwrap();
    world.deploy(spec()).unwrap();
    world
}

pub(super) fn spec() -> FunctionSpec {
    FunctionSpec::plain("f0")
}

fn parts(ty: &str, subject: &str) -> EventParts {
    EventParts { ty: ty.into(), subject: Some(subject.into()), ..EventParts::default() }
}

pub(super) fn event(id: &str, subject: &str) -> Event {
    Event::new(&EventParts { id: id.into(), source: "/sim".into(), ..parts("t0", subject) })
        .unwrap()
}

/// A first commit, which sets a timer.
fn set_timer() -> End {
    let timer = TimerEvent { parts: parts("tick", "s"), after_ms: 100 };
    let timers = vec![TimerChange { name: "timer".into(), set: Some(timer) }];
    let End::Commit(effects) = emit("s", None) else { unreachable!("it commits") };
    End::Commit(Effects { timers, emits: Vec::new(), ..effects })
}

/// A function with one schedule, each minute.
fn scheduled(missed: &'static str) -> FunctionSpec {
    let schedules = vec![ScheduleSpec { name: "c", minutes: 1, missed }];
    FunctionSpec { schedules, ..spec() }
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
        while self.write().unwrap() {}
    }

    /// Everything that sleeps until then is woken.
    pub(super) fn pass(&mut self, ms: u64) {
        let now = self.clock.now().0;
        self.advance(now + ms).unwrap();
        self.host.timers();
        self.look().unwrap();
    }

    /// Runs the next delivery to its end.
    pub(super) fn ran(&mut self, end: End) {
        assert!(self.work().unwrap());
        let run = *self.host.runs.keys().next().unwrap();
        self.end_with(run, end).unwrap();
        while self.write().unwrap() {}
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

#[test]
fn a_timer_is_as_urgent_as_the_revision_that_is_active_says() {
    let mut world = keyed();
    world.sent("a", "s");
    assert!(world.work().unwrap());
    world.deploy(FunctionSpec { priority: 9, ..spec() }).unwrap();
    let run = *world.host.runs.keys().next().unwrap();
    world.end_with(run, set_timer()).unwrap();
    world.rest().unwrap();
}

#[test]
fn a_wait_that_is_over_at_once_takes_the_place_of_a_longer_one() {
    let mut world = World::new(1);
    world.begin().unwrap();
    world.deploy(FunctionSpec { debounce: Some((100, Some(200))), ..spec() }).unwrap();
    let mut late = event("a", "s").to_parts();
    late.extensions.push(("delay".into(), ExtensionValue::Text("5000ms".into())));
    world.send(vec![Event::new(&late).unwrap()]).unwrap();
    world.pass(1000);
    world.sent("b", "s");
    world.look().unwrap();
    world.rest().unwrap();
}

#[test]
fn a_slot_that_was_dropped_does_not_come_with_the_next_deploy() {
    let mut world = World::new(1);
    world.begin().unwrap();
    world.deploy(scheduled("all")).unwrap();
    let id = world.host.shown().deliveries[0].0.clone();
    world.drop_these(vec![id]).unwrap();
    world.look().unwrap();
    world.deploy(FunctionSpec { priority: 9, ..scheduled("all") }).unwrap();
    world.look().unwrap();
    world.rest().unwrap();
}

#[test]
fn a_firing_that_has_begun_outlives_its_schedule_and_the_host() {
    let mut world = World::new(1);
    world.begin().unwrap();
    world.deploy(scheduled("once")).unwrap();
    world.pass(60_000);
    world.ran(End::Retry { after_ms: Some(500) });
    world.deploy(spec()).unwrap();
    while world.write().unwrap() {}
    world.restart(Step::Kill).unwrap();
    assert_eq!(world.host.shown().deliveries.len(), 1, "it waits for its next attempt");
    world.rest().unwrap();
}

#[test]
fn state_is_read_as_of_the_moment_at_which_the_attempt_began() {
    let mut world = keyed();
    world.sent("a", "s");
    world.sent("b", "s");
    let mut effects = Effects::default();
    for name in ["count", "n0"] {
        let value = Some(bytes::Bytes::from_static(b"1"));
        let ttl_ms = (name == "n0").then_some(600_000);
        effects.writes.push(StateWrite { name: name.into(), value, ttl_ms });
    }
    world.ran(End::Commit(effects));
    world.restart(Step::Kill).unwrap();
    // Its start is not on disk yet.
    assert!(world.work().unwrap());
    world.pass(700_000);
    while world.write().unwrap() {}
    let run = *world.host.runs.keys().next().unwrap();
    world.get(run, "n0").unwrap();
    world.end_with(run, End::Reject).unwrap();
    world.rest().unwrap();
}

#[test]
fn a_removal_that_a_crash_has_broken_off_is_finished() {
    let mut world = keyed();
    world.sent("a", "s");
    let how = Remove { discard: true, state: false };
    world.remove_this(spec().name, how).unwrap();
    world.look().unwrap();
    // One record of two comes to the disk.
    world.write().unwrap();
    world.restart(Step::Kill).unwrap();
    assert_eq!(world.host.shown().deliveries.len(), 0);
    world.rest().unwrap();
}

#[test]
fn a_crash_in_the_middle_of_a_merge_lets_no_old_firing_run() {
    for missed in ["once", "skip"] {
        let mut world = World::new(1);
        world.begin().unwrap();
        world.deploy(scheduled(missed)).unwrap();
        world.redefine(&spec().name, Step::Pause).unwrap();
        world.pass(300_000);
        while world.write().unwrap() {}
        world.redefine(&spec().name, Step::Resume).unwrap();
        world.look().unwrap();
        // The definition and the new firing come to the disk, the end of the old one does not.
        world.write().unwrap();
        world.write().unwrap();
        world.restart(Step::Kill).unwrap();
        assert_eq!(world.host.shown().deliveries.len(), 1, "{missed}");
        world.rest().unwrap();
    }
}

#[test]
fn what_has_come_due_is_in_its_lane_before_a_firing_that_is_made_after() {
    let mut world = World::new(1);
    world.begin().unwrap();
    world.deploy(scheduled("all")).unwrap();
    world.pass(200_000);
    let mut late = event("a", "c").to_parts();
    late.extensions.push(("delay".into(), ExtensionValue::Text("1000ms".into())));
    world.send(vec![Event::new(&late).unwrap()]).unwrap();
    // No timer has looked yet.
    let now = world.clock.now().0;
    world.advance(now + 1000).unwrap();
    // The slot after it has passed as well.
    world.ran(End::Reject);
    world.rest().unwrap();
}
