//! A disk that fails under the real host. What was acknowledged is there afterwards, and the host
//! says what happened: to senders, to whoever started it, and to functions that asked.
//!
//! A disk fails here by a limit on the size of files: what is written beyond it is refused by the
//! kernel, with an error that says nothing of room.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use crate::data_directory::files;
use crate::harness::{
    Connection, Ended, Event, Feed, Host, Request, Setup, SmallDisk, committed, event, until,
};

/// Becomes a host that a limit on files gives an error, where it would end others by a signal.
const LIMITED: [&str; 3] = ["sh", "-c", r#"trap "" XFSZ; exec "$0" "$@""#];
/// The same, from the start on: 32 MiB, in the blocks of POSIX.
const LIMITED_TO_32_MIB: [&str; 3] =
    ["sh", "-c", r#"trap "" XFSZ; ulimit -f 65536; exec "$0" "$@""#];
/// Of a segment that is allocated ahead.
const SEGMENT_BYTES: u64 = 64 << 20;
/// So that some tens of events reach the limit.
const PAYLOAD_BYTES: usize = 32 << 10;
const SENDERS: u64 = 4;

/// Waits until the next segments are there.
fn allocated(host: &Host) {
    let whole = |extension: &str| {
        let of_kind = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
        let found = files(host.data_dir()).into_iter().filter(of_kind);
        found.filter_map(|path| fs::metadata(path).ok()).any(|file| file.len() >= SEGMENT_BYTES)
    };
    let pause = || thread::sleep(Duration::from_millis(5));
    until("the next segments", pause, || (whole("seg") && whole("spare")).then_some(()));
}

/// From now on nothing is written beyond the limit: neither of the log, whose next segments are
/// there, nor of anything else.
fn fail_writes(host: &Host, limit: u64) {
    allocated(host);
    let limit = Rlimit { current: Some(limit), maximum: None };
    prlimit(Some(host.pid()), Resource::Fsize, limit).unwrap();
}

fn large(subject: u64, bytes: usize) -> Event {
    let subject = format!("s-{subject}");
    event("counter.add").subject(&subject).with("data", "x".repeat(bytes))
}

/// Sends until the host takes no more. What it answered last, and what it had acknowledged.
fn send_all(
    host: &Host,
    subject: u64,
    bytes: usize,
    sent: &AtomicU64,
) -> (Vec<(Event, Value)>, Event) {
    let mut open = Connection::open(host.address()).unwrap();
    let mut taken = Vec::new();
    loop {
        let event = large(subject, bytes);
        sent.fetch_add(1, Ordering::Relaxed);
        match open.send(&event.request()) {
            Ok(answer) if answer.status == 202 => {
                taken.push((event, answer.expect(202)["events"][0].clone()));
            }
            Ok(answer) => {
                answer.problem(503, "journal.failed");
                return (taken, event);
            }
            // The host has ended before it could say so.
            Err(_) => return (taken, event),
        }
    }
}

/// Where the host ends because of this, and the next one says so.
#[track_caller]
fn ended_and_told(ended: Ended, what: &str) -> Host {
    assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
    let error = ended.log.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert!(error.contains(&format!("the journal failed: could not {what}")), "{}", ended.log);
    assert!(error.contains("File too large") && error.ends_with("(host.failed)"), "{error}");
    let reason = fs::read_to_string(ended.setup.data_dir().join("journal-failure")).unwrap();
    assert!(error.contains(&reason), "{reason} is not in {error}");

    let host = ended.setup.through(&[]).start();
    host.settled();
    let failed = host.events("triphammer.journal.failed");
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(
        (&failed[0]["source"], &failed[0]["subject"]),
        (&json!("/triphammer/host"), &json!("host"))
    );
    assert_eq!(failed[0]["data"], json!({ "reason": reason }));
    assert_eq!(host.events("told.it").len(), 1, "the function that asked for it has got it");
    host
}

/// A host with a function that counts, and one that hears of the journal.
fn watched(setup: Setup) -> Host {
    let host = setup.start();
    host.deploy("counter", "counter");
    let on = json!({ "on": "triphammer.journal.failed" });
    host.deploy_with("watch", "relay", json!({ "to": "told.it" }), on);
    host
}

#[test]
fn a_write_that_fails_ends_the_host_and_loses_nothing_that_was_acknowledged() {
    let host = watched(Setup::new().through(&LIMITED));
    committed(&host.settle(&event("counter.add").subject("s-0")));
    fail_writes(&host, 2 << 20);
    let sent = AtomicU64::new(1);
    let results: Vec<_> = thread::scope(|scope| {
        let (host, sent) = (&host, &sent);
        let send = |n| scope.spawn(move || send_all(host, n, PAYLOAD_BYTES, sent));
        let senders: Vec<_> = (0..SENDERS).map(send).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    assert!(results.iter().map(|(taken, _)| taken.len()).sum::<usize>() > 8, "{results:?}");

    let host = ended_and_told(host.ended(), "write to");
    for (taken, not_taken) in &results {
        for (_, receipt) in taken {
            let story = host.story(&receipt["seq"]);
            assert_eq!(story["event"]["id"], receipt["id"]);
            assert_eq!(story["deliveries"][0]["status"], "committed", "{story}");
        }
        // Whether it is on disk nobody knows who sent it; sent again it is there once.
        host.send(not_taken.request().wait(60)).expect(200);
    }
    host.settled();
    let counted =
        (0..SENDERS).map(|n| host.state("counter", Some(&format!("s-{n}")))["n"].as_u64());
    assert_eq!(counted.map(Option::unwrap).sum::<u64>(), sent.into_inner());
    // It is told once.
    let host = host.crash_and_restart();
    assert_eq!(host.events("triphammer.journal.failed").len(), 1);
}

#[test]
fn a_segment_that_cannot_be_allocated_ends_the_host() {
    let host = watched(Setup::new());
    let receipt = host.settle(&event("counter.add").subject("a"));
    let setup = host.terminate().setup;
    for entry in fs::read_dir(setup.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "spare") {
            fs::remove_file(path).unwrap();
        }
    }
    let ended = setup.through(&LIMITED_TO_32_MIB).run();
    let host = ended_and_told(ended, "allocate a segment in");
    assert_eq!(host.story(&receipt["seq"])["deliveries"][0]["status"], "committed");
    assert_eq!(host.state("counter", Some("a"))["n"], 1);
}

#[test]
fn a_checkpoint_that_fails_ends_the_host() {
    let host = watched(Setup::new());
    let many: Vec<Event> = (0..500).map(|n| large(n, 1 << 10)).collect();
    host.settle_all(&many);
    let setup = host.terminate().setup.set("JOURNAL_CHECKPOINT_BYTES", "8KiB").through(&LIMITED);
    let host = setup.start();
    // Far behind what the log has, and inside of the checkpoint.
    fail_writes(&host, 256 << 10);
    let few: Vec<Event> = (0..16).map(|n| large(n, 1 << 10)).collect();
    let receipts = host.accept_all(&few);
    let host = ended_and_told(host.ended(), "use");
    for receipt in receipts {
        assert_eq!(host.story(&receipt["seq"])["deliveries"][0]["status"], "committed");
    }
}

fn add() -> Event {
    event("counter.add").subject("a")
}

/// Asks again every fifth of a second.
#[track_caller]
fn soon<T>(host: &Host, what: &str, ask: impl FnMut() -> Option<T>) -> T {
    let nothing = Feed::open(host.address(), "?type=none.of.these");
    until(what, || drop(nothing.any(Duration::from_millis(200))), ask)
}

/// Sends one event after the other; the number of those taken before the host takes no more.
fn taken_until_full(host: &Host) -> u64 {
    let mut taken = 0;
    let refused = soon(host, "the host to take nothing", || {
        let answer = host.send(add().request());
        taken += u64::from(answer.status == 202);
        (answer.status != 202).then_some(answer)
    });
    refused.problem(503, "journal.disk_full");
    assert_eq!(refused.header("retry-after"), Some("10"));
    taken
}

/// Of 480 MiB some 340 are free once the segments are there: a little more than a host wants.
#[test]
fn a_full_disk_stops_intake_alone_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount(480) else { return };
    let data = disk.path().join("data");
    let host = Setup::new().data(data).set("ALERTS_DISK_FREE", "200MiB").start();
    host.deploy("counter", "counter");
    let on = json!({ "on": "triphammer.disk.*" });
    host.deploy_with("watch", "relay", json!({ "to": "told.it" }), on);
    allocated(&host);
    committed(&host.settle(&add()));
    host.post("/api/v1/functions/counter/pause", json!({}));

    disk.fill();
    let taken = 1 + taken_until_full(&host);
    let detail = host.send(Request::get("/readyz")).problem(503, "host.not_ready");
    assert_eq!(detail, "the disk is nearly full");
    soon(&host, "the alert", || host.events("triphammer.disk.low").pop());
    // What was taken is worked off, alerts included: there is room for that.
    host.post("/api/v1/functions/counter/resume", json!({}));
    host.settled();
    assert_eq!(host.state("counter", Some("a"))["n"], taken);
    assert_eq!(host.events("told.it").len(), 1);

    // A start finds all of it on a disk that has no room for a checkpoint, again and again.
    let host = (0..3).fold(host, |host, _| {
        let host = host.kill_9().serve();
        assert_eq!(host.state("counter", Some("a"))["n"], taken);
        host
    });
    host.send(add().request()).problem(503, "journal.disk_full");

    disk.make_room();
    soon(&host, "the host to be ready", || {
        Some(host.send(Request::get("/readyz"))).filter(|answer| answer.status == 200)
    });
    committed(&host.settle(&add()));
    assert_eq!(host.state("counter", Some("a"))["n"], taken + 1);
    soon(&host, "the end of the alert", || host.events("triphammer.disk.over").pop());
    assert!(host.log().contains("the disk has room again: events are taken in"));
}
