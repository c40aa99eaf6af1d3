//! Batches: one call with several events, and one outcome for all of them.

use serde_json::{Value, json};
use triphammer_sandbox::{Fault, Invoked, Module};

use crate::guests::guest;
use crate::harness::{Committed, SANDBOX, batch, call, effects, misbehave, prepare};

async fn tally() -> Module {
    prepare(guest("tally")).await.module
}

#[track_caller]
fn replied(invoked: Invoked) -> Value {
    serde_json::from_slice(&effects(invoked).reply.unwrap().data).unwrap()
}

#[tokio::test]
async fn a_batch_has_one_commit() {
    let mut call = batch(&tally().await, "tally.add", &[("a", "{}"), ("b", "{}"), ("c", "{}")]);
    call.state = Committed::of(&[("n", "39"), ("batches", "6")]);
    call.items[1].delivery.attempt = 4;
    let keys: Vec<_> = call.items.iter().map(|item| item.idempotency_key.clone()).collect();
    let effects = effects(SANDBOX.invoke_batch(call).await);
    let value: Value = serde_json::from_slice(&effects.reply.unwrap().data).unwrap();
    let expect = json!({
        "n": 42, "batches": 7, "key": "s-1", "ids": ["a", "b", "c"], "attempts": [1, 4, 1],
        "idempotency_keys": keys,
    });
    assert_eq!(value, expect);
    assert_eq!((effects.writes.len(), effects.emits.len()), (2, 1));
}

#[tokio::test]
async fn a_batch_may_be_large() {
    let events: Vec<_> = (0..1000).map(|n| (format!("e-{n}"), "{}")).collect();
    let events: Vec<_> = events.iter().map(|(id, data)| (id.as_str(), *data)).collect();
    let call = batch(&tally().await, "tally.add", &events);
    let ids = replied(SANDBOX.invoke_batch(call).await)["ids"].clone();
    let expect: Vec<_> = events.iter().map(|(id, _)| json!(id)).collect();
    assert_eq!(ids, Value::Array(expect));
}

async fn fails(how: &str, code: &str, fault: Fault) {
    let data = format!(r#"{{"fail": "{how}"}}"#);
    let events = [("a", "{}"), ("b", data.as_str()), ("c", "{}")];
    let error =
        SANDBOX.invoke_batch(batch(&tally().await, "tally.add", &events)).await.result.unwrap_err();
    assert_eq!((error.code(), error.fault()), (code, fault), "{error}");
    // `b` fails after all has been written and emitted.
    assert!(error.to_string().contains("b "), "{error}");
}

#[tokio::test]
async fn a_batch_that_fails_anywhere_leaves_no_trace() {
    fails("trap", "invoke.trap", Fault::Guest).await;
    fails("retry", "invoke.retry", Fault::Guest).await;
    fails("reject", "invoke.rejected", Fault::Final).await;
}

#[tokio::test]
async fn a_payload_that_does_not_parse_is_named() {
    let events = [("a", "{}"), ("b", "[]"), ("c", "7")];
    let invoked = SANDBOX.invoke_batch(batch(&tally().await, "tally.add", &events)).await;
    let error = invoked.result.unwrap_err();
    assert_eq!(error.code(), "invoke.rejected");
    assert!(error.to_string().starts_with("event 3: the payload"), "{error}");
}

#[tokio::test]
async fn a_batch_too_large_for_its_memory_is_a_limit() {
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    let events: Vec<_> = (0..8).map(|_| ("e", large.as_str())).collect();
    let mut call = batch(&tally().await, "tally.add", &events);
    call.memory_bytes = 4 << 20;
    assert_eq!(SANDBOX.invoke_batch(call).await.result.unwrap_err().code(), "limit.memory");
}

#[tokio::test]
async fn a_single_event_is_a_list_of_one() {
    let value = replied(SANDBOX.invoke(call(&tally().await, "tally.add", "{}")).await);
    assert_eq!((&value["n"], &value["ids"]), (&json!(1), &json!(["e-1"])));
}

#[tokio::test]
async fn a_module_for_single_events_gets_no_batch() {
    let call = batch(&misbehave().await, "misbehave.ok", &[("a", "{}")]);
    let error = SANDBOX.invoke_batch(call).await.result.unwrap_err();
    assert_eq!((error.code(), error.fault()), ("invoke.host", Fault::Host));
}

#[tokio::test]
async fn batches_have_a_deadline() {
    let mut call = batch(&tally().await, "tally.add", &[("a", r#"{"fail": "spin"}"#)]);
    call.timeout = std::time::Duration::from_millis(50);
    assert_eq!(SANDBOX.invoke_batch(call).await.result.unwrap_err().code(), "invoke.deadline");
}
