//! The views against a model, with the power going at any operation.

use std::time::Duration;

use triphammer_model::Timestamp;

use crate::checkpoint_sim::{World, small_options};
use crate::history_columns::HistoryQuery;
use crate::retention::Retention;
use crate::sim::Faults;

/// Runs a host for a while, cuts its power at `halt` operations into it, and compares what the
/// next one finds; several times over.
fn lives(seed: u64, retention: Option<Retention>) {
    let mut options = small_options();
    options.retention = retention.unwrap_or(options.retention);
    let mut world = World::new(seed, options);
    for _ in 0..3 {
        let halt = 1 + world.maker.rng.below(250);
        let halt_at = Some(world.sim.ops() + halt);
        world.sim.set_faults(Faults { halt_at, ..Faults::default() });
        for _ in 0..120 {
            match world.maker.rng.below(10) {
                0..7 => world.append(),
                7 => world.write(),
                8 => world.prepare(),
                _ => match world.up.checkpointer.step(world.maker.now) {
                    Ok(_) if world.maker.rng.chance(20) => world.check_rows_and_state(),
                    Ok(_) => {}
                    Err(_) => break,
                },
            }
        }
        let crash = world.maker.rng.chance(80);
        world.restart(crash);
        world.check();
        if retention.is_none() {
            world.check_history(&HistoryQuery { limit: 7, ..HistoryQuery::default() });
        }
    }
}

#[test]
fn after_a_crash_at_any_operation_the_views_are_what_the_log_says() {
    (0..60).for_each(|seed| lives(seed, None));
}

#[test]
fn what_a_delivery_needs_outlives_its_segment_whatever_crashes() {
    let retention = Retention { age: Duration::MAX, bytes: 20_000 };
    (1000..1060).for_each(|seed| lives(seed, Some(retention)));
}

#[test]
fn a_checkpoint_leaves_little_to_replay() {
    let mut world = World::new(7, small_options());
    for _ in 0..300 {
        world.append();
    }
    world.write();
    let done = world.up.checkpointer.step(world.maker.now).unwrap();
    assert_eq!(done.records, world.model.records.len() as u64);
    assert!(done.transactions > 3, "memory is bounded: {}", done.transactions);
    assert_eq!(world.up.checkpointer.step(world.maker.now).unwrap().records, 0);
    world.append();
    world.write();
    world.restart(true);
    assert_eq!(world.up.replayed, 1);
    world.check();
    world.check_outcomes();
}

#[test]
fn history_is_found_by_everything_that_is_asked_for() {
    let mut world = World::new(11, small_options());
    for round in 0..400 {
        world.append();
        if round % 50 == 0 {
            world.write();
            world.up.checkpointer.step(world.maker.now).unwrap();
        }
    }
    let query = |limit| HistoryQuery { limit, ..HistoryQuery::default() };
    world.check_outcomes();
    let middle = Timestamp(world.maker.now.0 / 2 + 500_000);
    for restarted in [false, true] {
        world.check_history(&query(1000));
        world.check_history(&query(3));
        world.check_history(&HistoryQuery { ty: Some("a.*".parse().unwrap()), ..query(10) });
        world.check_history(&HistoryQuery { ty: Some("d".parse().unwrap()), ..query(10) });
        world.check_history(&HistoryQuery { ty: Some("none.**".parse().unwrap()), ..query(10) });
        world.check_history(&HistoryQuery { source: Some("source-1".into()), ..query(10) });
        world.check_history(&HistoryQuery { subject: Some("s1".into()), ..query(10) });
        world.check_history(&HistoryQuery { after: Some(middle), ..query(10) });
        world.check_history(&HistoryQuery { before: Some(middle), ..query(10) });
        if !restarted {
            world.restart(false);
            let sealed = world.up.parts.reader.segments().iter().filter(|s| s.sealed).count();
            assert!(sealed > 3 && world.up.parts.history.sealed_from(0).len() >= sealed - 1);
        }
    }
    world.check_outcomes();
}
