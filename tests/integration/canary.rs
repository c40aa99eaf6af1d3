//! Canaries: a share of the keys, the same ones through retries and crashes, and every way out:
//! promoted, rolled back by an operator, rolled back by the host.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::data_directory::files;
use crate::harness::{Event, Feed, Host, Request, Response, component, event, trip};

const FUNCTION: &str = "/api/v1/functions/counter";

/// Uploads a guest as a canary of `counter`, or with whatever else the query says.
fn canary(host: &Host, query: &str, guest: &str, config: Value, manifest: Value) -> Response {
    let mut request = Request::new("PUT", format!("{FUNCTION}{query}"))
        .body("application/wasm", component(guest))
        .header("triphammer-config", config.to_string());
    if manifest != json!({}) {
        request = request.header("triphammer-manifest", manifest.to_string());
    }
    host.send(request)
}

/// A host with `counter`, and a second revision of it as a canary.
fn with_canary(query: &str) -> Host {
    let host = Host::start();
    host.deploy("counter", "counter");
    let deployed = canary(&host, query, "counter", json!({"v": "2"}), json!({})).expect(201);
    assert_eq!((&deployed["active"], &deployed["canary"]), (&json!(false), &json!(true)));
    host
}

/// What stands in for a revision that is broken: it rejects every event of the counter.
fn broken() -> Value {
    json!({"on": ["counter.add"], "key": "subject"})
}

fn adds(subjects: usize) -> Vec<Event> {
    (0..subjects).map(|n| event("counter.add").subject(&format!("customer-{n}"))).collect()
}

/// Which revision handled each subject's next event.
fn sides(host: &Host, subjects: usize) -> BTreeMap<usize, String> {
    let receipts = host.settle_all(&adds(subjects));
    let side = |receipt: &Value| {
        let delivery = &host.story(&receipt["seq"])["deliveries"][0];
        delivery["history"][0]["revision"].as_str().unwrap().to_owned()
    };
    receipts.iter().map(side).enumerate().collect()
}

fn of(sides: &BTreeMap<usize, String>, revision: &str) -> usize {
    sides.values().filter(|side| *side == revision).count()
}

#[test]
fn a_canary_gets_its_share_of_the_keys_for_as_long_as_it_lasts() {
    const SUBJECTS: usize = 400;
    let host = with_canary("?weight=30");
    let shown = host.function("counter");
    assert_eq!(shown["active"], "r1");
    let known = shown["canary"].clone();
    assert_eq!(
        (&known["revision"], &known["weight"], &known["failuresMax"], &known["attempts"]),
        (&json!("r2"), &json!(30), &json!(50), &json!(0))
    );
    let before = sides(&host, SUBJECTS);
    let share = of(&before, "r2");
    assert!((SUBJECTS / 5..SUBJECTS * 2 / 5).contains(&share), "{share} of {SUBJECTS}");
    assert_eq!(sides(&host, SUBJECTS), before, "each key stays where it is");
    let counted = &host.function("counter")["canary"];
    assert_eq!((&counted["attempts"], &counted["failures"]), (&json!(2 * share), &json!(0)));

    host.post("/api/v1/functions/counter/pause", json!({}));
    host.post("/api/v1/functions/counter/resume", json!({}));
    let host = host.crash_and_restart();
    let restarted = host.function("counter")["canary"].clone();
    assert_eq!((&restarted["since"], &restarted["weight"]), (&known["since"], &known["weight"]));
    assert_eq!(sides(&host, SUBJECTS), before, "through a crash too");

    let more = host.post(format!("{FUNCTION}/activate"), json!({"revision": "r2", "weight": 60}));
    assert_eq!((&more["canary"]["since"], &more["active"]), (&known["since"], &json!("r1")));
    let wider = sides(&host, SUBJECTS);
    assert!(of(&wider, "r2") > share, "a greater weight takes more keys");
    assert!(before.iter().all(|(n, side)| side == "r1" || wider[n] == "r2"), "and gives none back");
}

