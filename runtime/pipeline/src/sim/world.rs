//! One history: takes the steps that the generator chooses, and shows the checker everything that
//! can be seen of them. Decides nothing by itself but through the seed.

use triphammer_journal::sim::{Faults, SimDisk};
use triphammer_model::{Event, FunctionName, Timestamp};

use super::checker::Checker;
use super::generator::{Generator, Step};
use super::host::{Handler, Host, Shown};
use super::observed::{End, Observed, Read};
use super::seen::Counts;
use super::spec::FunctionSpec;
use crate::clock::Clock;

/// A violation, and the history that leads to it.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) message: String,
    pub(super) history: Vec<Observed>,
}

pub(super) struct World {
    pub(super) generator: Generator,
    pub(super) sim: SimDisk,
    pub(super) clock: Clock,
    pub(super) host: Host,
    pub(super) checker: Checker,
    pub(super) history: Vec<Observed>,
    pub(super) functions: Vec<FunctionSpec>,
    sent: Vec<Event>,
    /// Numbers for runs, sends and orders.
    last: u32,
    /// Handlers succeed and emit nothing, so that the world comes to rest.
    pub(super) calm: bool,
}

/// Attempts at the same time, over all functions.
const PERMITS: usize = 6;
const START: Timestamp = Timestamp(1_700_000_000_000);

pub(super) type Stepped = Result<(), String>;

/// A history that keeps the promises, and what came up in it.
#[derive(Debug)]
pub(super) struct Lived {
    pub(super) history: Vec<Observed>,
    pub(super) seen: Counts,
}

