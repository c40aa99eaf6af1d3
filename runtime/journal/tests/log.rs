//! The log on a real directory, through its public interface, with its threads running.

#![expect(clippy::unwrap_used, reason = "a test that has not got what it needs ends there")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use triphammer_journal::{
    Accept, Accepted, AppendError, Appender, Body, Entrance, FsDisk, Location, Log, LogOptions,
    LogThreads, Record, Stored,
};
use triphammer_model::{Event, EventParts, Hops, Seq, Timestamp};

fn record(events: usize, data: usize, at: u64) -> Record {
    let accepted = |index: usize| Accepted {
        event: Event::new(&EventParts {
            id: index.to_string(),
            source: "/s".into(),
            ty: "t".into(),
            data: Some(Bytes::from(vec![b'x'; data])),
            ..EventParts::default()
        })
        .unwrap(),
        hops: Hops(0),
        dedup: None,
        deliveries: Vec::new(),
    };
    let events = (0..events).map(accepted).collect();
    Record::Accept(Accept { at: Timestamp(at), entrance: Entrance::Ingress, events })
}

fn small() -> LogOptions {
    LogOptions {
        segment_bytes: 64 << 10,
        batch_bytes_max: 16 << 10,
        recent_bytes_max: 0,
        free_bytes_min: 0,
        ..LogOptions::default()
    }
}

struct Running {
    log: Log2,
    threads: LogThreads,
}

struct Log2 {
    appender: Appender,
    durable: triphammer_journal::Durable,
    reader: triphammer_journal::LogReader,
}

impl Running {
    /// Everything is given back, the directory's lock too.
    fn stop(self) {
        self.threads.stop();
    }
}

fn open(dir: &std::path::Path, options: LogOptions) -> Running {
    let log = Log::open(FsDisk::open(dir).unwrap(), options, None).unwrap();
    let threads = LogThreads::start(log.writer, log.preparer).unwrap();
    let log = Log2 { appender: log.appender, durable: log.durable, reader: log.reader };
    Running { log, threads }
}

fn append(
    appender: &mut Appender,
    kept: &mut BTreeMap<Seq, (Location, Record)>,
    record: Record,
) -> Seq {
    let (seq, location) = appender.append(&Body::encode(&record)).unwrap();
    kept.insert(seq, (location, record));
    seq
}

fn stored(kept: &BTreeMap<Seq, (Location, Record)>) -> Vec<Stored> {
    let one = |(seq, (location, record)): (&Seq, &(Location, Record))| Stored {
        seq: *seq,
        location: *location,
        record: record.clone(),
    };
    kept.iter().map(one).collect()
}

#[test]
fn what_is_appended_can_be_read_at_once_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut kept = BTreeMap::new();
    for round in 0..4 {
        let mut running = open(dir.path(), small());
        let log = &mut running.log;
        let scanned: Result<Vec<_>, _> = log.reader.scan(Seq::FIRST, None).collect();
        // What was last may lie elsewhere after a start: the records count, not the places.
        let scanned = scanned.unwrap();
        assert!(
            scanned.iter().map(|s| (s.seq, &s.record)).eq(kept
                .iter()
                .map(|(seq, (_, record)): (&Seq, &(Location, Record))| (*seq, record))),
            "round {round}"
        );
        for stored in scanned {
            kept.insert(stored.seq, (stored.location, stored.record));
        }
        let mut last = None;
        for n in 0..300 {
            let record = record(n % 4, n * 7 % 2000, round);
            let seq = append(&mut log.appender, &mut kept, record);
            let (location, record) = &kept[&seq];
            let read = log.reader.read(*location).unwrap();
            assert_eq!((read.seq, &read.record), (seq, record));
            last = Some(seq);
        }
        log.durable.wait_blocking(last.unwrap()).unwrap();
        assert_eq!(log.durable.position() + 1, log.appender.next_seq().get());
        let scanned: Result<Vec<_>, _> = log.reader.scan(Seq::FIRST, None).collect();
        assert_eq!(scanned.unwrap(), stored(&kept));
        for stored in stored(&kept) {
            assert_eq!(log.reader.read(stored.location).unwrap(), stored);
        }
        assert!(log.reader.segments().len() > 2);
        running.stop();
    }
}

