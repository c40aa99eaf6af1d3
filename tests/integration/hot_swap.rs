//! Revisions swapped while events are in flight: every delivery names exactly one, none is lost,
//! none is handled twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Connection, Event, Feed, Host, batch, event};

const SUBJECTS: usize = 7;

/// Sends batches until it is told to stop, each when the last has settled; what was acknowledged.
fn send_until(host: &Host, stop: &AtomicBool) -> Vec<Value> {
    let mut open = Connection::open(host.address()).unwrap();
    let mut receipts = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let subject = |n: usize| format!("s-{}", n % SUBJECTS);
        let events: Vec<Event> =
            (0..20).map(|n| event("counter.add").subject(&subject(n))).collect();
        let answer = open.send(&batch(&events).wait(60)).unwrap().expect(200);
        receipts.extend(answer["events"].as_array().unwrap().iter().cloned());
    }
    receipts
}

/// Runs `change` while two senders keep the host busy, and waits for everything to settle.
/// `change` is given what waits for some commits by a revision.
fn under_load(host: &Host, change: impl FnOnce(&dyn Fn(&str))) -> Vec<Value> {
    let stop = AtomicBool::new(false);
    let feed = Feed::open(host.address(), "?function=counter");
    let some_commits_by = |revision: &str| {
        for _ in 0..20 {
            // The feed has also what was committed before, by others.
            while feed.next("committed")["revision"] != revision {}
        }
    };
    let receipts = thread::scope(|scope| {
        let senders: Vec<_> = (0..2).map(|_| scope.spawn(|| send_until(host, &stop))).collect();
        let active = host.function("counter")["active"].as_str().unwrap().to_owned();
        some_commits_by(&active);
        change(&some_commits_by);
        stop.store(true, Ordering::Relaxed);
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    host.settled();
    receipts
}

/// The revisions that committed, after checking that each event was committed exactly once.
fn check_exactly_once(host: &Host, receipts: &[Value]) -> BTreeSet<String> {
    let mut revisions = BTreeSet::new();
    let mut by_event: BTreeMap<String, String> = BTreeMap::new();
    let mut open = Connection::open(host.address()).unwrap();
    for receipt in receipts {
        let path = format!("/api/v1/events/{}", receipt["seq"].as_str().unwrap());
        let story = open.send(&crate::harness::Request::get(path)).unwrap().expect(200);
        let deliveries = story["deliveries"].as_array().unwrap();
        assert_eq!(deliveries.len(), 1, "{story}");
        let history = deliveries[0]["history"].as_array().unwrap();
        assert_eq!(history.len(), 1, "one attempt, on one revision: {story}");
        assert_eq!(history[0]["outcome"], "committed", "{story}");
        let revision = history[0]["revision"].as_str().unwrap().to_owned();
        let id = receipt["id"].as_str().unwrap().to_owned();
        assert!(by_event.insert(id, revision.clone()).is_none());
        revisions.insert(revision);
    }
    let counted: u64 = (0..SUBJECTS)
        .map(|n| host.state("counter", Some(&format!("s-{n}")))["n"].as_u64().unwrap())
        .sum();
    assert_eq!(counted, receipts.len() as u64, "none lost, none twice");
    assert_eq!(host.counts("counter")["committed"], receipts.len());
    revisions
}

#[test]
fn uploads_under_load_lose_and_repeat_nothing() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let receipts = under_load(&host, |some_commits_by| {
        for n in 2..=6 {
            let deployed =
                host.deploy_with("counter", "counter", json!({"v": n.to_string()}), json!({}));
            assert_eq!(deployed["revision"], format!("r{n}"));
            some_commits_by(&format!("r{n}"));
        }
    });
    let revisions = check_exactly_once(&host, &receipts);
    let all = (1..=6).map(|n| format!("r{n}")).collect();
    assert_eq!(revisions, all, "each revision served while it was active");
}

#[test]
fn a_deploy_that_was_answered_serves_every_event_after_it() {
    let host = Host::start();
    host.deploy("counter", "counter");
    under_load(&host, |_| {
        for n in 2..=4 {
            host.deploy_with("counter", "counter", json!({"v": n.to_string()}), json!({}));
            let done = host.settle(&event("counter.add").subject("own"));
            assert_eq!(done["results"][0]["revision"], format!("r{n}"));
        }
    });
}

#[test]
fn bad_uploads_and_rollbacks_under_load_disturb_nothing() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.deploy_with("counter", "counter", json!({"v": "2"}), json!({}));
    let receipts = under_load(&host, |some_commits_by| {
        for _ in 0..3 {
            host.upload("counter", b"not a component".to_vec()).problem(422, "module.malformed");
            let back = host.post("/api/v1/functions/counter/rollback", json!({}));
            some_commits_by(back["active"].as_str().unwrap());
        }
    });
    let revisions = check_exactly_once(&host, &receipts);
    assert_eq!(revisions, ["r1", "r2"].map(str::to_owned).into());
}

#[test]
fn pausing_under_load_keeps_everything() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let receipts = under_load(&host, |some_commits_by| {
        for _ in 0..3 {
            host.post("/api/v1/functions/counter/pause", json!({}));
            host.post("/api/v1/functions/counter/resume", json!({}));
            some_commits_by("r1");
        }
    });
    check_exactly_once(&host, &receipts);
}
