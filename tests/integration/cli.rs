//! `trip` as its users run it: every command, as text and as JSON, and how it ends.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Feed, Host, Ran, Running, component, event, target_dir, trip, trip_in};

/// Runs a command both ways: as text, which must say something, and as JSON, which comes back.
#[track_caller]
fn both(host: &Host, args: &[&str]) -> Value {
    let text = trip(host, args).expect(0).stdout;
    assert!(!text.trim().is_empty(), "`trip {}` says nothing", args.join(" "));
    assert!(!text.contains('\u{1b}'), "no colours where no terminal is: {text}");
    trip(host, &[args, &["--json"]].concat()).json()
}

/// It ends with this status, a line that says why, and perhaps one that says what to do next.
#[track_caller]
fn fails(ran: Ran, status: i32, part: &str) {
    let ran = ran.expect(status);
    assert!(ran.stderr.contains(part), "`{part}` is not in: {}", ran.stderr);
    if status == 1 {
        let lines: Vec<&str> = ran.stderr.lines().collect();
        let next = lines[1..].iter().filter(|line| line.starts_with("next: ")).count();
        let is_next = next == lines.len() - 1 && next <= 1;
        assert!(lines[0].starts_with("error: ") && is_next, "{lines:?}");
    }
}

/// A guest's component as a file of this name.
fn file(dir: &Path, name: &str, guest: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, component(guest)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn functions_are_deployed_shown_and_switched() {
    let scratch = tempfile::tempdir().unwrap();
    let counter = file(scratch.path(), "counter.wasm", "counter");
    let host = Host::start();
    let deployed = trip(&host, &["deploy", &counter]).expect(0).stdout;
    assert!(deployed.contains("counter") && deployed.contains("r1"), "{deployed}");
    let other = trip(&host, &["deploy", &counter, "--config", "v=2", "--json"]).json();
    assert_eq!((&other["revision"], &other["active"]), (&json!("r2"), &json!(true)));
    let config = scratch.path().join("config.json");
    fs::write(&config, r#"{"v": "3"}"#).unwrap();
    let from_file = format!("@{}", config.display());
    let args = ["deploy", &counter, "--config", &from_file, "--no-activate"];
    let ready = both(&host, &args);
    assert_eq!((&ready["revision"], &ready["active"]), (&json!("r3"), &json!(false)));

    assert_eq!(both(&host, &["functions"])["functions"][0]["active"], "r2");
    assert_eq!(both(&host, &["function", "counter"])["revisions"][2]["config"]["v"], "3");
    assert_eq!(both(&host, &["activate", "counter", "r3"])["active"], "r3");
    assert!(both(&host, &["pause", "counter"])["paused"].is_object());
    assert_eq!(both(&host, &["resume", "counter"])["paused"], Value::Null);
    let back = trip(&host, &["rollback", "counter", "--json"]).json();
    assert_eq!(back["active"], "r2");
    trip(&host, &["rollback", "counter"]).expect(0);
    fails(trip(&host, &["activate", "counter", "r9"]), 1, "function.no_revision");
    assert_eq!(trip(&host, &["remove", "counter", "--json"]).json()["dropped"], 0);
    fails(trip(&host, &["remove", "counter"]), 1, "function.not_found");
}

#[test]
fn a_deploy_shows_the_difference() {
    let scratch = tempfile::tempdir().unwrap();
    let relay = file(scratch.path(), "relay.wasm", "relay");
    let host = Host::start();
    trip(&host, &["deploy", &relay, "--config", "to=x.a"]).expect(0);
    let text = trip(&host, &["deploy", &relay, "--config", "to=x.b"]).expect(0).stdout;
    assert!(text.contains("x.a") && text.contains("x.b"), "{text}");
}

#[test]
fn events_are_sent_listed_and_told() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let send = |more: &[&str]| trip(&host, &[&["send", "counter.add"], more].concat());
    let sent = send(&["--subject", "a", "--id", "e-1", "--wait", "30"]).expect(0).stdout;
    assert!(sent.contains("counter") && sent.contains("committed"), "{sent}");
    let again = send(&["--subject", "a", "--id", "e-1", "--json"]).json();
    assert_eq!(again["events"][0]["duplicate"], true);
    let data = host.data_dir().join("../data.json");
    fs::write(&data, r#"{"from": "a file"}"#).unwrap();
    let from_file = format!("@{}", data.display());
    let filed = send(&["--subject", "b", "--data", &from_file, "--source", "/s", "--json"]).json();
    let seq = filed["events"][0]["seq"].as_str().unwrap().to_owned();
    assert_eq!(host.story(&json!(seq))["event"]["data"], json!({"from": "a file"}));
    assert_eq!(send(&["--subject", "c", "--count", "250"]).expect(0).status, 0);
    host.settled();
    assert_eq!(host.state("counter", Some("c"))["n"], 250);

    let listed = both(&host, &["events", "--type", "counter.add", "--subject", "a"]);
    assert_eq!(listed["events"][0]["id"], "e-1");
    let many = trip(&host, &["events", "--limit", "2000", "--json"]).json();
    assert_eq!(many["events"].as_array().unwrap().len(), 2 * 252);
    assert_eq!(both(&host, &["event", &seq])["nodes"][0]["event"]["source"], "/s");
    let story = trip(&host, &["event", "e-1"]).expect(0).stdout;
    for part in ["counter.add", "counter.counted", "committed", "r1"] {
        assert!(story.contains(part), "`{part}` is not in: {story}");
    }
    fails(trip(&host, &["event", "999999"]), 1, "999999");
    // The whole tree, from whichever event of it.
    let child = trip(&host, &["events", "--type", "counter.counted", "--subject", "a", "--json"]);
    let child = child.json()["events"][0]["seq"].as_str().unwrap().to_owned();
    let tree = trip(&host, &["event", &child]).expect(0).stdout;
    assert!(tree.starts_with("counter.add #") && tree.contains(" ◀\n"), "{tree}");
    fails(send(&["--wait", "30"]), 1, "dead letter");
}

#[test]
fn dead_letters_are_listed_shown_redriven_and_dropped() {
    let host = Host::start();
    host.deploy("misbehave", "misbehave");
    let receipts = host.settle_all(&[event("misbehave.reject"), event("misbehave.retry")]);
    let id = |n: usize| format!("{}/misbehave", receipts[n]["seq"].as_str().unwrap());
    assert_eq!(both(&host, &["dead"])["deliveries"].as_array().unwrap().len(), 2);
    let filtered = both(&host, &["dead", "list", "--code", "invoke.retry"]);
    assert_eq!(filtered["deliveries"][0]["id"], id(1));
    let shown = both(&host, &["dead", "show", &id(0)]);
    assert_eq!(shown["delivery"]["error"]["code"], "invoke.rejected");
    fails(trip(&host, &["dead", "redrive"]), 2, "--all");
    assert_eq!(trip(&host, &["dead", "redrive", &id(0), "--json"]).json()["count"], 1);
    host.settled();
    let dropped = trip(&host, &["dead", "drop", "--function", "misbehave"]).expect(0).stdout;
    assert!(dropped.contains('2'), "{dropped}");
    assert_eq!(host.dead_letters("misbehave").len(), 0);
    trip(&host, &["dead"]).expect(0);
}

#[test]
fn past_events_are_replayed() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let receipt = host.settle(&event("counter.add").subject("a"));
    let seq = receipt["seq"].as_str().unwrap();
    let one = trip(&host, &["replay", seq, "--function", "counter", "--json"]).json();
    assert_eq!(one["events"], 1);
    host.settled();
    let replay = ["replay", "--function", "counter", "--type", "counter.*", "--wait"];
    trip(&host, &replay).expect(0);
    fails(trip(&host, &["replay", "--function", "counter"]), 2, "which events");
    host.settled();
    assert!(host.state("counter", Some("a"))["n"].as_u64().unwrap() >= 3);
}

#[test]
fn a_dry_run_shows_effects_of_a_function_or_a_file() {
    let scratch = tempfile::tempdir().unwrap();
    let counter = file(scratch.path(), "counter.wasm", "counter");
    let host = Host::start();
    host.deploy("counter", "counter");
    let add = scratch.path().join("event.json");
    fs::write(&add, r#"{"type": "counter.add", "subject": "a"}"#).unwrap();
    let add = add.to_str().unwrap();
    for what in ["counter", &counter] {
        let run = both(&host, &["test", what, "--event", add]);
        assert_eq!(run["status"], "committed", "{run}");
        assert_eq!(run["effects"]["emitted"][0]["type"], "counter.counted");
    }
    assert_eq!(host.state("counter", Some("a")).len(), 0);
    let relay = file(scratch.path(), "relay.wasm", "relay");
    fails(trip(&host, &["test", &relay, "--event", add]), 1, "invoke.rejected");
}

#[test]
fn the_feed_is_followed() {
    let host = Host::start();
    host.deploy("counter", "counter");
    for json in [false, true] {
        let args: &[&str] = if json { &["tail", "--json"] } else { &["tail"] };
        let mut tail = Running::start(&host, args);
        // It says that it watches before anything can be missed.
        tail.error_line("watching");
        host.settle(&event("counter.add").subject("a"));
        let line = tail.line("committed");
        assert!(line.contains("counter"), "{line}");
        if json {
            let item: Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&item["kind"], &item["revision"]), (&json!("committed"), &json!("r1")));
        }
    }
}

