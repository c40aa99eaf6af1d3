//! Nonsense into every parser, and what parses into every evaluation: nothing may panic, nor
//! overflow a small stack. The inputs are the same in every run.

#![expect(clippy::unwrap_used, reason = "a test that has not got what it needs ends there")]

use bytes::Bytes;
use serde_json::{Value, json};
use triphammer_filter::{Filter, View, cel, sql};
use triphammer_model::{Event, EventParts, ExtensionValue};

const ROUNDS: usize = 20_000;

const SQL: [&str; 48] = [
    "a",
    "type",
    "level",
    "flag",
    "missing",
    "SOURCE",
    "12",
    "-3",
    "2147483647",
    "-2147483648",
    "'x'",
    "\"7\"",
    "'%'",
    "'_\\%a'",
    "'\\'",
    "TRUE",
    "false",
    "AND",
    "OR",
    "XOR",
    "NOT",
    "LIKE",
    "IN",
    "EXISTS",
    "=",
    "!=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "(",
    ")",
    ",",
    "LENGTH(",
    "CONCAT(",
    "CONCAT_WS(",
    "SUBSTRING(",
    "LEFT(",
    "ABS(",
    "INT(",
    "UPPER(",
    "IS_INT(",
];

const CEL: [&str; 58] = [
    "a",
    "type",
    "level",
    "flag",
    "missing",
    "data",
    "data.list",
    "event",
    "x",
    "12",
    "-3",
    "1u",
    "1.5",
    "1e400",
    "9223372036854775807",
    "'x'",
    "b'x'",
    "r'\\'",
    "\"\"\"",
    "'\\u",
    "true",
    "null",
    "&&",
    "||",
    "!",
    "==",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "?",
    ":",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    " in ",
    "size(",
    "int(",
    "string(",
    "type(",
    "has(",
    ".all(x,",
    ".exists(x,",
    ".exists_one(x,",
    ".filter(x,",
    ".map(x,",
    ".contains(",
    ".startsWith(",
    "//",
];

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }

    fn bytes(&mut self) -> String {
        let len = self.below(40);
        let bytes: Vec<u8> = (0..len).map(|_| self.below(256) as u8).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn ascii(&mut self) -> String {
        let len = self.below(40);
        (0..len).map(|_| (32 + self.below(95) as u8) as char).collect()
    }

    fn soup(&mut self, words: &[&str], count: usize) -> String {
        let count = 1 + self.below(count);
        let space = ["", " "][self.below(2)];
        let words: Vec<_> = (0..count).map(|_| words[self.below(words.len())]).collect();
        words.join(space)
    }

    fn json(&mut self, depth: usize) -> Value {
        let names = ["exact", "prefix", "all", "any", "not", "sql", "cel", "type", ""];
        match self.below(if depth == 0 { 4 } else { 7 }) {
            0 => json!(self.soup(&SQL, 6)),
            1 => json!(self.ascii()),
            2 => json!(null),
            3 => json!("true"),
            4 => (0..self.below(4)).map(|_| self.json(depth - 1)).collect(),
            5 => json!({ names[self.below(9)]: self.json(depth - 1) }),
            _ => json!({ names[self.below(9)]: { names[self.below(9)]: self.json(depth - 1) } }),
        }
    }
}

