//! What an operator looks into: the host at a glance, trees of events, dead letters by cause, lanes, who
//! wrote what, and what another revision would have done.

use serde_json::{Value, json};

use crate::harness::{Connection, DEADLINE, Event, Host, Request, Setup, committed, event, until};

fn relay(host: &Host, name: &str, from: &str, to: &str) {
    host.deploy_with(name, "relay", json!({ "to": to }), json!({ "on": from }));
}

fn script(id: &str, steps: Value) -> Event {
    event("script.run").source("/insight").id(id).data(json!({ "steps": steps }))
}

fn seqs(events: &Value) -> Vec<&str> {
    events.as_array().unwrap().iter().map(|event| event["seq"].as_str().unwrap()).collect()
}

#[test]
fn the_tree_of_an_event_is_told_from_its_first_cause() {
    let host = Setup::new().start();
    relay(&host, "first", "relay.a", "relay.b");
    relay(&host, "second", "relay.b", "relay.c");
    let receipt = host.settle(&event("relay.a").id("1"));
    host.settled();
    let last = host.get("/api/v1/events?type=relay.c")["events"][0].clone();
    let tree = host.get(format!("/api/v1/events/{}/tree", last["seq"].as_str().unwrap()));
    assert_eq!((&tree["root"], &tree["truncated"]), (&receipt["seq"], &json!(false)));
    let types: Vec<&str> = tree["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["event"]["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["relay.a", "relay.b", "relay.c"]);
    assert_eq!(tree["nodes"][0]["deliveries"][0]["history"][0]["outcome"], "committed");
    let nobody = host.send(Request::get("/api/v1/events/999999/tree"));
    nobody.problem(404, "event.not_found");
}

