//! The Subscriptions API, and what comes to the sinks: signed, tried again, kept over a crash, dead
//! where that has no purpose.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use crate::harness::{
    Feed, Host, Request, Response, Setup, Sink, committed, component, dead, event,
};

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

/// A host whose operator lets requests go to this sink.
fn setup(sink: &Sink) -> Setup {
    let scratch = tempfile::tempdir().unwrap();
    let target = sink.target();
    let settings = format!(
        "subscriptions_max = 2\n\
         [http_out]\nallow = [\"{target}\"]\nallow_private = [\"localhost\"]\n\
         [secrets.SIGN]\nvalue = \"whsec_{}\"\nhosts = [\"{target}\"]\nfunctions = [\"shop\"]\n\
         [secrets.KEY]\nvalue = \"s3cr3t\"\nhosts = [\"{target}\"]\nfunctions = [\"shop\"]\n",
        STANDARD.encode(KEY)
    );
    let file = scratch.keep().join("triphammer.toml");
    std::fs::write(&file, settings).unwrap();
    Setup::new().config(file)
}

/// To this sink, with these members of `config`.
fn proposal(sink: &Sink, config: Value) -> Value {
    let mut all = json!({"retry": {"attempts": 3, "initial": "5ms", "max": "5ms"}});
    for (name, value) in config.as_object().unwrap() {
        all[name] = value.clone();
    }
    json!({"types": ["order.*"], "config": all, "sink": sink.url(), "protocol": "HTTP"})
}

fn put(host: &Host, id: &str, proposal: &Value) -> Response {
    host.send(Request::new("PUT", format!("/subscriptions/{id}")).json(proposal))
}

#[track_caller]
fn subscribe(host: &Host, sink: &Sink, config: Value) {
    assert_eq!(put(host, "shop", &proposal(sink, config)).status, 201);
}

#[test]
fn an_event_is_delivered_signed_until_it_is_taken() {
    let sink = Sink::start(&["503 Busy\r\nretry-after: 0"]);
    let host = setup(&sink).start();
    let mut proposal = proposal(&sink, json!({"secrets": "SIGN"}));
    proposal["protocolsettings"] = json!({"headers": {"Authorization": "Bearer {{secret:KEY}}"}});
    assert_eq!(put(&host, "shop", &proposal).status, 201);

    let sent = event("order.paid").subject("7").data(json!({"total": 12.50}));
    let done = committed(&host.settle(&sent));
    assert_eq!((done.attempts, done.revision.as_str()), (2, "r1"));

    let taken = sink.taken(2);
    let text = |name: &str| taken[1].headers[name].clone();
    assert_eq!(taken[1].line, "POST /in");
    assert_eq!(text("content-type"), "application/cloudevents+json; charset=utf-8");
    assert_eq!(text("authorization"), "Bearer s3cr3t");
    let event: Value = serde_json::from_slice(&taken[1].body).unwrap();
    assert_eq!((&event["type"], &event["data"]), (&json!("order.paid"), &json!({"total": 12.50})));
    assert_eq!(event["id"], sent.get("id"));
    // The same for every attempt, so that a sink can tell that it has seen it.
    assert_eq!(taken[0].headers["webhook-id"], text("webhook-id"));
    assert_eq!(taken[0].headers["idempotency-key"], text("idempotency-key"));
    let (id, time) = (text("webhook-id"), text("webhook-timestamp"));
    let message = [id.as_bytes(), b".", time.as_bytes(), b".", &taken[1].body].concat();
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY), &message);
    assert_eq!(text("webhook-signature"), format!("v1,{}", STANDARD.encode(signature)));

    for shown in [host.get("/subscriptions/shop"), host.get("/api/v1/functions/shop")] {
        assert!(!shown.to_string().contains("s3cr3t"), "{shown}");
    }
    assert!(!host.log().contains("s3cr3t"));
}

#[test]
fn attributes_are_headers_where_that_is_asked_for() {
    let sink = Sink::start(&[]);
    let host = setup(&sink).start();
    subscribe(&host, &sink, json!({"mode": "binary"}));
    committed(&host.settle(&event("order.paid").subject("a ü").data(json!([1]))));
    let taken = &sink.taken(1)[0];
    assert_eq!(taken.headers["ce-subject"], "a%20%C3%BC");
    assert_eq!(taken.headers["content-type"], "application/json");
    assert_eq!(
        (taken.body.as_slice(), taken.headers["ce-type"].as_str()),
        (&b"[1]"[..], "order.paid")
    );
}

#[test]
fn what_a_sink_refuses_is_a_dead_letter_and_can_be_redriven() {
    let sink = Sink::start(&["410 Gone", "500 No", "500 No", "500 No"]);
    let host = setup(&sink).start();
    subscribe(&host, &sink, json!({}));
    let (code, message) = dead(&host.settle(&event("order.paid")));
    assert_eq!((code.as_str(), message.as_str()), ("sink.gone", "the sink answered 410 Gone"));
    assert_eq!(sink.taken(1).len(), 1, "it is not tried again");
    assert_eq!(dead(&host.settle(&event("order.paid"))).0, "sink.status");
    assert_eq!(sink.taken(4).len(), 4);
    let redriven = host.post("/api/v1/deliveries/redrive", json!({"function": "shop"}));
    assert_eq!(redriven["count"], 2, "{redriven}");
    host.settled();
    assert_eq!(host.counts("shop")["committed"], 2);
}

