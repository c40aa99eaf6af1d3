//! The handler that the benchmarks measure: what a small real function does, once each. It parses
//! its payload, reads and writes one state entry, and emits one event.

use serde::{Deserialize, Serialize};
use triphammer_sdk::{Context, Event, Fault, NewEvent, function};

/// A few fields of the payload; the rest is skipped.
#[derive(Deserialize)]
struct Job {
    customer: String,
    amount: i64,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    quantity: u32,
}

#[derive(Serialize)]
struct Done<'a> {
    customer: &'a str,
    amount: i64,
    quantity: u64,
    count: u64,
}

#[function(on = "bench.event", key = "subject")]
fn bench(event: Event<Job>, ctx: &mut Context) -> Result<(), Fault> {
    let count = ctx.state().get::<u64>("count")?.unwrap_or(0) + 1;
    ctx.state().set("count", &count)?;

    let Job { customer, amount, items } = &event.data;
    let quantity = items.iter().map(|item| u64::from(item.quantity)).sum();
    let done = Done { customer, amount: *amount, quantity, count };
    let subject = event.subject().unwrap_or_default();
    ctx.emit(NewEvent::new("bench.done").subject(subject).json(&done)?)?;
    Ok(())
}
