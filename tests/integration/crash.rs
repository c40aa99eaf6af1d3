//! The host is killed at random moments under load, again and again; in the end the checker
//! proves that every acknowledged event was committed exactly once.
//!
//! `TRIPHAMMER_CRASH_ROUNDS` says how often, `TRIPHAMMER_CRASH_SEED` repeats the choices of a run
//! (not its timing, which is the machine's).

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::checker::{Acknowledged, Counted, Delivery, History};
use crate::harness::{Connection, DEADLINE, Event, Host, Request, Setup, batch, component, event};

const ROUNDS: u64 = 6;
const SENDERS: u64 = 4;
const SOURCE: &str = "/crash";
const CURRENCIES: [&str; 2] = ["EUR", "USD"];

/// SplitMix64: the choices of a run.
pub(crate) struct Choices(pub(crate) u64);

impl Choices {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0, below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// A client that sends until the connection breaks, and remembers what it was told.
struct Sender {
    number: u64,
    made: u64,
    choices: Choices,
    /// Sent, and not acknowledged: it may have been taken in or not.
    pending: Vec<Event>,
    acknowledged: BTreeMap<String, (Event, BTreeSet<String>)>,
}

impl Sender {
    fn new(number: u64, choices: &mut Choices) -> Self {
        let choices = Choices(choices.next());
        Self { number, made: 0, choices, pending: Vec::new(), acknowledged: BTreeMap::new() }
    }

    fn make(&mut self) -> Event {
        self.made += 1;
        let id = format!("{}-{}", self.number, self.made);
        let made = match self.choices.below(7) {
            0 | 1 => event("counter.add").subject(&format!("s-{}", self.choices.below(5))),
            2 => event("chain.0").subject("s"),
            3 => event("misbehave.count").subject("s"),
            4 => event("misbehave.flaky").subject("s"),
            5 => {
                let amount = 100 + self.choices.below(900);
                self.money("payment.deposit.requested", json!({"amount": amount})).subject(&id)
            }
            _ => {
                let amount = 1 + self.choices.below(500);
                let data = json!({"amount": amount, "merchant": "shop"});
                self.money("payment.requested", data).subject(&id)
            }
        };
        made.source(SOURCE).id(&id)
    }

    fn money(&mut self, ty: &str, mut data: Value) -> Event {
        data["currency"] = CURRENCIES[self.choices.below(2) as usize].into();
        data["customer"] = format!("c-{}", self.choices.below(3)).into();
        event(ty).data(data)
    }

    /// Sends until the host is gone. Says so each time that something was acknowledged.
    fn run(&mut self, address: SocketAddr, told: &mpsc::Sender<()>) {
        let Ok(mut open) = Connection::open(address) else { return };
        loop {
            if self.pending.is_empty() {
                let count = 1 + self.choices.below(6);
                self.pending = (0..count).map(|_| self.make()).collect();
                self.repeat_one();
            }
            if self.send(&mut open).is_err() || told.send(()).is_err() {
                return;
            }
        }
    }

    /// Now and then something comes again that was acknowledged long ago.
    fn repeat_one(&mut self) {
        if self.choices.below(10) == 0 && !self.acknowledged.is_empty() {
            let at = self.choices.below(self.acknowledged.len() as u64) as usize;
            let again = self.acknowledged.values().nth(at).map(|(event, _)| event.clone());
            self.pending.extend(again);
        }
    }