#[test]
fn the_host_at_a_glance_is_one_look_without_a_terminal() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.settle(&event("counter.add").subject("a"));
    let seen = both(&host, &["top"]);
    assert_eq!(seen["functions"][0]["name"], "counter");
    let text = trip(&host, &["top", "--once"]).expect(0).stdout;
    for part in ["queue 0 ready", "latency p50", "HANDLING", "counter"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn a_load_is_measured() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let load = ["bench", "-n", "300", "-c", "4", "--function", "counter", "--type", "counter.add"];
    let single = trip(&host, &load).expect(0).stdout;
    assert!(single.contains("committed") && single.contains("p99"), "{single}");
    let batched = trip(&host, &[&load[..], &["--batch", "50", "--json"]].concat()).json();
    for what in ["accepted", "committed"] {
        assert_eq!(batched[what]["events"], 300, "{batched}");
    }
    assert_eq!(batched["latencyMs"]["requests"], 6);
    if cfg!(target_os = "linux") {
        let used = &batched["host"];
        assert!(used["rssBytes"].is_u64() && used["cpuMicrosPerEvent"].is_f64(), "{batched}");
    }
    host.settled();
    assert_eq!(host.counts("counter")["committed"], 600);
    fails(trip(&host, &["bench", "--function", "none"]), 1, "none");
}

