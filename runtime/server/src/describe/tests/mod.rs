//! Whether the descriptions are whole, and consistent with themselves and with the router.

pub(crate) mod contract;
mod reference;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use triphammer_access::Scope;
use triphammer_model::{Limits, Manifest};

use super::operation::Access;
use super::schemas::Schemas;
use super::{Subscriber, asyncapi, openapi, table};
use crate::endpoint::Endpoint;
use crate::paths::Target;
use contract::is_valid;

/// Of the OpenAPI Initiative: <https://spec.openapis.org/oas/3.1/schema/2022-10-07>.
const META_SCHEMA: &str = include_str!("../../../tests-data/openapi-3.1.schema.json");

/// Every operation, with its method and its path.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            all.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    all
}

/// Calls `visit` for every value, with where it is.
fn walk(value: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, value);
    match value {
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                walk(value, &format!("{path}/{index}"), visit);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                walk(value, &format!("{path}/{}", name.replace('/', "~1")), visit);
            }
        }
        _ => {}
    }
}

#[test]
fn the_document_is_openapi_3_1() {
    let schema: Value = serde_json::from_str(META_SCHEMA).unwrap();
    assert_eq!(contract::errors(&schema, &openapi()), None);
}

/// What a path of the description is as a path of a request.
fn example_path(path: &str) -> String {
    let segment = |text: &str| if text.starts_with('{') { "x".to_owned() } else { text.into() };
    path.split('/').map(segment).collect::<Vec<String>>().join("/")
}

#[test]
fn what_is_served_is_described_and_nothing_else() {
    let operations = table::operations(&mut Schemas::new());
    let described: BTreeSet<_> = operations.iter().map(|op| (op.method, op.path)).collect();
    let mut reached = BTreeSet::new();
    for (_, path) in &described {
        for method in ["get", "put", "post", "delete", "options", "patch"] {
            let target = Target::find(&method.to_uppercase().parse().unwrap(), &example_path(path));
            let Ok(Target { endpoint, .. }) = target else {
                assert!(!described.contains(&(method, path)), "{method} {path} is not served");
                continue;
            };
            // A hook is asked itself which methods it has.
            let known = described.contains(&(method, path)) || endpoint == Endpoint::Hook;
            assert!(known, "{method} {path} is not described");
            reached.insert(format!("{endpoint:?}"));
        }
    }
    let source =
        include_str!("../../endpoint.rs").split_once("pub(crate) enum Endpoint {").unwrap();
    let variants = source.1.split_once("\n}").unwrap().0.lines().map(str::trim);
    let variants = variants.filter_map(|line| line.strip_suffix(',')).map(str::to_owned);
    assert_eq!(reached, variants.collect(), "an endpoint has no path that is described");
}

