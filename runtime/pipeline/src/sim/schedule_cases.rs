//! Schedules, step by step: which slots fire, which were missed, and what a crash leaves of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use triphammer_journal::DropReason;
use triphammer_model::{Effects, Timestamp};

use super::later::{MINUTE, World, name};
use super::observed::End;

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