#[test]
fn a_new_project_builds_tests_deploys_and_runs_as_it_stands() {
    let scratch = tempfile::tempdir().unwrap();
    let host = Host::start();
    let made = trip_in(scratch.path(), &["new", "greeter", "--json"]).json();
    assert_eq!(made["name"], "greeter");
    let project = scratch.path().join("greeter");
    fails(trip_in(scratch.path(), &["new", "greeter"]), 1, "greeter");

    let target = target_dir().with_file_name("new-project");
    let target = target.to_str().unwrap();
    let tested = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--target-dir", target])
        .current_dir(&project)
        .output()
        .unwrap();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
    let built = trip_in(&project, &["build", "--target-dir", target, "--json"]).json();
    assert_eq!(built["name"], "greeter");
    let wasm = built["wasm"].as_str().unwrap();
    assert!(built["bytes"].as_u64().unwrap() > 10_000, "{built}");

    let feed = Feed::open(host.address(), "?function=greeter");
    let dir = project.to_str().unwrap();
    let deployed = trip(&host, &["deploy", dir, "--target-dir", target, "--json"]).json();
    assert_eq!((&deployed["name"], &deployed["revision"]), (&json!("greeter"), &json!("r1")));
    assert_eq!(feed.next("deployed")["revision"], "r1");
    let same = trip(&host, &["deploy", wasm, "--name", "greeter", "--json"]).json();
    assert_eq!(same["revision"], "r1");
    let pattern = deployed["manifest"]["on"][0].as_str().unwrap().to_owned();
    assert!(!pattern.contains('*'), "a new function names the type that it waits for: {pattern}");
    let readme = fs::read_to_string(project.join("README.md")).unwrap();
    let example = readme.lines().find_map(|line| line.trim().strip_prefix("trip send "));
    let example = example.unwrap_or_else(|| panic!("the README sends nothing: {readme}"));
    let script = format!("\"$TRIP\" send {example}");
    let sent = Command::new("sh")
        .args(["-c", &script])
        .env("TRIP", env!("CARGO_BIN_EXE_trip"))
        .env("TRIPHAMMER_URL", host.url())
        .output()
        .unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    host.settled();
    assert_eq!(host.counts("greeter")["committed"], 1);
}

