//! The log on a disk that loses what was not synced: many lives of one log, each ended by a crash,
//! a kill, a failed operation or an orderly stop, anywhere. After each, what was acknowledged is
//! there, once, in order, and nothing is that was never appended.
//!
//! `TRIPHAMMER_SIM_ROUNDS` sets how many seeds are played; a seed that fails is printed, and
//! `TRIPHAMMER_SIM_SEED` plays it again.

#![expect(clippy::unwrap_used, reason = "a test that has not got what it needs ends there")]

use bytes::Bytes;
use triphammer_journal::sim::{Faults, Rng, SimDisk};
use triphammer_journal::{
    Accept, Accepted, Body, Entrance, Location, Log, LogOptions, Prepared, Record, Step,
};
use triphammer_model::{Event, EventParts, Hops, Seq, Timestamp};

const LIVES: u64 = 8;
const SEGMENT: u64 = 16 << 10;

/// What must be true of the log, whatever happens to it.
#[derive(Clone, Default)]
struct Model {
    /// Everything that may be in the log, in order; the first has the number `first`.
    appended: Vec<(u64, Record)>,
    /// All of these up to this number are promised.
    acknowledged: u64,
    /// What a checkpoint holds: nothing up to this is needed any more.
    checkpoint: u64,
    seen: Seen,
}

/// What the lives went through: a test that never gets there proves nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Seen {
    opened: u32,
    crashed_in_recovery: u32,
    torn: u32,
    copied: u32,
    several_segments: u32,
    dropped: u32,
    failed: u32,
    lost: u32,
}

fn options() -> LogOptions {
    LogOptions {
        segment_bytes: SEGMENT as u32,
        batch_bytes_max: 4 << 10,
        recent_bytes_max: 64 << 10,
        free_bytes_min: 0,
        ..LogOptions::default()
    }
}

fn record(rng: &mut Rng) -> Record {
    let events = match rng.below(4) {
        0 => 0,
        1 => 3,
        _ => 1,
    };
    let accepted = |rng: &mut Rng| {
        let len = if rng.chance(5) { 6000 } else { rng.below(700) };
        let data: Vec<u8> = (0..len).map(|_| rng.next() as u8).collect();
        let parts = EventParts {
            id: rng.next().to_string(),
            source: "/sim".into(),
            ty: "t".into(),
            data: Some(Bytes::from(data)),
            ..EventParts::default()
        };
        let event = Event::new(&parts).unwrap();
        Accepted { event, hops: Hops(0), dedup: None, deliveries: Vec::new() }
    };
    let events = (0..events).map(|_| accepted(rng)).collect();
    Record::Accept(Accept { at: Timestamp(rng.below(9)), entrance: Entrance::Ingress, events })
}

impl Model {
    fn replay_from(&self) -> Option<Seq> {
        if self.checkpoint == 0 { None } else { Seq::new(self.checkpoint + 1) }
    }

    /// Checks what recovery gives, and takes it as promised from here on.
    fn recovered(&mut self, log: &Log) -> Result<(), String> {
        let from = self.replay_from().unwrap_or(Seq::FIRST).get();
        let last = log.recovered.last;
        if last < self.acknowledged {
            return Err(format!(
                "{} was acknowledged, the log ends with {last}",
                self.acknowledged
            ));
        }
        if log.durable.position() != last || log.appender.next_seq().get() != last + 1 {
            return Err(format!("numbers do not go on from {last}"));
        }
        let mut expected = self.appended.iter().skip_while(|(seq, _)| *seq < from);
        let mut next = from;
        for stored in log.reader.scan(Seq::new(from).unwrap(), None) {
            let stored = stored.map_err(|error| error.to_string())?;
            let seq = stored.seq.get();
            let Some((should, record)) = expected.next() else {
                return Err(format!("{seq} was never appended"));
            };
            if (seq, &stored.record) != (*should, record) || seq != next {
                return Err(format!("{seq} is there where {should} should be ({next} is next)"));
            }
            if log.reader.read(stored.location).ok() != Some(stored.clone()) {
                return Err(format!("{seq} can't be read where it lies"));
            }
            next = seq + stored.record.span();
        }
        if next != last + 1 {
            return Err(format!("the log was to end with {last}, and ends before {next}"));
        }
        let before = self.appended.len();
        self.appended.retain(|(seq, _)| *seq <= last);
        self.seen.opened += 1;
        self.seen.lost += u32::from(self.appended.len() < before);
        self.seen.torn += u32::from(log.recovered.torn.is_some());
        self.seen.copied += u32::from(log.recovered.copied > 0);
        self.seen.several_segments += u32::from(log.reader.segments().len() > 3);
        self.acknowledged = last;
        Ok(())
    }
}

