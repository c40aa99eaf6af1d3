//! The data directory: in use, of another version, damaged, torn. Nothing accepted is ever lost,
//! and what can't be read is named by file and offset.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Host, Request, Setup, committed, component, event, trip};

/// The log's files, the oldest first.
fn segments(data: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = files(data);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    found.sort();
    assert!(!found.is_empty(), "there is no segment in {}", data.display());
    found
}

pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The segment that holds these bytes, and where.
fn find(data: &Path, needle: &str) -> (PathBuf, usize) {
    for path in segments(data) {
        let bytes = fs::read(&path).unwrap();
        let at = bytes.windows(needle.len()).position(|window| window == needle.as_bytes());
        if let Some(at) = at {
            return (path, at);
        }
    }
    panic!("no segment holds `{needle}`");
}

/// One error on standard error, and nothing served.
#[track_caller]
fn refuses(setup: Setup, parts: &[&str]) -> Setup {
    let dir = setup.data_dir().to_owned();
    let before = contents(&dir);
    let ended = setup.try_start().unwrap_err();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
    for part in parts {
        assert!(ended.log.contains(part), "`{part}` is not in: {}", ended.log);
    }
    one_clear_error(&ended.log);
    assert!(contents(&dir) == before, "nothing is changed");
    ended.setup
}

/// One line, and at most one more that says what to do next.
#[track_caller]
fn one_clear_error(log: &str) {
    let mut lines = log.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("error: ")), "{log}");
    assert!(lines.next().is_none_or(|line| line.starts_with("next: ")), "{log}");
    assert_eq!(lines.next(), None, "{log}");
}

fn contents(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    segments(data).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_directory_in_use_is_refused() {
    let host = Host::start();
    let dir = host.data_dir().to_owned();
    let ended = Setup::new().data(&dir).try_start().unwrap_err();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
    assert!(ended.log.contains("in use") && ended.log.contains(dir.to_str().unwrap()));
    one_clear_error(&ended.log);
    host.accept(&event("a.b"));
}

#[test]
fn a_directory_of_another_version_is_refused() {
    let setup = Host::start().kill_9();
    fs::write(setup.data_dir().join("FORMAT"), "triphammer data 999\n").unwrap();
    refuses(setup, &["triphammer data 999", "version"]);
}

#[test]
fn a_directory_that_is_a_file_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    fs::write(&file, "x").unwrap();
    let ended = Setup::new().data(&file).try_start().unwrap_err();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.log.contains(file.to_str().unwrap()), "{}", ended.log);
}

#[test]
fn damage_below_what_is_durable_is_refused_with_file_and_offset() {
    let host = Host::start();
    host.accept(&event("a.b").subject("needle-in-the-log"));
    for _ in 0..20 {
        host.accept(&event("a.b"));
    }
    let setup = host.kill_9();
    let (path, at) = find(setup.data_dir(), "needle-in-the-log");
    let whole = fs::read(&path).unwrap();
    let mut bent = whole.clone();
    bent[at] ^= 1;
    fs::write(&path, &bent).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let setup = refuses(setup, &[name, "damaged at byte"]);

    fs::write(&path, &whole).unwrap();
    let host = setup.start();
    let events = host.get("/api/v1/events?subject=needle-in-the-log");
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "mended, all is there");
}

#[test]
fn an_old_event_that_is_damaged_is_left_out_of_listings_and_named() {
    let sent = |host: &Host, subject| host.accept(&event("a.b").subject(subject))["seq"].clone();
    let host = Host::start();
    let (first, second) = (sent(&host, "one"), sent(&host, "needle-in-the-log"));
    // A start reads the segment that the checkpoint ends in: it has to be a later one.
    let host = host.terminate().setup.start();
    let third = sent(&host, "three");
    let setup = host.terminate().setup;
    let (path, at) = find(setup.data_dir(), "needle-in-the-log");
    let mut bytes = fs::read(&path).unwrap();
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();

    let host = setup.start();
    let seqs = |list: &Value| -> Vec<Value> {
        list["events"].as_array().unwrap().iter().map(|event| event["seq"].clone()).collect()
    };
    for path in ["", "?limit=2", "?outcome=unrouted"].map(|query| format!("/api/v1/events{query}"))
    {
        let page = host.get(&path);
        assert_eq!(page["damaged"], json!([second]), "{path} {page}");
        assert_eq!(seqs(&page)[0], third, "{path}");
    }
    let rest = host.get(format!("/api/v1/events?limit=2&cursor={}", second.as_str().unwrap()));
    assert_eq!((seqs(&rest), rest.get("damaged")), (vec![first.clone()], None));
    let newer = host.get("/api/v1/events?subject=three");
    assert_eq!((seqs(&newer), newer.get("damaged")), (vec![third.clone()], None));
    let alone = format!("/api/v1/events/{}", second.as_str().unwrap());
    host.send(Request::get(alone)).problem(500, "journal.read");

    let told = trip(&host, &["events", "--json"]).expect(0);
    let list: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((seqs(&list), &list["damaged"]), (vec![third, first], &json!([second])));
    assert_eq!(told.stderr.lines().count(), 1, "{}", told.stderr);
    assert!(told.stderr.contains("1 event is left out"), "{}", told.stderr);
    let name = path.file_name().unwrap().to_str().unwrap();
    let told = |line: &&str| line.contains("can't be read") && line.contains(name);
    assert_eq!(host.log().lines().filter(told).count(), 1, "{}", host.log());
}

