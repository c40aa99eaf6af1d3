//! The conformance cases of CloudEvents SQL, and what they leave open. Where the cases come from
//! is said in the README beside them.

#![expect(clippy::unwrap_used, reason = "a test that has not got what it needs ends there")]

use serde_json::Value;
use triphammer_filter::View;
use triphammer_filter::sql::{ErrorKind, Expression};
use triphammer_model::{Event, EventParts, ExtensionValue};

fn event(attributes: &Value) -> Event {
    let mut parts = EventParts {
        id: "id".into(),
        source: "/source".into(),
        ty: "type".into(),
        ..EventParts::default()
    };
    for (name, value) in attributes.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default().to_owned();
        match (name.as_str(), value) {
            ("id", _) => parts.id = text,
            ("source", _) => parts.source = text,
            ("type", _) => parts.ty = text,
            ("subject", _) => parts.subject = Some(text),
            ("time", _) => parts.time = Some(text),
            (_, Value::Bool(value)) => {
                parts.extensions.push((name.clone(), ExtensionValue::Boolean(*value)));
            }
            (_, Value::Number(number)) => {
                let number = number.as_i64().unwrap().try_into().unwrap();
                parts.extensions.push((name.clone(), ExtensionValue::Integer(number)));
            }
            _ => parts.extensions.push((name.clone(), ExtensionValue::Text(text))),
        }
    }
    Event::new(&parts).unwrap()
}

/// How many the conformance kit has.
const CASES: usize = 275;

/// The value and the error. What doesn't parse is false.
fn evaluate(text: &str, event: &Event) -> (Value, Option<ErrorKind>) {
    let expression = match Expression::parse(text) {
        Ok(expression) => expression,
        Err(error) => return (Value::Bool(false), Some(error.kind)),
    };
    let view = View::new(event);
    let outcome = expression.evaluate(&view);
    (outcome.value.into(), outcome.error.map(|error| error.kind()))
}

#[test]
fn every_conformance_case_holds() {
    let cases: Value = serde_json::from_str(include_str!("cesql_cases.json")).unwrap();
    let mut count = 0;
    for (group, rows) in cases["groups"].as_object().unwrap() {
        for row in rows.as_array().unwrap() {
            let text = row["sql"].as_str().unwrap();
            let (value, error) = evaluate(text, &event(&row["event"]));
            assert_eq!(value, row["gives"], "{group}: {text}");
            assert_eq!(error.map(ErrorKind::as_str), row["error"].as_str(), "{group}: {text}");
            count += 1;
        }
    }
    assert_eq!(count, CASES, "the table has lost cases");
}

#[track_caller]
fn check(text: &str, expect: impl Into<Value>, error: Option<ErrorKind>) {
    let event = event(&serde_json::json!({ "n": 7, "yes": true, "s": "x", "digits": "07" }));
    assert_eq!(evaluate(text, &event), (expect.into(), error), "{text}");
}

#[test]
fn arithmetic_never_leaves_32_bits() {
    let math = Some(ErrorKind::Math);
    check("2147483647 + 1", 0, math);
    check("-2147483648 - 1", 0, math);
    check("65536 * 32768", 0, math);
    check("-2147483648 / -1", 0, math);
    check("-2147483648 % -1", 0, None);
    check("--2147483648", 0, math);
    check("-7 / 2", -3, None);
    check("-7 % 2", -1, None);
    check("7 % -2", 1, None);
    check("2147483648", false, Some(ErrorKind::Parse));
    check("-2147483648", i32::MIN, None);
    check("- 2147483648", false, Some(ErrorKind::Parse));
}

#[test]
fn signs_are_of_the_number_where_they_touch_it() {
    check("4-1", 3, None);
    check("4 -1", 3, None);
    check("4--1", 5, None);
    check("4 - -1", 5, None);
    check("4 + +1", 5, None);
    check("+1", 1, None);
    check("+ 1", false, Some(ErrorKind::Parse));
    check("1 - - n", 8, None);
}

