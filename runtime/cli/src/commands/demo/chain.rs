//! Step: one event in, a chain of events out.

use std::time::{Duration, Instant};

use serde_json::json;

use super::stage::Stage;
use crate::commands::event;
use crate::error::Error;

pub(super) fn run(stage: &mut Stage<'_>) -> Result<(), Error> {
    stage.step("one event in, a chain of events out, each link a commit:")?;
    let user = json!({
        "specversion": "1.0", "id": "demo-user", "source": "/demo", "type": "user.registered",
        "subject": "user-1", "data": {"email": "ada@example.com", "name": "Ada"},
    });
    let registered = stage.send(&user)?;
    show(stage, &registered.seq)?;

    stage.send(&stock(10))?;
    let shipped = stage.send(&order("o-1", 2))?;
    wait_for(stage, "shipment.requested", "o-1")?;
    stage.settled(&["orders", "stock"])?;
    show(stage, &shipped.seq)?;

    stage.send(&order("o-2", 9))?;
    let cancelled = wait_for(stage, "order.cancelled", "o-2")?;
    let shipments = stage.events("shipment.requested")?.len();
    stage.check(
        cancelled && shipments == 1,
        "an order for more than there is was cancelled; nothing of it was shipped",
    )?;

    let again = stage.send(&user)?;
    let mails = stage.events("email.requested")?.len();
    stage.check(
        again.duplicate && again.seq == registered.seq && mails == 1,
        format_args!("the first event sent again is a duplicate of #{}: one mail", again.seq),
    )
}

fn stock(quantity: u32) -> serde_json::Value {
    json!({
        "specversion": "1.0", "id": "demo-stock", "source": "/demo", "type": "stock.received",
        "subject": "tea", "data": {"quantity": quantity},
    })
}

fn order(id: &str, quantity: u32) -> serde_json::Value {
    json!({
        "specversion": "1.0", "id": format!("demo-{id}"), "source": "/demo", "type": "order.placed",
        "subject": id, "data": {"lines": [{"article": "tea", "quantity": quantity}]},
    })
}

fn show(stage: &mut Stage<'_>, seq: &str) -> Result<(), Error> {
    let tree = event::drawn_briefly(&stage.client, seq)?;
    stage.block(&tree)
}

const CHAIN_MAX: Duration = Duration::from_secs(10);

/// Whether an event of this type and subject comes up.
fn wait_for(stage: &Stage<'_>, ty: &str, subject: &str) -> Result<bool, Error> {
    let began = Instant::now();
    while began.elapsed() < CHAIN_MAX {
        let events = stage.events(ty)?;
        if events.iter().any(|event| event.subject.as_deref() == Some(subject)) {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(false)
}
