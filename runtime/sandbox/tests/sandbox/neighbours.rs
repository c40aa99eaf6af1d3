//! What one guest does, others do not feel.

use std::sync::Arc;
use std::time::{Duration, Instant};

use triphammer_sandbox::{Sandbox, SandboxOptions};

use crate::guests::guest;
use crate::harness::{SANDBOX, call, effects, misbehave, reply, scratch};

/// Busy in each way, and stopped at their limits or deadlines.
const BUSY: [&str; 8] = [
    "spin",
    "spin-in-host-calls",
    "sleep",
    "grow",
    "stack",
    "many-logs",
    "many-writes",
    "huge-reply",
];

#[tokio::test]
async fn a_good_guest_is_served_beside_bad_ones() {
    let module = misbehave().await;
    // All on one thread: whoever does not let go holds up everybody.
    let bad = BUSY.map(|way| {
        let mut call = call(&module, &format!("misbehave.{way}"), "{}");
        call.timeout = Duration::from_millis(500);
        tokio::spawn(SANDBOX.invoke(call))
    });
    tokio::task::yield_now().await;
    let mut slowest = Duration::ZERO;
    let mut served = 0;
    while bad.iter().any(|task| !task.is_finished()) {
        let started = Instant::now();
        assert_eq!(reply(SANDBOX.invoke(call(&module, "misbehave.ok", "{}")).await), "ok");
        slowest = slowest.max(started.elapsed());
        served += 1;
    }
    for task in bad {
        assert!(task.await.unwrap().result.is_err());
    }
    assert!(served > 5, "served {served}");
    assert!(slowest < Duration::from_millis(400), "one took {slowest:?}");
}

#[tokio::test]
async fn a_full_pool_means_waiting() {
    let mut options = SandboxOptions::new(scratch().keep());
    options.slots = Some(2);
    let sandbox = Sandbox::new(options).unwrap();
    assert_eq!(sandbox.slots(), 2);
    let module = sandbox.prepare(guest("misbehave")).await.unwrap().module;
    let tasks: Vec<_> = (0..64)
        .map(|index| {
            let way = if index % 2 == 0 { "misbehave.sleep" } else { "misbehave.ok" };
            let mut call = call(&module, way, "{}");
            call.timeout = Duration::from_millis(20);
            let sandbox = Arc::clone(&sandbox);
            (index, tokio::spawn(async move { sandbox.invoke(call).await }))
        })
        .collect();
    for (index, task) in tasks {
        let result = task.await.unwrap().result;
        let code = result.map_or_else(|error| error.code(), |_| "ok");
        assert_eq!(code, if index % 2 == 0 { "invoke.deadline" } else { "ok" });
    }
}

#[tokio::test]
async fn a_dropped_attempt_gives_its_slot_back() {
    let mut options = SandboxOptions::new(scratch().keep());
    options.slots = Some(1);
    let sandbox = Sandbox::new(options).unwrap();
    let module = sandbox.prepare(guest("misbehave")).await.unwrap().module;
    for way in ["misbehave.spin", "misbehave.sleep"] {
        let attempt = sandbox.invoke(call(&module, way, "{}"));
        let dropped = tokio::time::timeout(Duration::from_millis(20), attempt).await;
        assert!(dropped.is_err(), "it would have run for ten seconds");
        effects(sandbox.invoke(call(&module, "misbehave.ok", "{}")).await);
    }
}

#[tokio::test]
async fn guests_run_on_while_the_sandbox_was_idle_before() {
    let module = misbehave().await;
    for _ in 0..3 {
        let mut spin = call(&module, "misbehave.spin", "{}");
        spin.timeout = Duration::from_millis(10);
        assert_eq!(SANDBOX.invoke(spin).await.result.unwrap_err().code(), "invoke.deadline");
    }
}
