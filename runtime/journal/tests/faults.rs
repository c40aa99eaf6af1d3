//! Disks that fail while the log runs: one that is full pauses work and nothing else; one that
//! fails a write or a sync ends it.

#![expect(clippy::unwrap_used, reason = "a test that has not got what it needs ends there")]

use std::sync::Arc;

use bytes::Bytes;
use triphammer_journal::sim::{Faults, SimDisk};
use triphammer_journal::{
    Accept, Accepted, AppendError, Body, Disk, Entrance, FsDisk, Log, LogOptions, LogPause,
    LogThreads, Prepared, Record, Step,
};
use triphammer_model::{Event, EventParts, Hops, Seq, Timestamp};

const SEGMENT: u32 = 16 << 10;

fn options() -> LogOptions {
    LogOptions { segment_bytes: SEGMENT, free_bytes_min: 10 << 10, ..LogOptions::default() }
}

fn body(data: usize) -> Body {
    let parts = EventParts {
        id: "1".into(),
        source: "/s".into(),
        ty: "t".into(),
        data: Some(Bytes::from(vec![0x55; data])),
        ..EventParts::default()
    };
    let event = Event::new(&parts).unwrap();
    let events = vec![Accepted { event, hops: Hops(0), dedup: None, deliveries: vec![] }];
    Body::encode(&Record::Accept(Accept { at: Timestamp(1), entrance: Entrance::Ingress, events }))
}

fn prepare(log: &mut Log) -> Prepared {
    loop {
        match log.preparer.step() {
            Prepared::Step => {}
            other => return other,
        }
    }
}

fn drain(log: &mut Log) {
    loop {
        match log.writer.step() {
            Step::Wrote => {}
            Step::Idle => return,
            Step::NeedsSegment => assert_eq!(prepare(log), Prepared::Low),
            Step::Failed => panic!("{:?}", log.durable.failure()),
        }
    }
}

#[test]
fn a_full_disk_pauses_intake_then_dispatch_and_loses_nothing() {
    let sim = SimDisk::new(3);
    let capacity = Some(6 * u64::from(SEGMENT));
    sim.set_faults(Faults { capacity, ..Faults::default() });
    let mut log = Log::open(sim.boot(), options(), None).unwrap();
    assert_eq!(prepare(&mut log), Prepared::Idle);
    let mut accepted = 0u64;
    while log.appender.may_accept().is_ok() {
        log.appender.append(&body(1000)).unwrap();
        accepted += 1;
        drain(&mut log);
        prepare(&mut log);
    }
    assert_eq!(log.appender.may_accept(), Err(LogPause::Disk));
    assert_eq!(log.appender.may_dispatch(), Ok(()));
    // What has begun goes on, into what was allocated ahead.
    let mut committed = 0;
    while log.appender.may_dispatch().is_ok() {
        log.appender.append(&body(1000)).unwrap();
        committed += 1;
        drain(&mut log);
        prepare(&mut log);
    }
    assert!(accepted > 10 && committed > 5, "{accepted}, {committed}");
    assert_eq!(log.appender.may_dispatch(), Err(LogPause::Disk));
    // And so do the commits of attempts that run; nearly a segment is kept back for them.
    let mut late = 0;
    let refused = loop {
        match log.appender.append(&body(1000)) {
            Ok(_) => late += 1,
            Err(refused) => break refused,
        }
        drain(&mut log);
    };
    assert!(late > 5, "{late}");
    assert!(matches!(refused, AppendError::DiskFull));
    assert_eq!(refused.code(), "journal.disk_full");
    let total = accepted + committed + late;
    assert_eq!(log.durable.position(), total);
    assert!(log.durable.failure().is_none(), "nothing exits");

    // Space comes back, by retention or from outside, and everything goes on by itself.
    while log.reader.drop_oldest(Seq::new(20).unwrap()).unwrap() {}
    sim.set_faults(Faults::default());
    assert_eq!(prepare(&mut log), Prepared::Idle);
    assert_eq!(log.appender.may_accept(), Ok(()));
    assert_eq!(log.appender.may_dispatch(), Ok(()));
    let (seq, _) = log.appender.append(&body(1000)).unwrap();
    drain(&mut log);
    assert_eq!(log.durable.position(), seq.get());
}