#[test]
fn a_promoted_canary_serves_all_and_can_be_rolled_back() {
    let host = with_canary("?weight=10");
    let promoted = host.post(format!("{FUNCTION}/activate"), json!({"revision": "r2"}));
    assert_eq!((&promoted["active"], &promoted["previous"]), (&json!("r2"), &json!("r1")));
    assert_eq!(
        (&promoted["canary"], &promoted["canaryEnded"]["reason"]),
        (&Value::Null, &json!("promoted"))
    );
    assert_eq!(of(&sides(&host, 40), "r2"), 40);
    let back = host.post(format!("{FUNCTION}/rollback"), json!({}));
    assert_eq!(back["active"], "r1");
    assert_eq!(of(&sides(&host, 40), "r1"), 40);
}

#[test]
fn a_rollback_ends_the_canary_before_it_touches_the_active_revision() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.deploy_with("counter", "counter", json!({"v": "2"}), json!({}));
    let feed = Feed::open(host.address(), "?function=counter");
    canary(&host, "?weight=99", "counter", json!({"v": "3"}), json!({})).expect(201);
    let told = feed.next("deployed");
    let expect = (&json!("r2"), &json!("r3"), &json!(99));
    assert_eq!((&told["revision"], &told["canary"], &told["weight"]), expect);
    let rollback = || host.post(format!("{FUNCTION}/rollback"), json!({}));
    let ended = rollback();
    assert_eq!((&ended["active"], &ended["canary"]), (&json!("r2"), &Value::Null));
    assert_eq!(ended["canaryEnded"]["revision"], "r3");
    assert!(ended["canaryEnded"]["reason"].as_str().unwrap().contains("operator"), "{ended}");
    assert_eq!(rollback()["active"], "r1");
    let host = host.crash_and_restart();
    assert_eq!(host.function("counter")["canaryEnded"], ended["canaryEnded"]);
}

#[test]
fn a_canary_that_fails_too_often_is_rolled_back_by_the_host() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let on = json!({"on": ["triphammer.revision.rolledback"]});
    host.deploy_with("listener", "relay", json!({"to": "heard.it"}), on);
    canary(&host, "?weight=50&failures=20", "misbehave", json!({}), broken()).expect(201);
    let receipts = host.settle_all(&adds(200));

    let shown = host.function("counter");
    assert_eq!((&shown["active"], &shown["canary"]), (&json!("r1"), &Value::Null), "{shown}");
    let ended = &shown["canaryEnded"];
    assert_eq!(ended["revision"], "r2");
    let reason = ended["reason"].as_str().unwrap();
    assert!(reason.starts_with("20 of 20") && reason.contains("20 percent"), "{reason}");
    // Those that had begun on it when it ended have failed too; the rest has not met it.
    let dead = host.dead_letters("counter").len();
    assert!((20..60).contains(&dead), "{dead}");
    assert_eq!(of(&sides(&host, 100), "r1"), 100);
    let last = host.story(&receipts[199]["seq"]);
    assert_eq!(last["deliveries"][0]["history"][0]["revision"], "r1", "{last}");

    host.settled();
    let told = host.events("triphammer.revision.rolledback");
    assert_eq!(told.len(), 1, "{told:?}");
    let data = &told[0]["data"];
    for (member, expect) in
        [("function", json!("counter")), ("revision", json!("r2")), ("bound", json!(20))]
    {
        assert_eq!(data[member], expect, "{data}");
    }
    assert_eq!((&data["attempts"], &data["failures"]), (&json!(20), &json!(20)));
    assert_eq!(host.events("heard.it").len(), 1, "a function has handled it");
    let metrics = host.send(Request::get("/metrics")).text();
    assert!(metrics.contains("triphammer_canaries_rolledback_total 1\n"), "{metrics}");

    let host = host.crash_and_restart();
    assert_eq!(host.function("counter")["canaryEnded"], *ended);
    assert_eq!(host.events("triphammer.revision.rolledback").len(), 1);
    let redriven = host.post("/api/v1/deliveries/redrive", json!({"function": "counter"}));
    assert_eq!(redriven["count"], dead, "{redriven}");
    host.settled();
    assert_eq!(host.dead_letters("counter").len(), 0, "the active revision handles them");
}

