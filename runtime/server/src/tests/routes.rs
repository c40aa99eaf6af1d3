//! What each path answers when nothing is wrong with the request, or something is.

use super::*;

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

#[tokio::test]
async fn events_come_in_by_all_three_modes() {
    let host = Host::start("").await;
    let answer = host.send(&event("1")).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let receipt = &answer.json()["events"][0];
    assert_eq!((&receipt["id"], &receipt["source"]), (&"1".into(), &"/s".into()));
    assert_eq!(
        (&receipt["duplicate"], &receipt["functions"]),
        (&false.into(), &serde_json::json!([]))
    );

    let binary = ["ce-specversion: 1.0", "ce-id: 2", "ce-source: /s", "ce-type: t"];
    let answer = host.ask("POST /events", &binary, "payload").await;
    assert_eq!((answer.status, &answer.json()["events"][0]["id"]), (202, &"2".into()));

    let answer = host.post("/events", BATCH, &format!("[{},{}]", event("3"), event("4"))).await;
    let ids = answer.json()["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["id"].clone())
        .collect::<Vec<_>>();
    assert_eq!((answer.status, ids), (202, vec!["3".into(), "4".into()]));

    let answer = host.post("/events", BATCH, "[]").await;
    assert_eq!((answer.status, answer.body.as_str()), (202, r#"{"events":[]}"#));
    host.stop().await.unwrap();
}

#[tokio::test]
async fn an_event_is_answered_as_it_was_stored() {
    let host = Host::start("").await;
    let sent = event("1");
    let seq = host.send(&sent).await.json()["events"][0]["seq"].as_str().unwrap().to_owned();
    let line = format!("GET /api/v1/events/{seq}");
    let answer =
        host.ask(&line, &["accept: text/html, application/cloudevents+json;q=1"], "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, sent.as_str()));
    assert_eq!(answer.header("content-type"), Some(STRUCTURED));
    let story = host.ask(&line, &[], "").await.json();
    assert_eq!((&story["seq"], &story["entrance"]), (&seq.as_str().into(), &"ingress".into()));
    let listed = host.get("/api/v1/events?id=1&limit=5").await.json();
    assert_eq!(listed["events"][0]["seq"], seq);
    assert_eq!(listed["cursor"], serde_json::Value::Null);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_sender_can_wait_for_results() {
    let host = Host::start("").await;
    let headers = ["content-type: application/cloudevents+json", "prefer: wait=5"];
    let answer = host.ask("POST /events", &headers, &event("1")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("preference-applied"), Some("wait=5"));
    assert_eq!(answer.json()["events"][0]["results"], serde_json::json!([]));
    host.stop().await.unwrap();
}

#[tokio::test]
async fn what_can_only_be_looked_at() {
    let host = Host::start("").await;
    for (path, content_type, part) in [
        ("/healthz", "text/plain; charset=utf-8", "ok"),
        ("/readyz", "text/plain; charset=utf-8", "ready"),
        (
            "/metrics",
            "text/plain; version=0.0.4; charset=utf-8",
            "triphammer_events_accepted_total 0",
        ),
        ("/", "text/html; charset=utf-8", "<title>Triphammer</title>"),
        ("/api/v1/functions", "application/json", r#"{"functions":[],"cursor":null}"#),
        ("/api/v1/events", "application/json", r#"{"events":[],"cursor":null}"#),
        (
            "/api/v1/deliveries?status=dead",
            "application/json",
            r#"{"deliveries":[],"cursor":null}"#,
        ),
        ("/api/v1/stats", "application/json", r#""accepted":0"#),
    ] {
        let answer = host.get(path).await;
        assert_eq!(answer.status, 200, "{path} {}", answer.body);
        assert_eq!(answer.header("content-type"), Some(content_type), "{path}");
        assert!(answer.body.contains(part), "{path} {}", answer.body);
        let head = host.ask(&format!("HEAD {path}"), &[], "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        // Counters move between the two.
        if path != "/metrics" && path != "/api/v1/stats" {
            assert_eq!(head.header("content-length"), answer.header("content-length"), "{path}");
        }
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there() {
    let host = Host::start("").await;
    for path in [
        "/nothing",
        "/event",
        "/events/",
        "/api/v1",
        "/api/v1/function",
        "/api/v2/events",
        "//",
        "/hooks",
        "/hooks/",
        "/hooks/x/y",
        "/openapi.yaml",
        "/api/v1/functions/a/b/c",
    ] {
        host.get(path).await.is_problem(404, "http.not_found");
    }
    host.get("/hooks/x").await.is_problem(404, "hook.unknown");
    for (line, allow) in [
        ("GET /events", "post"),
        ("PUT /events", "post"),
        ("POST /", "get, head"),
        ("DELETE /healthz", "get, head"),
        ("POST /api/v1/functions", "get, head"),
        ("POST /api/v1/functions/a", "get, head, put, delete"),
        ("GET /api/v1/functions/a/activate", "post"),
        ("PATCH /api/v1/events", "get, head"),
        ("GET /api/v1/replay", "post"),
        ("POST /api/v1/replays", "get, head"),
        ("PUT /api/v1/replays/1", "get, head, delete"),
        ("POST /api/v1/stream", "get, head"),
        ("BREW /api/v1/deliveries/redrive", "post"),
    ] {
        let answer = host.ask(line, &[], "").await;
        answer.is_problem(405, "http.method");
        assert_eq!(answer.header("allow"), Some(allow), "{line}");
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn unknown_names_are_not_found() {
    let host = Host::start("").await;
    host.get("/api/v1/functions/nobody").await.is_problem(404, "function.not_found");
    host.get("/api/v1/functions/nobody/state").await.is_problem(404, "function.not_found");
    host.get("/api/v1/events/999999").await.is_problem(404, "event.not_found");
    for action in ["rollback", "pause", "resume"] {
        let answer = host.ask(&format!("POST /api/v1/functions/nobody/{action}"), &[], "").await;
        answer.is_problem(404, "function.not_found");
    }
    let answer = host.ask("DELETE /api/v1/functions/nobody", &[], "").await;
    answer.is_problem(404, "function.not_found");
    for (path, body) in [
        ("/api/v1/functions/nobody/activate", r#"{"revision":"r1"}"#),
        ("/api/v1/replay", r#"{"function":"nobody"}"#),
        ("/api/v1/functions/nobody/test", event("1").as_str()),
    ] {
        host.post(path, "application/json", body).await.is_problem(404, "function.not_found");
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn wrong_requests_of_the_admin_api_say_what_is_wrong() {
    let host = Host::start("").await;
    for (path, code) in [
        ("/events?x=1", "http.method"),
        ("/healthz?x=1", "http.query"),
        ("/api/v1/functions?x=1", "http.query"),
        ("/api/v1/functions?limit=0", "http.query"),
        ("/api/v1/functions?limit=1001", "http.query"),
        ("/api/v1/functions?cursor=UPPER", "query.cursor"),
        ("/api/v1/events?limit=0", "http.query"),
        ("/api/v1/events?limit=2000", "http.query"),
        ("/api/v1/events?type=a..b", "http.query"),
        ("/api/v1/events?after=now", "http.query"),
        ("/api/v1/events?typ=a", "http.query"),
        ("/api/v1/events?id=%ff", "http.query"),
        ("/api/v1/events/0", "http.name"),
        ("/api/v1/events/x", "http.name"),
        ("/api/v1/functions/UPPER", "http.name"),
        ("/api/v1/deliveries?status=gone", "delivery.status"),
        ("/api/v1/deliveries?function=UPPER", "http.query"),
        ("/api/v1/stream?type=a..b", "http.query"),
    ] {
        let status = if code == "http.method" { 405 } else { 400 };
        host.get(path).await.is_problem(status, code);
    }
    for (path, body, code) in [
        ("/events?x=1", "{}", "http.query"),
        ("/api/v1/functions/a/activate", "{", "http.body_malformed"),
        ("/api/v1/functions/a/activate", "{}", "http.body_malformed"),
        ("/api/v1/functions/a/activate", r#"{"revision":"3"}"#, "http.name"),
        ("/api/v1/functions/a/activate", r#"{"revision":"r1","x":1}"#, "http.body_malformed"),
        ("/api/v1/functions/a/activate", r#"{"revision":"r1","weight":0}"#, "deploy.weight"),
        ("/api/v1/functions/a/activate", r#"{"revision":"r1","failures":5}"#, "deploy.failures"),
        ("/api/v1/functions/a/activate?x=1", r#"{"revision":"r1"}"#, "http.query"),
        ("/api/v1/functions/a/test", "{}", "event.malformed"),
        ("/api/v1/deliveries/redrive", r#"{"ids":["x"]}"#, "http.name"),
        ("/api/v1/deliveries/redrive", "{}", "delivery.no_selection"),
        ("/api/v1/deliveries/drop", r#"{"ids":[],"status":"dead"}"#, "delivery.selection"),
        ("/api/v1/replay", r#"{"function":"a","after":"now"}"#, "http.body_malformed"),
        ("/api/v1/replay", r#"{"function":"A"}"#, "http.name"),
        ("/api/v1/test", "x", "http.header"),
    ] {
        let answer = host.post(path, "application/json", body).await;
        assert_eq!(answer.json()["code"], code, "{path} {body}");
        answer.is_problem(400, code);
    }
    let headers = ["triphammer-config: {\"k\":1}"];
    host.ask("PUT /api/v1/functions/a", &headers, "x").await.is_problem(400, "deploy.config");
    let answer = host.ask("PUT /api/v1/functions/a?activate=1", &[], "x").await;
    answer.is_problem(400, "http.query");
    host.stop().await.unwrap();
}
