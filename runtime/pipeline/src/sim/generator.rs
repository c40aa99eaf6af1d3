//! What happens next, chosen at random: every history has its own functions, and its own liking
//! for each kind of step. Knows nothing of the host.

use bytes::Bytes;
use triphammer_journal::sim::Rng;
use triphammer_model::{
    Effects, Event, EventParts, ExtensionValue, NewEvent, Reply, StateWrite, TimerChange,
    TimerEvent, Timestamp,
};

use super::observed::End;
use super::spec::{FunctionSpec, TYPES, type_name};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    Send,
    /// Of something that was sent before.
    SendAgain,
    Work,
    Read,
    End,
    Write,
    Prepare,
    Checkpoint,
    Advance,
    /// To the very moment at which something comes due.
    AdvanceToDue,
    /// By minutes: the clock is set forward.
    Jump,
    Timers,
    /// A replay of what was accepted.
    Replay,
    CancelReplay,
    /// Whatever carries replays on looks.
    Replays,
    Deploy,
    /// A new one, or another weight, a promotion or the end of the one there is.
    Canary,
    Pause,
    Resume,
    Rollback,
    Remove,
    Redrive,
    Drop,
    /// The power goes.
    Crash,
    /// The process is killed.
    Kill,
    Stop,
    /// The power goes during one of the next operations of the disk.
    Halt,
}

/// Every step, with how often it is chosen in a history that likes all equally.
const STEPS: [(Step, u64); 27] = [
    (Step::Send, 30),
    (Step::SendAgain, 4),
    (Step::Work, 50),
    (Step::Read, 15),
    (Step::End, 45),
    (Step::Write, 30),
    (Step::Prepare, 4),
    (Step::Checkpoint, 3),
    (Step::Advance, 10),
    (Step::AdvanceToDue, 10),
    (Step::Jump, 1),
    (Step::Timers, 12),
    (Step::Replay, 2),
    (Step::CancelReplay, 1),
    (Step::Replays, 10),
    (Step::Deploy, 2),
    (Step::Canary, 2),
    (Step::Pause, 1),
    (Step::Resume, 3),
    (Step::Rollback, 1),
    (Step::Remove, 1),
    (Step::Redrive, 4),
    (Step::Drop, 1),
    (Step::Crash, 1),
    (Step::Kill, 1),
    (Step::Stop, 1),
    (Step::Halt, 1),
];

/// How many subjects, names of state and names of timers there are.
const SUBJECTS: u64 = 3;
const NAMES: u64 = 3;
const TIMERS: u64 = 3;

