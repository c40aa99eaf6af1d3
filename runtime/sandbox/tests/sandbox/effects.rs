//! What a guest is given, and what comes out of an attempt that succeeds.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use triphammer_model::{Effects, LogLevel};
use triphammer_sandbox::{Fault, HostError, StateReader};

use crate::guests::guest;
use crate::harness::{
    Committed, SANDBOX, call, effects, messages, misbehave, misbehaved, prepare, reply,
};
use crate::text;

fn written(effects: &Effects) -> Vec<(&str, Option<&[u8]>)> {
    effects.writes.iter().map(|w| (w.name.as_str(), w.value.as_deref())).collect()
}

#[tokio::test]
async fn a_handler_reads_writes_and_emits() {
    let module = prepare(guest("bench")).await.module;
    let data = r#"{"customer":"c","amount":5,"items":[{"quantity":2},{"quantity":3}]}"#;
    let mut call = call(&module, "bench.event", data);
    call.state = Committed::of(&[("count", "41")]);
    let effects = effects(SANDBOX.invoke(call).await);
    assert_eq!(written(&effects), [("count", Some(&b"42"[..]))]);
    let [emitted] = &effects.emits[..] else { panic!("{:?}", effects.emits) };
    assert_eq!((emitted.parts.id.as_str(), emitted.parts.source.as_str()), ("", ""));
    assert_eq!(emitted.parts.ty, "bench.done");
    assert_eq!(emitted.parts.subject.as_deref(), Some("s-1"));
    let json = br#"{"customer":"c","amount":5,"quantity":5,"count":42}"#;
    assert_eq!(emitted.parts.data.as_deref(), Some(&json[..]));
    assert_eq!(effects.reply, None);
}

#[tokio::test]
async fn what_prepare_tells_is_what_the_guest_says() {
    let prepared = prepare(guest("bench")).await;
    assert!(prepared.manifest_json.contains(r#""bench.event""#), "{}", prepared.manifest_json);
    assert!(prepared.imports.contains(&"triphammer:function/state@1.1.0".to_owned()));
    assert!(prepared.memory_bytes >= 1 << 20, "{}", prepared.memory_bytes);
    assert_eq!(prepared.digest.0, *blake3::hash(&guest("bench")).as_bytes());
}

#[tokio::test]
async fn each_attempt_begins_anew() {
    for _ in 0..3 {
        assert_eq!(reply(misbehaved("count", "{}").await), "1");
    }
}

#[tokio::test]
async fn a_refused_emit_leaves_the_others() {
    for what in ["type", "empty", "extension", "id", "source", "time"] {
        let data = format!(r#"{{"what": "{what}", "ignore": true}}"#);
        let effects = effects(misbehaved("bad-emit", &data).await);
        assert_eq!((effects.emits.len(), effects.writes.len()), (0, 1), "{what}");
        let data = format!(r#"{{"what": "{what}"}}"#);
        let error = misbehaved("bad-emit", &data).await.result.unwrap_err();
        let code = if what == "type" { "event.reserved_type" } else { "event.malformed" };
        assert!(error.to_string().contains(code), "{what}: {error}");
    }
}

#[tokio::test]
async fn lines_keep_their_order_and_level() {
    let invoked = misbehaved("stdout", "{}").await;
    assert_eq!(messages(&invoked.logs), ["a line on stdout", "a line on stderr"]);
    let levels: Vec<_> = invoked.logs.iter().map(|line| line.level).collect();
    assert_eq!(levels, [LogLevel::Info, LogLevel::Warn]);
}

/// State that can't be read.
struct Broken;

impl StateReader for Broken {
    fn get(&self, _: &str) -> Result<Option<Bytes>, HostError> {
        Err(HostError::new("the disk is gone"))
    }

    fn scan(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<(String, Bytes)>, HostError> {
        Err(HostError::new("the disk is gone"))
    }
}

#[tokio::test]
async fn a_read_that_fails_is_the_hosts_fault() {
    let mut call = call(&misbehave().await, "misbehave.count", "{}");
    call.state = Arc::new(Broken);
    let error = SANDBOX.invoke(call).await.result.unwrap_err();
    assert_eq!((error.code(), error.fault()), ("invoke.host", Fault::Host));
    assert!(error.to_string().contains("the disk is gone"), "{error}");
}

#[tokio::test]
async fn the_configuration_is_the_environment() {
    let mut call = call(&misbehave().await, "misbehave.env", "{}");
    call.config = Arc::new(BTreeMap::from([("region".to_owned(), "eu".to_owned())]));
    assert_eq!(reply(SANDBOX.invoke(call).await), r#"{"region":"eu"}"#);
}

#[tokio::test]
async fn a_component_without_imports_runs() {
    let module = text::prepare_text(text::FINE).await.unwrap().module;
    assert_eq!(effects(SANDBOX.invoke(call(&module, "t", "{}")).await), Effects::default());
}