#[test]
fn retries_stay_on_their_side_under_its_own_policy() {
    let host = Host::start();
    let upload = |query: &str, config: Value, retry: Value| {
        let manifest = json!({"on": ["misbehave.*"], "retry": retry});
        let request = Request::new("PUT", format!("/api/v1/functions/misbehave{query}"))
            .body("application/wasm", component("misbehave"))
            .header("triphammer-config", config.to_string())
            .header("triphammer-manifest", manifest.to_string());
        host.send(request).expect(201)
    };
    upload("", json!({}), json!({"attempts": 2, "initial": "10ms"}));
    let query = "?weight=50&failures=100";
    upload(query, json!({"v": "2"}), json!({"attempts": 3, "initial": "10ms"}));
    let events: Vec<Event> = (0..80).map(|_| event("misbehave.retry")).collect();
    let mut attempts: BTreeMap<String, usize> = BTreeMap::new();
    for receipt in host.settle_all(&events) {
        let delivery = host.story(&receipt["seq"])["deliveries"][0].clone();
        let history = delivery["history"].as_array().unwrap();
        let revision = history[0]["revision"].as_str().unwrap();
        assert!(history.iter().all(|attempt| attempt["revision"] == revision), "{delivery}");
        let expect = if revision == "r1" { 2 } else { 3 };
        assert_eq!(history.len(), expect, "{delivery}");
        *attempts.entry(revision.to_owned()).or_default() += history.len();
    }
    assert!(attempts["r1"] > 20 && attempts["r2"] > 20, "{attempts:?}");
    let canary = host.function("misbehave")["canary"].clone();
    let expect = json!(attempts["r2"]);
    assert_eq!((&canary["attempts"], &canary["failures"]), (&expect, &expect), "never given up");
}

#[test]
fn a_canary_that_can_not_be_loaded_again_is_given_up_and_the_function_goes_on() {
    let host = Host::start();
    host.deploy("counter", "counter");
    canary(&host, "?weight=50", "misbehave", json!({}), broken()).expect(201);
    let setup = host.kill_9();
    let wasm = component("misbehave");
    let module = files(setup.data_dir()).into_iter().find(|path| fs::read(path).unwrap() == wasm);
    fs::remove_file(module.expect("the module is kept as it was uploaded")).unwrap();
    fs::remove_dir_all(setup.data_dir().join("artefacts")).unwrap();

    let host = setup.start();
    let shown = host.function("counter");
    assert_eq!((&shown["paused"], &shown["canary"]), (&Value::Null, &Value::Null));
    let reason = shown["canaryEnded"]["reason"].as_str().unwrap();
    assert!(reason.contains("could not be loaded"), "{reason}");
    assert_eq!(of(&sides(&host, 40), "r1"), 40);
    assert_eq!(host.events("triphammer.revision.rolledback").len(), 1);
}

