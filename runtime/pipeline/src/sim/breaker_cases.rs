//! A circuit breaker on the simulated host, step by step. The checker judges each of them; what is
//! said here is what an operator is shown.

use triphammer_model::Effects;

use super::cases::spec;
use super::generator::Step;
use super::observed::End;
use super::spec::FunctionSpec;
use super::world::World;
use crate::breaker::BreakerState::{self, Closed, HalfOpen, Open};
use crate::canary::Share;
use crate::info::{BreakerSteps, DeliveryQuery, WaitKind};

const FAILURES: u64 = 3;
const PROBE_MS: u64 = 500;

/// Opens after three failures, and is probed after half a second.
fn breaker() -> FunctionSpec {
    FunctionSpec { keyed: false, breaker: Some((FAILURES, PROBE_MS)), ..spec() }
}

/// The next commit in the only state space, where there have been so many before.
fn commit(before: u64) -> End {
    let value = Some(bytes::Bytes::from((before + 1).to_string()));
    let write = triphammer_model::StateWrite { name: "count".into(), value, ttl_ms: None };
    End::Commit(Effects { writes: vec![write], ..Effects::default() })
}

impl World {
    fn with_breaker() -> Self {
        let mut world = Self::new(1);
        world.begin().unwrap();
        world.deploy(breaker()).unwrap();
        world
    }

    /// So many events, each for a lane of its own, are sent.
    fn sends(&mut self, name: &str, many: u64) {
        (0..many).for_each(|n| self.sent(&format!("{name}{n}"), "s"));
    }

    fn opens(&mut self) {
        self.sends("fails", FAILURES);
        (0..FAILURES).for_each(|_| self.ran(End::Reject));
    }

    /// Runs the next delivery to its end; after an unclean stop its start is on disk first.
    fn ran_again(&mut self, end: End) {
        assert!(self.work().unwrap());
        while self.write().unwrap() {}
        let run = *self.host.runs.keys().next().unwrap();
        self.end_with(run, end).unwrap();
        self.write().unwrap();
    }

    fn waits(&mut self, ms: u64) {
        let now = self.clock.now().0;
        self.advance(now + ms).unwrap();
        self.host.timers();
        self.look().unwrap();
    }

    /// The state, failures in a row, and how many milliseconds from now the probe is.
    fn shows(&self) -> (BreakerState, u32, Option<u64>) {
        let info = self.host.core.function_info(&spec().name).unwrap().breaker.unwrap();
        let wait = info.until.map(|until| until.0.saturating_sub(self.clock.now().0));
        (info.state, info.failures, wait)
    }

    /// How often a breaker has opened, been probed and closed since the start.
    fn steps(&self) -> (u64, u64, u64) {
        let BreakerSteps { opened, probed, closed } = self.host.core.lock().totals.breakers;
        (opened, probed, closed)
    }

    fn reasons(&self) -> Vec<(Option<WaitKind>, String)> {
        let query = DeliveryQuery { limit: 9, ..DeliveryQuery::default() };
        let found = self.host.core.find_deliveries(&query).unwrap().deliveries;
        let open = found.into_iter().filter(|info| info.died.is_none());
        open.map(|info| (info.waiting_for.map(|w| w.kind), info.reason)).collect()
    }
}

#[test]
fn it_opens_is_probed_until_it_succeeds_and_closes() {
    let mut world = World::with_breaker();
    world.sends("a", FAILURES);
    world.ran(End::Reject);
    world.ran(End::Reject);
    assert_eq!(world.shows(), (Closed, 2, None));
    world.ran(commit(0));
    assert_eq!(world.shows(), (Closed, 0, None));
    world.opens();
    assert_eq!(world.shows(), (Open, 3, Some(PROBE_MS)));
    world.sends("b", 4);
    assert!(!world.work().unwrap(), "nothing runs");
    world.waits(PROBE_MS - 1);
    assert!(!world.work().unwrap(), "it is early");
    world.waits(1);
    assert_eq!(world.shows(), (HalfOpen, 3, Some(0)));
    world.ran(End::Trap);
    assert_eq!(world.shows(), (Open, 4, Some(PROBE_MS)));
    world.waits(PROBE_MS);
    world.ran(commit(1));
    assert_eq!((world.shows(), world.steps()), ((Closed, 0, None), (2, 2, 1)));
    assert!(world.work().unwrap() && world.work().unwrap(), "they run side by side again");
    world.rest().unwrap();
}

#[test]
fn one_probes_at_a_time_and_faults_of_the_host_decide_nothing() {
    let mut world = World::with_breaker();
    world.opens();
    world.sends("b", 3);
    world.waits(PROBE_MS);
    assert!(world.work().unwrap());
    assert!(!world.work().unwrap(), "one is the probe");
    let kinds: Vec<_> = world.reasons().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [None, Some(WaitKind::Breaker), Some(WaitKind::Breaker)]);
    let run = *world.host.runs.keys().next().unwrap();
    world.end_with(run, End::HostFault).unwrap();
    assert_eq!(world.shows(), (HalfOpen, 3, Some(0)));
    world.ran(End::Reject);
    assert_eq!((world.shows(), world.steps()), ((Open, 4, Some(PROBE_MS)), (2, 1, 0)));
    world.rest().unwrap();
}

