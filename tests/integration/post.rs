//! Events of senders that know nothing of CloudEvents, and their idempotency keys.

use std::thread;

use serde_json::{Value, json};

use crate::harness::{Host, Request, Response, event};

fn post(path: &str, key: Option<&str>, body: &str) -> Request {
    let request = Request::post(path).body("application/json", body);
    match key {
        Some(key) => request.header("idempotency-key", key),
        None => request,
    }
}

fn receipt(response: &Response) -> Value {
    response.expect(202)["events"][0].clone()
}

fn host_with_counter() -> Host {
    let host = Host::start();
    host.deploy("counter", "counter");
    host
}

#[test]
fn any_body_is_the_payload_of_one_event() {
    let host = Host::start();
    let request = Request::post("/events/image.taken?source=/camera/1&subject=caf%C3%A9")
        .header("ce-tenant", "t-1")
        .header("ce-time", "2026-01-02T03:04:05Z")
        .body("image/png", vec![0x89, b'P', 0, 0xff]);
    let receipt = receipt(&host.send(request));
    let story = host.story(&receipt["seq"]);
    assert_eq!(story["entrance"], "post");
    let event = &story["event"];
    assert_eq!(event["id"], receipt["id"]);
    assert_eq!((&event["source"], &event["subject"]), (&json!("/camera/1"), &json!("café")));
    assert_eq!((&event["tenant"], &event["time"]), (&json!("t-1"), &json!("2026-01-02T03:04:05Z")));
    assert_eq!(event["datacontenttype"], "image/png");
    assert_eq!(event["data_base64"], "iVAA/w==");
}

#[test]
fn what_a_post_leaves_out_is_made_up() {
    let host = Host::start();
    let send = || receipt(&host.send(post("/events/a%2Eb", None, "x")));
    let (first, second) = (send(), send());
    assert_ne!(first["id"], second["id"]);
    assert_eq!(second["duplicate"], false);
    let event = host.story(&first["seq"])["event"].clone();
    assert_eq!((&event["type"], &event["source"]), (&json!("a.b"), &json!("/http")));
}

#[test]
fn the_same_key_again_is_the_same_event() {
    let host = host_with_counter();
    let path = "/events/counter.add?subject=a";
    let first = host.send(post(path, Some("\"k-1\""), "{}").wait(10)).expect(200);
    let first = &first["events"][0];
    assert_eq!((&first["id"], &first["duplicate"]), (&json!("k-1"), &json!(false)));
    let host = host.crash_and_restart();
    let again = host.send(post(path, Some("k-1"), "{}").wait(10)).expect(200);
    let again = &again["events"][0];
    assert_eq!((&again["seq"], &again["duplicate"]), (&first["seq"], &json!(true)));
    assert_eq!(again["results"], first["results"]);
    assert_eq!(host.state("counter", Some("a"))["n"], 1);
}

#[test]
fn a_key_names_one_event() {
    let host = host_with_counter();
    receipt(&host.send(post("/events/counter.add?subject=a", Some("k"), "{}")));
    for (path, body) in [
        ("/events/counter.add?subject=a", "[]"),
        ("/events/counter.add?subject=b", "{}"),
        ("/events/counter.add", "{}"),
        ("/events/counter.sub?subject=a", "{}"),
    ] {
        host.send(post(path, Some("k"), body)).problem(422, "event.key_reused");
        host.send(post(path, Some("k"), body).wait(5)).problem(422, "event.key_reused");
    }
    // Another source has keys of its own, and so have CloudEvents.
    let other = receipt(&host.send(post("/events/counter.add?source=/b", Some("k"), "[]")));
    assert_eq!(other["duplicate"], false);
    let cloudevent = host.accept(&event("counter.add").id("k").source("/http"));
    assert_eq!(cloudevent["duplicate"], false);
}

#[test]
fn of_many_with_one_key_at_once_one_is_new() {
    let host = host_with_counter();
    let send = || receipt(&host.send(post("/events/counter.add?subject=a", Some("k"), "{}")));
    let receipts: Vec<Value> = thread::scope(|scope| {
        let senders: Vec<_> = (0..16).map(|_| scope.spawn(send)).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    let new = receipts.iter().filter(|receipt| receipt["duplicate"] == false).count();
    assert_eq!(new, 1);
    assert!(receipts.iter().all(|receipt| receipt["seq"] == receipts[0]["seq"]));
    host.settled();
    assert_eq!(host.state("counter", Some("a"))["n"], 1);
}

#[test]
fn an_id_of_its_own_makes_it_a_cloudevent() {
    let host = Host::start();
    let with_id = |body| post("/events/t?source=/s", None, body).header("ce-id", "1");
    assert_eq!(receipt(&host.send(with_id("{}")))["id"], "1");
    let again = host.accept(&event("t").id("1").source("/s").data(json!({})));
    assert_eq!(again["duplicate"], true, "they share their ids");
    let key = |key: &str| with_id("{}").header("idempotency-key", key);
    assert_eq!(receipt(&host.send(key("1")))["duplicate"], true);
    host.send(key("2")).problem(400, "event.idempotency_key");
}

#[test]
fn a_cloudevents_key_is_its_id() {
    let host = Host::start();
    let structured = |key: &str| {
        Request::post("/events")
            .header("idempotency-key", key)
            .body("application/cloudevents+json", event("t").id("1").json().to_string())
    };
    host.send(structured("other")).problem(400, "event.idempotency_key");
    assert_eq!(receipt(&host.send(structured("\"1\"")))["id"], "1");
}

#[test]
fn wrong_posts_say_what_is_wrong() {
    let host = Host::start();
    let send = |request: Request, status: u16, code: &str| {
        host.send(request).problem(status, code);
    };
    let plain = || post("/events/t", None, "{}");
    send(plain().header("ce-type", "t"), 400, "event.malformed");
    send(plain().header("ce-specversion", "1.0"), 400, "event.malformed");
    send(post("/events/t?subject=a", None, "{}").header("ce-subject", "b"), 400, "event.malformed");
    send(plain().header("idempotency-key", "\"\""), 400, "event.idempotency_key");
    send(post("/events/t?sorce=a", None, "{}"), 400, "http.query");
    send(post("/events/triphammer.x", None, "{}"), 403, "event.reserved_type");
    send(post("/events/%ff", None, "{}"), 400, "http.name");
    send(post("/events/a/b", None, "{}"), 404, "http.not_found");
    send(Request::get("/events/t"), 405, "http.method");
    let structured = Request::post("/events/t").body("application/cloudevents+json", "{}");
    send(structured, 415, "event.unsupported_format");
}
