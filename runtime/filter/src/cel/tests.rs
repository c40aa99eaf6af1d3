//! What CEL makes of events, and what it is not let do.

use bytes::Bytes;
use triphammer_model::{Event, EventParts, ExtensionValue};

use super::*;

fn event(data: Option<String>) -> Event {
    Event::new(&EventParts {
        id: "1".into(),
        source: "/s".into(),
        ty: "order.created".into(),
        extensions: vec![
            ("tenant".into(), ExtensionValue::Text("acme".into())),
            ("level".into(), ExtensionValue::Integer(3)),
            ("flag".into(), ExtensionValue::Boolean(true)),
        ],
        data: data.map(Bytes::from),
        ..EventParts::default()
    })
    .unwrap()
}

const DATA: &str = r#"{"total": 42, "big": 18446744073709551615, "rate": 1.5, "name": "Zoë", "none": null,
    "items": [{"price": 5, "tags": ["a"]}, {"price": 50, "tags": ["b", "c"]}]}"#;

#[track_caller]
fn test(text: &str) -> Result<Option<bool>, CelError> {
    let event = event(Some(DATA.into()));
    Expression::compile(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .test(&View::new(&event))
}

#[track_caller]
fn holds(text: &str) {
    assert_eq!(test(text), Ok(Some(true)), "{text}");
}

#[test]
fn attributes_and_payload_are_variables() {
    holds("type == 'order.created' && source.startsWith('/') && id.size() == 1");
    holds("tenant == 'acme' && level + 1 == 4 && flag && specversion == '1.0'");
    holds("event.tenant == 'acme' && has(event.level) && !has(event.subject)");
    holds("'tenant' in event && event['level'] > 2");
    holds("data.total == 42 && data.total / 2 == 21 && data.rate > 1.0 && data.none == null");
    holds("data.big == 18446744073709551615u && data.name.size() == 3");
    holds("has(data.items) && !has(data.other) && data.items[1].price == 50");
    holds("type(data.total) == int && string(level) == '3'");
    holds("data.total > 40 ? tenant in ['acme', 'x'] : false");
}

#[test]
fn loops_go_through_the_payload() {
    holds("data.items.exists(item, item.price > 10)");
    holds("!data.items.all(item, item.price > 10)");
    holds("data.items.exists_one(item, item.price > 10)");
    holds("data.items.filter(item, item.price > 10).size() == 1");
    holds("data.items.exists(item, item.tags.exists(tag, tag == 'c' && item.price == 50))");
    holds("['a', 'acme'].exists(name, name == tenant)");
    holds("data.items.filter(item, item.price > 1).filter(item, item.price < 9).size() == 1");
    holds("data.exists(name, name == 'total')");
}

#[test]
fn what_is_absent_is_an_error_and_what_is_no_boolean_is_told() {
    assert_eq!(test("subject == 'x'"), Err(CelError::MissingAttribute("subject".into())));
    assert_eq!(test("subject == 'x' || true"), Ok(Some(true)));
    assert_eq!(test("level"), Ok(None));
    assert!(matches!(test("data.other == 1"), Err(CelError::Evaluation(_))));
    assert!(matches!(test("1 / 0 == 1"), Err(CelError::Evaluation(_))));
    assert!(matches!(test("tenant < 1"), Err(CelError::Evaluation(_))));
    let (none, text) = (event(None), event(Some("{".into())));
    let expression = Expression::compile("data == null").unwrap();
    assert_eq!(expression.test(&View::new(&none)), Ok(Some(true)));
    let invalid = CelError::Payload(PayloadError::Invalid);
    assert_eq!(expression.test(&View::new(&text)), Err(invalid));
}

#[test]
fn values_are_json() {
    let event = event(Some(DATA.into()));
    let view = View::new(&event);
    let evaluate = |text: &str| Expression::compile(text).unwrap().evaluate(&view).unwrap();
    assert_eq!(evaluate("data"), serde_json::from_str::<serde_json::Value>(DATA).unwrap());
    assert_eq!(evaluate("[level, type(1), {'a': 1.5}]"), serde_json::json!([3, "int", {"a": 1.5}]));
}

#[track_caller]
fn refused(text: &str, expect: &str) {
    let error = Expression::compile(text).err();
    let found = match &error {
        None => "nothing",
        Some(CompileError::Syntax { .. }) => "syntax",
        Some(CompileError::Unknown { .. }) => "unknown",
        Some(CompileError::Unsupported(_)) => "unsupported",
        Some(CompileError::TooComplex(_)) => "complex",
    };
    assert_eq!(found, expect, "{} {error:?}", text.chars().take(80).collect::<String>());
}

#[test]
fn what_is_no_expression_or_names_what_is_not_there_is_refused() {
    for text in
        ["", "1 +", "(", "a b", "'a", "a.?b", "a[?0]", "x.all(1, true)", "has(a)", "@result"]
    {
        refused(text, "syntax");
    }
    for text in [
        "now()",
        "tenant.matches('a')",
        "Tenant == 'a'",
        "data_base64",
        "timestamp(time)",
        "optional.of(1)",
        "a.map(b)",
        ".type == 'a'",
        "[1].all(data_x, true)",
        "[1].all(data, true)",
    ] {
        refused(text, "unknown");
    }
    for text in [
        "data.items.map(x, x)",
        "data.items.map(x, x > 1, data)",
        "Foo{a: 1}",
        "[data].all(x, true)",
        "data.items.exists(x, [x] == [1])",
        "data.items.exists(x, {'a': data} == x)",
        "[1].exists(x, [2].exists(y, [x].size() == 1))",
    ] {
        refused(text, "unsupported");
    }
    let position = match Expression::compile("level >\n  ==").unwrap_err() {
        CompileError::Syntax { position, .. } => position,
        other => panic!("{other}"),
    };
    assert_eq!(position, Some(10));
}

#[test]
fn what_is_too_long_or_too_deep_is_refused() {
    let nest = |open: &str, close: &str, n: usize| open.repeat(n) + "1" + &close.repeat(n);
    refused(&" ".repeat(EXPRESSION_LEN_MAX + 1), "complex");
    refused(&nest("[", "]", 60), "complex");
    refused(&nest("{1:", "}", 60), "complex");
    refused(&nest("size(", ")", 60), "complex");
    refused(&("!-".repeat(300) + "level"), "complex");
    refused(&("level < ".repeat(200) + "1"), "complex");
    refused(&("level".to_owned() + &".a".repeat(200)), "complex");
    refused(&("level".to_owned() + &"[0]".repeat(200)), "complex");
    refused(&("level".to_owned() + &".size()".repeat(200)), "complex");
    refused(&("level == 1 || ".repeat(250) + "true"), "complex");
    refused(&("tenant + ".repeat(9) + "'a' == type"), "complex");
    refused("[1].all(a, [1].all(b, [1].all(c, true)))", "complex");
    refused(&("[1].all(a, true) && ".repeat(9) + "true"), "complex");
    refused(&("level == 1 || ".repeat(60) + "true"), "nothing");
}

#[test]
fn loops_end_when_they_have_cost_enough() {
    let numbers = vec!["0"; 20_000].join(",");
    let event = event(Some(format!("[{numbers}]")));
    let view = View::new(&event);
    let run = |text: &str| Expression::compile(text).unwrap().test(&view);
    assert_eq!(run("data.exists(a, a == 1)"), Ok(Some(false)));
    assert_eq!(run("data.filter(a, a == 0).size() == 20000"), Ok(Some(true)));
    for text in [
        "data.exists(a, data.exists(b, a + b == 1))",
        "data.exists(a, data.exists(b, a + b == 1)) || true",
        "data.all(a, data.all(b, 1 / a == 1) || true)",
        "data.exists(a, data == [1])",
        "data.exists_one(a, data.exists_one(b, a == b))",
        "data.filter(a, data.filter(b, b == a) == [1]) == [1]",
    ] {
        assert_eq!(run(text), Err(CelError::Steps), "{text}");
    }
}

#[test]
fn a_deep_payload_is_no_harm() {
    let event = event(Some("[".repeat(120) + &"]".repeat(120)));
    let view = View::new(&event);
    assert_eq!(Expression::compile("data == data").unwrap().test(&view), Ok(Some(true)));
    assert!(Expression::compile("data").unwrap().evaluate(&view).is_ok());
}

#[test]
fn an_error_is_written_only_as_far_as_it_is_kept() {
    use std::cell::Cell;

    struct Endless(Cell<usize>);

    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                self.0.set(self.0.get() + 1);
                f.write_str("é é")?;
            }
        }
    }

    let endless = Endless(Cell::new(0));
    let text = Short::of(&endless);
    assert_eq!(text.chars().count(), MESSAGE_CHARS_MAX);
    assert!(text.starts_with("é éé é") && endless.0.get() < 100);
    assert_eq!(Short::of(&"one\ntwo"), "one");
}