    fn send(&mut self, open: &mut Connection) -> std::io::Result<()> {
        let request = match self.pending.as_slice() {
            [one] => one.request(),
            many => batch(many),
        };
        let answer = open.send(&request)?;
        if answer.status == 503 {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        let answer = answer.expect(202);
        let receipts = answer["events"].as_array().unwrap();
        assert_eq!(receipts.len(), self.pending.len());
        for (event, receipt) in self.pending.drain(..).zip(receipts) {
            assert_eq!(receipt["id"], event.get("id"));
            let seq = receipt["seq"].as_str().unwrap().to_owned();
            let id = event.get("id").to_owned();
            let known = self.acknowledged.entry(id).or_insert((event, BTreeSet::new()));
            known.1.insert(seq);
        }
        Ok(())
    }

    fn send_the_rest(&mut self, address: SocketAddr) {
        let mut open = Connection::open(address).unwrap();
        while !self.pending.is_empty() {
            self.send(&mut open).unwrap();
        }
    }
}

/// Uploads one revision after the other until the host is gone.
fn swap(address: SocketAddr, wasm: &[u8], round: u64) {
    let Ok(mut open) = Connection::open(address) else { return };
    for n in 0.. {
        let upload = Request::new("PUT", "/api/v1/functions/counter")
            .header("triphammer-config", json!({"v": format!("{round}.{n}")}).to_string())
            .body("application/wasm", wasm);
        match open.send(&upload) {
            Ok(answer) if answer.status == 201 => {}
            Ok(answer) => {
                answer.problem(503, "host.stopping");
                return;
            }
            Err(_) => return,
        }
    }
}

/// Three starts without an outcome make a dead letter, for an event may be what ends the host. On a
/// slow machine one could meet with as many kills: before that, what was recovered may end.
const KILLS_IN_A_ROW: u32 = 3;

/// One life of the host: loaded, killed after a random number of acknowledgements.
fn live_and_die(host: Host, senders: &mut [Sender], choices: &mut Choices, round: u64) -> Setup {
    let address = host.address();
    let swapping = round % 2 == 1;
    let wasm = component("counter");
    thread::scope(|scope| {
        let (told, acknowledgements) = mpsc::channel();
        for sender in senders {
            let told = told.clone();
            scope.spawn(move || sender.run(address, &told));
        }
        if swapping {
            scope.spawn(|| swap(address, &wasm, round));
        }
        for _ in 0..choices.below(120) {
            acknowledgements.recv_timeout(DEADLINE).expect("nothing is acknowledged any more");
        }
        // Anywhere between two acknowledgements.
        thread::sleep(Duration::from_micros(choices.below(3000)));
        // The orderly way must not lose anything either.
        if choices.below(6) == 0 { host.terminate().setup } else { host.kill_9() }
    })
}

fn deploy(host: &Host) {
    host.deploy("counter", "counter");
    host.deploy("payments", "payments");
    let patient = json!({"on": ["misbehave.count"], "timeout": "30s"});
    host.deploy_with("count", "misbehave", json!({}), patient);
    let persistent = json!({"on": ["misbehave.flaky"], "timeout": "30s",
        "retry": {"attempts": 50, "initial": "20ms", "max": "20ms"}});
    host.deploy_with("flaky", "misbehave", json!({}), persistent);
    for link in 0..2 {
        let delay = (link * 20).to_string();
        let config = json!({"to": format!("chain.{}", link + 1), "delay-ms": delay});
        let on = json!({"on": [format!("chain.{link}")]});
        host.deploy_with(&format!("link-{link}"), "relay", config, on);
    }
}

#[test]
fn whatever_is_killed_each_acknowledged_event_is_committed_exactly_once() {
    let rounds = number("TRIPHAMMER_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("TRIPHAMMER_CRASH_SEED").unwrap_or_else(random);
    eprintln!("{rounds} rounds; TRIPHAMMER_CRASH_SEED={seed}");
    let mut choices = Choices(seed);
    let mut senders: Vec<Sender> = (0..SENDERS).map(|n| Sender::new(n, &mut choices)).collect();
    // Checkpoints come often, so that kills meet them too.
    let mut host = Setup::new().set("JOURNAL_CHECKPOINT_BYTES", "256KiB").start();
    deploy(&host);
    let mut kills = 0;
    for round in 0..rounds {
        let mut setup = live_and_die(host, &mut senders, &mut choices, round);
        kills += 1;
        while choices.below(3) == 0 && kills < KILLS_IN_A_ROW {
            // While it recovers, or before, or just after.
            setup = setup.start_and_kill(Duration::from_millis(choices.below(150)));
            kills += 1;
        }
        host = setup.start();
        if kills >= KILLS_IN_A_ROW {
            host.settled();
            kills = 0;
        }
    }
    for sender in &mut senders {
        sender.send_the_rest(host.address());
    }
    host.settled();
    let history = look(&host, &senders);
    eprintln!("{} events acknowledged", history.acknowledged.len());
    assert_eq!(history.violations(), Vec::<String>::new(), "TRIPHAMMER_CRASH_SEED={seed}");
    for function in ["counter", "payments", "count", "flaky", "link-0", "link-1"] {
        assert_eq!(host.dead_letters(function), Vec::<Value>::new());
    }
}

pub(crate) fn number(name: &str) -> Option<u64> {
    let text = std::env::var_os(name)?;
    let number = text.to_str().and_then(|text| text.parse().ok());
    Some(number.unwrap_or_else(|| panic!("{name} is not a number: {text:?}")))
}

pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one("seed")
}

/// What the host shows at the end, beside what the senders were told.
fn look(host: &Host, senders: &[Sender]) -> History {
    let told = senders.iter().flat_map(|sender| sender.acknowledged.values());
    let acknowledged = told.map(|(event, seqs)| acknowledged(host, event, seqs)).collect();
    let listed = host.pages(&format!("/api/v1/events?source={SOURCE}"), "events");
    let listed = listed.iter().map(|e| e["id"].as_str().unwrap().to_owned()).collect();
    let counted = host.events("counter.counted").iter().map(counted).collect();
    let mut relayed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ty in ["chain.1", "chain.2"] {
        for event in host.events(ty) {
            let first = event["correlationid"].as_str().unwrap().to_owned();
            relayed.entry(first).or_default().push(ty.to_owned());
        }
    }
    let books = CURRENCIES.map(|key| (key.to_owned(), host.state("payments", Some(key)))).into();
    let count = host.state("count", None).get("count").and_then(Value::as_u64).unwrap_or(0);
    History { acknowledged, listed, counted, relayed, books, count }
}

fn acknowledged(host: &Host, event: &Event, seqs: &BTreeSet<String>) -> Acknowledged {
    let seq = seqs.first().unwrap();
    let story = host.story(&Value::from(seq.as_str()));
    assert_eq!(story["event"]["id"], event.get("id"), "the receipt names another event");
    let deliveries = story["deliveries"].as_array().unwrap().iter().map(delivery).collect();
    Acknowledged {
        id: event.get("id").to_owned(),
        ty: event.get("type").to_owned(),
        subject: event.get("subject").to_owned(),
        seqs: seqs.clone(),
        deliveries,
    }
}

fn delivery(delivery: &Value) -> Delivery {
    let history = delivery["history"].as_array().unwrap();
    let committed = history.iter().filter(|attempt| attempt["outcome"] == "committed");
    let commits = committed.clone().map(|a| a["revision"].as_str().unwrap().to_owned()).collect();
    let count = committed.filter_map(|attempt| attempt["reply"]["data"].as_u64()).next_back();
    Delivery { status: delivery["status"].as_str().unwrap().to_owned(), commits, count }
}

fn counted(event: &Value) -> Counted {
    Counted {
        subject: event["subject"].as_str().unwrap().to_owned(),
        n: event["data"]["n"].as_u64().unwrap(),
        event: event["data"]["event"].as_str().unwrap().to_owned(),
    }
}