#[test]
fn events_are_found_by_what_became_of_them() {
    let host = Setup::new().start();
    host.deploy("misbehave", "misbehave");
    host.settle(&event("misbehave.ok").id("good"));
    host.settle(&event("misbehave.reject").id("bad"));
    host.accept(&event("nobody.asked").id("alone"));
    host.post("/api/v1/functions/misbehave/pause", json!({}));
    host.accept(&event("misbehave.ok").id("later"));
    let found = |outcome: &str| {
        let page = host.get(format!("/api/v1/events?source=/tests&outcome={outcome}"));
        let ids = page["events"].as_array().unwrap().iter();
        ids.map(|event| event["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("committed"), ["good"]);
    assert_eq!(found("dead"), ["bad"]);
    assert_eq!(found("open"), ["later"]);
    assert_eq!(found("unrouted"), ["alone"]);
    assert_eq!(found("dropped"), [""; 0]);
    let wrong = host.send(Request::get("/api/v1/events?outcome=gone"));
    wrong.problem(400, "event.outcome");
}

#[test]
fn a_dry_run_shows_what_another_revision_would_do() {
    let host = Setup::new().start();
    relay(&host, "relay", "relay.a", "relay.b");
    relay(&host, "relay", "relay.a", "relay.c");
    let emitted = |query: &str| {
        let event = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "relay.a"});
        let path = format!("/api/v1/functions/relay/test{query}");
        let body = event.to_string().into_bytes();
        let request = Request::new("POST", path).body("application/cloudevents+json", body);
        let answer = host.send(request);
        (answer.status == 200)
            .then(|| answer.expect(200)["effects"]["emitted"][0]["type"].clone())
            .ok_or(answer.status)
    };
    assert_eq!(emitted(""), Ok(json!("relay.c")));
    assert_eq!(emitted("?revision=r1"), Ok(json!("relay.b")));
    assert_eq!(emitted("?revision=r9"), Err(404));
    assert_eq!(emitted("?revision=x"), Err(400));
}

#[test]
fn an_event_is_replayed_with_another_payload() {
    let host = Setup::new().start();
    relay(&host, "relay", "relay.a", "relay.b");
    let receipt = host.settle(
        &event("relay.a").with("datacontenttype", "application/json").data(json!({"n": 1})),
    );
    let path = format!("/api/v1/events/{}/replay", receipt["seq"].as_str().unwrap());
    let replayed = host.post(&path, json!({"function": "relay", "data": {"n": 2}}));
    host.settled();
    let story = host.story(&replayed["seq"]);
    assert_eq!(story["event"]["data"], json!({"n": 2}));
    assert_eq!(story["event"]["replayof"], receipt["seq"]);
    let emitted = story["children"][0]["seq"].clone();
    assert_eq!(host.story(&emitted)["event"]["data"], json!({"n": 2}));
    // The first is as it was.
    assert_eq!(host.story(&receipt["seq"])["event"]["data"], json!({"n": 1}));
    let refused = |body: Value| host.send(Request::post(&path).json(&body));
    let both = refused(json!({"function": "relay", "data": 1, "dataBase64": "MQ=="}));
    both.problem(400, "http.body_malformed");
    let large = refused(json!({"function": "relay", "data": "x".repeat(1 << 20)}));
    large.problem(413, "event.too_large");
}

#[test]
fn dead_letters_are_grouped_by_what_they_died_of() {
    let host = Setup::new().start();
    host.deploy("misbehave", "misbehave");
    for n in 0..3 {
        host.settle(&event("misbehave.reject").id(&format!("r{n}")));
    }
    host.settle(&event("misbehave.panic").id("p"));
    let causes = host.get("/api/v1/deliveries/causes");
    let of = |index: usize| {
        let cause = &causes["causes"][index];
        (cause["code"].as_str().unwrap(), cause["count"].as_u64().unwrap())
    };
    assert_eq!([of(0), of(1)], [("invoke.rejected", 3), ("invoke.trap", 1)]);
    assert_eq!(causes["causes"][0]["messages"].as_array().unwrap().len(), 1);
    let group = json!({"function": "misbehave", "status": "dead", "code": "invoke.trap"});
    assert_eq!(host.post("/api/v1/deliveries/redrive", group)["count"], 1);
    assert_eq!(host.get("/api/v1/deliveries/causes?function=nobody")["causes"], json!([]));
}

#[test]
fn the_longest_lanes_are_told_first_with_what_they_wait_for() {
    let host = Setup::new().start();
    host.deploy("counter", "counter");
    host.post("/api/v1/functions/counter/pause", json!({}));
    for (subject, count) in [("a", 1), ("b", 3), ("c", 2)] {
        for n in 0..count {
            host.accept(&event("counter.add").id(&format!("{subject}{n}")).subject(subject));
        }
    }
    let lanes = host.get("/api/v1/lanes?limit=2");
    let of = |index: usize| {
        let lane = &lanes["lanes"][index];
        (lane["key"].as_str().unwrap(), lane["length"].as_u64().unwrap())
    };
    assert_eq!(([of(0), of(1)], &lanes["truncated"]), ([("b", 3), ("c", 2)], &json!(true)));
    assert_eq!(lanes["lanes"][0]["head"]["waitingFor"]["kind"], "paused");
    host.post("/api/v1/functions/counter/resume", json!({}));
    host.settled();
    assert_eq!(host.get("/api/v1/lanes")["lanes"], json!([]));
}

#[test]
fn who_wrote_an_entry_of_state_is_told_even_after_it_is_deleted() {
    let host = Setup::new().start();
    host.deploy("script", "script");
    let mut wrote = Vec::new();
    for n in 0..5 {
        let steps = if n == 4 { json!([{"delete": "x"}]) } else { json!([{"set": "x"}]) };
        wrote.push(host.settle(&script(&format!("{n}"), steps))["seq"].clone());
        host.settle(&script(&format!("other{n}"), json!([{"set": "y"}])));
    }
    let path = "/api/v1/functions/script/state/history?name=x";
    let writes = host.pages(path, "writes");
    let events: Vec<&Value> = writes.iter().map(|write| &write["event"]).collect();
    assert_eq!(events, wrote.iter().rev().collect::<Vec<_>>());
    assert_eq!(writes[0]["deleted"], true);
    assert!(writes[1]["valueBase64"].is_string() || writes[1]["value"].is_string());
    // Page by page it is the same.
    let first = host.get(format!("{path}&limit=2"));
    assert_eq!(first["writes"].as_array().unwrap().len(), 2);
    let next = format!("{path}&limit=2&cursor={}", first["cursor"].as_str().unwrap());
    assert_eq!(host.get(next)["writes"][0]["event"], wrote[2]);
    let nameless = host.send(Request::get("/api/v1/functions/script/state/history"));
    nameless.problem(400, "http.query");
    let strange = host.send(Request::get(format!("{path}&cursor=x")));
    strange.problem(400, "query.cursor");
}

#[test]
fn the_host_is_shown_at_a_glance() {
    let host = Setup::new().start();
    host.deploy("misbehave", "misbehave");
    committed(&host.settle(&event("misbehave.ok").id("1")));
    host.settle(&event("misbehave.reject").id("2"));
    let overview = host.get("/api/v1/stats/overview");
    let number = |path: &str| overview.pointer(path).and_then(Value::as_f64).unwrap();
    assert_eq!((number("/accepted"), number("/committed"), number("/deadNow")), (3.0, 1.0, 1.0));
    assert_eq!((number("/handling/count"), number("/latency/count")), (2.0, 1.0));
    assert!(number("/handling/p99Ms") > 0.0 && number("/sync/count") > 0.0, "{overview}");
    let function = &overview["functions"][0];
    assert_eq!((&function["name"], &function["active"]), (&json!("misbehave"), &json!("r1")));
    let revision = &host.function("misbehave")["revisions"][0];
    assert_eq!(revision["attempts"], json!({"committed": 1, "retried": 0, "dead": 1}));
    assert_eq!(revision["handling"]["count"], 2);
    let settings = host.get("/api/v1/settings");
    assert_eq!(settings["limits"]["eventBytes"], 1 << 20);
    assert_eq!((&settings["tls"], &settings["tokens"]), (&json!(false), &json!([])));
}

#[test]
fn the_glance_comes_every_second_and_is_remembered() {
    let host = Setup::new().start();
    host.deploy("misbehave", "misbehave");
    let mut stream = Connection::open(host.address()).unwrap();
    let request = Request::get("/api/v1/stats/stream");
    stream.write(&request.bytes(&host.address().to_string())).unwrap();
    assert_eq!(stream.read_head().unwrap().header("content-type"), Some("text/event-stream"));
    let mut text = String::new();
    while text.matches("event: stats\ndata: {").count() < 2 {
        text.push_str(&String::from_utf8(stream.read_chunk().unwrap().unwrap()).unwrap());
    }
    host.settle(&event("misbehave.ok").id("1"));
    // The first point is of the start; what came since is in one of the next.
    let history = |query: &str| host.get(format!("/api/v1/stats/history{query}"))["points"].clone();
    let came = |points: &Value| -> u64 {
        points.as_array().unwrap().iter().map(|point| point["committed"].as_u64().unwrap()).sum()
    };
    until("a point", || drop(stream.read_chunk()), || (came(&history("")) == 1).then_some(()));
    assert_eq!(came(&history("?function=misbehave")), 1);
    assert_eq!(history("?function=nobody"), json!([]));
    assert!(DEADLINE.as_secs() > 10, "a point comes every ten seconds");
    assert_eq!(seqs(&host.get("/api/v1/events?type=misbehave.ok")["events"]).len(), 1);
}