#[test]
fn what_can_be_no_canary_is_refused_and_nothing_changes() {
    let host = Host::start();
    let try_it =
        |query: &str, manifest: Value| canary(&host, query, "counter", json!({"v": "2"}), manifest);
    try_it("?weight=10", json!({})).problem(409, "canary.no_active");
    assert_eq!(host.get("/api/v1/functions")["functions"], json!([]));
    host.deploy("counter", "counter");
    let before = host.function("counter");
    for query in ["?weight=0", "?weight=101", "?weight=10&activate=false"] {
        try_it(query, json!({})).problem(400, "deploy.weight");
    }
    for query in ["?weight=10&failures=101", "?failures=10", "?weight=100&failures=10"] {
        try_it(query, json!({})).problem(400, "deploy.failures");
    }
    let other_key = json!({"on": ["counter.add"], "key": "source"});
    try_it("?weight=10", other_key).problem(409, "canary.key");
    canary(&host, "?weight=10", "counter", json!({}), json!({})).problem(409, "canary.is_active");
    let activate =
        |body: Value| host.send(Request::post(format!("{FUNCTION}/activate")).json(&body));
    activate(json!({"revision": "r1", "weight": 10})).problem(409, "canary.is_active");
    activate(json!({"revision": "r1", "weight": 0})).problem(400, "deploy.weight");
    activate(json!({"revision": "r9", "weight": 10})).problem(404, "function.no_revision");
    assert_eq!(host.function("counter"), before);

    let more = json!({"on": ["counter.add", "counter.more"], "key": "subject"});
    let warned = try_it("?weight=10", more).expect(201);
    let warning = warned["warnings"][0].as_str().unwrap();
    assert!(warning.contains("promoted"), "{warning}");
    assert_eq!(host.accept(&event("counter.more").subject("a"))["functions"], json!([]));
}

#[test]
fn the_command_line_deploys_shows_promotes_and_rolls_back_a_canary() {
    let scratch = tempfile::tempdir().unwrap();
    let wasm = scratch.path().join("counter.wasm");
    fs::write(&wasm, component("counter")).unwrap();
    let wasm = wasm.to_str().unwrap();
    let host = Host::start();
    let run = |args: &[&str]| trip(&host, args).expect(0).stdout;
    run(&["deploy", wasm]);
    let deployed = run(&["deploy", wasm, "--config", "v=2", "--weight", "10", "--failures", "20"]);
    for part in ["r2 gets 10 % beside r1", "more than 20 % fail", "config.v = 2"] {
        assert!(deployed.contains(part), "`{part}` is not in: {deployed}");
    }
    let shown = run(&["function", "counter"]);
    assert!(shown.contains("r1 is active, canary r2 gets 10 %"), "{shown}");
    assert!(shown.contains("0 of 0 attempts failed"), "{shown}");
    assert!(run(&["functions"]).contains("r1 (r2 10 %)"));
    assert!(run(&["activate", "counter", "r2", "--weight", "40"]).contains("canary r2 gets 40 %"));
    assert!(run(&["rollback", "counter"]).contains("r1 is active"));
    let ended = run(&["function", "counter"]);
    assert!(ended.contains("canary ended r2") && ended.contains("by an operator"), "{ended}");
    run(&["activate", "counter", "r2", "--weight", "40"]);
    assert!(run(&["activate", "counter", "r2"]).contains("r2 is active (before: r1)"));
    for weight in ["0", "101"] {
        trip(&host, &["deploy", wasm, "--weight", weight]).expect(2);
    }
}

#[test]
fn a_canary_without_key_concurrency_loses_nothing_beside_itself() {
    let host = Host::start();
    let upload = |query: &str, more: Value| {
        let mut manifest = json!({"on": ["misbehave.*"], "key": "subject", "concurrency": 16});
        manifest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = Request::new("PUT", format!("/api/v1/functions/misbehave{query}"))
            .body("application/wasm", component("misbehave"))
            .header("triphammer-manifest", manifest.to_string());
        host.send(request).expect(201)
    };
    upload("", json!({"keyConcurrency": 8}));
    // By its own manifest a key's attempts run one at a time, but the queue is the active one's.
    upload("?weight=99", json!({}));
    let slow = || event("misbehave.count").subject("s").data(json!({"n": 100_000}));
    let receipts = host.settle_all(&(0..60).map(|_| slow()).collect::<Vec<_>>());
    let story = host.story(&receipts[0]["seq"]);
    assert_eq!(story["deliveries"][0]["history"][0]["revision"], "r2", "{story}");
    assert_eq!(host.state("misbehave", Some("s"))["count"], 60);
}
