//! Lanes whose rules change while something of them is out, step by step. The checker judges each
//! step.

use super::cases::{emit, spec};
use super::observed::End;
use super::spec::FunctionSpec;
use super::world::World;
use crate::info::Status;

/// A world with a keyed function, and `a`, `b` and `c` for one of its lanes.
fn lane(key_concurrency: u64) -> World {
    let mut world = World::new(1);
    world.begin().unwrap();
    world.deploy(FunctionSpec { key_concurrency, ..spec() }).unwrap();
    ["a", "b", "c"].iter().for_each(|id| world.sent(id, "s"));
    world
}

impl World {
    /// Ends the attempt that began as so many others run.
    fn ends(&mut self, number: usize, end: End) {
        let run = *self.host.runs.keys().nth(number).unwrap();
        self.end_with(run, end).unwrap();
        while self.write().unwrap() {}
        self.look().unwrap();
    }

    fn statuses(&self) -> Vec<Status> {
        self.host.shown().deliveries.into_iter().map(|(_, status, _)| status).collect()
    }
}

#[test]
fn an_attempt_that_began_alone_in_its_lane_stays_alone() {
    for end in [emit("t", None), End::Retry { after_ms: Some(0) }, End::HostFault] {
        let mut world = lane(1);
        assert!(world.work().unwrap());
        world.deploy(FunctionSpec { key_concurrency: 3, ..spec() }).unwrap();
        assert!(!world.work().unwrap(), "nothing runs beside it");
        world.sent("d", "s");
        assert!(!world.work().unwrap(), "nothing that comes does either");
        world.ends(0, end);
        assert!(world.work().unwrap() && world.work().unwrap());
        world.rest().unwrap();
    }
}

#[test]
fn a_lane_that_lets_fewer_run_is_in_order_again() {
    use Status::{Blocked, Ready, Running, Waiting};
    let mut world = lane(3);
    assert!(world.work().unwrap() && world.work().unwrap());
    world.deploy(spec()).unwrap();
    assert_eq!(world.statuses(), [Running, Running, Blocked]);
    world.ends(0, End::Retry { after_ms: Some(5000) });
    assert_eq!(world.statuses(), [Blocked, Running, Blocked], "what runs ends as it began");
    world.ends(0, emit("t", Some(9000)));
    assert_eq!(world.statuses()[..2], [Waiting, Blocked]);
    assert!(!world.work().unwrap());
    world.pass(5000);
    assert_eq!(world.statuses()[..2], [Ready, Blocked], "the first is first again");
    world.rest().unwrap();
}

#[test]
fn what_waits_for_another_attempt_is_in_order_again_over_a_restart_too() {
    use Status::{Blocked, Waiting};
    for restarts in [false, true] {
        let mut world = lane(3);
        (0..3).for_each(|_| assert!(world.work().unwrap()));
        [9000, 7000, 5000].into_iter().for_each(|ms| {
            world.ends(0, End::Retry { after_ms: Some(ms) });
        });
        assert_eq!(world.statuses(), [Waiting, Waiting, Waiting]);
        world.deploy(spec()).unwrap();
        while world.write().unwrap() {}
        if restarts {
            world.restart_at_once(super::generator::Step::Kill).unwrap();
        }
        assert_eq!(world.statuses(), [Waiting, Blocked, Blocked]);
        world.pass(8000);
        assert!(!world.work().unwrap());
        world.deploy(FunctionSpec { key_concurrency: 2, ..spec() }).unwrap();
        assert!(world.work().unwrap(), "the second comes after the first, which waits");
        assert!(!world.work().unwrap(), "and the third after both");
        world.rest().unwrap();
    }
}

#[test]
fn one_that_has_overtaken_goes_back_behind_those_before_it() {
    use Status::{Blocked, Running, Waiting};
    let mut world = lane(2);
    assert!(world.work().unwrap());
    world.ends(0, End::Retry { after_ms: Some(5000) });
    assert!(world.work().unwrap());
    assert_eq!(world.statuses()[..2], [Waiting, Running]);
    world.deploy(spec()).unwrap();
    assert_eq!(world.statuses()[..2], [Blocked, Running]);
    world.ends(0, End::Retry { after_ms: Some(1000) });
    assert_eq!(world.statuses(), [Waiting, Blocked, Blocked], "in their order again");
    world.rest().unwrap();
}

#[test]
fn halting_holds_at_once_what_waits_for_another_attempt() {
    use Status::{Blocked, Dead, Waiting};
    let mut world = lane(1);
    world.ran(End::Reject);
    world.ran(End::Retry { after_ms: Some(500) });
    assert_eq!(world.statuses(), [Dead, Waiting, Blocked]);
    world.deploy(FunctionSpec { halts: true, ..spec() }).unwrap();
    assert_eq!(world.statuses(), [Dead, Blocked, Blocked]);
    world.pass(500);
    assert!(!world.work().unwrap());
    let id = world.host.shown().deliveries[0].0.clone();
    world.redrive_these(vec![id]).unwrap();
    world.rest().unwrap();
}