/// One life of the log, from opening it to whatever ends it.
struct Life<'a> {
    model: &'a mut Model,
    rng: &'a mut Rng,
    log: Log,
    locations: Vec<(Seq, Location)>,
}

impl Life<'_> {
    /// False when the log has failed and the process would end.
    fn act(&mut self) -> Result<bool, String> {
        match self.rng.below(12) {
            0..=4 => self.append(),
            5..=7 => return self.write(),
            8..=9 => return Ok(self.log.preparer.step() != Prepared::Failed),
            10 => self.look_back(),
            _ if self.rng.chance(30) => self.checkpoint(),
            _ => Ok(()),
        }
        .map(|()| true)
    }

    fn append(&mut self) -> Result<(), String> {
        for _ in 0..=self.rng.below(4) {
            let record = record(self.rng);
            let next = self.log.appender.next_seq();
            let Ok((seq, location)) = self.log.appender.append(&Body::encode(&record)) else {
                return Ok(());
            };
            let before = self.model.appended.last().map_or(0, |(seq, r)| seq + r.span() - 1);
            // With a checkpoint, the list may have lost its beginning, but never its end.
            if seq != next || (before != 0 && seq.get() != before + 1) {
                return Err(format!("{seq} was given after {before}"));
            }
            self.model.appended.push((seq.get(), record));
            self.locations.push((seq, location));
        }
        Ok(())
    }

    fn write(&mut self) -> Result<bool, String> {
        let before = self.log.durable.position();
        let step = self.log.writer.step();
        let position = self.log.durable.position();
        if position != before && step != Step::Wrote {
            return Err(format!("acknowledged {position} without a sync"));
        }
        self.model.acknowledged = position;
        Ok(step != Step::Failed)
    }

    /// Reads something of this life, durable or not.
    fn look_back(&mut self) -> Result<(), String> {
        let Some(count) = self.locations.len().checked_sub(1) else { return Ok(()) };
        let (seq, location) = self.locations[self.rng.below(count as u64 + 1) as usize];
        let appended = self.model.appended.iter().find(|(n, _)| *n == seq.get());
        match (self.log.reader.read(location), appended) {
            (Ok(stored), Some((_, record))) if stored.record == *record => Ok(()),
            (Err(error), _) if error.code() != "journal.damaged" => Ok(()),
            (other, _) => Err(format!("{seq} reads as {other:?}")),
        }
    }

    fn checkpoint(&mut self) -> Result<(), String> {
        self.model.checkpoint = self.log.durable.position();
        let keep_from = Seq::new(self.model.checkpoint + 1).unwrap();
        // It fails when the power goes, which the next step finds out.
        while let Ok(true) = self.log.reader.drop_oldest(keep_from) {
            self.model.seen.dropped += 1;
        }
        Ok(())
    }
}

fn faults(rng: &mut Rng, ops: u64) -> Faults {
    let mut faults = Faults::default();
    // Recovery takes some ten operations, so many of these hit it.
    let at = Some(ops + 1 + rng.below(60));
    match rng.below(8) {
        0..=4 => faults.halt_at = at,
        5 => faults.fail_write_at = at,
        6 => faults.fail_sync_at = at,
        7 if rng.chance(50) => faults.capacity = Some((4 + rng.below(6)) * SEGMENT),
        _ => {}
    }
    faults
}

fn play(seed: u64, lie_about_syncs: bool) -> Result<Seen, String> {
    let mut rng = Rng::new(seed);
    let sim = SimDisk::new(rng.next());
    let mut model = Model::default();
    for _ in 0..LIVES {
        sim.set_faults(Faults { lie_about_syncs, ..faults(&mut rng, sim.ops()) });
        live(&sim, &mut model, &mut rng)?;
        if rng.chance(70) {
            sim.crash();
        } else {
            sim.kill();
        }
    }
    // However it went, the log opens in the end, and all is there.
    sim.set_faults(Faults { lie_about_syncs, ..Faults::default() });
    let log = Log::open(sim.boot(), options(), model.replay_from()).map_err(chain)?;
    model.recovered(&log)?;
    Ok(model.seen)
}

fn live(sim: &SimDisk, model: &mut Model, rng: &mut Rng) -> Result<(), String> {
    let log = match Log::open(sim.boot(), options(), model.replay_from()) {
        Ok(log) => log,
        // The power went, or the disk failed, during recovery.
        Err(error) if error.code() == "journal.io" => {
            model.seen.crashed_in_recovery += 1;
            return Ok(());
        }
        Err(error) => return Err(chain(error)),
    };
    model.recovered(&log)?;
    let mut life = Life { model, rng, log, locations: Vec::new() };
    for _ in 0..life.rng.below(120) {
        if !life.act()? {
            life.model.seen.failed += 1;
            return Ok(());
        }
    }
    if life.rng.chance(30) {
        life.write()?;
        life.log.writer.close();
    }
    Ok(())
}