#[derive(Debug)]
pub(super) struct Generator {
    pub(super) rng: Rng,
    weights: Vec<(Step, u64)>,
    pub(super) steps: u64,
    /// In a hundred.
    success: u64,
    emits: u64,
    timers: u64,
    /// How many events say when they may be handled.
    timed: u64,
    pub(super) now: Timestamp,
    /// For ids that have not been used.
    events: u64,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let weights = STEPS.map(|(step, weight)| {
            let liking = [0, 1, 2, 4][rng.below(4) as usize];
            // Nothing comes of a history without these.
            let needed = matches!(step, Step::Send | Step::Work | Step::End | Step::Write);
            (step, weight * if needed { liking.max(1) } else { liking })
        });
        let steps = 40 + rng.below(160);
        let success = 40 + rng.below(60);
        let emits = rng.below(60);
        let (timers, timed) = (rng.below(60), rng.below(20));
        let (weights, now) = (weights.to_vec(), Timestamp::default());
        Self { weights, steps, success, emits, timers, timed, now, events: 0, rng }
    }

    pub(super) fn step(&mut self) -> Step {
        let all: u64 = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut at = self.rng.below(all);
        for (step, weight) in &self.weights {
            if at < *weight {
                return *step;
            }
            at -= weight;
        }
        Step::Work
    }

    pub(super) fn function(&mut self, number: u64) -> FunctionSpec {
        FunctionSpec::random(&mut self.rng, number)
    }

    /// Another revision of a function.
    pub(super) fn revision(&mut self, before: &FunctionSpec, number: u64) -> FunctionSpec {
        before.revised(&mut self.rng, number)
    }

    pub(super) fn batch(&mut self) -> Vec<Event> {
        let events = if self.rng.chance(20) { 1 + self.rng.below(4) } else { 1 };
        let mut batch: Vec<Event> = (0..events).map(|_| self.event()).collect();
        if self.rng.chance(5) {
            batch.push(batch[0].clone());
        }
        batch
    }

    fn event(&mut self) -> Event {
        self.events += 1;
        let parts =
            EventParts { id: format!("e{}", self.events), source: "/sim".into(), ..self.parts() };
        Event::new(&parts).unwrap()
    }

    /// The same event again, with another payload now and then.
    pub(super) fn again(&mut self, event: &Event) -> Event {
        let mut parts = event.to_parts();
        if self.rng.chance(20) {
            parts.data = Some(Bytes::from_static(b"other"));
        }
        Event::new(&parts).unwrap()
    }

    fn parts(&mut self) -> EventParts {
        let rng = &mut self.rng;
        let subject = rng.chance(95).then(|| format!("s{}", rng.below(SUBJECTS)));
        let len = if rng.chance(10) { 2000 } else { 10 };
        let mut extensions = Vec::new();
        if rng.chance(15) {
            // Not every number is a priority.
            let priority = ExtensionValue::Integer(rng.below(12) as i32);
            extensions.push(("priority".to_owned(), priority));
        }
        times(rng, self.timed, self.now, &mut extensions);
        EventParts {
            ty: type_name(rng.below(TYPES)),
            subject,
            data: rng.chance(90).then(|| vec![b'd'; len].into()),
            extensions,
            ..EventParts::default()
        }
    }

    pub(super) fn name(&mut self) -> String {
        format!("n{}", self.rng.below(NAMES))
    }

    /// How a handler ends that has read its counter.
    pub(super) fn end(&mut self, count: u64, calm: bool) -> End {
        if calm || self.rng.chance(self.success) {
            return End::Commit(self.effects(count, calm));
        }
        match self.rng.below(10) {
            0..4 => End::Trap,
            4..7 => {
                let after_ms = self.rng.chance(60).then(|| self.rng.below(3) * 700);
                End::Retry { after_ms }
            }
            7 | 8 => End::HostFault,
            _ => End::Reject,
        }
    }

    fn effects(&mut self, count: u64, calm: bool) -> Effects {
        let text = (count + 1).to_string();
        let value = Some(Bytes::from(text.clone()));
        let mut writes = vec![StateWrite { name: "count".into(), value, ttl_ms: None }];
        for name in (0..NAMES).map(|n| format!("n{n}")) {
            if self.rng.chance(40) {
                let value = self.rng.chance(70).then(|| Bytes::from(text.clone()));
                let ttl_ms = value.is_some() && self.rng.chance(60);
                let ttl_ms = ttl_ms.then(|| self.rng.below(5) * 400);
                writes.push(StateWrite { name, value, ttl_ms });
            }
        }
        let mut emits = Vec::new();
        while !calm && emits.len() < 3 && self.rng.chance(self.emits) {
            emits.push(self.emit(&text));
        }
        let reply = self
            .rng
            .chance(30)
            .then(|| Reply { content_type: "text/plain".into(), data: text.clone().into() });
        let timers = if calm { Vec::new() } else { self.timers() };
        Effects { writes, emits, reply, timers }
    }

    /// Timers that are set and cancelled, each name once.
    fn timers(&mut self) -> Vec<TimerChange> {
        let mut changes = Vec::new();
        for number in 0..TIMERS {
            if !self.rng.chance(self.timers) {
                continue;
            }
            let parts = EventParts { data: Some(Bytes::from_static(b"tick")), ..self.parts() };
            let after_ms = self.rng.below(5) * 400;
            let set = self.rng.chance(75).then_some(TimerEvent { parts, after_ms });
            changes.push(TimerChange { name: format!("timer{number}"), set });
        }
        changes
    }

    fn emit(&mut self, text: &str) -> NewEvent {
        let mut parts = EventParts { data: Some(text.to_owned().into()), ..self.parts() };
        if self.rng.chance(20) {
            parts.id = format!("own{}", self.rng.below(6));
        }
        let delay_ms = self.rng.chance(40).then(|| self.rng.below(4) * 500);
        NewEvent { parts, delay_ms }
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.rng.below(from.len() as u64) as usize) }
    }
}

/// When an event may be handled, as it says itself.
fn times(
    rng: &mut Rng,
    percent: u64,
    now: Timestamp,
    extensions: &mut Vec<(String, ExtensionValue)>,
) {
    let at = |rng: &mut Rng| {
        let time = Timestamp(now.ms() + rng.below(3000)).to_rfc3339();
        ExtensionValue::Text(time)
    };
    if rng.chance(percent) {
        let ms = 1 + rng.below(1500);
        let text = ExtensionValue::Text(format!("{ms}ms"));
        let delay = if rng.chance(50) { text } else { ExtensionValue::Integer(ms as i32) };
        extensions.push(("delay".into(), delay));
    }
    if rng.chance(percent) {
        extensions.push(("notbefore".into(), at(rng)));
    }
    if rng.chance(percent) {
        extensions.push(("expirytime".into(), at(rng)));
    }
}
