//! The views against a model, with the power going at any operation.

use std::collections::BTreeMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::time::Duration;

use triphammer_model::{Seq, Timestamp};

use crate::checkpoint_model::{Maker, Model};
use crate::checkpoint_sim::{World, small_options};
use crate::dedup_run::{RunFile, RunMark};
use crate::error::OpenError;
use crate::fold::{Fold, PayloadRef};
use crate::history_columns::{Columns, HistoryQuery, Outcomes, Types};
use crate::history_index::{SegmentIndex, Summary, index_name};
use crate::log::{Log, LogOptions};
use crate::record::{Location, Stored};
use crate::retention::Retention;
use crate::segment::{parse_segment_name, segment_name};
use crate::segment_table::SegmentInfo;
use crate::sim::{Faults, Rng, SimDisk};
use crate::store::Store;
use crate::store_commit::Commit;
use crate::store_file::StoreOptions;
use crate::store_keys::write_delivery;
use crate::store_value::row_value;

/// Runs a host for a while, cuts its power or lets an operation fail somewhere on the way, and
/// compares what the next one finds; several times over.
fn lives(seed: u64, retention: Option<Retention>) {
    let mut options = small_options();
    options.retention = retention.unwrap_or(options.retention);
    let mut world = World::new(seed, options);
    for _ in 0..3 {
        let at = Some(world.sim.ops() + 1 + world.maker.rng.below(250));
        world.sim.set_faults(match world.maker.rng.below(10) {
            0 => Faults { fail_write_at: at, ..Faults::default() },
            1 => Faults { fail_sync_at: at, ..Faults::default() },
            _ => Faults { halt_at: at, ..Faults::default() },
        });
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
fn what_has_expired_leaves_the_disk_at_a_checkpoint() {
    let mut world = World::new(5, small_options());
    while world.up.parts.store.view().first_expiry.is_none() {
        (0..10).for_each(|_| world.append());
        world.write();
        world.up.checkpointer.step(world.maker.now).unwrap();
    }
    let rows = |world: &World| {
        let usage = world.up.parts.store.usage().unwrap();
        usage.values().map(|usage| usage.entries).sum::<u64>()
    };
    let before = rows(&world);
    world.maker.now.0 += 60_000;
    assert!(world.up.checkpointer.is_due(world.maker.now), "though nothing was written");
    let done = world.up.checkpointer.step(world.maker.now).unwrap();
    assert!(done.rows_swept > 0 && done.records == 0, "{done:?}");
    assert_eq!(rows(&world), before - done.rows_swept);
    assert_eq!(rows(&world), world.model.live(world.maker.now).len() as u64);
    for crash in [false, true] {
        world.check();
        world.maker.now.0 += 60_000;
        assert!(!world.up.checkpointer.is_due(world.maker.now));
        world.restart(crash);
    }
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

#[test]
fn a_flipped_bit_in_the_checkpoint_is_damage_or_makes_no_difference() {
    let mut world = World::new(3, small_options());
    for _ in 0..300 {
        world.append();
    }
    world.write();
    world.up.checkpointer.step(world.maker.now).unwrap();
    world.restart(false);
    let (sim, name) = (&world.sim, "checkpoint.redb");
    let original = sim.contents(name).unwrap();
    let expect = read_all(&world).unwrap();
    let mut rng = Rng::new(1);
    let mut found = 0;
    for n in 0..300 {
        let byte = rng.below(if n < 50 { 4096 } else { original.len() as u64 });
        sim.flip_bit(name, byte, rng.below(8) as u8);
        match read_all(&world) {
            Ok(read) => assert_eq!(read, expect),
            Err(error) => {
                assert_eq!(error.code(), "journal.damaged", "{error}: {:?}", error.source());
                assert!(error.to_string().contains(name));
                found += 1;
            }
        }
        sim.kill();
        let file = sim.boot().open(name).unwrap();
        file.set_len(original.len() as u64).unwrap();
        file.write_at(0, &original).unwrap();
    }
    assert!(found > 5, "{found}");
}

/// Everything in the checkpoint, as a text.
fn read_all(world: &World) -> Result<String, OpenError> {
    let store = Store::open(&world.sim.boot(), &StoreOptions::default())?;
    let mut text = format!("{:?} {} ", store.position(), store.host_id());
    store.deliveries(|row, payload| text += &format!("{row:?}{payload:?}"))?;
    text += &format!("{:?}{:?}", store.definitions()?, store.counters()?);
    text += &format!("{:?}", store.replays()?);
    let view = store.view();
    view.each(&view.state, |key, value| {
        text += &format!("{key:?}{value:?}");
        Ok(())
    })?;
    Ok(text)
}

#[test]
fn a_directory_without_its_checkpoint_or_with_another_is_refused() {
    let mut world = World::new(5, small_options());
    world.append();
    world.write();
    world.sim.kill();
    world.sim.boot().remove("checkpoint.redb").unwrap();
    assert_eq!(read_all(&world).unwrap_err().code(), "journal.missing");
    let disk = world.sim.boot();
    disk.create("checkpoint.redb").unwrap();
    assert_eq!(read_all(&world).unwrap_err().code(), "journal.damaged");
    world.sim.boot().open("checkpoint.redb").unwrap().write_at(0, &[7; 9000]).unwrap();
    assert_eq!(read_all(&world).unwrap_err().code(), "journal.damaged");
}

#[test]
fn a_segment_that_is_gone_is_missed_wherever_in_the_log_it_was() {
    let mut world = World::new(8, small_options());
    for _ in 0..300 {
        world.append();
    }
    world.write();
    world.up.checkpointer.step(world.maker.now).unwrap();
    let segments = world.up.parts.reader.segments();
    assert!(segments.len() > 3, "{segments:?}");
    world.sim.kill();
    for segment in &segments {
        let name = segment_name(segment.generation);
        let whole = world.sim.contents(&name).unwrap();
        world.sim.boot().remove(&name).unwrap();
        // What was made ready behind it continues it, and would miss it as well.
        let ready = world.sim.names().into_iter().filter_map(|name| parse_segment_name(&name));
        for generation in ready.filter(|ready| segments.last().unwrap().generation < *ready) {
            world.sim.boot().remove(&segment_name(generation)).unwrap();
        }
        let store = Store::open(&world.sim.boot(), &StoreOptions::default()).unwrap();
        let log = Log::open(world.sim.boot(), LogOptions::default(), store.known());
        let error = log.map(drop).unwrap_err();
        assert_eq!(error.code(), "journal.missing", "{error}");
        assert!(error.to_string().contains(&name), "{name}: {error}");
        drop(store);
        let file = world.sim.boot().create(&name).unwrap();
        file.write_at(0, &whole).unwrap();
    }
    let store = Store::open(&world.sim.boot(), &StoreOptions::default()).unwrap();
    Log::open(world.sim.boot(), LogOptions::default(), store.known()).unwrap();
}

#[test]
fn a_segment_that_was_copied_forward_whole_is_not_missed() {
    let mut world = World::new(8, small_options());
    world.up.checkpointer.step(world.maker.now).unwrap();
    world.append();
    world.write();
    let noted = world.up.parts.store.known().segments.unwrap();
    // Nothing proves that its only record was durable.
    world.restart(false);
    let oldest = world.up.parts.reader.segments()[0].generation;
    assert!(oldest > noted.0, "{oldest}, {noted:?}");
    world.check();
}

#[test]
fn a_beginning_that_is_gone_is_named_though_numbers_were_passed_over() {
    let mut world = World::new(8, small_options());
    world.append();
    world.write();
    world.restart(false);
    // Segments that are made ready, and never used, leave gaps in the numbers.
    world.prepare();
    world.prepare();
    world.restart(false);
    let segments = world.up.parts.reader.segments();
    let [.., before, newest] = &segments[..] else { panic!("{segments:?}") };
    assert!(newest.generation > before.generation + 1, "{segments:?}");
    world.sim.kill();
    for segment in &segments[..segments.len() - 1] {
        world.sim.boot().remove(&segment_name(segment.generation)).unwrap();
    }
    let error = Log::open(world.sim.boot(), LogOptions::default(), None).map(drop).unwrap_err();
    assert_eq!(error.code(), "journal.missing", "{error}");
    assert!(error.to_string().contains(&segment_name(before.generation)), "{error}");
}

#[test]
fn a_full_disk_puts_a_checkpoint_off_and_nothing_is_lost() {
    let mut options = small_options();
    options.free_bytes_min = 0;
    options.fold_bytes = 20_000;
    let mut refused = 0;
    for spare in (0..200_000).step_by(3_000) {
        let mut world = World::new(21, options);
        for _ in 0..150 {
            world.append();
        }
        world.write();
        let used: usize =
            world.sim.names().iter().map(|n| world.sim.contents(n).unwrap().len()).sum();
        let capacity = Some(used as u64 + spare);
        world.sim.set_faults(Faults { capacity, ..Faults::default() });
        if let Err(error) = world.up.checkpointer.step(world.maker.now) {
            assert_eq!(error.code(), "journal.disk_full", "{error}");
            refused += 1;
        }
        world.check_rows_and_state();
        world.sim.set_faults(Faults::default());
        world.append();
        world.write();
        world.up.checkpointer.step(world.maker.now).unwrap();
        world.restart(true);
        assert_eq!(world.up.replayed, 0);
        world.check();
        world.check_history(&HistoryQuery { limit: 50, ..HistoryQuery::default() });
    }
    assert!((5..60).contains(&refused), "{refused}");
}

#[test]
fn old_segments_go_by_age_and_their_index_with_them() {
    let mut options = small_options();
    options.retention = Retention { age: Duration::from_secs(60), bytes: u64::MAX };
    let mut world = World::new(31, options);
    for _ in 0..200 {
        world.append();
        world.write();
    }
    let step = |world: &mut World| world.up.checkpointer.step(world.maker.now).unwrap();
    let segments = |world: &World| world.up.parts.reader.segments();
    step(&mut world);
    let before = segments(&world);
    let dropped = world.up.parts.history.newest_time(before[0].generation).unwrap();
    world.maker.now = dropped.plus(Duration::from_secs(60));
    assert_eq!(step(&mut world).segments_dropped, 0, "exactly as old as is kept");
    world.maker.now.0 += 1;
    assert_eq!(step(&mut world).segments_dropped, 1);
    assert_eq!(segments(&world)[0].generation, before[1].generation);
    let index = index_name(before[0].generation);
    assert!(!world.sim.names().contains(&index));
    world.maker.now.0 += 1_000_000_000;
    step(&mut world);
    assert_eq!(segments(&world).len(), 1, "the newest stays");
    world.check_rows_and_state();
    let page = HistoryQuery { limit: 1000, ..HistoryQuery::default() };
    assert!(world.up.parts.history.query(&page).unwrap().events.len() < world.model.events.len());
}

#[test]
fn a_damaged_index_is_made_again() {
    let mut world = World::new(41, small_options());
    for _ in 0..300 {
        world.append();
        world.write();
    }
    world.up.checkpointer.step(world.maker.now).unwrap();
    world.check_outcomes();
    let indexes: Vec<String> =
        world.sim.names().into_iter().filter(|name| name.ends_with(".idx")).collect();
    assert!(indexes.len() > 3);
    for restart in [false, true] {
        for (n, name) in indexes.iter().enumerate() {
            let len = world.sim.contents(name).unwrap().len() as u64;
            world.sim.flip_bit(
                name,
                if restart { 20 } else { 256 + n as u64 * 31 % (len - 256) },
                3,
            );
        }
        if restart {
            world.restart(false);
        }
        world.check_history(&HistoryQuery { limit: 50, ..HistoryQuery::default() });
        world.check_outcomes();
    }
}

/// What is on disk must be readable by the next version: a change here is a change of the format,
/// and needs another version number there.
#[test]
fn the_formats_are_what_they_were() {
    let mut maker = Maker::new(1);
    let mut model = Model::default();
    let (mut columns, mut types) = (Columns::default(), Types::default());
    let (mut outcomes, mut fold) = (Outcomes::default(), Fold::default());
    let mut next = 1;
    for n in 0..100 {
        let record = maker.record(&model);
        let location = Location { segment: 7, offset: 4096 + n * 100, len: 99 };
        let stored = Stored { seq: Seq::new(next).unwrap(), location, record };
        next += stored.record.span();
        model.apply(stored.seq, &stored.record);
        columns.note(stored.seq, &stored.record, location);
        outcomes.note(&stored.record, location);
        types.note(&stored.record);
        fold.apply(&stored);
    }
    outcomes.sort();
    let sim = SimDisk::new(1);
    let disk = sim.boot();
    let (first, last) = (Seq::FIRST, Seq::new(next - 1));
    let info = SegmentInfo { generation: 7, first, last, len: 20_000, sealed: true };
    let summary = Summary::of(&info, &columns, &outcomes, maker.now.ms());
    SegmentIndex::write(&*disk, summary, &columns, &outcomes, types).unwrap();
    let mut marks: Vec<RunMark> = model
        .marks
        .iter()
        .map(|(id, hit)| RunMark { id: *id, seq: hit.seq, payload: hit.payload })
        .collect();
    marks.sort_by_key(|mark| mark.id);
    RunFile::write(&*disk, "run", marks.len(), marks.into_iter().map(Ok)).unwrap();
    let (mut rows, mut key) = (Vec::new(), Vec::new());
    for (id, row) in &model.rows {
        write_delivery(&mut key, id.seq, &id.function);
        rows.extend_from_slice(&key);
        rows.extend(row_value(&key, row, PayloadRef { location: None, index: 3 }));
    }
    let state: BTreeMap<_, _> = fold.state.iter().collect();
    let store = Store::open(&disk, &StoreOptions::default()).unwrap();
    let commit = Commit::begin(&store).unwrap();
    commit.state(&fold).unwrap();
    commit.finish().unwrap();
    let view = store.view();
    let mut counted = Vec::new();
    for table in [&view.expiries, &view.usage] {
        let row = |key: &[u8], sealed: &[u8]| {
            counted.extend([key, sealed].concat());
            Ok(ControlFlow::Continue(()))
        };
        view.walk(table, &[], None, row).unwrap();
    }
    let short = |bytes: &[u8]| blake3::hash(bytes).to_hex()[..16].to_owned();
    let found = [
        short(&sim.contents("0000000007.idx").unwrap()),
        short(&sim.contents("run").unwrap()),
        short(&rows),
        short(format!("{state:?}").as_bytes()),
        short(&counted),
    ];
    assert_eq!(
        found.join(" "),
        "dbfa6cbe1fb56351 28dcada60c7e18e1 4e9408b577f545e6 d3e004f64b8d576f 0881d23a79ebf473"
    );
}
