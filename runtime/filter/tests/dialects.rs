//! Each dialect over events, and what a filter says when it fails.

#![expect(clippy::unwrap_used, reason = "a test that has not got what it needs ends there")]

use bytes::Bytes;
use serde_json::{Value, json};
use triphammer_filter::{Filter, RunError, View, evaluate};
use triphammer_model::{Event, EventParts, ExtensionValue};

fn event() -> Event {
    Event::new(&EventParts {
        id: "1".into(),
        source: "/shop/7".into(),
        ty: "order.created".into(),
        extensions: vec![
            ("tenant".into(), ExtensionValue::Text("acme".into())),
            ("level".into(), ExtensionValue::Integer(-3)),
            ("flag".into(), ExtensionValue::Boolean(true)),
        ],
        data: Some(Bytes::from_static(br#"{"total": 42}"#)),
        ..EventParts::default()
    })
    .unwrap()
}

/// The code of the error, if there is one.
#[track_caller]
fn check(filter: Value, passed: bool, code: Option<&str>) {
    let verdict = Filter::from_json(&filter).unwrap().matches(&event());
    let found = verdict.error.as_ref().map(RunError::code);
    assert_eq!((verdict.passed, found), (passed, code), "{filter}");
}

#[test]
fn every_pair_must_match() {
    check(json!({ "exact": { "type": "order.created", "tenant": "acme" } }), true, None);
    check(json!({ "exact": { "type": "order.created", "tenant": "Acme" } }), false, None);
    check(json!({ "exact": { "level": "-3", "flag": "true", "specversion": "1.0" } }), true, None);
    check(json!({ "exact": { "subject": "x" } }), false, None);
    check(json!({ "prefix": { "type": "order.", "source": "/shop" } }), true, None);
    check(json!({ "prefix": { "type": "order.", "source": "shop" } }), false, None);
    check(json!({ "prefix": { "level": "-" } }), true, None);
    check(json!({ "suffix": { "type": ".created" } }), true, None);
    check(json!({ "suffix": { "type": ".create" } }), false, None);
}

#[test]
fn filters_are_put_together() {
    let (yes, no) = (json!({ "exact": { "id": "1" } }), json!({ "exact": { "id": "2" } }));
    check(json!({ "all": [yes, yes] }), true, None);
    check(json!({ "all": [yes, no] }), false, None);
    check(json!({ "any": [no, yes] }), true, None);
    check(json!({ "any": [no, no] }), false, None);
    check(json!({ "not": no }), true, None);
    check(json!({ "not": { "exact": { "subject": "x" } } }), true, None);
    check(json!([yes, "level < 0", { "cel": "data.total == 42" }]), true, None);
    check(json!([yes, "level > 0"]), false, None);
    check(json!([]), true, None);
}

#[test]
fn a_part_that_fails_is_false_and_told() {
    let missing = Some("filter.missing_attribute");
    check(json!("subject = 'x'"), false, missing);
    check(json!({ "not": "subject = 'x'" }), true, missing);
    check(json!({ "any": ["subject = 'x'", "true"] }), true, missing);
    check(json!({ "any": ["true", "subject = 'x'"] }), true, None);
    check(json!(["false", "subject = 'x'"]), false, None);
    check(json!({ "cel": "subject == 'x'" }), false, missing);
    check(json!("tenant"), false, Some("filter.not_boolean"));
    check(json!({ "cel": "tenant" }), false, Some("filter.not_boolean"));
    check(json!("tenant > 1"), false, Some("filter.cast"));
    check(json!("1 / 0 = 1"), false, Some("filter.math"));
    check(json!("LEFT(tenant, -1) = 'a'"), false, Some("filter.function"));
    check(json!({ "cel": "data.other == 1" }), false, Some("filter.evaluation"));
    check(json!("flag"), true, None);
}

#[test]
fn the_payload_is_asked_for_by_cel_alone() {
    let text = EventParts { datacontenttype: Some("text/plain".into()), ..event().to_parts() };
    let event = Event::new(&text).unwrap();
    let view = View::new(&event);
    let code = |filter: Value| {
        let verdict = Filter::from_json(&filter).unwrap().matches_view(&view);
        verdict.error.map(|error| error.code())
    };
    assert_eq!(code(json!({ "cel": "data.total == 42" })), Some("filter.payload"));
    assert_eq!(code(json!({ "cel": "tenant == 'acme'" })), None);
    assert_eq!(code(json!("tenant = 'acme'")), None);
}

#[test]
fn an_evaluation_gives_any_value() {
    let give = |dialect: &str, expression: Value| {
        let given = evaluate(dialect, &expression, &event()).unwrap();
        (given.value, given.error.map(|error| error.code()))
    };
    assert_eq!(give("sql", json!("level * 2")), (json!(-6), None));
    assert_eq!(give("sql", json!("UPPER(tenant)")), (json!("ACME"), None));
    assert_eq!(give("sql", json!("missing * 5")), (json!(0), Some("filter.missing_attribute")));
    assert_eq!(give("sql", json!("LEFT('ab', -1)")), (json!("ab"), Some("filter.function")));
    assert_eq!(give("cel", json!("data.total + 1")), (json!(43), None));
    assert_eq!(give("cel", json!("subject")), (json!(null), Some("filter.missing_attribute")));
    assert_eq!(give("exact", json!({ "id": "1" })), (json!(true), None));
    assert_eq!(give("all", json!(["level < 0"])), (json!(true), None));
    assert_eq!(give("not", json!("level < 0")), (json!(false), None));
    let refused = |dialect: &str, expression: Value| {
        let error = evaluate(dialect, &expression, &event()).unwrap_err();
        (error.code(), error.path)
    };
    assert_eq!(refused("js", json!("1")), ("filter.unsupported", String::new()));
    assert_eq!(refused("sql", json!(1)), ("filter.syntax", String::new()));
    assert_eq!(refused("sql", json!("NOW()")), ("filter.unknown", String::new()));
    assert_eq!(refused("exact", json!({ "id": 1 })), ("filter.syntax", "id".into()));
    assert_eq!(refused("any", json!(["a", "b ="])), ("filter.syntax", "[1]".into()));
}