#[test]
fn what_ran_when_it_opened_decides_nothing() {
    let mut world = World::with_breaker();
    world.sends("a", 1);
    assert!(world.work().unwrap(), "it takes its time");
    let slow = *world.host.runs.keys().next().unwrap();
    world.sends("b", FAILURES + 1);
    for _ in 0..FAILURES {
        assert!(world.work().unwrap());
        let run = *world.host.runs.keys().next_back().unwrap();
        world.end_with(run, End::Reject).unwrap();
    }
    world.waits(PROBE_MS);
    assert!(!world.work().unwrap(), "nothing runs beside the probe");
    world.end_with(slow, commit(0)).unwrap();
    assert_eq!(world.shows(), (HalfOpen, 3, Some(0)));
    world.ran(commit(1));
    assert_eq!(world.shows(), (Closed, 0, None));
    world.rest().unwrap();
}

#[test]
fn what_is_open_stays_open_over_a_crash_and_is_probed_at_its_time() {
    for how in [Step::Crash, Step::Kill] {
        let mut world = World::with_breaker();
        world.opens();
        world.sends("b", 2);
        world.waits(200);
        world.restart_at_once(how).unwrap();
        assert_eq!(world.shows(), (Open, 3, Some(PROBE_MS - 200)));
        assert!(!world.work().unwrap());
        world.waits(PROBE_MS - 200);
        assert!(world.work().unwrap(), "it probes");
        world.restart_at_once(how).unwrap();
        assert_eq!(world.shows(), (HalfOpen, 3, Some(0)), "and again");
        world.ran_again(commit(0));
        assert_eq!(world.shows(), (Closed, 0, None));
        world.restart_at_once(how).unwrap();
        assert_eq!(world.shows(), (Closed, 0, None));
        world.rest().unwrap();
    }
}

#[test]
fn a_pause_and_an_open_breaker_are_each_their_own() {
    let mut world = World::with_breaker();
    let name = spec().name;
    world.opens();
    world.sends("b", 2);
    world.redefine(&name, Step::Pause).unwrap();
    world.waits(PROBE_MS);
    assert!(!world.work().unwrap(), "no probe while it is paused");
    assert_eq!(world.reasons()[0].0, Some(WaitKind::Paused));
    // Another revision closes the breaker, and leaves the pause.
    world.deploy(breaker()).unwrap();
    assert_eq!(world.shows(), (Closed, 0, None));
    world.write().unwrap();
    world.restart_at_once(Step::Kill).unwrap();
    assert!(!world.work().unwrap(), "still paused");
    world.redefine(&name, Step::Resume).unwrap();
    // A probe that ends while the function is paused closes the breaker, and leaves the pause too.
    (0..2).for_each(|_| world.ran_again(End::Reject));
    world.sends("c", 3);
    world.ran(End::Reject);
    world.waits(PROBE_MS);
    assert!(world.work().unwrap());
    world.redefine(&name, Step::Pause).unwrap();
    let run = *world.host.runs.keys().next().unwrap();
    world.end_with(run, commit(0)).unwrap();
    assert_eq!(world.shows(), (Closed, 0, None));
    assert!(!world.work().unwrap());
    world.rest().unwrap();
}

#[test]
fn resuming_closes_it_at_once_whether_or_not_it_is_paused() {
    for paused in [false, true] {
        let mut world = World::with_breaker();
        let name = spec().name;
        world.opens();
        world.sends("b", 2);
        if paused {
            world.redefine(&name, Step::Pause).unwrap();
        }
        world.redefine(&name, Step::Resume).unwrap();
        assert_eq!((world.shows(), world.steps()), ((Closed, 0, None), (1, 0, 1)));
        world.ran(End::Reject);
        assert_eq!(world.shows(), (Closed, 1, None), "it counts from nothing");
        world.rest().unwrap();
    }
}

#[test]
fn a_canary_counts_for_itself() {
    let mut world = World::with_breaker();
    let share = Share::Canary { weight: 99, failures_max: 100 };
    world.try_out(breaker(), share).unwrap();
    world.sends("a", 10);
    // By the numbers of their events all of these are the canary's.
    (0..10).for_each(|_| world.ran(End::Reject));
    assert_eq!((world.shows(), world.steps()), ((Closed, 0, None), (0, 0, 0)));
    world.rest().unwrap();
}

#[test]
fn a_delivery_says_that_the_breaker_holds_it_and_until_when() {
    let mut world = World::with_breaker();
    world.opens();
    world.sends("b", 1);
    let until = world.host.core.function_info(&spec().name).unwrap().breaker.unwrap().until;
    let until = until.unwrap().to_rfc3339();
    let text = "its function's circuit breaker is open until";
    let expect = format!("{text} {until}, after 3 failures in a row: invoke.rejected");
    assert_eq!(world.reasons(), [(Some(WaitKind::Breaker), expect)]);
    world.rest().unwrap();
}

#[test]
fn functions_that_fail_on_the_events_of_breakers_feed_nobody() {
    let mut world = World::with_breaker();
    let mut listens = breaker();
    (listens.name, listens.types) = ("f1".parse().unwrap(), vec![5]);
    listens.breaker = Some((1, 100));
    world.deploy(listens).unwrap();
    world.opens();
    let told = |world: &World| world.checker.facts.events.len();
    let before = told(&world);
    // It opens at once on the first, is probed, and opens again: none of it is told.
    world.ran(End::Trap);
    world.waits(1000);
    world.ran(End::Trap);
    assert_eq!((world.steps().0, world.steps().1), (3, 1));
    assert_eq!(told(&world), before);
    world.rest().unwrap();
}