/// Runs the history of a seed.
pub(super) fn run(seed: u64) -> Result<Lived, Violation> {
    let mut world = World::new(seed);
    match world.live() {
        Ok(()) => Ok(Lived { seen: world.checker.notes.counts(), history: world.history }),
        Err(message) => Err(Violation { message, history: world.history }),
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let generator = Generator::new(seed);
        let sim = SimDisk::new(seed);
        let clock = Clock::manual(START);
        let host = Host::open(&sim, &clock).expect("an empty disk without faults");
        Self {
            generator,
            sim,
            clock,
            host,
            checker: Checker::default(),
            history: Vec::new(),
            functions: Vec::new(),
            sent: Vec::new(),
            last: 0,
            calm: false,
        }
    }

    pub(super) fn begin(&mut self) -> Stepped {
        self.generator.now = START;
        self.observe(Observed::Time(START))
    }

    fn live(&mut self) -> Stepped {
        self.begin()?;
        for number in 0..1 + self.generator.rng.below(3) {
            let spec = self.generator.function(number);
            self.deploy(spec)?;
        }
        for _ in 0..self.generator.steps {
            let step = self.generator.step();
            self.step(step)?;
        }
        self.rest()
    }

    /// Adds to the history what the checker then judges.
    pub(super) fn observe(&mut self, observed: Observed) -> Stepped {
        self.history.push(observed);
        self.checker.take(&self.history[self.history.len() - 1])
    }

    pub(super) fn number(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    fn step(&mut self, step: Step) -> Stepped {
        if self.host.failed && self.generator.rng.chance(50) {
            return self.restart(Step::Crash);
        }
        match step {
            Step::Send => {
                let events = self.generator.batch();
                self.send(events)?;
            }
            Step::SendAgain => {
                if let Some(event) = self.generator.pick(&self.sent).cloned() {
                    let event = self.generator.again(&event);
                    self.send(vec![event])?;
                }
            }
            Step::Work => drop(self.work()?),
            Step::Read => self.read()?,
            Step::End => drop(self.end()?),
            Step::Write => drop(self.write()?),
            Step::Prepare => {
                self.host.preparer.step();
                self.look_at_journal()?;
            }
            Step::Checkpoint => self.checkpoint()?,
            Step::Advance => {
                let ms = self.generator.rng.below(600);
                self.advance(self.clock.now().0 + ms)?;
            }
            Step::AdvanceToDue => {
                let due = self.host.core.lock().queue.next_due();
                self.advance(due.map_or(0, |due| due.0))?;
            }
            Step::Jump => {
                let ms = self.generator.rng.below(4 * 60_000);
                self.advance(self.clock.now().0 + ms)?;
            }
            Step::Timers => drop(self.host.timers()),
            Step::Replays => drop(self.host.replay()),
            Step::Crash | Step::Kill => self.restart(step)?,
            Step::Stop => self.stop()?,
            Step::Halt => {
                let halt_at = Some(self.sim.ops() + 1 + self.generator.rng.below(25));
                self.sim.set_faults(Faults { halt_at, ..Faults::default() });
            }
            _ => self.administer(step)?,
        }
        self.look()
    }

    /// What can be seen after every step.
    pub(super) fn look(&mut self) -> Stepped {
        self.sync()?;
        if self.host.failed {
            return Ok(());
        }
        let Shown { exact, counts, deliveries } = self.host.shown();
        self.observe(Observed::Shown { exact, counts, deliveries })
    }

    pub(super) fn sync(&mut self) -> Stepped {
        for (seq, record) in self.host.appended() {
            self.observe(Observed::Appended { seq, record })?;
        }
        Ok(())
    }

    pub(super) fn send(&mut self, events: Vec<Event>) -> Stepped {
        let send = self.number();
        self.sent.extend(events.iter().cloned());
        self.observe(Observed::Sent { send, events: events.clone() })?;
        self.host.send(send, events);
        self.answer()
    }

    /// Lets those go on who wait for an answer.
    pub(super) fn answer(&mut self) -> Stepped {
        let (answers, obeyed) = (self.host.answers(), self.host.obeyed());
        self.sync()?;
        for (send, answers) in answers {
            self.observe(Observed::Answered { send, answers })?;
        }
        for (order, changed) in obeyed {
            self.observe(Observed::Obeyed { order, changed })?;
        }
        Ok(())
    }

    /// A worker takes a delivery, if there is one; whether it did.
    pub(super) fn work(&mut self) -> Result<bool, String> {
        if self.host.runs.len() >= PERMITS {
            return Ok(false);
        }
        let Some(lease) = self.host.lease() else { return Ok(false) };
        // What has expired was given up on the way.
        self.sync()?;
        let run = self.number();
        let (id, attempt, revision) = (lease.id(), lease.attempt(), lease.revision.id);
        let along = lease.along.iter().map(|along| lease.id_of(&along.entry)).collect();
        self.observe(Observed::Leased { run, id, attempt, revision, along })?;
        self.host.begin(run, lease);
        self.go_on(run)?;
        Ok(true)
    }

    fn go_on(&mut self, run: u32) -> Stepped {
        let ended = self.host.go_on(run);
        self.sync()?;
        for begun in self.host.script.begun() {
            let (run, event, attempt, along) = (begun.run, begun.event, begun.attempt, begun.along);
            if let Some(running) = self.host.runs.get_mut(&run) {
                running.handler = Some(Handler { state: begun.state, count: None });
            }
            self.observe(Observed::Began { run, event, attempt, along })?;
        }
        if ended { self.observe(Observed::Left { run }) } else { Ok(()) }
    }

    fn pick_handler(&mut self) -> Option<u32> {
        let runs = self.host.runs.iter().filter(|(_, running)| running.handler.is_some());
        let runs: Vec<u32> = runs.map(|(run, _)| *run).collect();
        self.generator.pick(&runs).copied()
    }

    fn read(&mut self) -> Stepped {
        let Some(run) = self.pick_handler() else { return Ok(()) };
        match self.generator.rng.below(5) {
            0 => self.scan(run, "n"),
            1 => self.scan(run, ""),
            2 => self.count(run),
            _ => {
                let name = self.generator.name();
                self.get(run, &name)
            }
        }
    }

    fn handler(&mut self, run: u32) -> &mut Handler {
        let running = self.host.runs.get_mut(&run).expect("it was picked from these");
        running.handler.as_mut().expect("it was picked for having one")
    }

    pub(super) fn get(&mut self, run: u32, name: &str) -> Stepped {
        let value = self.handler(run).state.get(name).map_err(|error| format!("{error:?}"))?;
        if name == "count" {
            let text = value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned());
            let count = text.map_or(0, |text| text.parse().expect("it was written as a number"));
            self.handler(run).count = Some(count);
        }
        self.observe(Observed::Read { run, read: Read::Name { name: name.to_owned(), value } })
    }

    fn count(&mut self, run: u32) -> Stepped {
        self.get(run, "count")
    }

    fn scan(&mut self, run: u32, prefix: &str) -> Stepped {
        let found = self.handler(run).state.scan(prefix, None, 1000);
        let found = found.map_err(|error| format!("{error:?}"))?;
        let read = Read::Scan { prefix: prefix.to_owned(), found };
        self.observe(Observed::Read { run, read })
    }

    /// A handler returns; whether one ran.
    pub(super) fn end(&mut self) -> Result<bool, String> {
        let Some(run) = self.pick_handler() else { return Ok(false) };
        if self.handler(run).count.is_none() {
            self.count(run)?;
        }
        let count = self.handler(run).count.unwrap_or(0);
        let end = self.generator.end(count, self.calm);
        self.end_with(run, end)?;
        Ok(true)
    }

    pub(super) fn end_with(&mut self, run: u32, end: End) -> Stepped {
        self.observe(Observed::Ended { run, end: end.clone() })?;
        self.host.script.end(run, end);
        if let Some(running) = self.host.runs.get_mut(&run) {
            running.handler = None;
        }
        self.go_on(run)
    }

    /// The writer writes a batch, and all who wait for it go on; whether there was one.
    pub(super) fn write(&mut self) -> Result<bool, String> {
        self.sync()?;
        let wrote = self.host.write();
        self.observe(Observed::Durable(self.host.core.durable.position()))?;
        self.look_at_journal()?;
        self.answer()?;
        let waiting = self.host.runs.iter().filter(|(_, running)| running.handler.is_none());
        for run in waiting.map(|(run, _)| *run).collect::<Vec<_>>() {
            self.go_on(run)?;
        }
        Ok(wrote)
    }

    pub(super) fn checkpoint(&mut self) -> Stepped {
        let step = self.host.checkpointer.step(self.clock.now());
        self.host.failed |= step.is_err();
        self.observe(Observed::Kept(self.host.oldest()))?;
        self.look_at_journal()
    }

    pub(super) fn look_at_journal(&mut self) -> Stepped {
        self.host.failed |= self.host.core.durable.failure().is_some();
        if self.host.failed { self.observe(Observed::Failed) } else { Ok(()) }
    }

    pub(super) fn advance(&mut self, to: u64) -> Stepped {
        self.clock.advance_to(Timestamp(to));
        self.generator.now = self.clock.now();
        self.observe(Observed::Time(self.clock.now()))
    }

    pub(super) fn look_at_state(&mut self) -> Stepped {
        let names: Vec<FunctionName> = self.functions.iter().map(|f| f.name.clone()).collect();
        let state = self.host.state(&names);
        for (name, usage) in self.host.usage(&names) {
            let of = state.iter().filter(|(function, ..)| *function == name);
            let sizes: Vec<_> = of.map(|(_, _, name, value)| name.len() + value.len()).collect();
            let listed = (sizes.len() as u64, sizes.iter().sum::<usize>() as u64);
            if (usage.entries, usage.bytes) != listed {
                return Err(format!("{name} is said to have {usage:?} of state, not {listed:?}"));
            }
        }
        self.observe(Observed::State(state))
    }
}
