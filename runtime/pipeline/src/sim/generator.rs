//! What happens next, chosen at random: every history has its own functions, and its own liking
//! for each kind of step. Knows nothing of the host.

use bytes::Bytes;
use serde_json::{Value, json};
use triphammer_journal::sim::Rng;
use triphammer_model::{
    Effects, Event, EventParts, ExtensionValue, FunctionName, NewEvent, Reply, StateWrite,
};

use super::observed::End;

/// A function as a deploy makes it: what of the manifest is varied.
#[derive(Clone, Debug)]
pub(super) struct FunctionSpec {
    pub(super) name: FunctionName,
    pub(super) types: Vec<u64>,
    pub(super) keyed: bool,
    pub(super) attempts: u64,
    pub(super) initial_ms: u64,
    pub(super) concurrency: u64,
    /// More than one gives up the order within a key.
    pub(super) key_concurrency: u64,
    /// A dead letter halts its lane.
    pub(super) halts: bool,
    /// How long dead letters are kept, in seconds.
    pub(super) keep: Option<u64>,
    /// Since its entry, in seconds: no attempt begins that would be older.
    pub(super) age: Option<u64>,
    pub(super) priority: u64,
    /// Failures in a row, and milliseconds until a probe.
    pub(super) breaker: Option<(u64, u64)>,
}

impl FunctionSpec {
    /// As a deploy would send it. A setting that is added here is varied by every history.
    pub(super) fn manifest(&self) -> Value {
        let mut manifest = json!({
            "on": self.types.iter().map(|ty| type_name(*ty)).collect::<Vec<_>>(),
            "retry": {
                "attempts": self.attempts,
                "initial": format!("{}ms", self.initial_ms),
                "factor": 2.0,
                "max": "2s",
            },
            "concurrency": self.concurrency,
            "priority": self.priority,
        });
        if let Some(age) = self.age {
            manifest["retry"]["age"] = format!("{age}s").into();
        }
        if let Some(keep) = self.keep {
            manifest["deadLetter"] = json!({ "keep": format!("{keep}s") });
        }
        if let Some((failures, probe_ms)) = self.breaker {
            let probe = format!("{probe_ms}ms");
            manifest["breaker"] = json!({ "failures": failures, "probe": probe });
        }
        if self.keyed {
            manifest["key"] = "subject".into();
            manifest["keyConcurrency"] = self.key_concurrency.min(self.concurrency).into();
            if self.halts {
                manifest["keyConcurrency"] = 1.into();
                manifest["deadLetter"]["lane"] = "halt".into();
            }
        }
        manifest
    }
}

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
    Timers,
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
const STEPS: [(Step, u64); 23] = [
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
    (Step::Timers, 12),
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

/// How many types, subjects and names of state there are.
const TYPES: u64 = 4;
const SUBJECTS: u64 = 3;
const NAMES: u64 = 3;

/// Those after the last are the host's own.
fn type_name(ty: u64) -> String {
    match ty {
        TYPES => "triphammer.delivery.dead".into(),
        ty if ty > TYPES => "triphammer.breaker.opened".into(),
        ty => format!("t{ty}"),
    }
}

#[derive(Debug)]
pub(super) struct Generator {
    pub(super) rng: Rng,
    weights: Vec<(Step, u64)>,
    pub(super) steps: u64,
    /// In a hundred.
    success: u64,
    emits: u64,
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
        Self { weights: weights.to_vec(), steps, success, emits, events: 0, rng }
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
        let rng = &mut self.rng;
        let mut types: Vec<u64> = (0..=TYPES + 1).filter(|_| rng.chance(40)).collect();
        if types.is_empty() {
            types.push(rng.below(TYPES));
        }
        FunctionSpec {
            name: format!("f{number}").parse().unwrap(),
            types,
            keyed: rng.chance(50),
            attempts: 1 + rng.below(4),
            initial_ms: 100 * (1 + rng.below(5)),
            concurrency: 1 + rng.below(4),
            key_concurrency: if rng.chance(15) { 2 + rng.below(2) } else { 1 },
            halts: rng.chance(30),
            keep: rng.chance(20).then(|| 1 + rng.below(4)),
            age: rng.chance(20).then(|| 1 + rng.below(3)),
            priority: rng.below(10),
            breaker: rng.chance(40).then(|| (1 + rng.below(3), 100 * (1 + rng.below(10)))),
        }
    }

    /// Another revision of a function; the key is rarely another. What its lanes may do at a time
    /// stays: what has left its lane by then goes by the rules that were.
    pub(super) fn revision(&mut self, before: &FunctionSpec, number: u64) -> FunctionSpec {
        let keyed = before.keyed != self.rng.chance(10);
        let FunctionSpec { key_concurrency, halts, concurrency, .. } = *before;
        FunctionSpec { keyed, key_concurrency, halts, concurrency, ..self.function(number) }
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
            if self.rng.chance(25) {
                let value = self.rng.chance(70).then(|| Bytes::from(text.clone()));
                let ttl_ms = value.is_some() && self.rng.chance(30);
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
        Effects { writes, emits, reply, timers: Vec::new() }
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
