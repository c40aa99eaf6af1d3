//! Functions as operators see them: uploaded, refused, switched, paused, removed.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Host, Request, committed, component, event, root, trip};

/// A component without any export: well-formed, and of another world.
const OTHER_WORLD: &[u8] = b"\0asm\x0d\0\x01\0";
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

fn put(name: &str, query: &str, wasm: Vec<u8>) -> Request {
    Request::new("PUT", format!("/api/v1/functions/{name}{query}")).body("application/wasm", wasm)
}

fn add(subject: &str) -> crate::harness::Event {
    event("counter.add").subject(subject)
}

#[test]
fn an_upload_makes_a_revision_and_the_same_again_makes_none() {
    let host = Host::start();
    let first = host.upload("counter", component("counter")).expect(201);
    assert_eq!((&first["name"], &first["revision"]), (&json!("counter"), &json!("r1")));
    assert_eq!(first["active"], true);
    assert_eq!(first["manifest"]["on"], json!(["counter.add"]));
    assert_eq!(first["manifest"]["key"], "subject");
    assert_eq!(first["warnings"], json!([]));
    assert!(!first["imports"].as_array().unwrap().is_empty(), "{first}");
    let digest = first["digest"].as_str().unwrap();
    assert!(digest.len() >= 64, "{digest}");

    let again = host.upload("counter", component("counter")).expect(200);
    assert_eq!((&again["revision"], &again["digest"]), (&json!("r1"), &first["digest"]));
    assert_eq!(host.function("counter")["revisions"].as_array().unwrap().len(), 1);
}

#[test]
fn another_config_is_another_revision_and_stays_until_it_is_given_anew() {
    let host = Host::start();
    host.deploy_with("relay", "relay", json!({"to": "x.a"}), json!({}));
    let other = host.deploy_with("relay", "relay", json!({"to": "x.b"}), json!({}));
    assert_eq!(other["revision"], "r2");
    let manifest = json!({"on": ["relay.*", "x.start"]});
    let kept = host.deploy_with("relay", "relay", json!({}), manifest);
    assert_eq!(kept["revision"], "r3");
    let revisions = host.function("relay")["revisions"].clone();
    let config = |n: usize| revisions[n]["config"].clone();
    assert_eq!(config(2), json!({"to": "x.b"}), "{revisions}");
    host.settle(&event("x.start"));
    assert_eq!(host.events("x.b").len(), 1);
}

#[test]
fn bad_uploads_say_what_is_wrong_and_the_old_revision_goes_on_serving() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let whole = component("counter");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[..middle].reverse();
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("nothing", Vec::new(), "module.malformed"),
        ("text", b"fn main() {}".to_vec(), "module.malformed"),
        ("noise", (0..=255).cycle().take(9999).collect(), "module.malformed"),
        ("half of one", whole[..middle].to_vec(), "module.malformed"),
        ("a scrambled one", flipped, "module.malformed"),
        ("a core module", CORE_MODULE.to_vec(), "module.core"),
        ("one of another world", OTHER_WORLD.to_vec(), "module.world"),
    ];
    for (what, wasm, code) in cases {
        let answer = host.upload("counter", wasm);
        let detail = answer.problem(422, code);
        let problems = answer.expect(422)["problems"].clone();
        assert!(!problems.as_array().unwrap().is_empty(), "{what}: {detail}");
    }
    let world = host.upload("counter", OTHER_WORLD.to_vec()).problem(422, "module.world");
    assert!(world.contains("describe") && world.contains("handle"), "it names both: {world}");
    let done = committed(&host.settle(&add("a")));
    assert_eq!(done.revision, "r1");
    assert_eq!(host.function("counter")["revisions"].as_array().unwrap().len(), 1);
}

#[test]
fn a_component_that_reaches_for_the_network_is_refused_by_name() {
    let host = Host::start();
    let answer = host.upload("connect", component("connect"));
    answer.problem(422, "module.world");
    let problems = answer.expect(422)["problems"].to_string();
    assert!(problems.contains("wasi:sockets"), "{problems}");
    assert_eq!(host.get("/api/v1/functions")["functions"], json!([]));
}

#[test]
fn components_of_released_contracts_are_deployed_and_run() {
    let host = Host::start();
    let mut count = 0;
    for entry in fs::read_dir(root().join("tests/old")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        count += 1;
        host.upload("bench", fs::read(&path).unwrap()).expect(201);
        let job = json!({"customer": "c", "amount": 1, "items": []});
        let receipt = host.settle(&event("bench.event").subject("s").data(job));
        assert_eq!(committed(&receipt).revision, format!("r{count}"), "{}", path.display());
        assert_eq!(host.state("bench", Some("s"))["count"], count);
    }
    assert!(count > 0, "there is no old component");
}

