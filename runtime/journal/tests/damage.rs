//! Bits that flip at rest. Below what is proven durable that is damage: found, named, and nothing
//! is changed. In the last batch it can't be told from a tear.

#![expect(clippy::unwrap_used, reason = "a test that has not got what it needs ends there")]

use bytes::Bytes;
use triphammer_journal::sim::{Rng, SimDisk};
use triphammer_journal::{
    Accept, Accepted, Body, Entrance, Log, LogOptions, OpenError, Prepared, Record, Step,
};
use triphammer_model::{Event, EventParts, Hops, Seq, Timestamp};

const HEADER_PAGE: u64 = 4096;
const SEGMENT_HEADER: u64 = 68;

fn options() -> LogOptions {
    LogOptions { segment_bytes: 16 << 10, free_bytes_min: 0, ..LogOptions::default() }
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

fn drain(log: &mut Log) {
    loop {
        match log.writer.step() {
            Step::Wrote => {}
            Step::Idle => return,
            Step::NeedsSegment => while log.preparer.step() == Prepared::Step {},
            Step::Failed => panic!("{:?}", log.durable.failure()),
        }
    }
}

/// A log of several batches; where each record's header and its end lie.
struct Written {
    sim: SimDisk,
    records: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    segment: u32,
    batch: u64,
    from: u64,
    to: u64,
}

fn write(batches: &[&[usize]], close: bool) -> Written {
    let sim = SimDisk::new(7);
    let mut log = Log::open(sim.boot(), options(), None).unwrap();
    let mut records = Vec::new();
    for batch in batches {
        let mut start = None;
        for data in *batch {
            let (_, location) = log.appender.append(&body(*data)).unwrap();
            let from = u64::from(location.offset);
            let batch = *start.get_or_insert(from - 40);
            let to = from + 32 + u64::from(location.len);
            records.push(Place { segment: location.segment, batch, from, to });
        }
        drain(&mut log);
    }
    while log.preparer.step() == Prepared::Step {}
    if close {
        log.writer.close();
    }
    Written { sim, records }
}

fn segment(generation: u32) -> String {
    format!("{generation:010}.seg")
}

/// What a start says about the log with this bit flipped, and that it changed nothing if it
/// refused.
fn open_flipped(sim: &SimDisk, name: &str, byte: u64, from: Option<Seq>) -> Result<u64, OpenError> {
    let sim = sim.fork();
    sim.flip_bit(name, byte, (byte % 8) as u8);
    let before = sim.ops();
    let result = Log::open(sim.boot(), options(), from);
    match result {
        Ok(log) => {
            let last = log.reader.scan(Seq::FIRST, None).map(|s| s.unwrap().seq.get()).last();
            assert_eq!(last.unwrap_or(0), log.recovered.last);
            Ok(log.recovered.last)
        }
        Err(error) => {
            assert_eq!(sim.ops(), before, "a start that refuses must not change anything");
            Err(error)
        }
    }
}

#[track_caller]
fn damaged(result: Result<u64, OpenError>, name: &str, offsets: std::ops::Range<u64>) {
    match result {
        Err(error @ OpenError::Damaged { .. }) => {
            assert_eq!(error.code(), "journal.damaged");
            let text = error.to_string();
            let OpenError::Damaged { file, offset, .. } = error else { unreachable!() };
            assert!(file.ends_with(name) && offsets.contains(&offset), "{text}: {offsets:?}");
            assert!(text.contains(name) && text.contains(&offset.to_string()), "{text}");
        }
        other => panic!("{other:?} instead of damage in {name} at {offsets:?}"),
    }
}

#[test]
fn every_byte_of_a_small_log_is_watched() {
    let written = write(&[&[10], &[300, 0], &[700], &[5]], false);
    let name = segment(1);
    let last_batch = written.records[4].batch;
    let watched = |byte: u64| {
        let headers = written.records.iter().any(|r| (r.batch..r.batch + 40).contains(&byte));
        headers || written.records.iter().any(|r| (r.from..r.to).contains(&byte))
    };
    for byte in 0..written.records[4].to + 100 {
        let result = open_flipped(&written.sim, &name, byte, None);
        if byte < SEGMENT_HEADER {
            damaged(result, &name, 0..1);
        } else if !watched(byte) {
            assert_eq!(result.unwrap(), 5, "byte {byte} is padding");
        } else if byte >= last_batch {
            assert_eq!(result.unwrap(), 4, "byte {byte} is in the last batch");
        } else {
            // Where the first thing begins that can't be read.
            let record = written.records.iter().rev().find(|r| r.from <= byte && byte < r.to);
            let batch = written.records.iter().rev().find(|r| r.batch <= byte).unwrap().batch;
            let at = record.map_or(batch, |record| record.from);
            damaged(result, &name, at..at + 1);
        }
    }
}

#[test]
fn a_clean_stop_proves_the_last_batch_too() {
    let written = write(&[&[10], &[300]], true);
    let last = written.records[1];
    for byte in [last.batch, last.from, last.to - 1] {
        let at = if byte < last.from { last.batch } else { last.from };
        damaged(open_flipped(&written.sim, &segment(1), byte, None), &segment(1), at..at + 1);
    }
    assert_eq!(open_flipped(&written.sim, &segment(1), last.to, None).unwrap(), 2);
}

#[test]
fn damage_is_found_over_the_seams_of_segments() {
    let written = write(&[&[4000], &[4000], &[4000], &[4000], &[4000]], false);
    let segments: Vec<u32> = written.records.iter().map(|r| r.segment).collect();
    assert_eq!(segments, [1, 1, 2, 2, 3]);
    for record in &written.records[..4] {
        let name = segment(record.segment);
        for byte in [record.batch, record.batch + 39, record.from, record.from + 31, record.to - 1]
        {
            let at = if byte < record.from { record.batch } else { record.from };
            damaged(open_flipped(&written.sim, &name, byte, None), &name, at..at + 1);
        }
    }
    // Made ready for use, but not used yet: only its header is of any meaning.
    damaged(open_flipped(&written.sim, &segment(4), 20, None), &segment(4), 0..1);
    assert_eq!(open_flipped(&written.sim, &segment(4), HEADER_PAGE + 1, None).unwrap(), 5);
}

#[test]
fn the_checkpoint_proves_what_it_has_seen() {
    let written = write(&[&[10], &[20]], false);
    let last = written.records[1];
    // Without a checkpoint, a tear; with one that has seen the record, it is missing.
    assert_eq!(open_flipped(&written.sim, &segment(1), last.from, None).unwrap(), 1);
    let error = open_flipped(&written.sim, &segment(1), last.from, Seq::new(3)).unwrap_err();
    assert_eq!(error.code(), "journal.checkpoint_ahead");
    let OpenError::CheckpointAhead { checkpoint, log, file, offset } = error else { panic!() };
    assert_eq!((checkpoint, log, offset), (2, 1, last.from));
    assert!(file.ends_with(segment(1)));
}

#[test]
fn what_a_start_has_sealed_is_proven() {
    let written = write(&[&[10], &[20]], false);
    let mut log = Log::open(written.sim.boot(), options(), None).unwrap();
    assert_eq!((log.recovered.last, log.recovered.copied), (2, 1));
    drain(&mut log);
    // The copy is all there is of record 2 now, and the header of its segment proves it.
    let place = log.reader.scan(Seq::new(2).unwrap(), None).next().unwrap().unwrap().location;
    assert_ne!(place.segment, 1);
    let (at, name) = (u64::from(place.offset), segment(place.segment));
    damaged(open_flipped(&written.sim, &name, at, None), &name, at..at + 1);
    let first = written.records[0];
    let found = open_flipped(&written.sim, &segment(1), first.from, None);
    damaged(found, &segment(1), first.from..first.from + 1);
}

#[test]
fn a_segment_that_was_taken_away_is_missed() {
    for (gone, missed) in [(1, 1), (2, 2)] {
        let written = write(&[&[4000], &[4000], &[4000], &[4000], &[4000]], false);
        written.sim.boot().remove(&segment(gone)).unwrap();
        let ops = written.sim.ops();
        let error = Log::open(written.sim.boot(), options(), None).unwrap_err();
        assert_eq!(error.code(), "journal.missing");
        assert!(error.to_string().contains(&segment(missed)), "{error}");
        assert_eq!(written.sim.ops(), ops);
    }
}

#[test]
fn a_file_that_was_cut_short_is_noticed() {
    for generation in 1..=4 {
        let written = write(&[&[4000], &[4000], &[4000], &[4000], &[4000]], false);
        let name = segment(generation);
        let len = written.sim.contents(&name).unwrap().len() as u64;
        for cut in [len - 1, len / 2, 4096] {
            let sim = written.sim.fork();
            sim.boot().open(&name).unwrap().set_len(cut).unwrap();
            damaged(Log::open(sim.boot(), options(), None).map(|_| 0), &name, cut..cut + 1);
        }
        written.sim.boot().open(&name).unwrap().set_len(10).unwrap();
        damaged(Log::open(written.sim.boot(), options(), None).map(|_| 0), &name, 0..1);
    }
}

/// Files full of anything at all end in an error with a code, or in a log that can be read.
#[test]
fn garbage_is_survived() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let written = write(&[&[4000], &[100, 200], &[4000], &[4000], &[9]], rng.chance(50));
        let disk = written.sim.boot();
        for name in written.sim.names() {
            let file = disk.open(&name).unwrap();
            let len = file.len().unwrap();
            match rng.below(4) {
                0 => {
                    let bytes: Vec<u8> = (0..rng.below(900)).map(|_| rng.next() as u8).collect();
                    file.write_at(rng.below(len), &bytes).unwrap();
                }
                1 => file.set_len(rng.below(2 * len)).unwrap(),
                _ => {}
            }
        }
        match Log::open(written.sim.boot(), options(), Seq::new(rng.below(8))) {
            Ok(log) => log.reader.scan(Seq::FIRST, None).for_each(drop),
            Err(error) => assert!(error.code().starts_with("journal."), "{error}"),
        }
    }
}