#[test]
fn segments_that_are_dropped_are_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = open(dir.path(), small());
    let log = &mut running.log;
    let mut kept = BTreeMap::new();
    let mut most = 0;
    for _ in 0..3000 {
        let seq = append(&mut log.appender, &mut kept, record(1, 1000, 0));
        if seq.get().is_multiple_of(50) {
            log.durable.wait_blocking(seq).unwrap();
            let keep_from = Seq::new(seq.get() - 49).unwrap();
            while log.reader.drop_oldest(keep_from).unwrap() {}
        }
        most = most.max(std::fs::read_dir(dir.path()).unwrap().count());
    }
    assert!(most <= 10, "{most} files");
    let (gone, _) = kept[&Seq::FIRST];
    assert_eq!(log.reader.read(gone).unwrap_err().code(), "journal.gone");
    assert_eq!(
        log.reader.scan(Seq::FIRST, None).next().unwrap().unwrap_err().code(),
        "journal.gone"
    );
    let first = log.reader.segments()[0].first;
    assert!(first.get() > 2880);
    running.stop();

    // The beginning is gone, so only a checkpoint can say that nothing is missing.
    let disk = FsDisk::open(dir.path()).unwrap();
    let error = Log::open(disk.clone(), small(), None).unwrap_err();
    assert_eq!(error.code(), "journal.missing");
    let error = Log::open(disk.clone(), small(), Some(Seq::FIRST)).unwrap_err();
    assert_eq!(error.code(), "journal.checkpoint_behind");
    let error = Log::open(disk.clone(), small(), Seq::new(4000)).unwrap_err();
    assert_eq!(error.code(), "journal.checkpoint_ahead");
    let log = Log::open(disk, small(), Some(first)).unwrap();
    assert_eq!(log.recovered.last, 3000);
    assert_eq!(log.reader.scan(first, None).count() as u64, 3001 - first.get());
}

#[test]
fn a_record_larger_than_a_segment_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = open(dir.path(), small());
    let body = Body::encode(&record(1, 64 << 10, 0));
    let error = running.log.appender.append(&body).unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { .. }));
    assert_eq!(error.code(), "journal.record_too_large");
    assert_eq!(running.log.appender.next_seq(), Seq::FIRST);
    running.stop();
}

#[tokio::test]
async fn a_thousand_tasks_wait_and_share_the_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = open(dir.path(), LogOptions { free_bytes_min: 0, ..LogOptions::default() });
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (seq, _) = running.log.appender.append(&Body::encode(&record(1, 100, 0))).unwrap();
        let durable = running.log.durable.clone();
        tasks.spawn(async move { durable.wait(seq).await });
    }
    for result in tasks.join_all().await {
        result.unwrap();
    }
    let stats = running.log.reader.stats();
    assert_eq!(stats.records, 1000);
    assert!(stats.syncs < 1000, "{stats:?}");
    assert_eq!(stats.sync_classes.iter().sum::<u64>(), stats.syncs);
    running.stop();
}

#[test]
fn records_in_the_first_segment_are_kept_on_every_start() {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=20 {
        let mut running = open(dir.path(), small());
        let (seq, _) = running.log.appender.append(&Body::encode(&record(1, 1, 0))).unwrap();
        assert_eq!(seq.get(), round);
        running.stop();
        // Without anything appended as well: empty segments leave nothing behind.
        open(dir.path(), small()).stop();
    }
    let log =
        Log::open(Arc::clone(&FsDisk::open(dir.path()).unwrap()) as _, small(), None).unwrap();
    assert_eq!(log.reader.scan(Seq::FIRST, None).count(), 20);
    assert!(std::fs::read_dir(dir.path()).unwrap().count() < 30);
}
