//! What a host says of itself is what it does: every operation is walked, and each answer is held
//! against `/openapi.json`, each of the host's own events against `/asyncapi.json`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boon::{Compiler, Draft, Schemas};
use serde_json::{Value, json};

use crate::harness::{Feed, Host, Request, Response, Setup, component, event, root};

/// A host, its description, and what of it was used.
struct Walk {
    host: Host,
    document: Value,
    walked: RefCell<BTreeSet<String>>,
}

/// What is wrong with a value by the schema at this place of a document.
fn errors(document: &Value, pointer: &str, value: &Value) -> Option<String> {
    const URL: &str = "https://localhost/document";
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.set_default_draft(Draft::V2020_12);
    compiler.enable_format_assertions();
    compiler.add_resource(URL, document.clone()).unwrap();
    let place = format!("{URL}#{pointer}");
    let index = compiler.compile(&place, &mut schemas).unwrap_or_else(|e| panic!("{e:#}"));
    schemas.validate(value, index).err().map(|error| format!("{error:#}"))
}

/// A name as a part of a JSON pointer in a URI.
fn escaped(name: &str) -> String {
    let name = name.replace('~', "~0").replace('/', "~1");
    name.replace('{', "%7B").replace('}', "%7D").replace(' ', "%20")
}

impl Walk {
    fn start() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("triphammer.toml");
        let hook =
            "[hooks.keyed]\nprovider = \"api-key\"\nsecrets = [\"env:TRIPHAMMER_TEST_KEY\"]\n";
        fs::write(&file, hook).unwrap();
        let host = Setup::new().config(file).set("TEST_KEY", "a secret").start();
        let document = host.get("/openapi.json");
        Self { host, document, walked: RefCell::new(BTreeSet::new()) }
    }

    /// Sends a request to an operation. The answer must have this status and be as described.
    #[track_caller]
    fn ask(
        &self,
        (id, status): (&str, u16),
        target: &str,
        fill: impl FnOnce(Request) -> Request,
    ) -> Response {
        let (method, path) = self.find(id);
        let response = self.host.send(fill(Request::new(&method.to_uppercase(), target)));
        assert_eq!(response.status, status, "{id} {target}: {}", response.text());
        self.check(&format!("/paths/{}/{method}", escaped(&path)), &response);
        self.walked.borrow_mut().insert(id.to_owned());
        response
    }

    #[track_caller]
    fn get(&self, id: &str, target: &str) -> Value {
        self.ask((id, 200), target, |request| request).expect(200)
    }

    #[track_caller]
    fn post(&self, (id, status): (&str, u16), target: &str, body: &Value) -> Value {
        self.ask((id, status), target, |request| request.json(body)).expect(status)
    }

    fn operations(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.document["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(|(method, operation)| {
                (operation["operationId"].as_str().unwrap(), method.as_str(), path.as_str())
            })
        })
    }

    #[track_caller]
    fn find(&self, id: &str) -> (String, String) {
        let found = self.operations().find(|(known, ..)| *known == id);
        let (_, method, path) = found.unwrap_or_else(|| panic!("{id} is not described"));
        (method.to_owned(), path.to_owned())
    }

    #[track_caller]
    fn check(&self, operation: &str, response: &Response) {
        let decoded = operation.replace("%7B", "{").replace("%7D", "}");
        let responses = &self.document.pointer(&decoded).unwrap()["responses"];
        let status = response.status.to_string();
        let described = responses.get(&status);
        let described = described.unwrap_or_else(|| panic!("{operation}: {status}"));
        let Some(media) = response.header("content-type") else {
            assert!(response.body.is_empty() && described.get("content").is_none(), "{operation}");
            return;
        };
        let described = described["content"].as_object().unwrap();
        assert!(described.contains_key(media), "{operation}: {status} {media}");
        if !media.ends_with("json") {
            return;
        }
        let value = serde_json::from_slice(&response.body).unwrap();
        let place = format!("{operation}/responses/{status}/content/{}/schema", escaped(media));
        if let Some(errors) = errors(&self.document, &place, &value) {
            panic!("{place}: {errors}\n{value:#}");
        }
    }
}

