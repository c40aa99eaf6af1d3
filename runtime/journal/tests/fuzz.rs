//! Records and segments that were bent: what is read is what was written, and what is not is left
//! as it is found.

#![expect(clippy::unwrap_used, reason = "a test that has not got what it needs ends there")]

#[path = "../../../tests/fuzz/engine.rs"]
mod engine;
mod generate;

use bytes::Bytes;
use engine::{Corpus, Seen};
use triphammer_journal::sim::{Rng, SimDisk};
use triphammer_journal::{Body, Log, LogOptions, Prepared, Record, Step, Stored};
use triphammer_model::Seq;

/// More than everything here together may map; a length that is believed would be far beyond.
const MAPPED_BYTES_MAX: u64 = 4 << 30;

#[track_caller]
fn memory_is_bounded() {
    let mapped = engine::mapped_bytes_max().unwrap_or_default();
    assert!(mapped < MAPPED_BYTES_MAX, "{mapped} bytes were mapped");
}

#[test]
fn a_bent_record_is_none_or_has_one_spelling() {
    let record = |seed| Body::encode(&generate::record(&mut Rng::new(seed))).bytes().to_vec();
    let corpus = Corpus { entries: (0..200).map(record).collect(), ..Corpus::default() };
    engine::run(300, corpus, |input| {
        let bytes = Bytes::copy_from_slice(input);
        match Record::decode(&bytes) {
            Ok(record) => {
                assert_eq!(Body::encode(&record).bytes(), &bytes);
                record
                    .events()
                    .1
                    .iter()
                    .for_each(|accepted| assert!(!accepted.event.id().is_empty()));
                Seen::Taken
            }
            Err(_) => Seen::Refused,
        }
    });
    memory_is_bounded();
}

fn options() -> LogOptions {
    LogOptions { segment_bytes: 16 << 10, free_bytes_min: 0, ..LogOptions::default() }
}

/// Writes all that waits.
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

/// A log of several segments, stopped cleanly or not, and what is in it.
fn written(seed: u64) -> (SimDisk, Vec<Stored>) {
    let sim = SimDisk::new(seed);
    let mut log = Log::open(sim.boot(), options(), None).unwrap();
    let mut rng = Rng::new(seed);
    for _ in 0..20 {
        log.appender.append(&Body::encode(&generate::record(&mut rng))).unwrap();
        if rng.chance(60) {
            drain(&mut log);
        }
    }
    drain(&mut log);
    while log.preparer.step() == Prepared::Step {}
    let stored = log.reader.scan(Seq::FIRST, None).map(Result::unwrap).collect();
    if seed.is_multiple_of(2) {
        log.writer.close();
    }
    (sim, stored)
}

/// Puts the bytes in the file's place, whole.
fn replace(sim: &SimDisk, name: &str, bytes: &[u8]) {
    let file = sim.boot().open(name).unwrap();
    file.set_len(0).unwrap();
    file.write_at(0, bytes).unwrap();
}

/// Every file of a log, each as an entry that begins with the number of the log and its own.
fn segments(logs: &[(SimDisk, Vec<Stored>)]) -> Vec<Vec<u8>> {
    let files = |(number, (sim, _)): (usize, &(SimDisk, Vec<Stored>))| {
        let names = sim.names().into_iter().enumerate();
        let entry = |(file, name): (usize, String)| {
            let mut entry = vec![number as u8, file as u8];
            let contents = sim.contents(&name).unwrap();
            // What was made ready and never written to is zeros.
            let end = contents.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
            entry.extend_from_slice(&contents[..end]);
            entry
        };
        names.map(entry).collect::<Vec<_>>()
    };
    logs.iter().enumerate().flat_map(files).collect()
}

#[test]
fn a_bent_segment_is_refused_or_cut_where_it_is_bent() {
    let logs: Vec<_> = (0..4).map(written).collect();
    let corpus = Corpus { entries: segments(&logs), words: vec!["\0\0\0\0", "\u{1}\0\0\0"] };
    engine::run(40, corpus, move |input| {
        let [number, file, bytes @ ..] = input else { return Seen::Refused };
        let Some((sim, stored)) = logs.get(usize::from(*number)) else { return Seen::Refused };
        let sim = sim.fork();
        let names = sim.names();
        let Some(name) = names.get(usize::from(*file)) else { return Seen::Refused };
        // As long as it was: a file that is shorter is found by its length alone.
        let len = sim.contents(name).unwrap().len();
        let mut contents = bytes.to_vec();
        contents.resize(len.max(bytes.len()), 0);
        replace(&sim, name, &contents);
        open(&sim, stored)
    });
    memory_is_bounded();
}

fn open(sim: &SimDisk, stored: &[Stored]) -> Seen {
    let before = sim.ops();
    let mut log = match Log::open(sim.boot(), options(), None) {
        Ok(log) => log,
        Err(error) => {
            assert!(error.code().starts_with("journal."), "{error}");
            assert_eq!(sim.ops(), before, "a start that refuses must not change anything");
            return Seen::Refused;
        }
    };
    let last = log.recovered.last;
    read_as_written(&log, stored);
    drain(&mut log);
    drop(log);
    let again = Log::open(sim.boot(), options(), None).unwrap();
    assert_eq!(again.recovered.last, last, "what was recovered once stays");
    read_as_written(&again, stored);
    Seen::Taken
}

/// What there is has no gap, and nothing in it that was not written.
#[track_caller]
fn read_as_written(log: &Log, stored: &[Stored]) {
    let found: Vec<_> = log.reader.scan(Seq::FIRST, None).map(Result::unwrap).collect();
    assert!(found.len() <= stored.len());
    for (found, written) in found.iter().zip(stored) {
        assert_eq!((found.seq, &found.record), (written.seq, &written.record));
    }
}
