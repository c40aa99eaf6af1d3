//! Timers and times to live: what an attempt asks for, and what it is refused.

use triphammer_model::{Effects, TimerChange};

use crate::guests::guest;
use crate::harness::{SANDBOX, call, effects, misbehaved, prepare};

async fn alarmed(what: &str, data: &str) -> Effects {
    let module = prepare(guest("alarm")).await.module;
    effects(SANDBOX.invoke(call(&module, &format!("alarm.{what}"), data)).await)
}

#[tokio::test]
async fn a_timer_is_an_event_with_a_name_and_a_time() {
    let effects = alarmed("set", r#"{"name": "a", "after_ms": 1500, "n": 7}"#).await;
    let [TimerChange { name, set: Some(set) }] = &effects.timers[..] else {
        panic!("{:?}", effects.timers)
    };
    assert_eq!((name.as_str(), set.after_ms), ("a", 1500));
    assert_eq!((set.parts.id.as_str(), set.parts.source.as_str()), ("", ""));
    assert_eq!(set.parts.ty, "rang");
    let data = br#"{"name":"a","after_ms":1500,"n":7}"#;
    assert_eq!(set.parts.data.as_deref(), Some(&data[..]));
    assert!(effects.emits.is_empty());
}

#[tokio::test]
async fn a_cancelled_timer_is_a_change_too() {
    let effects = alarmed("cancel", r#"{"name": "a"}"#).await;
    assert_eq!(effects.timers, [TimerChange { name: "a".into(), set: None }]);
}

#[tokio::test]
async fn the_last_change_of_a_name_holds() {
    let effects = effects(misbehaved("same-timer", r#"{"n": 1000, "after_ms": 0}"#).await);
    assert_eq!(effects.timers.len(), 1);
    assert!(effects.timers[0].set.is_some());
}

#[tokio::test]
async fn a_time_to_live_goes_with_the_write() {
    let written = alarmed("keep", r#"{"name": "k", "after_ms": 60000, "n": 1}"#).await.writes;
    assert_eq!((written[0].name.as_str(), written[0].ttl_ms), ("k", Some(60_000)));
    assert_eq!(written[0].value.as_deref(), Some(&b"1"[..]));
}

#[track_caller]
fn ended(invoked: triphammer_sandbox::Invoked, code: &str, says: &str) {
    let error = invoked.result.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn timers_have_a_largest_number() {
    for way in ["many-timers", "same-timer", "many-cancels"] {
        ended(misbehaved(way, "{}").await, "limit.timers", "set and cancel at most 1000 timers");
        // A call that ends the attempt can't be ignored.
        ended(misbehaved(way, r#"{"ignore": true}"#).await, "limit.timers", "1000");
        effects(misbehaved(way, r#"{"n": 1000}"#).await);
    }
}

#[tokio::test]
async fn timers_count_among_the_events() {
    ended(misbehaved("timers-and-emits", r#"{"n": 500}"#).await, "limit.emits", "1000 events");
    effects(misbehaved("timers-and-emits", r#"{"n": 499}"#).await);
    ended(misbehaved("huge-timer", r#"{"n": 5000000}"#).await, "limit.emit_bytes", "4194304");
    ended(misbehaved("huge-timer", r#"{"n": 33554432}"#).await, "limit.call", "one call");
}

/// Refused with a code that the guest gets, and done without it when the guest goes on.
async fn refused(way: &str, data: &str, code: &str) {
    let data = |rest: &str| format!("{{{data}{rest}}}");
    ended(misbehaved(way, &data("")).await, "invoke.retry", code);
    let effects = effects(misbehaved(way, &data(r#", "ignore": true"#)).await);
    assert!(effects.timers.is_empty(), "{:?}", effects.timers);
    assert!(effects.writes.iter().all(|write| write.ttl_ms.is_none()), "{:?}", effects.writes);
}

#[tokio::test]
async fn names_have_1_to_128_bytes() {
    refused("timer-name", r#""n": 0"#, "timer.name").await;
    refused("timer-name", r#""n": 129"#, "limit.timer_name").await;
    refused("timer-name", r#""n": 1048576"#, "limit.timer_name").await;
    effects(misbehaved("timer-name", r#"{"n": 128}"#).await);
}

#[tokio::test]
async fn times_end_after_ten_years() {
    refused("timer-after", r#""after_ms": 315360000001"#, "timer.delay").await;
    effects(misbehaved("timer-after", r#"{"after_ms": 315360000000}"#).await);
    refused("ttl", r#""after_ms": 0"#, "state.ttl").await;
    refused("ttl", r#""after_ms": 315360000001"#, "state.ttl").await;
    let effects = effects(misbehaved("ttl", r#"{"after_ms": 315360000000}"#).await);
    assert_eq!(effects.writes[0].ttl_ms, Some(315_360_000_000));
}

#[tokio::test]
async fn the_event_of_a_timer_is_checked_as_an_emitted_one() {
    refused("bad-emit", r#""what": "timer-type""#, "event.reserved_type").await;
    for what in ["timer-empty", "timer-extension", "timer-time", "timer-id", "timer-source"] {
        refused("bad-emit", &format!(r#""what": "{what}""#), "event.malformed").await;
    }
}

#[tokio::test]
async fn a_trap_leaves_no_timer() {
    ended(misbehaved("trap-after-write", "{}").await, "invoke.trap", "it trapped");
}
