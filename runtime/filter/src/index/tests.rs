//! The index finds what looking at each subscription would find.

use serde_json::{Value, json};
use triphammer_model::{Event, EventParts, ExtensionValue};

use super::*;

fn event(ty: &str, attributes: &[(&str, &str)]) -> Event {
    let mut parts =
        EventParts { id: "1".into(), source: "/s".into(), ty: ty.into(), ..EventParts::default() };
    for (name, text) in attributes {
        match *name {
            "source" => parts.source = (*text).into(),
            "subject" => parts.subject = Some((*text).into()),
            name => {
                let value = match text.parse() {
                    Ok(number) => ExtensionValue::Integer(number),
                    Err(_) => ExtensionValue::Text((*text).into()),
                };
                parts.extensions.push((name.into(), value));
            }
        }
    }
    Event::new(&parts).unwrap()
}

fn patterns(texts: &[&str]) -> Vec<TypePattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn filter(value: &Value) -> Option<Arc<Filter>> {
    (!value.is_null()).then(|| Arc::new(Filter::from_json(value).unwrap()))
}

/// How many candidates an event has among so many subscriptions, and which want it.
fn candidates(
    count: usize,
    subscription: impl Fn(usize) -> (String, Value),
    event: &Event,
) -> (usize, Vec<usize>) {
    let mut index = Index::new();
    for number in 0..count {
        let (pattern, value) = subscription(number);
        index.insert(number, &patterns(&[&pattern]), filter(&value));
    }
    let view = View::new(event);
    let mut found = Vec::new();
    index.matching(&view, &mut found);
    (index.examine(&view, |_, _| {}), found)
}

#[track_caller]
fn check(subscription: impl Fn(usize) -> (String, Value), event: &Event, expect: &[usize]) {
    for count in [10, 10_000] {
        let (examined, found) = candidates(count, &subscription, event);
        assert_eq!(found, expect);
        assert!(examined <= expect.len() + 2, "{examined} of {count} were asked");
    }
}

#[test]
fn ten_thousand_subscriptions_are_asked_no_more_than_ten() {
    let plain = event("a.t7.b", &[("subject", "s7"), ("tenant", "t7"), ("region", "r")]);
    check(|n| (format!("a.t{n}.b"), json!(null)), &plain, &[7]);
    check(|n| (format!("a.t{n}.*"), json!(null)), &plain, &[7]);
    check(|n| (format!("**.t{n}.**"), json!(null)), &plain, &[7]);
    check(|n| (format!("*.t{n}.b"), json!(null)), &plain, &[7]);
    check(|n| ("**".into(), json!({ "exact": { "type": format!("a.t{n}.b") } })), &plain, &[7]);
    check(|n| ("a.**".into(), json!({ "exact": { "tenant": format!("t{n}") } })), &plain, &[7]);
    check(|n| ("**".into(), json!(format!("tenant = 't{n}' AND level > 3"))), &plain, &[]);
    check(|n| ("**".into(), json!(["region = 'r'", format!("subject = 's{n}'")])), &plain, &[7]);
    check(
        |n| {
            (
                "**".into(),
                json!({ "all": [{ "exact": { "region": "r" } }, { "exact": { "tenant": format!("t{n}") } }] }),
            )
        },
        &plain,
        &[7],
    );
    // A hundred by a hundred: neither attribute alone is rare.
    check(
        |n| {
            let (subject, tenant) = (format!("s{}", n / 100), format!("t{}", n % 100));
            ("**".into(), json!({ "exact": { "subject": subject, "tenant": tenant } }))
        },
        &event("a", &[("subject", "s0"), ("tenant", "t7")]),
        &[7],
    );
    // More sets of attributes than there are tables.
    check(
        |n| ("**".into(), json!({ "exact": { "region": "r", format!("x{n}"): "1" } })),
        &event("a", &[("region", "r"), ("x7", "1")]),
        &[7],
    );
}

#[test]
fn what_can_never_be_is_never_asked() {
    let plain = event("triphammer.a", &[("tenant", "t")]);
    check(|_| ("triphammer.a".into(), json!("tenant = 't' AND tenant = 'u'")), &plain, &[]);
    check(|_| ("**".into(), json!("type = 'triphammer.a'")), &plain, &[]);
    check(|_| ("**".into(), json!(null)), &plain, &[]);
    check(|_| ("*.a".into(), json!(null)), &plain, &[]);
    let index: Index<u8> = Index::new();
    assert_eq!(index.examine(&View::new(&plain), |_, _| {}), 0);
}

#[test]
fn a_subscription_is_found_once_until_it_is_removed() {
    let plain = event("a.b", &[]);
    let view = View::new(&plain);
    let mut index = Index::new();
    let found = |index: &Index<&'static str>| {
        let mut found = vec!["before"];
        index.matching(&view, &mut found);
        found
    };
    assert!(!index.insert("z", &patterns(&["a.b", "a.*", "**", "a.b"]), None));
    assert!(!index.insert("y", &patterns(&["**.b"]), filter(&json!({ "exact": { "id": "1" } }))));
    assert!(!index.insert("x", &[], None));
    assert_eq!((found(&index), index.len()), (vec!["before", "y", "z"], 3));
    assert!(index.insert("z", &patterns(&["c"]), None));
    assert_eq!(found(&index), ["before", "y"]);
    assert!(index.remove(&"y") && index.remove(&"z") && index.remove(&"x"));
    assert!(!index.remove(&"z") && index.is_empty());
    assert_eq!((found(&index), index.trie.len()), (vec!["before"], 1));
}

