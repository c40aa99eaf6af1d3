//! Events in: the three modes of CloudEvents, receipts, duplicates, and senders that wait.

use serde_json::{Value, json};

use crate::harness::{
    Connection, Event, Host, Request, Setup, batch, committed, dead, event, text_reply, until,
};

fn host_with_counter() -> Host {
    let host = Host::start();
    host.deploy("counter", "counter");
    host
}

fn add(subject: &str) -> Event {
    event("counter.add").subject(subject)
}

#[test]
fn a_structured_event_is_answered_with_a_receipt() {
    let host = host_with_counter();
    let add = add("a").source("/shop").id("e-1");
    let receipt = host.accept(&add);
    assert_eq!(receipt["id"], "e-1");
    assert_eq!(receipt["source"], "/shop");
    assert_eq!(receipt["duplicate"], false);
    assert_eq!(receipt["functions"], json!(["counter"]));
    assert!(receipt["seq"].as_str().unwrap().parse::<u64>().unwrap() > 0, "{receipt}");
}

#[test]
fn a_binary_event_has_its_attributes_in_headers() {
    let host = Host::start();
    let request = Request::post("/events")
        .header("ce-specversion", "1.0")
        .header("ce-id", "b-1")
        .header("ce-source", "/shop")
        .header("ce-type", "order.placed")
        .header("ce-subject", "caf%C3%A9")
        .header("ce-tenant", "t-1")
        .body("application/json", r#"{"n": 1.50}"#);
    let answer = host.send(request).expect(202);
    let seq = answer["events"][0]["seq"].as_str().unwrap().to_owned();
    let stored = Request::get(format!("/api/v1/events/{seq}"));
    let stored = host.send(stored.header("accept", "application/cloudevents+json"));
    let event = stored.expect(200);
    assert_eq!(event["subject"], "café");
    assert_eq!(event["tenant"], "t-1");
    assert_eq!(event["datacontenttype"], "application/json");
    assert!(stored.text().contains(r#"{"n": 1.50}"#), "bytes are kept: {}", stored.text());
}

#[test]
fn bytes_that_are_no_json_come_back_as_they_went_in() {
    let host = Host::start();
    let request = Request::post("/events")
        .header("ce-specversion", "1.0")
        .header("ce-id", "b-2")
        .header("ce-source", "/shop")
        .header("ce-type", "image.taken")
        .body("image/png", vec![0x89, b'P', b'N', b'G', 0, 0xff]);
    let answer = host.send(request).expect(202);
    let story = host.story(&answer["events"][0]["seq"]);
    assert_eq!(story["event"]["data_base64"], "iVBORwD/");
    assert_eq!(story["event"]["datacontenttype"], "image/png");
}

#[test]
fn a_batch_is_answered_in_its_order() {
    let host = host_with_counter();
    let events: Vec<Event> = (0..50).map(|n| add("a").id(&format!("b-{n}"))).collect();
    let receipts = host.settle_all(&events);
    let ids: Vec<&str> = receipts.iter().map(|receipt| receipt["id"].as_str().unwrap()).collect();
    let sent: Vec<&str> = events.iter().map(|event| event.get("id")).collect();
    assert_eq!(ids, sent);
    for (n, receipt) in receipts.iter().enumerate() {
        assert_eq!(committed(receipt).reply["data"]["n"], n + 1, "in the order of the batch");
    }
}

#[test]
fn a_batch_is_accepted_whole_or_not_at_all() {
    let host = host_with_counter();
    let events = [add("a"), add("a").with("type", Value::Null), add("a")];
    let answer = host.send(batch(&events));
    answer.problem(400, "event.malformed");
    assert_eq!(answer.expect(400)["index"], 1, "it names the event");
    assert_eq!(host.get("/api/v1/events")["events"], json!([]));
    assert_eq!(host.counts("counter")["committed"], 0);
}

#[test]
fn an_empty_batch_is_no_error() {
    let host = Host::start();
    assert_eq!(host.accept_all(&[]), Vec::<Value>::new());
}

#[test]
fn an_event_that_comes_again_is_a_duplicate_and_runs_nothing() {
    let host = host_with_counter();
    let first = host.settle(&add("a").id("e-1"));
    let again = host.accept(&add("a").id("e-1"));
    assert_eq!(again["duplicate"], true);
    assert_eq!(again["seq"], first["seq"]);
    assert_eq!(again.get("differs"), None);
    let other_source = host.settle(&add("a").id("e-1").source("/other"));
    assert_eq!(other_source["duplicate"], false);
    assert_eq!(committed(&other_source).reply["data"]["n"], 2, "the duplicate was not counted");
}

#[test]
fn a_duplicate_with_another_payload_is_said_to_differ() {
    let host = Host::start();
    host.accept(&add("a").id("e-1").data(json!({"n": 1})));
    let again = host.accept(&add("a").id("e-1").data(json!({"n": 2})));
    assert_eq!((&again["duplicate"], &again["differs"]), (&json!(true), &json!(true)));
}

#[test]
fn a_batch_may_hold_the_same_event_twice() {
    let host = host_with_counter();
    let receipts = host.settle_all(&[add("a").id("x"), add("a").id("y"), add("a").id("x")]);
    let duplicates: Vec<_> = receipts.iter().map(|receipt| &receipt["duplicate"]).collect();
    assert_eq!(duplicates, [&json!(false), &json!(false), &json!(true)]);
    assert_eq!(receipts[0]["seq"], receipts[2]["seq"]);
    assert_eq!(host.state("counter", Some("a"))["n"], 2);
}

#[test]
fn a_duplicate_that_is_waited_for_has_the_results_of_the_first() {
    let host = host_with_counter();
    let first = host.settle(&add("a").id("e-1"));
    let again = host.settle(&add("a").id("e-1"));
    assert_eq!(again["duplicate"], true);
    assert_eq!(again["results"], first["results"]);
}

#[test]
fn duplicates_are_known_after_a_crash() {
    let host = host_with_counter();
    let first = host.settle(&add("a").id("e-1"));
    let host = host.crash_and_restart();
    let again = host.settle(&add("a").id("e-1"));
    assert_eq!((&again["duplicate"], &again["seq"]), (&json!(true), &first["seq"]));
    assert_eq!(again["results"][0]["status"], "committed");
    assert_eq!(host.state("counter", Some("a"))["n"], 1);
}

#[test]
fn an_id_is_forgotten_some_time_after_its_window() {
    let setup = Setup::new().set("DEDUP_WINDOW", "1s").set("JOURNAL_CHECKPOINT_BYTES", "64KiB");
    let host = setup.start();
    let first = host.accept(&add("a").id("e-1"));
    assert_eq!(host.accept(&add("a").id("e-1"))["duplicate"], true);
    // Checkpoints sort out what is too old, and come with what else happens.
    let pause = || drop(host.accept_all(&(0..50).map(|_| event("a.b")).collect::<Vec<_>>()));
    let again = until("the id to be forgotten", pause, || {
        let again = host.accept(&add("a").id("e-1"));
        (again["duplicate"] == false).then_some(again)
    });
    assert_ne!(again["seq"], first["seq"]);
}

#[test]
fn an_event_that_nobody_asked_for_is_kept() {
    let host = Host::start();
    let receipt = host.accept(&event("nobody.listens").id("e-1"));
    assert_eq!(receipt["functions"], json!([]));
    let listed = host.get("/api/v1/events?type=nobody.*");
    assert_eq!(listed["events"][0]["id"], "e-1");
    let waited = host.settle(&event("nobody.listens"));
    assert_eq!(waited["results"], json!([]));
}

#[test]
fn a_sender_that_waits_gets_the_reply() {
    let host = host_with_counter();
    host.deploy("misbehave", "misbehave");
    let done = committed(&host.settle(&add("a").id("e-1")));
    assert_eq!((done.revision.as_str(), done.attempts), ("r1", 1));
    assert_eq!(done.reply["contentType"], "application/json");
    assert_eq!(done.reply["data"], json!({"n": 1, "event": "e-1"}));
    let text = committed(&host.settle(&event("misbehave.ok")));
    assert_eq!(text_reply(&text.reply), "ok");
}

#[test]
fn a_sender_that_waits_is_told_of_dead_letters() {
    let host = Host::start();
    host.deploy("misbehave", "misbehave");
    let receipt = host.settle(&event("misbehave.reject"));
    assert_eq!(dead(&receipt), ("invoke.rejected".into(), "it will not pass".into()));
    assert_eq!(receipt["results"][0]["attempts"], 1);
}

#[test]
fn an_event_without_its_key_is_a_dead_letter_that_the_receipt_names() {
    let host = host_with_counter();
    let receipt = host.accept(&event("counter.add"));
    assert_eq!(receipt["dead"][0]["function"], "counter");
    assert_eq!(receipt["dead"][0]["error"]["code"], "route.key_missing");
    assert_eq!(host.dead_letters("counter").len(), 1);
    let waited = host.settle(&event("counter.add"));
    assert_eq!(dead(&waited).0, "route.key_missing");
}

#[test]
fn each_function_that_asks_has_a_delivery_of_its_own() {
    let host = host_with_counter();
    host.deploy_with("second", "counter", json!({}), json!({"on": ["counter.**"]}));
    let receipt = host.settle(&add("a"));
    assert_eq!(receipt["functions"], json!(["counter", "second"]));
    assert_eq!(receipt["results"].as_array().unwrap().len(), 2);
}

#[test]
fn a_wait_that_runs_out_is_answered_with_the_plain_receipt() {
    let host = host_with_counter();
    host.post("/api/v1/functions/counter/pause", json!({}));
    let answer = host.send(add("a").id("e-1").request().wait(1)).expect(202);
    assert_eq!(answer["events"][0]["id"], "e-1");
    assert_eq!(answer["events"][0].get("results"), None);
    host.post("/api/v1/functions/counter/resume", json!({}));
    assert_eq!(committed(&host.settle(&add("a").id("e-1"))).reply["data"]["n"], 1);
}

#[test]
fn types_of_the_host_itself_are_refused_from_outside() {
    let host = Host::start();
    for ty in ["triphammer.delivery.dead", "triphammer.x"] {
        host.send(event(ty).request()).problem(403, "event.reserved_type");
        host.send(batch(&[event("a.b"), event(ty)])).problem(403, "event.reserved_type");
    }
    assert_eq!(host.get("/api/v1/events")["events"], json!([]));
}

#[test]
fn malformed_events_say_what_is_wrong_with_them() {
    let host = Host::start();
    let structured = "application/cloudevents+json";
    let cases = [
        (event("a").with("id", Value::Null).json().to_string(), "event.malformed", "id"),
        (event("a").with("source", Value::Null).json().to_string(), "event.malformed", "source"),
        (event("").json().to_string(), "event.malformed", "type"),
        (event("a").with("specversion", "0.3").json().to_string(), "event.specversion", "0.3"),
        (event("a").with("time", "yesterday").json().to_string(), "event.malformed", "time"),
        (event("a").with("Not-Plain", "x").json().to_string(), "event.malformed", "Not-Plain"),
        (event("a").with("data_base64", "AA==").json().to_string(), "event.malformed", "data"),
        ("{\"specversion\": \"1.0\",".to_owned(), "event.malformed", "JSON"),
        ("[]".to_owned(), "event.malformed", "JSON"),
        (String::new(), "event.malformed", "JSON"),
    ];
    for (body, code, part) in cases {
        let answer = host.send(Request::post("/events").body(structured, body.clone()));
        let detail = answer.problem(400, code);
        assert!(detail.contains(part), "{body}: {detail}");
    }
    assert_eq!(host.get("/api/v1/events")["events"], json!([]));
}

#[test]
fn one_connection_carries_many_requests() {
    let host = host_with_counter();
    let mut open = Connection::open(host.address()).unwrap();
    for n in 1..=100 {
        let answer = open.send(&add("a").request().wait(60)).unwrap().expect(200);
        assert_eq!(committed(&answer["events"][0]).reply["data"]["n"], n);
    }
    let refused = open.send(&Request::post("/events").body("text/plain", "x")).unwrap();
    refused.problem(415, "event.unsupported_format");
    open.send(&add("a").request()).unwrap().expect(202);
}
