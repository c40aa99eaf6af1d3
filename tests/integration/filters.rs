//! Filters of subscriptions: which events reach a function, and what an expression comes to.

use serde_json::{Value, json};

use crate::harness::{Host, Request, component, event, upload};

fn refused(host: &Host, filter: &Value) -> Value {
    let manifest = json!({"on": ["counter.*"], "filter": filter}).to_string();
    let answer =
        host.send(upload("f", component("counter")).header("triphammer-manifest", manifest));
    answer.expect(422)
}

#[test]
fn a_filter_chooses_the_events_of_a_function() {
    let host = Host::start();
    let deploy = |name: &str, filter: Value| {
        let manifest = json!({"on": ["counter.*"], "filter": filter});
        host.deploy_with(name, "counter", json!({}), manifest);
    };
    deploy("sql", json!("subject LIKE 'order-%' AND region = 'eu'"));
    deploy("cel", json!({"cel": "data.amount > 100.0 && type == 'counter.add'"}));
    deploy("all", json!([{"prefix": {"subject": "order-"}}, {"not": {"exact": {"region": "us"}}}]));
    let send = |subject: &str, region: &str, amount: f64| {
        let sent = event("counter.add").subject(subject).with("region", region);
        let receipt = host.accept(&sent.data(json!({"amount": amount})));
        let functions = receipt["functions"].as_array().unwrap();
        functions.iter().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(send("order-1", "eu", 5.0), ["all", "sql"]);
    assert_eq!(send("order-1", "us", 500.0), ["cel"]);
    assert_eq!(send("user-1", "eu", 5.0), Vec::<String>::new());
    // The filter is part of what is deployed: it holds after a restart, and the next one replaces it.
    let host = host.crash_and_restart();
    assert_eq!(
        host.function("sql")["revisions"][0]["manifest"]["filter"],
        "subject LIKE 'order-%' AND region = 'eu'"
    );
    let manifest = json!({"on": ["counter.*"], "filter": "subject = 'user-1'"});
    host.deploy_with("sql", "counter", json!({}), manifest);
    let receipt = host.accept(&event("counter.add").subject("user-1").with("region", "us"));
    assert_eq!(receipt["functions"], json!(["sql"]));
}

#[test]
fn a_filter_that_fails_is_false_and_counted() {
    let host = Host::start();
    let manifest = json!({"on": ["counter.*"], "filter": "amount / 0 = 1"});
    host.deploy_with("f", "counter", json!({}), manifest);
    for _ in 0..3 {
        assert_eq!(host.accept(&event("counter.add").with("amount", 7))["functions"], json!([]));
    }
    let metrics = host.send(Request::get("/metrics")).text();
    assert!(metrics.contains("triphammer_filter_errors_total{function=\"f\"} 3\n"), "{metrics}");
}

#[test]
fn filters_are_checked_at_upload() {
    let host = Host::start();
    for (filter, code, path) in [
        (json!("subject ="), "filter.syntax", ""),
        (json!("subject"), "filter.not_boolean", ""),
        (json!("NOPE(1)"), "filter.unknown", ""),
        (json!({"regex": {}}), "filter.unsupported", "regex"),
        (json!([{"exact": {"type": "a"}}, {"exact": {}}]), "filter.syntax", "[1].exact"),
        (json!({"sql": "(".repeat(200)}), "filter.too_complex", "sql"),
    ] {
        let problem = refused(&host, &filter);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["path"], path, "{problem}");
    }
    assert_eq!(refused(&host, &json!(7))["code"], "manifest.invalid");
    assert_eq!(refused(&host, &json!("subject ="))["position"], 9);
}

#[test]
fn an_expression_can_be_tried() {
    let host = Host::start();
    let test = |dialect: &str, expression: Value, event: Value| {
        let body = json!({"dialect": dialect, "expression": expression, "event": event});
        host.send(Request::post("/api/v1/filters/test").json(&body))
    };
    let event = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "a", "n": 4,
        "data": {"n": 5}});
    let value = |dialect: &str, expression: Value| {
        let answer = test(dialect, expression, event.clone()).expect(200);
        (answer["value"].clone(), answer["error"]["code"].clone())
    };
    assert_eq!(value("sql", json!("n + 1")), (json!(5), Value::Null));
    assert_eq!(value("sql", json!("CONCAT(id, type)")), (json!("1a"), Value::Null));
    assert_eq!(value("sql", json!("missing = 1")).1, "filter.missing_attribute");
    assert_eq!(value("cel", json!("data.n + 1")), (json!(6), Value::Null));
    assert_eq!(value("exact", json!({"type": "a"})), (json!(true), Value::Null));
    assert_eq!(value("not", json!({"exact": {"type": "a"}})), (json!(false), Value::Null));
    test("sql", json!("1 +"), event.clone()).problem(422, "filter.syntax");
    test("xml", json!("1"), event).problem(422, "filter.unsupported");
    test("sql", json!("1"), json!({"id": "1"})).problem(400, "event.malformed");
    let body = json!({"dialect": "sql"});
    host.send(Request::post("/api/v1/filters/test").json(&body))
        .problem(400, "http.body_malformed");
}