#[test]
fn a_truncated_component_is_refused_wherever_it_ends() {
    let host = Host::start();
    let whole = component("relay");
    for part in 0..16 {
        let cut = whole.len() * part / 16 + part;
        let answer = host.upload("relay", whole[..cut].to_vec());
        let status = answer.status;
        assert_eq!(status, 422, "{cut} of {} bytes: {}", whole.len(), answer.text());
        // What is left may be a valid component that lacks the end of its sections.
        let code = answer.expect(422)["code"].as_str().unwrap().to_owned();
        assert!(matches!(code.as_str(), "module.malformed" | "module.world"), "{cut}: {code}");
    }
    host.get("/api/v1/functions");
}

#[test]
fn manifests_that_can_not_be_kept_are_refused() {
    let host = Host::start();
    let cases = [
        (json!({"on": ["a"], "filter": 1}), "manifest.invalid", "filter"),
        (json!({"on": ["a"], "priority": 10}), "manifest.invalid", "priority"),
        (json!({"on": ["a"], "colour": "red"}), "manifest.invalid", "colour"),
        (json!({"on": []}), "manifest.invalid", "on"),
        (json!({}), "manifest.invalid", "on"),
        (json!({"on": ["a..b"]}), "manifest.invalid", "on"),
        (json!({"on": ["a"], "timeout": "2h"}), "manifest.invalid", "timeout"),
        (json!({"on": ["a"], "timeout": "soon"}), "manifest.invalid", "timeout"),
        (json!({"on": ["a"], "memory": "4GiB"}), "manifest.invalid", "memory"),
        (json!({"on": ["a"], "concurrency": 0}), "manifest.invalid", "concurrency"),
        (json!({"on": ["a"], "retry": {"attempts": 0}}), "manifest.invalid", "retry"),
        (json!({"on": ["a"], "retry": {"tries": 3}}), "manifest.invalid", "retry"),
        (json!({"on": ["a"], "key": "data.x"}), "manifest.invalid", "key"),
        (json!(["a"]), "manifest.invalid", ""),
    ];
    for (manifest, code, member) in cases {
        let request = put("f", "", component("relay"));
        let answer = host.send(request.header("triphammer-manifest", manifest.to_string()));
        answer.problem(422, code);
        let named = answer.expect(422)["member"].as_str().unwrap().to_owned();
        assert!(named.starts_with(member), "{manifest}: `{named}`");
    }
    assert_eq!(host.get("/api/v1/functions")["functions"], json!([]));
}

#[test]
fn what_is_allowed_but_surely_not_meant_is_a_warning() {
    let host = Host::start();
    let manifest = json!({"on": ["a"], "retry": {"attempts": 3, "initial": "1s", "max": "5m"}});
    let deployed = host.deploy_with("f", "relay", json!({}), manifest);
    let warning = deployed["warnings"][0].as_str().unwrap();
    assert!(warning.contains("retry.max"), "{warning}");
}

#[test]
fn headers_and_names_of_a_deploy_are_checked() {
    let host = Host::start();
    let wasm = || component("relay");
    let config = |text: &str| put("f", "", wasm()).header("triphammer-config", text);
    for text in ["to", "[]", r#"{"to": 1}"#, r#"{"to": null}"#] {
        host.send(config(text)).problem(400, "deploy.config");
    }
    for name in ["F", "a_b", "%20", &"x".repeat(64)] {
        host.send(put(name, "", wasm())).problem(400, "http.name");
    }
    host.send(put("f", "?activate=maybe", wasm())).problem(400, "http.query");
    host.send(put("f", "?colour=red", wasm())).problem(400, "http.query");
    host.send(put("f", "?weight=100", wasm())).expect(201);
}

