//! Timers, step by step: what is set, replaced, due, and what a crash leaves of it.

use serde_json::json;
use triphammer_journal::{Definition, DropReason};
use triphammer_model::Effects;

use super::later::{World, cancel, name, plain, timer};
use super::observed::End;
use crate::define::Change;

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