#[test]
fn operators_bind_by_the_order_of_the_specification() {
    check("NOT yes = false", true, None);
    check("NOT 'fal' LIKE 'f%'", false, Some(ErrorKind::Cast));
    check("1 + 2 * 3 = 7 AND true", true, None);
    check("10 - 2 - 3", 5, None);
    check("false AND false OR true", true, None);
    check("true OR false AND false", false, None);
    check("true XOR true AND false", false, None);
    check("s = 'y' NOT IN ('z')", false, Some(ErrorKind::Cast));
    check("1 IN (1) LIKE 't%'", true, None);
    check("EXISTS s AND NOT EXISTS t", true, None);
    check("1 < 2 = true", true, None);
    check("2 * (3 + 4) % 5 - -1", 5, None);
}

#[test]
fn an_error_ends_the_evaluation_with_zero_values() {
    let missing = Some(ErrorKind::MissingAttribute);
    check("missing", false, missing);
    check("missing = missing", false, missing);
    check("NOT NOT missing", false, missing);
    check("LENGTH(missing)", 0, missing);
    check("CONCAT('a', missing)", "", missing);
    check("LEFT(missing, 1)", "", missing);
    check("missing OR true", false, missing);
    check("true OR missing", true, None);
    check("s IN ('y', missing)", false, missing);
    check("s IN ('x', missing)", true, None);
    check("s NOT IN ('y', missing)", false, missing);
    check("IS_INT(missing)", false, missing);
    check("missing NOT LIKE '%'", false, missing);
    check("UPPER(LEFT('abc', -1))", "", Some(ErrorKind::FunctionEvaluation));
    check("ABS(-2147483648) = 2147483647", false, Some(ErrorKind::Math));
    check("1 / 0 + missing", 0, Some(ErrorKind::Math));
    check("NOT 'abc'", false, Some(ErrorKind::Cast));
    check("'abc' + 3", 0, Some(ErrorKind::Cast));
    check("'abc' AND true", false, Some(ErrorKind::Cast));
}

#[test]
fn casts_go_to_what_is_on_the_right() {
    check("digits = 7", true, None);
    check("digits = '7'", false, None);
    check("n = '7'", true, None);
    check("n = '07'", false, None);
    check("'07' = n", true, None);
    check("yes = 'true'", true, None);
    check("yes = 1", true, None);
    check("n = true", true, None);
    check("s = 1", false, Some(ErrorKind::Cast));
    check("s != 1", false, Some(ErrorKind::Cast));
    check("n IN ('07')", true, None);
    check("digits IN (7)", false, None);
    check("n < digits", false, None);
    check("yes + yes", 2, None);
    check("IS_INT(digits) AND IS_BOOL(yes) AND IS_BOOL(1) AND NOT IS_BOOL(s)", true, None);
    check("IS_INT('') OR IS_INT('1.5')", false, None);
}

#[test]
fn what_is_no_expression_is_refused() {
    let parse = Some(ErrorKind::Parse);
    for text in [
        "",
        "(",
        "()",
        "1 +",
        "a b",
        "a = = b",
        "EXISTS 1",
        "EXISTS (a)",
        "a IN ()",
        "a IN 1",
        "a LIKE b",
        "a NOT b",
        "NOT",
        "true(",
        "f_1(1)",
        "_(1)",
        "a_b = 1",
        "'a' 'b'",
        "'a''b'",
        "a = 'b",
        "a; b",
        "a == b",
        "a && b",
        "LENGTH('a',)",
        "LENGTH 'a'",
        "in = 1",
        "1.5",
        "EXISTS and",
        "a\u{a0}= 1",
    ] {
        check(text, false, parse);
    }
    for text in ["f(1)", "LENGTH()", "LENGTH('a', 'b')", "CONCAT_WS()", "SUBSTRING('a')"] {
        check(text, false, Some(ErrorKind::MissingFunction));
    }
}

#[test]
fn texts_that_grow_end_the_evaluation() {
    let mut text = "'0123456789'".to_owned();
    for _ in 0..20 {
        text = format!("CONCAT_WS({text}, '', '', '', '')");
    }
    check(&text, "", Some(ErrorKind::Generic));
    check("LENGTH(CONCAT_WS(CONCAT_WS('ab', '', '', ''), '', ''))", 4, None);
}
