//! What can't be uploaded, and what its error says.

use triphammer_sandbox::ModuleError;

use crate::guests::guest;
use crate::harness::SANDBOX;
use crate::text::{self, wasm};

async fn refused(wasm: impl Into<Vec<u8>>) -> ModuleError {
    SANDBOX.prepare(wasm.into().into()).await.unwrap_err()
}

async fn check(wasm: impl Into<Vec<u8>>, code: &str, says: &[&str]) {
    let error = refused(wasm).await;
    assert_eq!(error.code(), code, "{error}");
    for say in says {
        assert!(error.to_string().contains(say), "`{say}` is not in: {error}");
    }
}

#[tokio::test]
async fn a_module_cut_anywhere_is_malformed() {
    let whole = text::component(text::FINE);
    for len in 0..whole.len() {
        match SANDBOX.prepare(whole[..len].to_vec().into()).await {
            Err(error) => {
                // Cut between sections it is a component, of another world.
                let world = error.code() == "module.world";
                assert!(world || error.code() == "module.malformed", "{len}: {error}");
            }
            // All that is missing are names for people.
            Ok(prepared) => assert_eq!(prepared.manifest_json, r#"{"on":"t"} "#, "{len}"),
        }
    }
    let whole = guest("bench");
    for part in [1000, 100_000, whole.len() / 2, whole.len() - 1] {
        assert_eq!(refused(&whole[..part]).await.code(), "module.malformed", "{part}");
    }
}

#[tokio::test]
async fn random_bytes_are_malformed() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    };
    for len in [1, 8, 100, 10_000] {
        let mut bytes: Vec<u8> = (0..len).flat_map(|_| random()).collect();
        check(bytes.clone(), "module.malformed", &[]).await;
        // The same behind a component's first bytes.
        bytes.splice(..0, *b"\0asm\x0d\0\x01\0");
        check(bytes, "module.malformed", &["not valid"]).await;
    }
}

#[tokio::test]
async fn bent_modules_are_refused_or_run() {
    let whole = text::component(text::FINE);
    for index in 0..whole.len() {
        let mut bent = whole.clone();
        bent[index] ^= 0x10;
        // It may still be a good component: a name or a number differs. It must not be a panic.
        if let Err(error) = SANDBOX.prepare(bent.into()).await {
            assert_ne!(error.code(), "module.host", "{index}: {error}");
        }
    }
}

#[tokio::test]
async fn core_modules_are_told_how_to_become_components() {
    check(wasm("(module)"), "module.core", &["wasm32-wasip2"]).await;
}

#[tokio::test]
async fn text_is_told_to_be_built() {
    check("(component)", "module.malformed", &["text", "`.wasm`"]).await;
    let wit = std::fs::read(crate::guests::workspace().join("sdk/wit/function.wit")).unwrap();
    check(wit, "module.malformed", &["text"]).await;
    check("", "module.malformed", &["empty"]).await;
}

#[tokio::test]
async fn modules_have_a_longest_length() {
    check(vec![0; (32 << 20) + 1], "module.too_large", &["33554433", "33554432"]).await;
}

#[tokio::test]
async fn a_component_of_another_world_is_told_all_it_lacks() {
    let other = r#"(component
        (import "wasi:http/incoming-handler@0.2.0" (instance))
        (import "wasi:sockets/tcp@0.2.6" (instance))
        (import "wasi:io/poll@0.3.0" (instance))
        (import "acme:cache/store" (instance))
        (import "triphammer:function/state@2.0.0" (instance))
        (import "triphammer:function/queues@1.1.0" (instance))
        (import "print" (func))
    )"#;
    let error = refused(wasm(other)).await;
    let problems = error.problems();
    assert_eq!(problems.len(), 9, "{problems:#?}");
    let says = [
        "`wasi:http/incoming-handler@0.2.0`, not allowed: functions make requests and take none",
        "`wasi:sockets/tcp@0.2.6`, not allowed: functions have no sockets",
        "`wasi:io/poll@0.3.0`; this host has version 0.2",
        "`acme:cache/store`, which this host does not offer",
        "`triphammer:function/state@2.0.0`; this host has version 1",
        "`triphammer:function/queues@1.1.0`, which this host does not know",
        "`print`",
        "does not export `handle: func(event: event, delivery: delivery) -> \
         result<option<reply>, fault>`, nor `handle-batch: func(events: list<tuple<event, delivery>>)",
        "does not export `describe: func() -> string`",
    ];
    for (problem, say) in problems.iter().zip(says) {
        assert!(problem.contains(say), "`{say}` is not in: {problem}");
    }
}

#[tokio::test]
async fn exports_of_the_wrong_type_are_named() {
    let other = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func (export "handle") (canon lift (core func $i "f")))
        (func (export "describe") (canon lift (core func $i "f"))))"#;
    check(wasm(other), "module.world", &["describe"]).await;
}

#[tokio::test]
async fn events_are_handled_one_way_only() {
    let both = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func (export "handle") (canon lift (core func $i "f")))
        (func (export "handle-batch") (canon lift (core func $i "f")))
        (func (export "describe") (canon lift (core func $i "f"))))"#;
    check(wasm(both), "module.world", &["both `handle` and `handle-batch`"]).await;
    // Alone it is looked at, and its type is wrong.
    let one = both.replace(r#"(func (export "handle") (canon lift (core func $i "f")))"#, "");
    check(wasm(&one), "module.world", &[]).await;
}

#[tokio::test]
async fn a_module_tells_how_it_takes_events() {
    let single = SANDBOX.prepare(guest("misbehave")).await.unwrap();
    let batch = SANDBOX.prepare(guest("tally")).await.unwrap();
    assert!(!single.module.handles_batches());
    assert!(batch.module.handles_batches());
    let manifest = &batch.manifest_json;
    assert!(manifest.contains(r#""batch":{"max":100,"wait":"50ms"}"#), "{manifest}");
}

#[tokio::test]
async fn functions_of_the_wrong_type_are_named() {
    let other = text::component(text::FINE);
    assert!(SANDBOX.prepare(other.into()).await.is_ok());
    let core = format!(
        r#"(import "triphammer:function/log@1.0.0" (instance (export "shout" (func)))) {}"#,
        text::FINE
    );
    check(text::component(&core), "module.world", &["shout"]).await;
}

#[tokio::test]
async fn a_guest_that_reaches_for_the_network_is_refused() {
    check(guest("connect"), "module.world", &["`wasi:sockets/tcp@", "no sockets"]).await;
}

#[tokio::test]
async fn a_panic_in_describe_is_told() {
    check(guest("panic-in-describe"), "module.describe", &["there is no manifest"]).await;
}

#[tokio::test]
async fn memories_of_all_instances_are_counted() {
    let core = text::component(&text::nine_instances());
    check(core, "module.resources", &["memories", "16"]).await;
}

#[tokio::test]
async fn instances_have_a_largest_number() {
    let core = text::component(&text::many_instances());
    check(core, "module.resources", &["instances", "100"]).await;
}

#[tokio::test]
async fn a_component_that_can_not_start_is_told() {
    check(text::component(text::BROKEN_START), "module.describe", &["unreachable"]).await;
    check(text::component(text::ENDLESS_START), "module.describe", &["timeout of 2000 ms"]).await;
}

#[tokio::test]
async fn memories_have_a_largest_number() {
    let core = text::component(text::SEVENTEEN_MEMORIES);
    check(core, "module.resources", &["memories", "17", "16"]).await;
}
