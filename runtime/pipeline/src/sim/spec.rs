//! A function as a deploy makes it: what of its manifest is varied. Knows nothing of the host.

use serde_json::{Value, json};
use triphammer_journal::sim::Rng;
use triphammer_model::FunctionName;

/// How many types, subjects and names of state there are.
pub(super) const TYPES: u64 = 4;

/// So many in a period of so many milliseconds.
type Rate = (u64, u64);

/// What of a function is varied.
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
    pub(super) throttle: Option<Rate>,
    pub(super) rate_limit: Option<Rate>,
    /// The period and the longest wait, in milliseconds.
    pub(super) debounce: Option<(u64, Option<u64>)>,
    pub(super) schedules: Vec<ScheduleSpec>,
    /// Failures in a row, and milliseconds until a probe.
    pub(super) breaker: Option<(u64, u64)>,
    /// How many at most, and how many milliseconds the first waits for the others.
    pub(super) batch: Option<(u64, Option<u64>)>,
    pub(super) memory: &'static str,
}

#[derive(Clone, Debug)]
pub(super) struct ScheduleSpec {
    pub(super) name: &'static str,
    /// Between two slots; an hour is a multiple of it.
    pub(super) minutes: u64,
    pub(super) missed: &'static str,
}

/// Those after the last are the host's own.
pub(super) fn type_name(ty: u64) -> String {
    match ty {
        TYPES => "triphammer.delivery.dead".into(),
        ty if ty > TYPES => "triphammer.breaker.opened".into(),
        ty => format!("t{ty}"),
    }
}

impl FunctionSpec {
    /// A keyed function that takes `t0`, with nothing special.
    pub(super) fn plain(name: &str) -> Self {
        Self {
            name: name.parse().unwrap(),
            types: vec![0],
            keyed: true,
            attempts: 2,
            initial_ms: 100,
            concurrency: 4,
            key_concurrency: 1,
            halts: false,
            keep: None,
            age: None,
            priority: 5,
            throttle: None,
            rate_limit: None,
            debounce: None,
            schedules: Vec::new(),
            breaker: None,
            batch: None,
            memory: "16MiB",
        }
    }

    pub(super) fn random(rng: &mut Rng, number: u64) -> Self {
        let mut types: Vec<u64> = (0..=TYPES + 1).filter(|_| rng.chance(40)).collect();
        if types.is_empty() {
            types.push(rng.below(TYPES));
        }
        Self {
            name: format!("f{number}").parse().unwrap(),
            types,
            keyed: rng.chance(50),
            attempts: 1 + rng.below(4),
            initial_ms: 100 * (1 + rng.below(5)),
            concurrency: 1 + rng.below(4),
            key_concurrency: if rng.chance(20) { 2 + rng.below(2) } else { 1 },
            halts: rng.chance(30),
            keep: rng.chance(20).then(|| 1 + rng.below(4)),
            age: rng.chance(20).then(|| 1 + rng.below(3)),
            priority: rng.below(10),
            throttle: rng.chance(20).then(|| rate(rng, 4, 1500)),
            rate_limit: rng.chance(20).then(|| rate(rng, 6, 3000)),
            debounce: rng.chance(20).then(|| debounce(rng)),
            schedules: schedules(rng),
            breaker: rng.chance(40).then(|| (1 + rng.below(3), 100 * (1 + rng.below(10)))),
            batch: rng.chance(35).then(|| batch(rng)),
            memory: "16MiB",
        }
    }

    /// Another revision; the key is rarely another.
    pub(super) fn revised(&self, rng: &mut Rng, number: u64) -> Self {
        let keyed = self.keyed != rng.chance(10);
        let mut next = Self { keyed, ..Self::random(rng, number) };
        if rng.chance(30) {
            (next.key_concurrency, next.halts) = (self.key_concurrency, self.halts);
        }
        if rng.chance(50) {
            next.schedules.clone_from(&self.schedules);
        }
        if rng.chance(50) {
            next.debounce = self.debounce;
        }
        if rng.chance(50) {
            next.batch = self.batch;
        }
        next
    }

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
            "memory": self.memory,
            "schedule": self.schedules.iter().map(ScheduleSpec::json).collect::<Vec<_>>(),
        });
        if let Some(age) = self.age {
            manifest["retry"]["age"] = format!("{age}s").into();
        }
        if let Some(keep) = self.keep {
            manifest["deadLetter"] = json!({ "keep": format!("{keep}s") });
        }
        let one = !self.keyed || self.halts || self.key_concurrency.min(self.concurrency) == 1;
        if let Some((max, wait_ms)) = self.batch.filter(|_| one) {
            manifest["batch"] = json!({ "max": max });
            if let Some(ms) = wait_ms {
                manifest["batch"]["wait"] = format!("{ms}ms").into();
            }
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
        for (name, rate) in [("throttle", self.throttle), ("rateLimit", self.rate_limit)] {
            if let Some((limit, ms)) = rate {
                manifest[name] = json!({ "limit": limit, "period": format!("{ms}ms") });
            }
        }
        if let Some((ms, max)) = self.debounce {
            manifest["debounce"] = json!({ "period": format!("{ms}ms") });
            if let Some(max) = max {
                manifest["debounce"]["max"] = format!("{max}ms").into();
            }
        }
        manifest
    }
}

impl ScheduleSpec {
    fn json(&self) -> Value {
        let cron = format!("*/{} * * * *", self.minutes);
        json!({ "name": self.name, "cron": cron, "missed": self.missed })
    }
}

fn rate(rng: &mut Rng, limit_max: u64, ms_max: u64) -> Rate {
    (1 + rng.below(limit_max), 10 + rng.below(ms_max))
}

fn debounce(rng: &mut Rng) -> (u64, Option<u64>) {
    let ms = 50 + rng.below(800);
    (ms, rng.chance(50).then(|| ms + rng.below(1000)))
}

fn batch(rng: &mut Rng) -> (u64, Option<u64>) {
    (1 + rng.below(5), rng.chance(70).then(|| 1 + rng.below(1200)))
}

fn schedules(rng: &mut Rng) -> Vec<ScheduleSpec> {
    let mut found = Vec::new();
    for name in ["c0", "c1"] {
        if rng.chance(25) {
            let minutes = 1 + rng.below(3);
            let missed = ["skip", "once", "once", "all"][rng.below(4) as usize];
            found.push(ScheduleSpec { name, minutes, missed });
        }
    }
    found
}
