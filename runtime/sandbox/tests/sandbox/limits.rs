//! Every limit ends the attempt that passes it, by its own name.

use std::time::Duration;

use triphammer_sandbox::{Fault, InvokeError, Sandbox, SandboxOptions};

use crate::guests::guest;
use crate::harness::{SANDBOX, call, effects, messages, misbehave, misbehaved, scratch};
use crate::text::{self, prepare_text};

#[track_caller]
fn failed(result: Result<triphammer_model::Effects, InvokeError>, code: &str, says: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(says), "`{says}` is not in: {error}");
}

async fn fails(way: &str, data: &str, code: &str, says: &str) {
    let error = misbehaved(way, data).await.result.unwrap_err();
    assert_eq!(error.fault(), Fault::Guest, "{error}");
    failed(Err(error), code, says);
}

async fn times_out(way: &str) {
    let mut call = call(&misbehave().await, &format!("misbehave.{way}"), "{}");
    call.timeout = Duration::from_millis(100);
    let invoked = SANDBOX.invoke(call).await;
    failed(invoked.result, "invoke.deadline", "timeout of 100 ms");
    let over = invoked.elapsed - Duration::from_millis(100);
    assert!(over < Duration::from_secs(2), "stopped {over:?} late");
}

#[tokio::test]
async fn a_busy_loop_is_stopped() {
    times_out("spin").await;
}

#[tokio::test]
async fn a_chain_of_host_calls_is_stopped() {
    times_out("spin-in-host-calls").await;
}

#[tokio::test]
async fn a_guest_that_waits_is_stopped() {
    times_out("sleep").await;
}

#[tokio::test]
async fn the_hosts_own_limit_on_time_comes_first() {
    let mut options = SandboxOptions::new(scratch().keep());
    options.limits.timeout_max = Duration::from_millis(50);
    let sandbox = Sandbox::new(options).unwrap();
    let module = sandbox.prepare(guest("misbehave")).await.unwrap().module;
    let invoked = sandbox.invoke(call(&module, "misbehave.spin", "{}")).await;
    failed(invoked.result, "invoke.deadline", "timeout of 50 ms");
}

#[tokio::test]
async fn memory_grows_to_its_limit() {
    let mut call = call(&misbehave().await, "misbehave.grow", "{}");
    call.memory_bytes = 8 << 20;
    let invoked = SANDBOX.invoke(call).await;
    failed(invoked.result, "limit.memory", "8388608 bytes");
    assert!((6 << 20..=8 << 20).contains(&invoked.memory_bytes), "{}", invoked.memory_bytes);
}

#[tokio::test]
async fn two_memories_share_one_limit() {
    for core in [text::TWO_MEMORIES, text::TWO_INSTANCES] {
        let module = prepare_text(core).await.unwrap().module;
        let mut call = call(&module, "t", "{}");
        call.memory_bytes = 10 << 20;
        let invoked = SANDBOX.invoke(call).await;
        failed(invoked.result, "limit.memory", "10485760 bytes");
        assert!(invoked.memory_bytes > 9 << 20, "both together: {}", invoked.memory_bytes);
    }
}

#[tokio::test]
async fn tables_count_as_memory() {
    let module = prepare_text(text::GROWS_TABLE).await.unwrap().module;
    let mut call = call(&module, "t", "{}");
    call.memory_bytes = 128 << 10;
    failed(SANDBOX.invoke(call).await.result, "limit.memory", "131072 bytes");
}

#[tokio::test]
async fn an_instance_that_starts_too_large_is_not_started() {
    let mut call = call(&misbehave().await, "misbehave.ok", "{}");
    call.memory_bytes = 64 << 10;
    failed(SANDBOX.invoke(call).await.result, "limit.memory", "65536 bytes");
}

#[tokio::test]
async fn a_stack_overflow_is_named() {
    fails("stack", "{}", "invoke.trap", "stack overflow").await;
    fails("stack-in-memory", "{}", "invoke.trap", "stack overflow").await;
}

