//! The state of functions: what runs at the same time is as if it ran one after the other, whatever
//! is killed; how much there is of it; and that there is never too much.
//!
//! `TRIPHAMMER_CRASH_ROUNDS` and `TRIPHAMMER_CRASH_SEED` are as in `crash`.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::crash::{Choices, number, random};
use crate::harness::{
    Connection, DEADLINE, Event, Host, Setup, batch, committed, dead, event, trip,
};
use crate::serial::{Attempt, History, Step};

const ROUNDS: u64 = 4;
const SENDERS: u64 = 3;
const NAMES: u64 = 6;

fn name(choices: &mut Choices) -> String {
    format!("n{}", choices.below(NAMES))
}

/// Reads some names, then writes some, among those that all others read and write too.
fn script(id: &str, choices: &mut Choices) -> Event {
    let mut steps = Vec::new();
    for _ in 0..1 + choices.below(3) {
        steps.push(match choices.below(4) {
            0 => {
                let after = (choices.below(2) == 0).then(|| name(choices));
                json!({"scan": {"prefix": "n", "after": after, "limit": 1 + choices.below(6)}})
            }
            _ => json!({"get": name(choices)}),
        });
    }
    for _ in 0..1 + choices.below(2) {
        steps.push(match choices.below(4) {
            0 => json!({"delete": name(choices)}),
            _ => json!({"set": name(choices)}),
        });
    }
    if choices.below(3) == 0 {
        // Its own writes are seen too.
        steps.push(json!({"scan": {"prefix": "n", "after": null, "limit": 9}}));
    }
    let retries = if choices.below(4) == 0 { 1 + choices.below(2) } else { 0 };
    let reject = choices.below(8) == 0;
    let data = json!({"steps": steps, "retries": retries, "reject": reject});
    event("script.run").source("/serial").id(id).data(data)
}

/// A client that sends until the connection breaks.
struct Sender {
    number: u64,
    made: u64,
    choices: Choices,
    pending: Vec<Event>,
    acknowledged: BTreeSet<String>,
}

impl Sender {
    fn new(number: u64, choices: &mut Choices) -> Self {
        let choices = Choices(choices.next());
        Self { number, made: 0, choices, pending: Vec::new(), acknowledged: BTreeSet::new() }
    }

    fn run(&mut self, address: SocketAddr, told: &mpsc::Sender<()>) {
        let Ok(mut open) = Connection::open(address) else { return };
        loop {
            if self.pending.is_empty() {
                for _ in 0..1 + self.choices.below(8) {
                    self.made += 1;
                    let id = format!("{}-{}", self.number, self.made);
                    self.pending.push(script(&id, &mut self.choices));
                }
            }
            if self.send(&mut open).is_err() || told.send(()).is_err() {
                return;
            }
        }
    }