#[test]
fn a_full_disk_does_not_keep_the_log_from_opening() {
    let sim = SimDisk::new(3);
    let capacity = Some(4 * u64::from(SEGMENT));
    sim.set_faults(Faults { capacity, ..Faults::default() });
    let mut log = Log::open(sim.boot(), options(), None).unwrap();
    while log.appender.append(&body(1000)).is_ok() {
        drain(&mut log);
        prepare(&mut log);
    }
    let last = log.durable.position();
    sim.crash();
    // The segments that were ready are gone, but what is there can be read and dropped.
    let capacity = Some(6 * u64::from(SEGMENT));
    sim.set_faults(Faults { capacity, ..Faults::default() });
    let mut log = Log::open(sim.boot(), options(), None).unwrap();
    assert_eq!(log.recovered.last, last);
    assert_eq!(log.reader.scan(Seq::FIRST, None).count() as u64, last);
    prepare(&mut log);
    assert_eq!(log.appender.may_accept(), Err(LogPause::Disk));
}

#[test]
fn a_start_on_a_full_disk_begins_with_what_room_there_is() {
    const MIB: u64 = 1 << 20;
    let sim = SimDisk::new(3);
    let large = LogOptions { segment_bytes: 32 << 20, free_bytes_min: 0, ..options() };
    let set = |room: u64| {
        sim.set_faults(Faults { capacity: Some(room), ..Faults::default() });
        Log::open(sim.boot(), large, None)
    };
    // Nothing is left of an attempt that failed.
    for _ in 0..3 {
        let error = set(MIB - 1).unwrap_err();
        assert_eq!(error.code(), "journal.io", "{error}");
        sim.crash();
    }
    let mut log = set(3 * MIB + 5).unwrap();
    for seq in 1..=20 {
        log.appender.append(&body(1000)).unwrap();
        drain(&mut log);
        assert_eq!(log.durable.position(), seq);
        // Killed: what this one has too much is room for the next but one.
        log = set(6 * MIB).unwrap();
        assert_eq!(log.recovered.last, seq);
    }
    assert_eq!(log.reader.scan(Seq::FIRST, None).count(), 20);
}

#[test]
fn more_than_memory_may_hold_pauses_intake_only() {
    let sim = SimDisk::new(3);
    let bound = LogOptions { waiting_bytes_max: 5000, ..options() };
    let mut log = Log::open(sim.boot(), bound, None).unwrap();
    while log.appender.may_accept().is_ok() {
        log.appender.append(&body(500)).unwrap();
    }
    assert_eq!(log.appender.may_accept(), Err(LogPause::Behind));
    assert_eq!(log.appender.may_dispatch(), Ok(()));
    assert!(log.appender.next_seq().get() < 12);
    assert_eq!(log.writer.step(), Step::Wrote);
    assert_eq!(log.appender.may_accept(), Ok(()));
}

