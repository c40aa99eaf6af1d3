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

#[cfg(test)]
mod tests {
    use triphammer_sdk::testing::{Host, event};

    use super::*;

    #[test]
    fn counts_by_subject_and_skips_what_it_does_not_know() {
        let mut host = Host::new().keyed_by("subject");
        let job = || {
            let data = r#"{"customer": "c", "amount": 5, "items": [{"quantity": 2, "sku": "x"}], "rest": "x"}"#;
            event("bench.event").subject("s-1").data(data)
        };
        host.call(bench, job()).unwrap();
        let done = host.call(bench, job()).unwrap();

        let emitted = done.only_emitted();
        assert_eq!(
            emitted.data.as_deref(),
            Some(&br#"{"customer":"c","amount":5,"quantity":2,"count":2}"#[..])
        );
        assert_eq!(host.state_of(Some("s-1"), "count"), Some(2));
    }
}