#[test]
fn a_missing_segment_is_refused() {
    let host = Host::start();
    host.accept(&event("a.b"));
    // Each start begins a new segment, so the first is now one that is needed.
    let setup = host.crash_and_restart().crash_and_restart().kill_9();
    let all = segments(setup.data_dir());
    assert!(all.len() > 1, "{all:?}");
    let (path, _) = find(setup.data_dir(), "a.b");
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let ended = setup.try_start().unwrap_err();
    assert!(ended.log.contains(&name), "{}", ended.log);
    fs::write(&path, whole).unwrap();
    assert_eq!(ended.setup.start().get("/api/v1/events")["events"].as_array().unwrap().len(), 1);
}

#[test]
fn a_torn_tail_is_no_damage() {
    let host = Host::start();
    host.deploy("counter", "counter");
    for _ in 0..5 {
        committed(&host.settle(&event("counter.add").subject("a")));
    }
    let setup = host.kill_9();
    let last = segments(setup.data_dir()).pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    // What a write that was under way leaves behind: noise where nothing durable is.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    let torn = (end / 4096 + 1) * 4096;
    let until = (torn + 700).min(bytes.len());
    for (n, byte) in bytes[torn..until].iter_mut().enumerate() {
        *byte = (n * 31 + 7) as u8;
    }
    fs::write(&last, &bytes).unwrap();
    let host = setup.start();
    let done = committed(&host.settle(&event("counter.add").subject("a")));
    assert_eq!(done.reply["data"]["n"], 6);
}

#[test]
fn a_compiled_artefact_that_is_damaged_is_made_again() {
    let host = Host::start();
    host.deploy("counter", "counter");
    committed(&host.settle(&event("counter.add").subject("a")));
    let setup = host.kill_9();
    let mut bent = 0;
    for path in files(setup.data_dir()) {
        let mut bytes = fs::read(&path).unwrap();
        // Compiled components are ELF files.
        if let Some(at) = bytes.windows(4).take(4096).position(|window| window == b"\x7fELF") {
            let middle = at + (bytes.len() - at) / 2;
            bytes[middle] ^= 0xff;
            fs::write(&path, bytes).unwrap();
            bent += 1;
        }
    }
    assert!(bent > 0, "no artefact was found to be damaged");
    let host = setup.start();
    let done = committed(&host.settle(&event("counter.add").subject("a")));
    assert_eq!(done.reply["data"]["n"], 2);
}

#[test]
fn a_function_without_its_module_says_why_through_a_pause_until_it_is_deployed_again() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.deploy("relay", "relay");
    let setup = host.terminate().setup;
    let counter = component("counter");
    let module =
        files(setup.data_dir()).into_iter().find(|path| fs::read(path).unwrap() == counter);
    fs::remove_file(module.expect("the module is kept as it was uploaded")).unwrap();
    fs::remove_dir_all(setup.data_dir().join("artefacts")).unwrap();

    let host = setup.start();
    let reason = |host: &Host| host.function("counter")["paused"]["reason"].clone();
    let why = reason(&host);
    assert!(why.as_str().is_some_and(|why| why.contains("is not in the data directory")), "{why}");
    assert_eq!(host.function("relay")["paused"], Value::Null, "the others run");
    let receipt = host.accept(&event("counter.add").subject("a"));

    trip(&host, &["pause", "counter"]).expect(0);
    assert_ne!(reason(&host), why, "an operator's own pause comes first");
    trip(&host, &["resume", "counter"]).expect(0);
    assert_eq!(reason(&host), why);
    let activated = trip(&host, &["activate", "counter", "r1"]).expect(1);
    assert!(activated.stderr.contains("function.load"), "{}", activated.stderr);
    assert_eq!(reason(&host), why);
    assert_eq!(host.counts("counter")["committed"], 0);

    assert_eq!(host.deploy("counter", "counter")["revision"], "r1");
    assert_eq!(host.function("counter")["paused"], Value::Null);
    host.settled();
    assert_eq!(host.story(&receipt["seq"])["deliveries"][0]["status"], "committed");
}

#[test]
fn a_host_can_be_asked_to_stop_as_soon_as_it_says_where_it_is() {
    let mut setup = Setup::new();
    for _ in 0..10 {
        let ended = setup.serve().terminate();
        assert!(ended.status.success(), "{ended:?}");
        setup = ended.setup;
    }
}

#[test]
fn a_host_that_is_asked_to_stop_finishes_what_runs_and_ends_well() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let receipt = host.settle(&event("counter.add").subject("a"));
    let ended = host.terminate();
    assert!(ended.status.success(), "{ended:?}");
    let host = ended.setup.start();
    assert_eq!(host.story(&receipt["seq"])["deliveries"][0]["status"], "committed");
    assert_eq!(host.state("counter", Some("a"))["n"], 1);
}