#[test]
fn what_can_not_be_built_says_why() {
    let scratch = tempfile::tempdir().unwrap();
    fails(trip_in(scratch.path(), &["build"]), 1, "Cargo.toml");
    fails(trip_in(scratch.path(), &["build", "nowhere"]), 1, "nowhere");
    for name in ["Wrong", "with space", &"x".repeat(64)] {
        assert_eq!(trip_in(scratch.path(), &["new", name]).status, 2, "{name}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_failure_with_1() {
    let host = Host::start();
    let wrong: [&[&str]; 7] = [
        &[],
        &["dance"],
        &["send"],
        &["functions", "--colour"],
        &["events", "--after", "yesterday"],
        &["send", "a.b", "--data", "no json"],
        &["--url", "ftp://x", "functions"],
    ];
    for args in wrong {
        let ran = trip(&host, args).expect(2);
        assert!(!ran.stderr.is_empty() || !ran.stdout.is_empty(), "{args:?}");
    }
    fails(trip(&host, &["function", "none"]), 1, "function.not_found");
    fails(trip(&host, &["deploy", "/does/not/exist.wasm"]), 1, "/does/not/exist.wasm");
    let nobody = trip(&host, &["--url", "http://127.0.0.1:9", "functions"]);
    fails(nobody, 1, "next: start a host with `trip up`");
    fails(trip(&host, &["tial"]), 2, "next: `trip tail`");
    fails(trip(&host, &["send", "triphammer.x"]), 1, "event.reserved_type");
}

#[test]
fn a_bad_component_is_refused_with_all_that_is_wrong() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("bad.wasm");
    let path_text = path.to_str().unwrap();
    let host = Host::start();
    fs::write(&path, b"\0asm\x01\0\0\0").unwrap();
    fails(trip(&host, &["deploy", path_text]), 1, "module.core");
    fs::write(&path, b"\0asm\x0d\0\x01\0").unwrap();
    let ran = trip(&host, &["deploy", path_text]);
    assert!(ran.stderr.contains("describe") && ran.stderr.contains("handle"), "{}", ran.stderr);
    fails(ran, 1, "module.world");
}

#[test]
fn a_token_is_sent_when_it_is_given() {
    let host = crate::harness::Setup::new().set("TOKEN", "s3cret").start();
    fails(trip(&host, &["functions"]), 1, "--token");
    fails(trip(&host, &["functions", "--token", "wrong"]), 1, "http.unauthorized");
    trip(&host, &["functions", "--token", "s3cret"]).expect(0);
}

#[test]
fn every_command_has_help() {
    let host = Host::start();
    let help = trip(&host, &["--help"]).expect(0).stdout;
    let commands = [
        "up",
        "demo",
        "new",
        "build",
        "deploy",
        "functions",
        "function",
        "activate",
        "rollback",
        "pause",
        "resume",
        "remove",
        "state",
        "send",
        "tail",
        "events",
        "event",
        "dead",
        "replay",
        "replays",
        "test",
        "bench",
        "top",
        "dev",
        "doctor",
        "completions",
        "man",
    ];
    for command in commands {
        assert!(help.contains(&format!("  {command} ")), "{command} is not in: {help}");
        trip(&host, &[command, "--help"]).expect(0);
    }
    assert!(trip(&host, &["--version"]).expect(0).stdout.starts_with("trip "));
}