    fn send(&mut self, open: &mut Connection) -> std::io::Result<()> {
        let answer = open.send(&batch(&self.pending))?;
        if answer.status == 503 {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        answer.expect(202);
        let ids = self.pending.drain(..).map(|event| event.get("id").to_owned());
        self.acknowledged.extend(ids);
        Ok(())
    }
}

/// One life of the host: loaded, and killed after a random number of acknowledgements.
fn live_and_die(host: Host, senders: &mut [Sender], choices: &mut Choices) -> Setup {
    let address = host.address();
    thread::scope(|scope| {
        let (told, acknowledgements) = mpsc::channel();
        for sender in senders {
            let told = told.clone();
            scope.spawn(move || sender.run(address, &told));
        }
        for _ in 0..20 + choices.below(60) {
            acknowledgements.recv_timeout(DEADLINE).expect("nothing is acknowledged any more");
        }
        // Anywhere between two acknowledgements.
        thread::sleep(Duration::from_micros(choices.below(3000)));
        host.kill_9()
    })
}

#[test]
fn what_runs_at_the_same_time_is_as_if_one_after_the_other_whatever_is_killed() {
    let rounds = number("TRIPHAMMER_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("TRIPHAMMER_CRASH_SEED").unwrap_or_else(random);
    eprintln!("{rounds} rounds; TRIPHAMMER_CRASH_SEED={seed}");
    let mut choices = Choices(seed);
    let mut senders: Vec<Sender> = (0..SENDERS).map(|n| Sender::new(n, &mut choices)).collect();
    // Checkpoints come often, and memory holds little: reads come from everywhere.
    let setup = Setup::new().set("JOURNAL_CHECKPOINT_BYTES", "64KiB");
    let mut host = setup.set("MEMORY_STATE_CACHE", "4KiB").start();
    host.deploy("script", "script");
    for _ in 0..rounds {
        host = live_and_die(host, &mut senders, &mut choices).start();
    }
    for sender in senders.iter_mut().filter(|sender| !sender.pending.is_empty()) {
        sender.send(&mut Connection::open(host.address()).unwrap()).unwrap();
    }
    host.settled();
    let history = look(&host, &senders);
    let conflicts = host.get("/api/v1/stats")["conflicts"].as_u64().unwrap();
    eprintln!("{} settled; {conflicts} conflicts since the last kill", history.attempts.len());
    assert_eq!(history.violations(), Vec::<String>::new(), "TRIPHAMMER_CRASH_SEED={seed}");
    let bytes: usize = host
        .state("script", None)
        .iter()
        .map(|(name, value)| name.len() + value.to_string().len())
        .sum();
    assert_eq!(
        host.function("script")["state"],
        json!({"entries": history.state.len(), "bytes": bytes})
    );
}

/// What the host shows at the end, beside what the senders were told.
fn look(host: &Host, senders: &[Sender]) -> History {
    let committed = told(host, "script.done")
        .into_iter()
        .map(|(seq, event)| attempt(seq, true, &event["data"]));
    let rejected = told(host, "triphammer.delivery.dead").into_iter().map(|(seq, event)| {
        let error = &event["data"]["error"];
        assert_eq!(error["code"], "invoke.rejected", "{event}");
        let report: Value = serde_json::from_str(error["message"].as_str().unwrap()).unwrap();
        attempt(seq, false, &report)
    });
    let text = |value: Value| value.as_str().unwrap().to_owned();
    let state = host.state("script", None).into_iter();
    History {
        acknowledged: senders.iter().flat_map(|s| s.acknowledged.iter().cloned()).collect(),
        attempts: committed.chain(rejected).collect(),
        state: state.map(|(name, value)| (name, text(value))).collect(),
    }
}

/// Events of a type, with their numbers. Each is in the record of the attempt that it is about.
fn told(host: &Host, ty: &str) -> Vec<(u64, Value)> {
    let listed = host.pages(&format!("/api/v1/events?type={ty}"), "events");
    let one = |summary: &Value| {
        let seq = summary["seq"].as_str().unwrap().parse().unwrap();
        (seq, host.story(&summary["seq"])["event"].clone())
    };
    listed.iter().map(one).collect()
}

fn attempt(order: u64, committed: bool, report: &Value) -> Attempt {
    let steps = report["done"].as_array().unwrap().iter().filter_map(step).collect();
    Attempt { order, event: report["event"].as_str().unwrap().to_owned(), committed, steps }
}

fn step(done: &Value) -> Option<Step> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let pair = |entry: &Value| (text(&entry[0]).unwrap(), text(&entry[1]).unwrap());
    let entries: Vec<_> = done["entries"].as_array().unwrap().iter().map(pair).collect();
    let value = entries.first().map(|(_, value)| value.clone());
    let step = &done["step"];
    if let Some(name) = text(&step["get"]) {
        return Some(Step::Get { name, found: value });
    }
    if let Some(name) = text(&step["set"]) {
        return Some(Step::Set { name, value: value? });
    }
    if let Some(name) = text(&step["delete"]) {
        return Some(Step::Delete { name });
    }
    let scan = &step["scan"];
    let (prefix, after) = (text(&scan["prefix"])?, text(&scan["after"]));
    Some(Step::Scan { prefix, after, limit: scan["limit"].as_u64()? as usize, found: entries })
}

fn fill(host: &Host, name: &str, len: usize) -> Value {
    let steps = json!([{"fill": [name, len]}]);
    host.settle(&event("script.run").data(json!({"steps": steps, "reject": false})))
}

#[test]
fn the_size_of_state_is_told_and_bounded() {
    let setup = Setup::new().set("LIMITS_FUNCTION_STATE", "1KiB");
    let mut host = setup.start();
    let once = json!({"on": ["script.run"], "retry": {"attempts": 1}});
    host.deploy_with("script", "script", json!({}), once);
    let usage = |host: &Host| {
        let state = host.function("script")["state"].clone();
        (state["entries"].as_u64().unwrap(), state["bytes"].as_u64().unwrap())
    };
    assert_eq!(usage(&host), (0, 0));
    committed(&fill(&host, "ab", 500));
    committed(&fill(&host, "cd", 500));
    for _ in 0..2 {
        assert_eq!(usage(&host), (2, 1004));
        let (code, message) = dead(&fill(&host, "ef", 19));
        assert_eq!(code, "limit.function_state", "{message}");
        assert!(message.contains("1024 bytes"), "{message}");
        assert_eq!(usage(&host), (2, 1004), "nothing is left of it");
        host = host.crash_and_restart();
    }
    committed(&fill(&host, "ef", 18));
    committed(&fill(&host, "ab", 100));
    assert_eq!(usage(&host), (3, 624));
    let metrics = host.send(crate::harness::Request::get("/metrics")).text();
    assert!(metrics.contains("triphammer_function_state_entries{function=\"script\"} 3"));
    assert!(metrics.contains("triphammer_function_state_bytes{function=\"script\"} 624"));
    let shown = trip(&host, &["function", "script"]).expect(0).stdout;
    assert!(shown.contains("3 entries of state, 624 B"), "{shown}");
}

#[test]
fn state_is_listed_by_the_command_line() {
    let host = Host::start();
    host.deploy("counter", "counter");
    assert!(trip(&host, &["state", "counter"]).expect(0).stdout.contains("no state"));
    for subject in ["left", "right", "left"] {
        committed(&host.settle(&event("counter.add").subject(subject)));
    }
    let listed = trip(&host, &["state", "counter", "--json"]).json();
    let values = listed["entries"].as_array().unwrap().iter();
    let values: Vec<_> = values.map(|e| (e["key"].as_str().unwrap(), &e["value"])).collect();
    assert_eq!(values, [("left", &json!(2)), ("right", &json!(1))]);
    let args = ["state", "counter", "--key", "right", "--prefix", "n", "--json"];
    assert_eq!(trip(&host, &args).json()["entries"].as_array().unwrap().len(), 1);
    let none = ["state", "counter", "--prefix", "x", "--json"];
    assert_eq!(trip(&host, &none).json()["entries"], json!([]));
    let text = trip(&host, &["state", "counter", "--limit", "1"]).expect(0);
    assert!(text.stdout.contains("left") && !text.stdout.contains("right"), "{}", text.stdout);
    assert!(text.stderr.contains("there are more"), "{}", text.stderr);
    trip(&host, &["state", "nobody"]).expect(1);
}