#[test]
fn a_revision_that_is_not_activated_serves_when_it_is() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let request = put("counter", "?activate=false", component("counter"));
    let ready = host.send(request.header("triphammer-config", r#"{"v": "2"}"#)).expect(201);
    assert_eq!((&ready["revision"], &ready["active"]), (&json!("r2"), &json!(false)));
    assert_eq!(committed(&host.settle(&add("a"))).revision, "r1");

    let path = "/api/v1/functions/counter";
    let active = host.post(format!("{path}/activate"), json!({"revision": "r2"}));
    assert_eq!((&active["active"], &active["previous"]), (&json!("r2"), &json!("r1")));
    assert_eq!(committed(&host.settle(&add("a"))).revision, "r2");
    let back = host.post(format!("{path}/rollback"), json!({}));
    assert_eq!(back["active"], "r1");
    let done = committed(&host.settle(&add("a")));
    assert_eq!((done.revision.as_str(), &done.reply["data"]["n"]), ("r1", &json!(3)));
}

#[test]
fn what_does_not_exist_is_said_not_to() {
    let host = Host::start();
    let post = |path: &str, body: Value| host.send(Request::post(path).json(&body));
    let none = "/api/v1/functions/none";
    host.send(Request::get(none)).problem(404, "function.not_found");
    host.send(Request::new("DELETE", none)).problem(404, "function.not_found");
    host.send(Request::get(format!("{none}/state"))).problem(404, "function.not_found");
    for verb in ["rollback", "pause", "resume"] {
        post(&format!("{none}/{verb}"), json!({})).problem(404, "function.not_found");
    }
    let revision = json!({"revision": "r1"});
    post(&format!("{none}/activate"), revision).problem(404, "function.not_found");
    let test = Request::post(format!("{none}/test"))
        .body("application/cloudevents+json", add("a").json().to_string());
    host.send(test).problem(404, "function.not_found");
    post("/api/v1/replay", json!({"function": "none"})).problem(404, "function.not_found");

    host.deploy("counter", "counter");
    let path = "/api/v1/functions/counter";
    post(&format!("{path}/rollback"), json!({})).problem(409, "function.no_previous");
    post(&format!("{path}/activate"), json!({"revision": "r9"}))
        .problem(404, "function.no_revision");
    post(&format!("{path}/activate"), json!({"revision": "9"})).problem(400, "http.name");
    host.send(Request::get("/api/v1/events/999")).problem(404, "event.not_found");
    post("/api/v1/events/999/replay", json!({"function": "counter"}))
        .problem(404, "event.not_found");
}

#[test]
fn functions_come_back_as_they_were_after_a_crash() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.deploy_with("counter", "counter", json!({"v": "2"}), json!({}));
    host.deploy_with("relay", "relay", json!({"to": "x.y"}), json!({}));
    host.post("/api/v1/functions/counter/rollback", json!({}));
    host.post("/api/v1/functions/relay/pause", json!({}));
    let before = host.get("/api/v1/functions");
    let host = host.crash_and_restart();
    assert_eq!(host.get("/api/v1/functions"), before);
    assert_eq!(committed(&host.settle(&add("a"))).revision, "r1");
}

#[test]
fn a_paused_function_keeps_its_deliveries_through_crash_and_deploy() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let paused = host.post("/api/v1/functions/counter/pause", json!({}));
    assert!(paused["paused"]["at"].is_string(), "{paused}");
    let receipt = host.accept(&add("a"));
    let waiting = &host.story(&receipt["seq"])["deliveries"][0];
    assert_eq!(waiting["status"], "ready", "{waiting}");
    assert!(waiting["reason"].as_str().unwrap().contains("paused"), "{waiting}");

    let host = host.crash_and_restart();
    host.deploy_with("counter", "counter", json!({"v": "2"}), json!({}));
    assert!(host.function("counter")["paused"].is_object(), "a deploy does not resume");
    assert_eq!(host.counts("counter")["committed"], 0);
    let resumed = host.post("/api/v1/functions/counter/resume", json!({}));
    assert_eq!(resumed["paused"], Value::Null);
    host.settled();
    let delivery = &host.story(&receipt["seq"])["deliveries"][0];
    assert_eq!(delivery["history"][0]["revision"], "r2", "{delivery}");
}

#[test]
fn the_ordering_key_can_not_change_under_deliveries_that_wait() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.post("/api/v1/functions/counter/pause", json!({}));
    host.accept(&add("a"));
    let other_key = || {
        let manifest = json!({"on": ["counter.add"], "key": "source"});
        put("counter", "", component("counter")).header("triphammer-manifest", manifest.to_string())
    };
    host.send(other_key()).problem(409, "function.key_change");
    host.post("/api/v1/functions/counter/resume", json!({}));
    host.settled();
    assert_eq!(committed(&host.settle(&add("a"))).revision, "r1");
    host.send(other_key()).expect(201);
}

#[test]
fn a_function_is_removed_only_when_nothing_waits_or_it_is_discarded() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.settle(&add("a"));
    host.post("/api/v1/functions/counter/pause", json!({}));
    let receipts = host.accept_all(&[add("a"), add("b")]);
    let delete = |query: &str| Request::new("DELETE", format!("/api/v1/functions/counter{query}"));
    host.send(delete("")).problem(409, "function.deliveries_wait");
    let removed = host.send(delete("?discard=true")).expect(200);
    assert_eq!(removed["dropped"], 2);
    for receipt in &receipts {
        assert_eq!(host.story(&receipt["seq"])["deliveries"][0]["status"], "dropped");
    }
    host.send(Request::get("/api/v1/functions/counter")).problem(404, "function.not_found");
    assert_eq!(host.accept(&add("a"))["functions"], json!([]), "nothing is routed to it");

    let host = host.crash_and_restart();
    host.send(Request::get("/api/v1/functions/counter")).problem(404, "function.not_found");
    let back = host.deploy("counter", "counter");
    assert_eq!(back["revision"], "r2", "revision numbers never start again");
    let done = committed(&host.settle(&add("a")));
    assert_eq!(done.reply["data"]["n"], 2, "state stays");
}