#[test]
fn every_operation_answers_as_it_is_described() {
    let walk = Walk::start();
    functions(&walk);
    ingress(&walk);
    past(&walk);
    dead_letters(&walk);
    replays(&walk);
    the_host_itself(&walk);
    subscriptions(&walk);
    removal(&walk);
    let all: BTreeSet<String> = walk.operations().map(|(id, ..)| id.to_owned()).collect();
    assert_eq!(*walk.walked.borrow(), all, "not walked, or not described");
}

fn wasm(guest: &str) -> impl FnOnce(Request) -> Request {
    let body = component(guest);
    move |request| request.body("application/wasm", body)
}

fn functions(walk: &Walk) {
    let path = "/api/v1/functions/counter";
    walk.ask(("deployFunction", 201), path, wasm("counter"));
    walk.ask(("deployFunction", 200), path, wasm("counter"));
    let manifest = json!({
        "on": ["counter.*"], "key": "subject", "breaker": { "failures": 3 },
        "schedule": { "cron": "0 0 1 1 *" }, "filter": "type <> 'x'",
    });
    let canary = format!("{path}?weight=10&failures=20");
    walk.ask(("deployFunction", 201), &canary, |request| {
        let request = request.header("triphammer-manifest", manifest.to_string());
        wasm("counter")(request.header("triphammer-config", r#"{"a":"b"}"#))
    });
    walk.ask(("deployFunction", 422), path, |r| r.body("application/wasm", b"nothing".to_vec()));
    walk.ask(("deployFunction", 400), &format!("{path}?weight=0"), wasm("counter"));
    walk.ask(("deployFunction", 201), "/api/v1/functions/script", wasm("script"));
    walk.get("listFunctions", "/api/v1/functions?prefix=c&contains=o&limit=1");
    walk.get("getFunction", path);
    walk.ask(("getFunction", 404), "/api/v1/functions/nobody", |request| request);
    walk.ask(("getFunction", 400), "/api/v1/functions/No", |request| request);
    walk.ask(("rollBack", 200), &format!("{path}/rollback"), |request| request);
    walk.get("getFunction", path);
    let body = json!({ "revision": "r2" });
    walk.post(("activateRevision", 200), &format!("{path}/activate"), &body);
    let body = json!({ "revision": "r9" });
    walk.post(("activateRevision", 404), &format!("{path}/activate"), &body);
    walk.ask(("pauseFunction", 200), &format!("{path}/pause"), |request| request);
    walk.ask(("resumeFunction", 200), &format!("{path}/resume"), |request| request);
    let sent = event("counter.add").subject("a");
    let structured = |r: Request| r.body("application/cloudevents+json", sent.json().to_string());
    walk.ask(("testFunction", 200), &format!("{path}/test"), structured);
    walk.ask(("testComponent", 200), "/api/v1/test", |request| {
        let base64 = STANDARD.encode(sent.json().to_string());
        wasm("counter")(request.header("triphammer-event", base64))
    });
    walk.ask(("testComponent", 400), "/api/v1/test", wasm("counter"));
}

fn ingress(walk: &Walk) {
    let feed = Feed::open(walk.host.address(), "");
    let structured = |body: Value| {
        move |request: Request| request.body("application/cloudevents+json", body.to_string())
    };
    let sent = event("counter.add").id("1").subject("a").json();
    walk.ask(("sendEvents", 202), "/events", structured(sent.clone()));
    walk.ask(("sendEvents", 202), "/events", structured(sent));
    walk.ask(("sendEvents", 200), "/events", |request| {
        structured(event("counter.add").subject("a").json())(request)
            .header("prefer", "wait=60; depth=2")
    });
    walk.ask(("sendEvents", 400), "/events", structured(json!({})));
    walk.ask(("sendEvents", 403), "/events", structured(event("triphammer.x").json()));
    walk.ask(("sendEvents", 415), "/events", |request| request.json(&json!({})));
    walk.post(("postEvent", 202), "/events/counter.add?subject=a", &json!({ "by": 1 }));
    walk.ask(("postEvent", 422), "/events/counter.add?subject=b", |request| {
        let first = Request::post("/events/counter.add").header("idempotency-key", "k");
        walk.host.send(first.json(&json!({ "by": 1 })));
        request.header("idempotency-key", "k").json(&json!({ "by": 2 }))
    });
    walk.ask(("receiveWebhook", 401), "/hooks/keyed", |request| request.json(&json!({})));
    walk.ask(("receiveWebhook", 404), "/hooks/nobody", |request| request.json(&json!({})));
    for (id, path) in
        [("askToSend", "/events"), ("askToPost", "/events/a"), ("askForHook", "/hooks/keyed")]
    {
        walk.ask((id, 200), path, |request| request);
        walk.ask((id, 403), path, |r| r.header("webhook-request-origin", "example.com"));
    }
    walk.get("listHooks", "/api/v1/hooks");
    for kind in ["accepted", "attempted", "committed"] {
        let item = feed.next(kind);
        let wrong = errors(&walk.document, "/components/schemas/FeedItem", &item);
        assert_eq!(wrong, None, "{item}");
    }
    walk.walked.borrow_mut().insert("openStream".to_owned());
    walk.ask(("openStream", 400), "/api/v1/stream?type=a..b", |request| request);
    walk.get("getState", "/api/v1/functions/counter/state?limit=5");
    let entry = &walk.host.get("/api/v1/functions/counter/state?limit=1")["entries"][0];
    let text = |name: &str| entry[name].as_str().unwrap();
    let of = format!("key={}&name={}", text("key"), text("name"));
    let history = "/api/v1/functions/counter/state/history";
    let wrote = walk.get("getStateHistory", &format!("{history}?{of}"));
    assert_eq!(wrote["writes"][0]["value"], entry["value"], "{wrote}");
    walk.ask(("getStateHistory", 400), history, |request| request);
}

fn past(walk: &Walk) {
    let listed = walk.get("listEvents", "/api/v1/events?type=counter.*&limit=2");
    let cursor = listed["cursor"].as_str().unwrap();
    walk.get("listEvents", &format!("/api/v1/events?type=counter.*&limit=2&cursor={cursor}"));
    walk.ask(("listEvents", 400), "/api/v1/events?cursor=x", |request| request);
    let path = format!("/api/v1/events/{}", listed["events"][0]["seq"].as_str().unwrap());
    walk.get("getEvent", &path);
    walk.ask(("getEvent", 200), &path, |r| r.header("accept", "application/cloudevents+json"));
    walk.ask(("getEvent", 404), "/api/v1/events/999999", |request| request);
    walk.get("getEventTree", &format!("{path}/tree"));
    walk.ask(("getEventTree", 404), "/api/v1/events/999999/tree", |request| request);
    walk.get("listEvents", "/api/v1/events?type=counter.*&outcome=committed");
    walk.ask(("listEvents", 400), "/api/v1/events?outcome=x", |request| request);
    let body = json!({ "function": "counter" });
    walk.post(("replayEvent", 200), &format!("{path}/replay"), &body);
    walk.post(("replayEvent", 404), "/api/v1/events/999999/replay", &body);
}

fn dead_letters(walk: &Walk) {
    let rejected = event("script.run").data(json!({ "steps": [], "reject": true }));
    walk.host.settle(&rejected);
    walk.host.settle(&rejected.id("another"));
    let listed = walk.get("listDeliveries", "/api/v1/deliveries?status=dead&function=script");
    let ids: Vec<&Value> =
        listed["deliveries"].as_array().unwrap().iter().map(|letter| &letter["id"]).collect();
    walk.ask(("listDeliveries", 400), "/api/v1/deliveries?status=committed", |request| request);
    let causes = walk.get("listCauses", "/api/v1/deliveries/causes");
    assert!(causes["causes"][0]["count"].as_u64() >= Some(1), "{causes}");
    let path = "/api/v1/deliveries/drop";
    walk.post(("dropDeliveries", 200), path, &json!({ "ids": [ids[0]] }));
    walk.post(("dropDeliveries", 400), path, &json!({}));
    walk.host.send(Request::post("/api/v1/functions/script/pause"));
    walk.post(
        ("redriveDeliveries", 200),
        "/api/v1/deliveries/redrive",
        &json!({ "ids": [ids[1]] }),
    );
    let waiting = walk.get("listDeliveries", "/api/v1/deliveries?function=script");
    assert_eq!(waiting["deliveries"][0]["waitingFor"]["kind"], "paused", "{waiting}");
    let seq = waiting["deliveries"][0]["seq"].as_str().unwrap();
    walk.get("getEvent", &format!("/api/v1/events/{seq}"));
    let notice = walk.host.events("triphammer.delivery.dead").remove(0);
    let channels = walk.get("getAsyncApi", "/asyncapi.json");
    let message = &channels["channels"]["triphammer.delivery.dead"]["messages"]["event"]["$ref"];
    let place = format!("{}/payload", message.as_str().unwrap().trim_start_matches('#'));
    assert_eq!(errors(&channels, &place, &notice), None, "{notice}");
}

fn replays(walk: &Walk) {
    let body = json!({ "function": "counter", "type": "counter.*", "rate": 1 });
    let replay = walk.post(("startReplay", 202), "/api/v1/replay", &body)["replay"].clone();
    walk.post(("startReplay", 400), "/api/v1/replay", &json!({ "rate": 0 }));
    walk.get("listReplays", "/api/v1/replays");
    let path = format!("/api/v1/replays/{}", replay["id"].as_str().unwrap());
    walk.get("getReplay", &path);
    walk.get("cancelReplay", &path);
    walk.ask(("getReplay", 404), "/api/v1/replays/99", |request| request);
    walk.ask(("cancelReplay", 400), "/api/v1/replays/x", |request| request);
}

fn the_host_itself(walk: &Walk) {
    for (id, path) in [
        ("getPage", "/"),
        ("getAsset", "/ui/style.css"),
        ("getAsset", "/ui/icon.svg"),
        ("getHealth", "/healthz"),
        ("getReadiness", "/readyz"),
        ("getMetrics", "/metrics"),
    ] {
        walk.ask((id, 200), path, |request| request);
        walk.ask((id, 400), &format!("{path}?x=1"), |request| request);
    }
    walk.ask(("getAsset", 404), "/ui/page.html", |request| request);
    walk.get("getOpenApi", "/openapi.json");
    walk.get("getStats", "/api/v1/stats");
    walk.get("getOverview", "/api/v1/stats/overview");
    walk.get("getHistory", "/api/v1/stats/history?function=counter");
    walk.ask(("getHistory", 400), "/api/v1/stats/history?from=now", |request| request);
    // What it sends is what `getOverview` answers; `insight` reads it.
    walk.ask(("openOverview", 400), "/api/v1/stats/stream?x=1", |request| request);
    walk.get("getSettings", "/api/v1/settings");
    walk.host.send(Request::post("/api/v1/functions/counter/pause"));
    walk.host.accept(&event("counter.add").subject("lane"));
    let lanes = walk.get("listLanes", "/api/v1/lanes?function=counter&limit=5");
    assert_eq!(lanes["lanes"][0]["key"], "lane", "{lanes}");
    walk.host.send(Request::post("/api/v1/functions/counter/resume"));
    walk.get("listChanges", "/api/v1/audit?limit=3");
    walk.ask(("listChanges", 400), "/api/v1/audit?cursor=x", |request| request);
    let sent = event("a").json();
    let body = json!({ "dialect": "sql", "expression": "id / 0 = 1", "event": sent });
    walk.post(("testFilter", 200), "/api/v1/filters/test", &body);
    let body = json!({ "dialect": "sql", "expression": "id =", "event": sent });
    walk.post(("testFilter", 422), "/api/v1/filters/test", &body);
    walk.ask(("getStats", 403), "/api/v1/stats", |request| request.header("origin", "null"));
}

fn subscriptions(walk: &Walk) {
    let path = "/subscriptions/shop";
    let body = json!({
        "sink": "https://a.example/in", "protocol": "HTTP", "types": ["order.*"],
        "source": "/s", "filters": [{ "sql": "a = 1" }], "config": { "mode": "binary" },
    });
    walk.post(("setSubscription", 201), path, &body);
    walk.post(("setSubscription", 200), path, &body);
    walk.post(("setSubscription", 422), path, &json!({ "sink": "x", "protocol": "HTTP" }));
    let made = walk.post(("createSubscription", 201), "/subscriptions", &body);
    walk.get("listSubscriptions", "/subscriptions");
    walk.get("getSubscription", path);
    walk.ask(("askSubscriptions", 204), "/subscriptions", |request| request);
    walk.ask(("askSubscription", 204), path, |request| request);
    let made = format!("/subscriptions/{}", made["id"].as_str().unwrap());
    walk.get("removeSubscription", &made);
    walk.ask(("getSubscription", 404), &made, |request| request);
    walk.ask(("deployFunction", 409), "/api/v1/functions/shop", wasm("counter"));
    walk.get("getFunction", "/api/v1/functions/shop");
}

fn removal(walk: &Walk) {
    walk.ask(("removeFunction", 409), "/api/v1/functions/script", |request| request);
    walk.ask(("removeFunction", 200), "/api/v1/functions/script?discard=true", |request| request);
}

/// Of the OpenAPI Initiative.
const META_SCHEMA: &str = "runtime/server/tests-data/openapi-3.1.schema.json";

#[test]
fn the_description_is_openapi_3_1() {
    let schema = fs::read_to_string(root().join(META_SCHEMA)).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(errors(&schema, "", &Host::start().get("/openapi.json")), None);
}

#[test]
fn event_types_are_those_of_the_functions_as_they_are_now() {
    let host = Host::start();
    let channels = |host: &Host| {
        let document = host.get("/asyncapi.json");
        assert_eq!(document["asyncapi"], "3.0.0");
        let names = document["channels"].as_object().unwrap().keys().cloned();
        let names: BTreeSet<String> =
            names.filter(|name| !name.starts_with("triphammer.")).collect();
        for operation in document["operations"].as_object().unwrap().values() {
            assert!(["receive", "send"].contains(&operation["action"].as_str().unwrap()));
            for place in [&operation["channel"]["$ref"], &operation["messages"][0]["$ref"]] {
                let pointer = place.as_str().unwrap().trim_start_matches('#');
                assert!(document.pointer(pointer).is_some(), "{pointer}");
            }
        }
        names
    };
    let feed = "/api/v1/stream".to_owned();
    assert_eq!(channels(&host), [feed.clone()].into());
    host.deploy_with("f", "counter", json!({}), json!({ "on": ["counter.*", "x"] }));
    assert_eq!(channels(&host), [feed.clone(), "counter.*".to_owned(), "x".to_owned()].into());
    host.deploy_with("f", "counter", json!({}), json!({ "on": ["**.y"] }));
    assert_eq!(channels(&host), [feed, "**.y".to_owned()].into());
}

#[test]
fn every_event_that_the_host_makes_has_a_channel() {
    let document = Host::start().get("/asyncapi.json");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root().join("runtime/pipeline/src")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        for (at, _) in text.match_indices("\"triphammer.") {
            let ty = text[at + 1..].split('"').next().unwrap_or_default();
            found.extend(Some(ty.to_owned()).filter(|ty| !ty.ends_with('.')));
        }
    }
    assert!(found.len() > 4, "the types are no longer found: {found:?}");
    for ty in found {
        assert!(document["channels"].get(&ty).is_some(), "{ty} is not described");
    }
}
