//! Measures one invocation: a fresh instance, the call, and what it asks for taken out again.
//! `cargo run --release -p triphammer-sandbox --example invocations -- path/to/bench.wasm`

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use triphammer_model::{Delivery, DeliveryId, Event, EventParts, RevisionId, Seq, Timestamp};
use triphammer_sandbox::{Call, HostError, Module, Sandbox, SandboxOptions, StateReader};

const WARM_UP: u32 = 2_000;
const CALLS: u32 = 50_000;

/// One entry, as a counter has.
struct OneEntry;

impl StateReader for OneEntry {
    fn get(&self, _: &str) -> Result<Option<Bytes>, HostError> {
        Ok(Some(Bytes::from_static(b"41")))
    }

    fn scan(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<(String, Bytes)>, HostError> {
        Ok(Vec::new())
    }
}

fn event() -> Result<Event, Box<dyn Error>> {
    let mut data = r#"{"customer":"c-17","amount":1999,"items":["#.to_owned();
    let item = r#"{"sku":"a-1234567","quantity":2,"note":"a note about this item"}"#;
    data.push_str(&[item; 15].join(","));
    data.push_str("]}");
    Ok(Event::new(&EventParts {
        id: "5f0e7c1a-3a8e-4a3c-9d59-0c1b7ad2c9aa".into(),
        source: "/bench".into(),
        ty: "bench.event".into(),
        subject: Some("subject-1234".into()),
        datacontenttype: Some("application/json".into()),
        data: Some(Bytes::from(data)),
        ..EventParts::default()
    })?)
}

fn call(module: &Module, event: &Event, state: &Arc<dyn StateReader>) -> Option<Call> {
    let id = DeliveryId { seq: Seq::new(42)?, function: "bench".parse().ok()? };
    let delivery = Delivery {
        id,
        revision: RevisionId::new(1)?,
        attempt: 1,
        key: None,
        accepted: Timestamp(0),
        deadline: Timestamp(10_000),
    };
    Some(Call {
        module: module.clone(),
        event: event.clone(),
        idempotency_key: delivery.idempotency_key("host"),
        delivery,
        config: Arc::new(BTreeMap::new()),
        state: Arc::clone(state),
        timeout: Duration::from_secs(10),
        memory_bytes: 64 << 20,
        http: None,
        trace: None,
        dry_run: false,
    })
}

async fn run(sandbox: Arc<Sandbox>, module: Module, event: Event, calls: u32) {
    let state: Arc<dyn StateReader> = Arc::new(OneEntry);
    for _ in 0..calls {
        let Some(call) = call(&module, &event, &state) else { return };
        let invoked = sandbox.invoke(call).await;
        assert!(invoked.result.is_ok_and(|effects| effects.emits.len() == 1));
    }
}

#[expect(clippy::print_stdout, reason = "what it is for")]
fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: invocations path/to/bench.wasm")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let dir = std::env::temp_dir().join("triphammer-sandbox-invocations");
    let sandbox = Sandbox::new(SandboxOptions::new(&dir))?;
    let started = Instant::now();
    let prepared = runtime.block_on(sandbox.prepare(std::fs::read(&path)?.into()))?;
    println!("{} slots, prepared in {:?}", sandbox.slots(), started.elapsed());
    let event = event()?;
    println!("event of {} bytes", event.as_bytes().len());
    let go = |threads: u32, calls: u32| {
        let run = || run(Arc::clone(&sandbox), prepared.module.clone(), event.clone(), calls);
        let started = Instant::now();
        let tasks: Vec<_> = (0..threads).map(|_| runtime.spawn(run())).collect();
        for task in tasks {
            runtime.block_on(task)?;
        }
        Ok::<_, Box<dyn Error>>(started.elapsed())
    };
    go(2, WARM_UP)?;
    for threads in [1, 2] {
        let took = go(threads, CALLS)?;
        let calls = f64::from(threads * CALLS);
        let each = took.as_secs_f64() * f64::from(threads) / calls * 1e6;
        println!("{threads} threads: {each:.1} us each, {:.0}/s", calls / took.as_secs_f64());
    }
    Ok(())
}
