//! Items of the feed become groups: which attempt and which child belongs where, and what is forgotten.
//! Makes the items that the tests of the picture use too. Draws nothing.

use serde_json::{Value, json};

use super::*;

/// Time of day of the items below, in milliseconds after a second.
fn at(ms: u32) -> String {
    format!("2026-01-02T03:04:05.{ms:03}Z")
}

pub(in super::super) fn accepted(seq: u64, ty: &str, functions: &[&str]) -> Value {
    let seq = seq.to_string();
    json!({"kind": "accepted", "seq": seq, "at": at(0), "type": ty, "subject": "s",
        "functions": functions})
}

pub(in super::super) fn attempted(seq: u64, function: &str, attempt: u32) -> Value {
    json!({"kind": "attempted", "seq": seq.to_string(), "at": at(10), "function": function,
        "revision": "r1", "attempt": attempt})
}

pub(in super::super) fn committed(seq: u64, function: &str, emitted: &[&str]) -> Value {
    json!({"kind": "committed", "seq": seq.to_string(), "at": at(12), "function": function,
        "revision": "r1", "attempt": 1, "emitted": emitted, "elapsedMs": 1.25})
}

pub(in super::super) fn retried(seq: u64, function: &str) -> Value {
    json!({"kind": "retried", "seq": seq.to_string(), "at": at(22), "function": function,
        "revision": "r1", "attempt": 1, "due": "2026-01-02T03:04:06.000Z",
        "error": {"code": "invoke.trap", "message": "out of\nbounds"}})
}

pub(in super::super) fn dead(seq: u64, function: &str) -> Value {
    json!({"kind": "dead", "seq": seq.to_string(), "at": at(30), "function": function,
        "error": {"code": "invoke.rejected", "message": "no"}})
}

pub(in super::super) fn groups(items: &[Value]) -> Groups {
    let mut groups = Groups::default();
    for item in items {
        groups.take(&serde_json::from_value(item.clone()).unwrap());
    }
    groups
}

/// `seq@depth` of all, in order.
#[track_caller]
fn check(groups: &Groups, wanted: &str, expect: &str) {
    let places = groups.places(wanted);
    let shown: Vec<_> = places.iter().map(|p| format!("{}@{}", p.seq, p.depth)).collect();
    assert_eq!(shown.join(" "), expect);
}

#[test]
fn what_came_of_an_event_is_under_it_whoever_is_told_first() {
    let parent = [accepted(1, "a", &["f"]), attempted(1, "f", 1), committed(1, "f", &["3", "4"])];
    let children = [accepted(3, "b", &[]), accepted(4, "c", &[])];
    let other = [accepted(2, "d", &[])];
    let expect = "1@0 3@1 4@1 2@0";
    check(&groups(&[&parent[..], &other, &children].concat()), "", expect);
    check(&groups(&[&parent[..2], &other, &children, &parent[2..]].concat()), "", expect);
}

#[test]
fn attempts_are_kept_with_their_times_and_errors() {
    let items = [
        accepted(1, "a", &["f"]),
        attempted(1, "f", 1),
        retried(1, "f"),
        attempted(1, "f", 2),
        dead(1, "f"),
    ];
    let groups = groups(&items);
    let group = groups.of("1".parse().unwrap()).unwrap();
    let tries: Vec<_> = group.legs[0].tries.iter().collect();
    assert_eq!((tries[0].attempt, tries[0].took_ms), (1, Some(12.0)));
    assert_eq!(tries[0].error().unwrap().message, "out of bounds");
    assert!(matches!(&tries[0].outcome, Outcome::Retried { due, .. } if due == "03:04:06.000"));
    assert_eq!((tries[1].attempt, tries[1].took_ms), (2, Some(20.0)));
    assert!(matches!(tries[1].outcome, Outcome::Dead { .. }));
    assert_eq!(group.height(), 3);
}

#[test]
fn an_attempt_that_began_before_the_view_has_an_end() {
    let only = |item: Value| {
        let groups = groups(&[item]);
        let group = groups.of("7".parse().unwrap()).unwrap();
        (group.ty.clone(), group.legs[0].tries[0].took_ms)
    };
    assert_eq!(only(committed(7, "f", &[])), (String::new(), Some(1.25)));
    assert_eq!(only(dead(7, "f")), (String::new(), None), "nobody knows how long");
}

#[test]
fn a_chain_is_found_by_what_any_of_its_events_has() {
    let groups = groups(&[
        accepted(1, "Order.placed", &["f"]),
        committed(1, "f", &["2"]),
        accepted(2, "mail", &["post"]),
        dead(2, "post"),
        accepted(3, "user", &["f"]),
    ]);
    check(&groups, "ORDER", "1@0 2@1");
    check(&groups, "rejected", "1@0 2@1");
    check(&groups, "#3", "3@0");
    check(&groups, "nothing", "");
}

#[test]
fn the_oldest_events_are_forgotten() {
    let mut groups = Groups::default();
    let of = |value: Value| serde_json::from_value(value).unwrap();
    for seq in 1..=2 * EVENTS_MAX as u64 {
        groups.take(&of(accepted(seq, "a", &[])));
        let child = (seq + 1).to_string();
        groups.take(&of(committed(seq, "f", &[&child])));
    }
    assert_eq!((groups.order.len(), groups.events.len()), (EVENTS_MAX, EVENTS_MAX));
    let places = groups.places("");
    let depths = [places[0].depth, places[EVENTS_MAX - 1].depth];
    assert_eq!(depths, [0, EVENTS_MAX - 1], "a chain as long as the list");
}

#[test]
fn whatever_a_host_says_is_bounded() {
    let functions: Vec<String> = (0..100).map(|n| format!("f{n}")).collect();
    let mut groups = Groups::default();
    let long = "x".repeat(1 << 16);
    groups.take(&Happened {
        kind: "accepted".into(),
        seq: "1".into(),
        at: long.clone(),
        ty: long.clone(),
        functions: functions.clone(),
        ..Happened::default()
    });
    for function in &functions {
        for attempt in 1..=9 {
            groups.take(&Happened {
                kind: "attempted".into(),
                seq: "1".into(),
                function: function.clone(),
                attempt,
                ..Happened::default()
            });
        }
    }
    for child in 0..2 * EXPECTED_MAX as u64 {
        groups.adopt("1".parse().unwrap(), (child + 2).to_string().parse().unwrap());
    }
    let group = groups.of("1".parse().unwrap()).unwrap();
    assert_eq!((group.ty.chars().count(), group.legs.len()), (TEXT_MAX, FUNCTIONS_MAX));
    assert_eq!((group.functions_left_out, group.time.chars().count()), (68, TEXT_MAX));
    assert_eq!(group.height(), 1 + FUNCTIONS_MAX * TRIES_MAX);
    assert_eq!(groups.expected.len(), EXPECTED_MAX);
}

#[test]
fn an_event_that_came_of_itself_does_no_harm() {
    check(&groups(&[accepted(1, "a", &[]), committed(1, "f", &["1"])]), "", "1@0");
    let ring = [
        accepted(1, "a", &[]),
        accepted(2, "a", &[]),
        committed(1, "f", &["2"]),
        committed(2, "f", &["1"]),
        accepted(3, "a", &[]),
    ];
    check(&groups(&ring), "", "3@0");
}