#[test]
fn state_is_removed_when_that_is_asked_for() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.settle(&add("a"));
    host.send(Request::new("DELETE", "/api/v1/functions/counter?state=true")).expect(200);
    host.deploy("counter", "counter");
    assert_eq!(committed(&host.settle(&add("a"))).reply["data"]["n"], 1);
    let host = host.crash_and_restart();
    assert_eq!(committed(&host.settle(&add("a"))).reply["data"]["n"], 2);
}

#[test]
fn a_dry_run_shows_effects_and_keeps_nothing() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.settle(&add("a"));
    let test = Request::post("/api/v1/functions/counter/test")
        .body("application/cloudevents+json", add("a").id("dry").json().to_string());
    let run = host.send(test).expect(200);
    assert_eq!((&run["status"], &run["revision"]), (&json!("committed"), &json!("r1")));
    assert_eq!(run["effects"]["state"], json!([{"name": "n", "value": 2}]));
    assert_eq!(run["effects"]["emitted"][0]["type"], "counter.counted");
    assert_eq!(run["effects"]["reply"]["data"], json!({"n": 2, "event": "dry"}));
    assert_eq!(host.state("counter", Some("a"))["n"], 1);
    assert_eq!(host.events("counter.counted").len(), 1);
    assert_eq!(host.accept(&add("a").id("dry"))["duplicate"], false);
}

#[test]
fn state_is_listed_by_key_and_prefix_page_by_page() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let subjects = ["a", "b", "c", "d", "e"];
    host.settle_all(&subjects.map(add));
    let path = "/api/v1/functions/counter/state";
    let all = host.get(path);
    let keys: Vec<&str> =
        all["entries"].as_array().unwrap().iter().map(|e| e["key"].as_str().unwrap()).collect();
    assert_eq!(keys, subjects);
    let first = host.get(format!("{path}?limit=2"));
    assert_eq!(first["entries"].as_array().unwrap().len(), 2);
    let cursor = first["cursor"].as_str().unwrap();
    let next = host.get(format!("{path}?limit=2&cursor={cursor}"));
    assert_eq!(next["entries"][0]["key"], "c");
    let one = host.get(format!("{path}?key=b"));
    let entries = one["entries"].as_array().unwrap();
    assert_eq!((entries.len(), &entries[0]["value"]), (1, &json!(1)));
    assert_eq!(host.get(format!("{path}?key=b&prefix=x"))["entries"], json!([]));
}

fn names(list: &Value) -> Vec<&str> {
    list["functions"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect()
}

#[test]
fn functions_are_listed_all_or_page_by_page() {
    let host = Host::start();
    let all: Vec<String> = (0..203).map(|n| format!("f-{n:03}")).collect();
    all.iter().for_each(|name| drop(host.deploy(name, "counter")));
    host.deploy("mail-f", "counter");
    let whole = host.get("/api/v1/functions");
    assert_eq!((names(&whole).len(), &whole["cursor"]), (204, &Value::Null));

    let path = "/api/v1/functions?prefix=f-";
    let first = host.get(format!("{path}&limit=150"));
    assert_eq!(names(&first), all[..150]);
    assert_eq!(first["cursor"], "f-149");
    let rest = host.get(format!("{path}&limit=150&cursor=f-149"));
    assert_eq!(
        (names(&rest), &rest["cursor"]),
        (all[150..].iter().map(|n| &**n).collect(), &Value::Null)
    );
    assert_eq!(names(&host.get("/api/v1/functions?contains=il-")), ["mail-f"]);
    // One that goes between two pages takes nothing along.
    host.send(Request::new("DELETE", "/api/v1/functions/f-149")).expect(200);
    assert_eq!(host.get(format!("{path}&limit=150&cursor=f-149")), rest);

    let listed = trip(&host, &["functions", "--json"]).json();
    assert_eq!((names(&listed).len(), &listed["cursor"]), (203, &Value::Null));
    let text = trip(&host, &["functions", "--prefix", "f-", "--contains", "9"]).expect(0).stdout;
    assert_eq!(text.lines().count(), 1 + 37, "{text}");
    let nobody = trip(&host, &["functions", "--prefix", "x"]).expect(0).stdout;
    assert!(nobody.contains("no function has such a name"), "{nobody}");
}