#[test]
fn a_hostile_type_is_walked_once() {
    let mut index = Index::new();
    for number in 0..50 {
        let pattern = format!("**.a.**.a.**.a.**.b{number}");
        index.insert(number, &patterns(&[&pattern]), None);
    }
    let hostile = event(&vec!["a"; 2000].join("."), &[]);
    assert_eq!(index.examine(&View::new(&hostile), |_, _| {}), 0);
}

#[test]
fn errors_of_candidates_are_told() {
    let mut index = Index::new();
    index.insert(1, &patterns(&["**"]), filter(&json!("type = 'a' AND level > 1")));
    index.insert(2, &patterns(&["**"]), filter(&json!("level > 1 AND type = 'b'")));
    let plain = event("a", &[]);
    let mut told = Vec::new();
    index.examine(&View::new(&plain), |number, verdict| {
        told.push((*number, verdict.error.map(|error| error.code())));
    });
    assert_eq!(told, [(1, Some("filter.missing_attribute"))]);
}

/// A generator of numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }

    fn of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }

    fn pattern(&mut self) -> String {
        let count = 1 + self.below(4);
        let mut deep = 0;
        let mut segments = Vec::new();
        for _ in 0..count {
            let segment = self.of(&["a", "b", "*", "**", "triphammer"]);
            deep += usize::from(segment == "**");
            segments.push(segment);
        }
        if deep > TypePattern::DEEP_WILDCARDS_MAX { "**".into() } else { segments.join(".") }
    }

    fn ty(&mut self) -> String {
        let count = 1 + self.below(4);
        let segments: Vec<_> =
            (0..count).map(|_| self.of(&["a", "b", "triphammer", "*"])).collect();
        segments.join(".")
    }

    fn text(&mut self) -> &'static str {
        self.of(&["x", "y", "7", "07", "true"])
    }

    fn comparison(&mut self) -> String {
        let (name, text) = (self.of(&["t", "u", "source", "subject"]), self.text());
        match self.below(6) {
            0 => format!("'{text}' = {name}"),
            1 => format!("type = '{}'", self.ty()),
            2 => format!("{name} != '{text}'"),
            3 => format!("{name} IN ('{text}', 'x')"),
            _ => format!("{name} = '{text}'"),
        }
    }

    fn filter(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 3 } else { 7 }) {
            0 => json!({ "exact": { self.of(&["t", "u", "source", "subject"]): self.text() } }),
            1 => json!({ "exact": { "type": self.ty() } }),
            2 => {
                let count = 1 + self.below(3);
                let mut text = self.comparison();
                for _ in 0..count {
                    let operator = self.of(&["AND", "AND", "AND", "OR", "XOR"]);
                    text = format!("{text} {operator} {}", self.comparison());
                }
                json!(text)
            }
            3 => json!({ "any": [self.filter(depth - 1), self.filter(depth - 1)] }),
            4 => json!({ "not": self.filter(depth - 1) }),
            _ => json!([self.filter(depth - 1), self.filter(depth - 1)]),
        }
    }

    fn event(&mut self) -> Event {
        let mut attributes = Vec::new();
        for name in ["t", "u", "source", "subject"] {
            if self.below(4) > 0 {
                attributes.push((name, self.text()));
            }
        }
        event(&self.ty(), &attributes)
    }
}

type Subscriptions = BTreeMap<usize, (Vec<TypePattern>, Option<Arc<Filter>>)>;

/// Adds, replaces and removes a subscription, in the index and in the plain list.
fn change(random: &mut Random, index: &mut Index<usize>, all: &mut Subscriptions) {
    let number = random.below(100);
    if random.below(4) == 0 {
        assert_eq!(index.remove(&number), all.remove(&number).is_some());
        return;
    }
    let texts: Vec<_> = (0..random.below(4)).map(|_| random.pattern()).collect();
    let patterns = patterns(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let filter = (random.below(4) > 0).then(|| filter(&random.filter(2))).flatten();
    let replaced = index.insert(number, &patterns, filter.clone());
    assert_eq!(replaced, all.insert(number, (patterns, filter)).is_some());
}

/// What asking every subscription finds.
fn scan(all: &Subscriptions, view: &View<'_>) -> Vec<usize> {
    let wants = |(patterns, filter): &(Vec<TypePattern>, Option<Arc<Filter>>)| {
        patterns.iter().any(|pattern| pattern.matches(view.event().ty()))
            && filter.as_ref().is_none_or(|filter| filter.matches_view(view).passed)
    };
    all.iter().filter(|(_, entry)| wants(entry)).map(|(number, _)| *number).collect()
}

#[test]
fn the_index_finds_what_asking_all_finds() {
    let mut random = Random(1);
    let mut passed = 0;
    for _ in 0..60 {
        let (mut index, mut all) = (Index::new(), Subscriptions::new());
        (0..150).for_each(|_| change(&mut random, &mut index, &mut all));
        for _ in 0..100 {
            let event = random.event();
            let view = View::new(&event);
            let mut found = Vec::new();
            index.matching(&view, &mut found);
            let expect = scan(&all, &view);
            passed += expect.len();
            assert_eq!(found, expect, "{:?}", event.to_parts());
        }
        all.keys().for_each(|number| assert!(index.remove(number)));
        assert_eq!(index.trie.len(), 1, "nothing is left behind");
    }
    assert!(passed > 1000, "the test is of something: {passed}");
}

#[test]
fn filters_and_indexes_go_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Index<u64>>();
    shared::<Filter>();
    shared::<View<'_>>();
}