#[test]
fn reading_names_the_file_and_the_offset() {
    let written = write(&[&[4000], &[4000], &[4000], &[4000], &[4000]], true);
    let log = Log::open(written.sim.boot(), options(), None).unwrap();
    let stored: Vec<_> = log.reader.scan(Seq::FIRST, None).map(Result::unwrap).collect();
    assert_eq!(stored.len(), 5);
    let place = stored[1].location;
    written.sim.flip_bit(&segment(place.segment), u64::from(place.offset) + 50, 1);
    let error = log.reader.read(place).unwrap_err();
    assert_eq!(error.code(), "journal.damaged");
    let text = format!("{} is damaged at byte {}", segment(place.segment), place.offset);
    assert!(error.to_string().contains(&text), "{error}");
    let mut scan = log.reader.scan(Seq::FIRST, None);
    assert_eq!(scan.next().unwrap().unwrap().seq, Seq::FIRST);
    assert!(scan.next().unwrap().unwrap_err().to_string().contains(&text));
    assert!(scan.next().is_none());
    assert_eq!(log.reader.read(stored[2].location).unwrap(), stored[2]);
}

#[test]
fn a_location_that_no_record_has_is_refused() {
    let written = write(&[&[10]], true);
    let mut log = Log::open(written.sim.boot(), options(), None).unwrap();
    let place = log.reader.scan(Seq::FIRST, None).next().unwrap().unwrap().location;
    let (_, waiting) = log.appender.append(&body(10)).unwrap();
    for (segment, offset, code) in
        [(1, 0, "journal.gone"), (0, 1, "journal.damaged"), (0, 90_000, "journal.damaged")]
    {
        let segment = waiting.segment + segment;
        let place = triphammer_journal::Location { segment, offset, ..waiting };
        assert_eq!(log.reader.read(place).unwrap_err().code(), code, "{place:?}");
    }
    for (offset, len) in [(1, 0), (0, 1), (0, u32::MAX), (u32::MAX, 0)] {
        let place = triphammer_journal::Location {
            offset: place.offset.wrapping_add(offset),
            len: place.len.wrapping_add(len),
            ..place
        };
        assert_eq!(log.reader.read(place).unwrap_err().code(), "journal.damaged", "{place:?}");
    }
}