fn chain(error: triphammer_journal::OpenError) -> String {
    format!("{error}: {error:?}")
}

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "how long to test is for who runs the test")]
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn what_is_acknowledged_survives_any_sequence_of_crashes() {
    let seeds = match setting("TRIPHAMMER_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("TRIPHAMMER_SIM_ROUNDS").unwrap_or(400),
    };
    let mut all = [0; 8];
    for seed in seeds.clone() {
        match play(seed, false) {
            Ok(seen) => all.iter_mut().zip(seen.counts()).for_each(|(sum, count)| *sum += count),
            Err(problem) => panic!("TRIPHAMMER_SIM_SEED={seed}: {problem}"),
        }
    }
    if seeds.end - seeds.start >= 100 {
        assert!(all[1..].iter().all(|count| *count > all[0] / 50), "{all:?}");
    }
}

impl Seen {
    fn counts(&self) -> [u32; 8] {
        let Self { opened, crashed_in_recovery, torn, copied, .. } = *self;
        let Self { several_segments, dropped, failed, lost, .. } = *self;
        [opened, crashed_in_recovery, torn, copied, several_segments, dropped, failed, lost]
    }
}

/// The same work each time, and the power gone at every operation of it in turn; and then at
/// every operation of the recovery from that.
#[test]
fn the_power_may_go_at_any_operation_and_again_during_recovery() {
    let recoveries: u32 = (0..4).map(power_at_every_operation).sum();
    assert!(recoveries > 1000, "{recoveries}");
}

fn power_at_every_operation(work: u64) -> u32 {
    let mut recoveries = 0;
    for at in 1.. {
        let sim = SimDisk::new(at);
        let mut model = Model::default();
        sim.set_faults(Faults { halt_at: Some(at), ..Faults::default() });
        live(&sim, &mut model, &mut Rng::new(work)).unwrap();
        let went_through = sim.ops() < at;
        sim.crash();
        for again in 1.. {
            let (sim, mut model) = (sim.fork(), model.clone());
            let halt_at = Some(sim.ops() + again);
            sim.set_faults(Faults { halt_at, ..Faults::default() });
            let whole = Log::open(sim.boot(), options(), model.replay_from()).is_ok();
            sim.crash();
            let log = Log::open(sim.boot(), options(), model.replay_from()).map_err(chain);
            let checked = log.and_then(|log| model.recovered(&log));
            checked.unwrap_or_else(|problem| panic!("{work}, {at}, {again}: {problem}"));
            recoveries += 1;
            if whole {
                break;
            }
        }
        if went_through {
            break;
        }
    }
    recoveries
}

#[test]
fn a_disk_that_lies_about_syncs_is_caught_so_the_check_can_fail() {
    let caught = (0..40).filter(|seed| play(*seed, true).is_err()).count();
    assert!(caught > 10, "only {caught} of 40");
}

/// A host that is killed leaves names and contents that are seen, but would not survive: what the
/// next start builds on them has to.
#[test]
fn the_power_may_go_after_a_start_was_killed_at_any_operation() {
    let sim = SimDisk::new(1);
    let mut model = Model::default();
    sim.set_faults(Faults { halt_at: Some(70), ..Faults::default() });
    live(&sim, &mut model, &mut Rng::new(1)).unwrap();
    sim.crash();
    let mut starts = 0;
    for seed in 0..20 {
        for killed_at in 1.. {
            let (sim, model) = (sim.fork_with_seed(seed), model.clone());
            let whole = start_until(&sim, &model, killed_at);
            sim.kill();
            for lost_at in 1.. {
                let (sim, mut model) = (sim.fork(), model.clone());
                let lost_whole = start_until(&sim, &model, lost_at);
                sim.crash();
                let log = Log::open(sim.boot(), options(), model.replay_from()).map_err(chain);
                let checked = log.and_then(|log| model.recovered(&log));
                checked.unwrap_or_else(|p| panic!("{seed}, {killed_at}, {lost_at}: {p}"));
                starts += 1;
                if lost_whole {
                    break;
                }
            }
            if whole {
                break;
            }
        }
    }
    assert!(starts > 1000, "{starts}");
}

/// Starts with the power gone, or the host killed, at the operation; false if it came to that.
fn start_until(sim: &SimDisk, model: &Model, operation: u64) -> bool {
    let halt_at = Some(sim.ops() + operation);
    sim.set_faults(Faults { halt_at, ..Faults::default() });
    let opened = Log::open(sim.boot(), options(), model.replay_from());
    let Ok(mut log) = opened else { return false };
    while log.preparer.step() == Prepared::Step {}
    log.durable.failure().is_none()
}

#[test]
fn a_seed_plays_the_same_each_time() {
    for seed in 0..5 {
        assert_eq!(play(seed, true), play(seed, true));
    }
}
