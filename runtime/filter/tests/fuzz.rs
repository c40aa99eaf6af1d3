//! Expressions and filters that were bent: what is read gives an outcome, the same whichever way
//! it is asked.

#![expect(clippy::unwrap_used, reason = "a test that has not got what it needs ends there")]

#[path = "../../../tests/fuzz/engine.rs"]
mod engine;

use std::sync::Arc;

use bytes::Bytes;
use engine::{Corpus, Random, Seen};
use serde_json::{Value, json};
use triphammer_filter::{Filter, Index, RunError, View, cel, sql};
use triphammer_model::{Event, EventParts, ExtensionValue, TypePattern};

/// Events that expressions are asked about: one has everything, one has nothing that it need not.
fn events() -> [Event; 2] {
    let bare = EventParts {
        id: "1".into(),
        source: "/s".into(),
        ty: "order.created".into(),
        ..EventParts::default()
    };
    let full = EventParts {
        subject: Some("ä%_\\'".into()),
        time: Some("2026-01-02T03:04:05Z".into()),
        extensions: vec![
            ("a".into(), ExtensionValue::Text("7".into())),
            ("level".into(), ExtensionValue::Integer(i32::MIN)),
            ("flag".into(), ExtensionValue::Boolean(true)),
            ("tenant".into(), ExtensionValue::Text("t".into())),
        ],
        data: Some(Bytes::from_static(br#"{"n": 5, "list": [1, "x", [2], {"y": null}]}"#)),
        ..bare.clone()
    };
    [bare, full].map(|parts| Event::new(&parts).unwrap())
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The expressions of the conformance kit, and the longer ones of our own.
fn sql_corpus() -> Corpus {
    let cases: Value = serde_json::from_str(include_str!("cesql_cases.json")).unwrap();
    let groups = cases["groups"].as_object().unwrap().values();
    let kit = groups.flat_map(|group| group.as_array().unwrap());
    let mut entries: Vec<Vec<u8>> =
        kit.filter_map(|case| Some(case["sql"].as_str()?.into())).collect();
    entries.extend(texts(&[
        "type LIKE 'order.%' AND (level < 3 OR NOT EXISTS tenant) XOR flag",
        "tenant IN ('a', 't', CONCAT('x', a)) AND LENGTH(subject) * 2 - 1 >= INT(a) % 3",
        "SUBSTRING(UPPER(type), 2, 3) = 'RDE' AND subject LIKE '%\\%\\_%'",
    ]));
    let words = vec![
        " AND ",
        " OR ",
        " XOR ",
        "NOT ",
        " LIKE ",
        " IN (",
        "EXISTS ",
        "ABS(",
        "'%_'",
        "level",
        "tenant",
        "-2147483648",
        " / 0",
        "<>",
        "!=",
        "\\'",
        "LEFT(",
        "CONCAT_WS(",
        "TRIM(",
        "''",
    ];
    Corpus { entries, words }
}

#[test]
fn expressions_of_sql_give_the_same_in_parentheses() {
    let events = events();
    engine::run(300, sql_corpus(), move |input| {
        let text = String::from_utf8_lossy(input);
        let expression = match sql::Expression::parse(&text) {
            Ok(expression) => expression,
            Err(error) => {
                assert!(error.position <= text.len(), "{error:?}");
                return Seen::Refused;
            }
        };
        let again = sql::Expression::parse(expression.as_str()).unwrap();
        let enclosed = sql::Expression::parse(&format!("({text})"));
        for event in &events {
            let view = View::new(event);
            let outcome = expression.evaluate(&view);
            assert_eq!(again.evaluate(&view), outcome);
            let typed = expression.ty().is_none_or(|ty| ty == outcome.value.ty());
            assert!(typed || outcome.error.is_some(), "{outcome:?}");
            match &enclosed {
                Ok(enclosed) => assert_eq!(enclosed.evaluate(&view), outcome),
                Err(error) => assert!(error.too_complex, "{error}"),
            }
        }
        Seen::Taken
    });
}

fn cel_corpus() -> Corpus {
    let entries = texts(&[
        "type == 'order.created' && data.n > 3",
        "has(event.tenant) ? event.tenant == 't' : false",
        "data.list.exists(x, x == 1) || data.list.all(x, type(x) == int)",
        "data.list.filter(x, x != null).size() < 5",
        "!(level in [1, 2, 3]) && subject.startsWith('ä') && size(source) > 1u",
        "{'a': 1}['a'] + int('5') - 2 * 3 / 1 % 2 == 1",
        "data.list.exists_one(x, [1].exists(y, y == x))",
        "string(data.n) + r'\\' + \"\"\"x\"\"\" + '\\u00e4'",
    ]);
    let words = vec![
        " && ",
        " || ",
        "data",
        ".list",
        "[0]",
        ".all(x,",
        ".exists(x,",
        ".filter(x,",
        ".map(x,",
        "has(",
        "9223372036854775807",
        "-9223372036854775808",
        "b'x'",
        "null",
        " in ",
        "? 1 : ",
        "type(",
        "1.5",
        "//",
        "\\U0010ffff",
        "`",
        "duration('1h')",
        "matches(",
        "{",
        "[",
        "dyn(",
    ];
    Corpus { entries, words }
}

#[test]
fn expressions_of_cel_are_bounded_and_sure() {
    let events = events();
    engine::run(60, cel_corpus(), move |input| {
        let text = String::from_utf8_lossy(input);
        let expression = match cel::Expression::compile(&text) {
            Ok(expression) => expression,
            Err(cel::CompileError::Syntax { position, .. }) => {
                assert!(position.is_none_or(|position| position <= text.len()));
                return Seen::Refused;
            }
            Err(_) => return Seen::Refused,
        };
        for event in &events {
            let view = View::new(event);
            // What an error says may name a payload's members in any order.
            let coded = |error: cel::CelError| RunError::Cel(error).code();
            let tested = expression.test(&view).map_err(coded);
            let value = expression.evaluate(&view).map_err(coded);
            assert_eq!(tested, value.clone().map(|value| value.as_bool()));
            let boolean = matches!(tested, Ok(Some(_)));
            assert!(!boolean || expression.may_be_boolean(), "{tested:?}");
            assert_eq!(expression.evaluate(&view).map_err(coded), value);
        }
        Seen::Taken
    });
}

fn filter_corpus() -> Corpus {
    let filters = [
        json!([]),
        json!("tenant = 't' AND level < 3"),
        json!([{ "exact": { "type": "order.created", "tenant": "t" } }, "EXISTS subject"]),
        json!({ "any": [{ "prefix": { "type": "order." } }, { "suffix": { "source": "s" } }] }),
        json!({ "all": [{ "not": { "exact": { "a": "7" } } }, { "sql": "flag = TRUE" }] }),
        json!({ "cel": "data.n == 5" }),
        json!({ "any": [{ "exact": { "specversion": "1.0" } }] }),
        json!({ "exact": { "level": "-2147483648", "flag": "true" } }),
        json!({ "all": ["type = 'order.created'", { "all": ["'t' = tenant"] }] }),
    ];
    let entries = filters.iter().map(|filter| filter.to_string().into_bytes()).collect();
    let words = vec![
        "\"exact\":",
        "\"prefix\":",
        "\"all\":[",
        "\"any\":[",
        "\"not\":",
        "\"sql\":",
        "\"cel\":",
        "tenant",
        "type",
        "order.*",
        "**",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\\u0000",
        "\"\"",
        "subject",
    ];
    Corpus { entries, words }
}

/// Patterns for a filter to stand behind, some of which its events do not match.
fn patterns(seed: usize) -> Vec<TypePattern> {
    let mut random = Random::new(seed as u64);
    let all = ["**", "order.*", "order.created", "*", "a.**", "*.created", "**.created.**"];
    let count = 1 + random.below(3);
    (0..count).map(|_| all[random.below(all.len())].parse().unwrap()).collect()
}

#[test]
fn filters_pass_the_same_through_the_index() {
    let events = events();
    engine::run(150, filter_corpus(), move |input| {
        let Ok(value) = serde_json::from_slice(input) else { return Seen::Refused };
        let filter = match Filter::from_json(&value) {
            Ok(filter) => Arc::new(filter),
            Err(error) => {
                assert!(error.code().starts_with("filter."), "{error}");
                return Seen::Refused;
            }
        };
        assert_eq!(Filter::from_json(&filter.to_json()).unwrap(), *filter);
        let patterns = patterns(input.len());
        let mut index = Index::new();
        index.insert(1, &patterns, Some(Arc::clone(&filter)));
        for event in &events {
            let matched = patterns.iter().any(|pattern| pattern.matches(event.ty()));
            let wanted = matched && filter.matches(event).passed;
            let mut found = Vec::new();
            index.matching(&View::new(event), &mut found);
            assert_eq!(!found.is_empty(), wanted, "{patterns:?}");
        }
        index.remove(&1);
        let mut found = Vec::new();
        index.matching(&View::new(&events[0]), &mut found);
        assert!(index.is_empty() && found.is_empty());
        Seen::Taken
    });
}

#[test]
fn a_seed_makes_the_same_inputs_again() {
    let inputs = |seed| {
        let (mut random, corpus) = (Random::new(seed), sql_corpus());
        (0..200).map(|_| engine::bent(&mut random, &corpus)).collect::<Vec<_>>()
    };
    assert_eq!(inputs(7), inputs(7));
    assert_ne!(inputs(7), inputs(8));
}

#[test]
#[should_panic(expected = "TRIPHAMMER_FUZZ_SEED=0 fails")]
fn a_target_that_fails_names_its_seed() {
    engine::play(0..5, sql_corpus(), |_| panic!("always"));
}

#[test]
#[should_panic(expected = "0 are taken")]
fn a_target_that_takes_nothing_fails() {
    engine::play(0..5, sql_corpus(), |_| Seen::Refused);
}