#[test]
fn what_waits_for_a_sink_outlives_the_host() {
    let sink = Sink::start(&["503 Busy\r\nretry-after: 86400"]);
    let host = setup(&sink).start();
    subscribe(&host, &sink, json!({}));
    let feed = Feed::open(host.address(), "");
    let seq = host.accept(&event("order.paid"))["seq"].clone();
    let waits = |host: &Host| {
        let open = host.get("/api/v1/deliveries?function=shop");
        open["deliveries"][0]["status"] == "waiting"
    };
    // The answer of the sink is on disk.
    feed.next("retried");
    let host = host.crash_and_restart();
    assert!(waits(&host), "it waits as long as the sink has said");
    let id = format!("{}/shop", seq.as_str().unwrap());
    host.post("/api/v1/deliveries/drop", json!({"ids": [id]}));
    committed(&host.settle(&event("order.paid")));
    assert_eq!(sink.taken(2).len(), 2);
}

#[test]
fn requests_go_only_where_the_operator_lets_them() {
    let (sink, other) = (Sink::start(&[]), Sink::start(&[]));
    let host = setup(&sink).start();
    let made = put(&host, "shop", &proposal(&other, json!({"retry": {"attempts": 1}})));
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(dead(&host.settle(&event("order.paid"))).0, "outbound.operator");
    // A secret goes to its own hosts, and is used for its own functions.
    put(&host, "shop", &proposal(&other, json!({"retry": {"attempts": 1}, "secrets": "SIGN"})));
    assert_eq!(dead(&host.settle(&event("order.paid"))).0, "sink.secret");
    let mine = proposal(&sink, json!({"retry": {"attempts": 1}, "secrets": "SIGN"}));
    assert_eq!(put(&host, "mine", &mine).status, 201);
    host.send(Request::new("DELETE", "/subscriptions/shop"));
    assert_eq!(dead(&host.settle(&event("order.paid"))).0, "sink.secret");
    assert!(sink.taken(0).is_empty() && other.taken(0).is_empty());
}

#[test]
fn subscriptions_are_made_shown_changed_and_removed() {
    let sink = Sink::start(&[]);
    let host = setup(&sink).start();
    let mut proposed = proposal(&sink, json!({"concurrency": 2}));
    proposed["source"] = json!("/shop");
    proposed["filters"] = json!([{"prefix": {"subject": "eu-"}}]);
    proposed["id"] = json!("ignored");
    let made = host.send(Request::post("/subscriptions").json(&proposed));
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/subscriptions/{id}");
    assert_eq!(made.header("location"), Some(path.as_str()));
    let shown = host.get(path.clone());
    assert_eq!(shown["config"]["concurrency"], 2);
    assert_eq!(shown["config"]["timeout"], "10s", "defaults are written out");
    for member in ["source", "types", "filters", "sink", "protocol"] {
        assert_eq!(shown[member], proposed[member], "{member}");
    }
    assert_eq!(host.get("/subscriptions"), json!([shown]));

    let eu = |subject: &str| event("order.paid").source("/shop").subject(subject);
    committed(&host.settle(&eu("eu-1")));
    assert_eq!(host.settle(&eu("us-1"))["results"], json!([]));

    proposed["id"] = json!(id);
    proposed["filters"] = json!([]);
    assert_eq!(put(&host, &id, &proposed).status, 200);
    committed(&host.settle(&eu("us-2")));
    assert_eq!(host.function(&id)["active"], "r2");

    let options = host.send(Request::new("OPTIONS", path.clone()));
    assert_eq!(options.header("allow"), Some("GET, HEAD, PUT, DELETE, OPTIONS"));
    let removed = host.send(Request::new("DELETE", path.clone())).expect(200);
    assert_eq!(removed["id"], id);
    host.send(Request::get(path)).problem(404, "subscription.not_found");
    assert_eq!(host.get("/subscriptions"), json!([]));
}

#[test]
fn what_is_wrong_with_a_subscription_is_named() {
    let sink = Sink::start(&[]);
    let host = setup(&sink).start();
    let refused = |change: Value, member: &str| {
        let mut proposed = proposal(&sink, json!({}));
        for (name, value) in change.as_object().unwrap() {
            proposed[name] = value.clone();
        }
        let answer = put(&host, "shop", &proposed);
        answer.problem(422, "subscription.invalid");
        assert_eq!(answer.expect(422)["member"], member);
    };
    refused(json!({"protocol": "KAFKA"}), "protocol");
    refused(json!({"sink": "ftp://a"}), "sink");
    refused(json!({"types": ["a..b"]}), "types");
    refused(json!({"config": {"retry": {"attempts": 0}}}), "config.retry.attempts");
    refused(
        json!({"protocolsettings": {"headers": {"host": "x"}}}),
        "protocolsettings.headers.host",
    );
    refused(json!({"sinkCredential": {"credentialType": "PLAIN"}}), "sinkCredential");
    refused(json!({"id": "other"}), "id");
    let mut filtered = proposal(&sink, json!({}));
    filtered["filters"] = json!([{"sql": "1 +"}]);
    put(&host, "shop", &filtered).problem(422, "filter.syntax");
    put(&host, "shop", &json!({"sink": "https://a"})).problem(400, "http.body_malformed");
    put(&host, "Not_A_Name", &filtered).problem(400, "http.name");

    // One name is for one of both, and there is an end to their number.
    host.deploy("count", "counter");
    put(&host, "count", &proposal(&sink, json!({}))).problem(409, "subscription.function");
    subscribe(&host, &sink, json!({}));
    let uploaded = host.upload("shop", component("counter"));
    uploaded.problem(409, "function.subscription");
    let tested = Request::post("/api/v1/functions/shop/test").json(&event("order.paid").json());
    host.send(tested).problem(409, "function.subscription");
    assert_eq!(put(&host, "second", &proposal(&sink, json!({}))).status, 201);
    put(&host, "third", &proposal(&sink, json!({}))).problem(409, "subscription.too_many");
    host.send(Request::new("PATCH", "/subscriptions/shop")).problem(405, "http.method");
}