#[test]
fn who_may_ask_is_described() {
    for operation in table::operations(&mut Schemas::new()) {
        let (method, path) = (operation.method.to_uppercase(), example_path(operation.path));
        let endpoint = Target::find(&method.parse().unwrap(), &path).unwrap().endpoint;
        let described = match operation.access {
            Access::Open | Access::Signed => None,
            Access::Scope(scope) => Some(scope),
        };
        assert_eq!(described, endpoint.scope().map(Scope::as_str), "{method} {path}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let patterns = ["order.*", "a/b.{c}", "triphammer.delivery.dead", "**"];
    let on = patterns.map(|text| text.parse().unwrap()).to_vec();
    let subscriber = Subscriber { function: "f".into(), on, filter: Some(json!("a = 1")) };
    for document in [openapi(), asyncapi("http://localhost:1/x", &[subscriber])] {
        walk(&document, "", &mut |path, value| {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap().replace("%7B", "{");
                let pointer = pointer.replace("%7D", "}").replace("%20", " ");
                assert!(document.pointer(&pointer).is_some(), "{path}: {reference}");
            }
        });
    }
}

#[test]
fn every_link_leads_to_an_operation() {
    let document = openapi();
    let operations = operations(&document);
    let by_id: BTreeMap<&str, &Value> =
        operations.iter().map(|(.., op)| (op["operationId"].as_str().unwrap(), op)).collect();
    assert_eq!(by_id.len(), operations.len(), "two operations have the same id");
    let mut links = 0;
    walk(&document["paths"], "", &mut |path, value| {
        let Some(target) = value.get("operationId").filter(|_| path.contains("/links/")) else {
            return;
        };
        links += 1;
        let target = by_id[target.as_str().unwrap()];
        for name in value["parameters"].as_object().unwrap().keys() {
            let named = |parameter: &Value| parameter["name"] == name.as_str();
            let known = target["parameters"].as_array().is_some_and(|all| all.iter().any(named));
            assert!(known, "{path}: {name}");
        }
        assert_eq!(value.get("requestBody").is_some(), target.get("requestBody").is_some());
    });
    assert!(links > 20, "{links}");
}

#[test]
fn every_parameter_of_a_path_is_described() {
    for (method, path, operation) in operations(&openapi()) {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let in_path: BTreeSet<_> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        let written = path.split('/').filter(|segment| segment.starts_with('{'));
        let written: BTreeSet<_> = written.map(str::to_owned).collect();
        assert_eq!(in_path, written, "{method} {path}");
    }
}

#[test]
fn every_example_is_one() {
    let document = openapi();
    let mut examples = 0;
    walk(&document, "", &mut |path, value| {
        if let (Some(schema), Some(example)) = (value.get("schema"), value.get("example")) {
            is_valid(schema, example, path);
            examples += 1;
        }
        let of_schema = value.get("examples").and_then(Value::as_array);
        for example in of_schema.filter(|_| !path.contains("/examples")).into_iter().flatten() {
            is_valid(value, example, path);
            examples += 1;
        }
    });
    assert!(examples > 30, "{examples}");
}

#[test]
fn manifests_are_described_as_they_are_read() {
    let schema = json!({ "$ref": "#/components/schemas/Manifest" });
    let whole = json!({
        "name": "f", "on": ["a.*", "b"], "filter": "x = 1", "key": "data./a/b",
        "retry": { "attempts": 3, "initial": "1.5s", "factor": 1.5, "max": "1h", "age": "1d" },
        "deadLetter": { "lane": "halt", "keep": "7d" }, "timeout": "2s", "memory": "16MiB",
        "concurrency": 4, "keyConcurrency": 1, "priority": 7,
        "rateLimit": { "limit": 5, "period": "1s" }, "throttle": { "limit": 5, "period": "1s" },
        "debounce": { "period": "1s", "max": "2s" }, "batch": { "max": 10, "wait": "1s" },
        "breaker": { "failures": 5, "probe": "1s" },
        "schedule": { "name": "s", "cron": "* * * * *", "zone": "UTC", "missed": "all" },
        "http": { "allow": ["a.example"], "requests": 3, "bytes": "1KiB", "timeout": "1s" },
    });
    let limits = Limits::default();
    let sink = json!({
        "url": "https://a.example/in", "method": "PUT", "mode": "binary",
        "headers": { "x": "y" }, "secrets": ["NEW", "OLD"],
    });
    for manifest in [whole, json!({ "on": "a", "sink": sink })] {
        is_valid(&schema, &manifest, "as it is written");
        let read = Manifest::from_json(&manifest.to_string(), &limits).unwrap();
        is_valid(&schema, &read.to_json(), "as it is answered");
    }
    let refused = Manifest::from_json(r#"{"on": "a", "nope": 1}"#, &limits).unwrap_err();
    let known: BTreeSet<&str> =
        refused.rule.split("known are ").nth(1).unwrap().split(", ").collect();
    let document = openapi();
    let described = document["components"]["schemas"]["Manifest"]["properties"].as_object();
    assert_eq!(known, described.unwrap().keys().map(String::as_str).collect());
}

#[test]
fn channels_are_what_functions_ask_for_and_what_the_host_tells() {
    let subscriber = |function: &str, on: &[&str]| Subscriber {
        function: function.into(),
        on: on.iter().map(|text| text.parse().unwrap()).collect(),
        filter: None,
    };
    let subscribers =
        [subscriber("a", &["order.*", "triphammer.delivery.dead"]), subscriber("b", &["order.*"])];
    let document = asyncapi("https://example.com/in", &subscribers);
    let server = &document["servers"]["host"];
    assert_eq!((&server["host"], &server["protocol"]), (&json!("example.com"), &json!("https")));
    assert_eq!(server["pathname"], "/in");
    let channels = document["channels"].as_object().unwrap();
    assert_eq!(channels.len(), 15, "{:?}", channels.keys());
    assert_eq!(channels["order.*"]["address"], "order.*");
    let operations = document["operations"].as_object().unwrap();
    for (name, action) in [
        ("a receives order.*", "receive"),
        ("b receives order.*", "receive"),
        ("a receives triphammer.delivery.dead", "receive"),
        ("send triphammer.delivery.dead", "send"),
        ("send triphammer.breaker.opened", "send"),
        ("send the feed", "send"),
    ] {
        assert_eq!(operations[name]["action"], action, "{name}");
        let channel = operations[name]["channel"]["$ref"].as_str().unwrap();
        let messages = operations[name]["messages"].as_array().unwrap();
        let own = |message: &Value| message["$ref"].as_str().unwrap().starts_with(channel);
        assert!(messages.iter().all(own), "{name}");
    }
}