#[tokio::test]
async fn a_huge_reply_is_refused() {
    fails("huge-reply", "{}", "limit.reply", "1048576 bytes").await;
    fails("huge-reply", r#"{"n": 1100000}"#, "limit.reply", "1048576 bytes").await;
    fails("huge-reply", r#"{"n": 50000000}"#, "limit.reply", "1048576 bytes").await;
    let fits = misbehaved("huge-reply", r#"{"n": 1000000}"#).await;
    assert_eq!(effects(fits).reply.unwrap().data.len(), 1_000_000);
}

#[tokio::test]
async fn a_huge_message_is_cut() {
    let error = misbehaved("huge-fault", "{}").await.result.unwrap_err();
    assert_eq!(error.code(), "invoke.retry");
    assert_eq!(error.to_string().len(), 4096);
}

#[tokio::test]
async fn ten_thousand_emits_are_too_many() {
    fails("many-emits", "{}", "limit.emits", "1000 events").await;
    let fits = misbehaved("many-emits", r#"{"n": 1000}"#).await;
    assert_eq!(effects(fits).emits.len(), 1000);
}

#[tokio::test]
async fn emitted_bytes_are_counted() {
    fails("huge-emit", "{}", "limit.emit_bytes", "4194304 bytes").await;
    fails("huge-emit", r#"{"n": 40000000}"#, "limit.call", "33554432 bytes").await;
}

#[tokio::test]
async fn a_million_writes_are_too_many() {
    fails("many-writes", "{}", "limit.state_writes", "10000 state entries").await;
    let fits = misbehaved("many-writes", r#"{"n": 10000}"#).await;
    assert_eq!(effects(fits).writes.len(), 10_000);
}

#[tokio::test]
async fn written_bytes_are_counted() {
    let mut options = SandboxOptions::new(scratch().keep());
    options.limits.state_bytes_max = 1000;
    let sandbox = Sandbox::new(options).unwrap();
    let module = sandbox.prepare(guest("misbehave")).await.unwrap().module;
    let invoked = sandbox.invoke(call(&module, "misbehave.many-writes", r#"{"n": 500}"#)).await;
    failed(invoked.result, "limit.state_bytes", "1000 bytes");
}

#[tokio::test]
async fn a_name_or_a_value_that_is_too_long_is_the_guests_to_handle() {
    fails("long-name", "{}", "invoke.retry", "limit.state_name").await;
    fails("big-state-value", "{}", "invoke.retry", "limit.state_value").await;
    for way in ["long-name", "big-state-value"] {
        let ignored = misbehaved(way, r#"{"ignore": true}"#).await;
        assert_eq!(effects(ignored).writes, []);
    }
}

#[tokio::test]
async fn a_million_log_lines_are_too_many() {
    let invoked = misbehaved("many-logs", "{}").await;
    failed(invoked.result, "limit.logs", "100000 lines");
    assert_eq!((invoked.logs.len(), invoked.logs_left_out), (200, 99_800));
    let fits = misbehaved("many-logs", r#"{"n": 300}"#).await;
    assert_eq!((fits.logs.len(), fits.logs_left_out), (200, 100));
    assert_eq!(messages(&fits.logs)[199], "line 199");
    effects(fits);
}

#[tokio::test]
async fn lines_on_stdout_count_as_log_lines() {
    fails("stdout", r#"{"n": 60000}"#, "limit.logs", "100000 lines").await;
}

#[tokio::test]
async fn nothing_of_a_failed_attempt_is_left() {
    let invoked = misbehaved("trap-after-write", "{}").await;
    let error = invoked.result.unwrap_err();
    assert_eq!((error.code(), error.fault()), ("invoke.trap", Fault::Guest));
    assert!(error.to_string().contains("it trapped after writing"), "{error}");
    // The log survives, because that is what it is for.
    assert_eq!(messages(&invoked.logs)[0], "about to trap");
    let next = misbehaved("count", "{}").await;
    assert_eq!(effects(next).writes.len(), 1);
}

#[tokio::test]
async fn a_panic_says_where_and_why() {
    let invoked = misbehaved("panic", "{}").await;
    let text = invoked.result.unwrap_err().to_string();
    assert!(text.contains("it panicked on purpose"), "{text}");
    assert!(text.contains("src/lib.rs"), "{text}");
    assert!(!text.contains("RUST_BACKTRACE"), "{text}");
}

#[tokio::test]
async fn a_trap_without_a_word_names_itself() {
    let module = prepare_text(text::UNREACHABLE).await.unwrap().module;
    let error = SANDBOX.invoke(call(&module, "t", "{}")).await.result;
    failed(error, "invoke.trap", "unreachable");
}

#[tokio::test]
async fn exit_is_no_way_to_end() {
    fails("exit", "{}", "invoke.exit", "exit(1)").await;
}

#[tokio::test]
async fn faults_come_out_as_they_were_made() {
    let rejected = misbehaved("reject", "{}").await.result.unwrap_err();
    assert_eq!((rejected.code(), rejected.fault()), ("invoke.rejected", Fault::Final));
    assert_eq!(rejected.to_string(), "it will not pass");
    let after = misbehaved("retry-after", r#"{"after_ms": 1500}"#).await.result.unwrap_err();
    let InvokeError::Retry { message, after } = after else { panic!("{after:?}") };
    assert_eq!((message.as_str(), after), ("not yet", Some(Duration::from_millis(1500))));
}