/// Runs until the operation at `at` fails, and then for a while.
fn fails(fault: impl Fn(u64) -> Faults, doing: &str) {
    for at in 0..40 {
        let sim = SimDisk::new(at);
        let mut log = Log::open(sim.boot(), options(), None).unwrap();
        sim.set_faults(fault(sim.ops() + at));
        let mut acknowledged = 0;
        for _ in 0..60 {
            if log.appender.append(&body(600)).is_err() {
                break;
            }
            if log.writer.step() == Step::Failed {
                break;
            }
            acknowledged = log.durable.position();
            log.preparer.step();
        }
        // The operation may have been one that can't fail so.
        let Some(failure) = log.durable.failure().cloned() else { continue };
        assert_eq!(failure.code(), "journal.failed");
        assert!(failure.to_string().contains("simulated failure"), "{failure}");
        assert!(failure.doing.contains(doing) || failure.doing.contains("segment"), "{failure}");
        // Nothing more is acknowledged, taken, or tried.
        let ops = sim.ops();
        assert!(matches!(log.appender.append(&body(1)), Err(AppendError::Failed(_))));
        assert_eq!(log.appender.may_accept(), Err(LogPause::Failed));
        assert_eq!(log.appender.may_dispatch(), Err(LogPause::Failed));
        assert_eq!(log.writer.step(), Step::Failed);
        assert_eq!(log.writer.close(), Step::Failed);
        assert_eq!(log.preparer.step(), Prepared::Failed);
        assert_eq!(log.durable.position(), acknowledged);
        assert!(log.durable.wait_blocking(Seq::new(acknowledged + 1).unwrap()).is_err());
        assert_eq!(sim.ops(), ops, "a failed sync must not be tried again");
        // The next start finds all that was acknowledged.
        sim.set_faults(Faults::default());
        if at % 2 == 0 {
            sim.crash();
        }
        let log = Log::open(sim.boot(), options(), None).unwrap();
        assert!(log.recovered.last >= acknowledged);
    }
}

#[test]
fn a_failed_write_ends_it() {
    fails(|at| Faults { fail_write_at: Some(at), ..Faults::default() }, "write");
}

#[test]
fn a_failed_sync_ends_it_and_is_not_tried_again() {
    fails(|at| Faults { fail_sync_at: Some(at), ..Faults::default() }, "sync");
}

#[tokio::test]
async fn everybody_who_waits_is_told_of_a_failure() {
    let sim = SimDisk::new(1);
    let mut log = Log::open(sim.boot(), LogOptions::default(), None).unwrap();
    sim.crash();
    let waits: Vec<_> = (0..100)
        .map(|_| {
            let (seq, _) = log.appender.append(&body(10)).unwrap();
            log.durable.wait(seq)
        })
        .collect();
    let mut follower = log.durable.subscribe();
    let threads = LogThreads::start(log.writer, log.preparer).unwrap();
    for wait in waits {
        assert_eq!(wait.await.unwrap_err().code(), "journal.failed");
    }
    assert!(follower.changed().await.is_err());
    assert_eq!(log.durable.failed().await.code(), "journal.failed");
    threads.stop();
}

#[tokio::test]
async fn a_full_disk_does_not_keep_the_log_from_stopping() {
    let sim = SimDisk::new(1);
    let capacity = Some(2 * u64::from(SEGMENT));
    sim.set_faults(Faults { capacity, ..Faults::default() });
    let mut log = Log::open(sim.boot(), options(), None).unwrap();
    let waits: Vec<_> = (0..40)
        .map(|_| {
            let (seq, _) = log.appender.append(&body(1000)).unwrap();
            log.durable.wait(seq)
        })
        .collect();
    let threads = LogThreads::start(log.writer, log.preparer).unwrap();
    tokio::task::spawn_blocking(|| threads.stop()).await.unwrap();
    let mut written = 0;
    for wait in waits {
        match wait.await {
            Ok(()) => written += 1,
            Err(failure) => assert!(failure.to_string().contains("another segment"), "{failure}"),
        }
    }
    assert!((1..40).contains(&written), "{written}");
}

#[test]
fn a_real_disk_says_when_it_is_full() {
    // Only that the kind that the log looks for is the one that the system reports.
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let error = std::io::Write::write(&mut &full, b"x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = FsDisk::open(dir.path()).unwrap();
    let starved = LogOptions { free_bytes_min: u64::MAX / 2, ..options() };
    let mut log = Log::open(disk, starved, None).unwrap();
    assert_eq!(log.preparer.step(), Prepared::Low);
    assert_eq!(log.appender.may_accept(), Err(LogPause::Disk));
}
