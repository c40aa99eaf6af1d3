//! Batches on the simulated host, step by step: histories that were once wrong, and what random ones
//! come to rarely. The checker judges each step.

use triphammer_model::{Effects, Event, ExtensionValue};

use super::cases::{event, spec};
use super::observed::End;
use super::spec::FunctionSpec;
use super::world::World;
use crate::info::Status;

/// A world whose function takes batches of up to `max`, which gather for half a second.
fn batched(keyed: bool, max: u64) -> World {
    let mut world = World::new(1);
    world.begin().unwrap();
    world.deploy(FunctionSpec { keyed, batch: Some((max, Some(500))), ..spec() }).unwrap();
    world
}

/// The first commit in a space of state.
fn commit() -> End {
    let value = Some(bytes::Bytes::from_static(b"1"));
    let write = triphammer_model::StateWrite { name: "count".into(), value, ttl_ms: None };
    End::Commit(Effects { writes: vec![write], ..Effects::default() })
}

impl World {
    /// How many deliveries have this status.
    fn count_of(&self, status: Status) -> usize {
        let shown = self.host.shown().deliveries;
        shown.iter().filter(|(_, found, _)| *found == status).count()
    }
}

#[test]
fn what_a_batch_leaves_behind_is_woken_when_it_has_gathered_for_long_enough() {
    let mut world = batched(false, 2);
    ["a", "b", "c"].iter().for_each(|id| world.sent(id, "s"));
    assert!(world.work().unwrap(), "two are a batch");
    assert_eq!((world.count_of(Status::Running), world.count_of(Status::Ready)), (2, 1));
    assert!(!world.work().unwrap(), "one gathers");
    world.rest().unwrap();
}

#[test]
fn the_head_of_a_lane_gathers_its_batch_after_a_clean_stop_too() {
    let mut world = batched(true, 3);
    world.sent("a", "s");
    let how = world.shut_down().unwrap();
    world.restart_at_once(how).unwrap();
    assert_eq!(world.count_of(Status::Waiting), 1);
    world.pass(300);
    assert!(!world.work().unwrap(), "it has not waited for long enough");
    world.pass(200);
    world.ran(commit());
    world.rest().unwrap();
}

#[test]
fn other_rules_change_what_gathers_at_once() {
    let mut world = batched(true, 3);
    world.sent("a", "s");
    world.deploy(FunctionSpec { batch: Some((3, Some(100))), ..spec() }).unwrap();
    world.pass(100);
    assert_eq!(world.count_of(Status::Ready), 1, "the wait is shorter");
    world.deploy(FunctionSpec { batch: Some((3, Some(1000))), ..spec() }).unwrap();
    assert_eq!(world.count_of(Status::Waiting), 1, "and longer again");
    world.rest().unwrap();
}

#[test]
fn what_is_put_off_no_longer_gathers_its_batch() {
    let mut world = World::new(1);
    world.begin().unwrap();
    let debounce = Some((100, Some(200)));
    world.deploy(FunctionSpec { debounce, batch: Some((3, Some(500))), ..spec() }).unwrap();
    let mut late = event("a", "s").to_parts();
    late.extensions.push(("delay".into(), ExtensionValue::Text("5000ms".into())));
    world.send(vec![Event::new(&late).unwrap()]).unwrap();
    world.pass(1000);
    // It takes the place of the first, has been put off for as long as may be, and is due.
    world.sent("b", "s");
    assert_eq!(world.count_of(Status::Waiting), 1);
    assert!(!world.work().unwrap());
    // It is put off from now, and takes no place: the first has begun to gather.
    world.sent("c", "s");
    assert_eq!(world.count_of(Status::Waiting), 2);
    world.rest().unwrap();
}

#[test]
fn one_poison_event_in_a_batch_kills_itself_alone() {
    let mut world = batched(true, 3);
    ["a", "b", "c"].iter().for_each(|id| world.sent(id, "s"));
    world.ran(End::Reject);
    assert_eq!(world.count_of(Status::Dead), 0);
    world.ran(End::Reject);
    assert_eq!((world.count_of(Status::Dead), world.count_of(Status::Running)), (1, 0));
    world.ran(commit());
    assert_eq!(world.count_of(Status::Ready), 1, "they run one by one");
    world.rest().unwrap();
}

#[test]
fn what_a_handler_has_no_memory_for_runs_in_the_next_batch() {
    for keyed in [false, true] {
        let mut world = World::new(1);
        world.begin().unwrap();
        let batch = Some((40, None));
        world.deploy(FunctionSpec { keyed, batch, memory: "1MiB", ..spec() }).unwrap();
        for number in 0..30 {
            let id = format!("e{number}");
            let data = Some(vec![b'd'; 10_000].into());
            let large = triphammer_model::EventParts { data, ..event(&id, "s").to_parts() };
            world.send(vec![Event::new(&large).unwrap()]).unwrap();
        }
        while world.write().unwrap() {}
        assert!(world.work().unwrap());
        assert_eq!(world.count_of(Status::Running), 26, "a quarter of its memory");
        let run = *world.host.runs.keys().next().unwrap();
        world.end_with(run, commit()).unwrap();
        assert!(world.work().unwrap());
        assert_eq!(world.count_of(Status::Running), 4);
        world.rest().unwrap();
    }
}

#[test]
fn a_crash_takes_all_of_a_batch_or_nothing() {
    for on_disk in [false, true] {
        let mut world = batched(true, 3);
        ["a", "b", "c"].iter().for_each(|id| world.sent(id, "s"));
        assert!(world.work().unwrap());
        let run = *world.host.runs.keys().next().unwrap();
        world.end_with(run, commit()).unwrap();
        while on_disk && world.write().unwrap() {}
        world.restart_at_once(super::generator::Step::Crash).unwrap();
        let left = world.host.shown().deliveries.len();
        assert_eq!(left, if on_disk { 0 } else { 3 });
        world.rest().unwrap();
    }
}