fn event() -> Event {
    Event::new(&EventParts {
        id: "1".into(),
        source: "/ä".into(),
        ty: "a.b".into(),
        extensions: vec![
            ("a".into(), ExtensionValue::Text("7".into())),
            ("level".into(), ExtensionValue::Integer(i32::MIN)),
            ("flag".into(), ExtensionValue::Boolean(true)),
        ],
        data: Some(Bytes::from_static(br#"{"list": [1, "x", [2], {"y": null}]}"#)),
        ..EventParts::default()
    })
    .unwrap()
}

#[test]
fn nonsense_is_no_panic_in_sql() {
    let (event, mut random, mut parsed) = (event(), Random(1), 0);
    let view = View::new(&event);
    for round in 0..ROUNDS * 10 {
        let text = match round % 8 {
            0 => random.bytes(),
            1 => random.ascii(),
            _ => random.soup(&SQL, 9),
        };
        if let Ok(expression) = sql::Expression::parse(&text) {
            let outcome = expression.evaluate(&view);
            let ty = expression.ty();
            assert!(
                ty.is_none_or(|ty| ty == outcome.value.ty()) || outcome.error.is_some(),
                "{text}"
            );
            parsed += 1;
        }
    }
    assert!(parsed > ROUNDS / 10, "{parsed}");
}

#[test]
fn nonsense_is_no_panic_in_cel() {
    let (event, mut random, mut compiled) = (event(), Random(2), 0);
    let view = View::new(&event);
    for round in 0..ROUNDS {
        let text = match round % 8 {
            0 => random.bytes(),
            1 => random.ascii(),
            _ => random.soup(&CEL, 9),
        };
        if let Ok(expression) = cel::Expression::compile(&text) {
            let _ = expression.test(&view);
            let _ = expression.evaluate(&view);
            compiled += 1;
        }
    }
    assert!(compiled > ROUNDS / 100, "{compiled}");
}

#[test]
fn nonsense_is_no_panic_in_json() {
    let (event, mut random, mut read) = (event(), Random(3), 0);
    for _ in 0..ROUNDS {
        let value = random.json(4);
        if let Ok(filter) = Filter::from_json(&value) {
            let _ = filter.matches(&event);
            assert_eq!(Filter::from_json(&filter.to_json()).unwrap(), filter, "{value}");
            read += 1;
        }
    }
    assert!(read > ROUNDS / 20, "{read}");
}

/// Parses and evaluates on a stack of 1 MiB, half of what a thread has by default.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap();
    thread.join().unwrap();
}

#[test]
fn nesting_is_refused_before_the_stack_ends() {
    on_a_small_stack(|| {
        let event = event();
        let view = View::new(&event);
        let pairs =
            [("(", ")"), ("NOT ", ""), ("- ", ""), ("-", ""), ("ABS(", ")"), ("1 IN (", ")")];
        for (open, close) in pairs {
            // Not a number: a sign would be part of it.
            let nest = |n: usize| open.repeat(n) + "level" + &close.repeat(n);
            let refused = |n: usize| sql::Expression::parse(&nest(n)).unwrap_err().too_complex;
            assert!(refused(sql::DEPTH_MAX), "{open}");
            assert!(refused(500), "{open}");
            let expression = sql::Expression::parse(&nest(sql::DEPTH_MAX - 1)).unwrap();
            let _ = expression.evaluate(&view);
        }
        let inner = |n: usize| "(1 + 2 * (3 - 4 = 5 AND ".repeat(n) + "1" + &"))".repeat(n);
        let _ = sql::Expression::parse(&inner(31)).unwrap().evaluate(&view);
        let postfixes = |n: usize| "1".to_owned() + &" LIKE 'a'".repeat(n);
        assert!(sql::Expression::parse(&postfixes(4)).is_ok());
        assert!(sql::Expression::parse(&postfixes(400)).unwrap_err().too_complex);
        let long = vec!["1"; 1000].join(" + ");
        assert_eq!(
            sql::Expression::parse(&long).unwrap().evaluate(&view).value,
            sql::Value::Integer(1000)
        );
    });
}

#[test]
fn deep_cel_and_deep_json_are_refused_before_the_stack_ends() {
    on_a_small_stack(|| {
        let event = event();
        let view = View::new(&event);
        let shapes = [
            ("", "(", "1", ")"),
            ("", "[", "1", "]"),
            ("", "!-", "1", ""),
            ("", "{1:", "1", "}"),
            ("", "1<", "1", ""),
            ("", "flag?1:", "1", ""),
            ("a", "", "", "[0]"),
            ("a", "", "", ".b"),
            ("a", "", "", ".size()"),
            ("", "flag||", "a", ""),
            ("", "flag&&", "a", ""),
            ("", "size(", "1", ")"),
            ("", "1-", "1", ""),
            ("", "[1].all(x,", "flag", ")"),
            ("data", "", "", ".filter(x,true)"),
        ];
        for (first, open, inner, close) in shapes {
            for n in [1, 2, 5, 10, 20, 30, 35, 39, 40, 41, 100, 200, 300, 500, 1000] {
                let text = format!("{first}{}{inner}{}", open.repeat(n), close.repeat(n));
                if let Ok(expression) = cel::Expression::compile(&text) {
                    let _ = expression.evaluate(&view);
                }
            }
        }
        let mut value = json!("true");
        for _ in 0..1000 {
            value = Value::Object([("not".to_owned(), value)].into_iter().collect());
        }
        assert_eq!(Filter::from_json(&value).unwrap_err().code(), "filter.too_complex");
    });
}
