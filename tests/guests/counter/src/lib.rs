//! Counts events by subject. What it emits and answers shows whether an event was lost, repeated
//! or overtaken: the counts of a subject are 1, 2, 3, … without gap or repeat.

use serde::Serialize;
use triphammer_sdk::{Context, Event, Fault, Json, NewEvent, function};

/// The payload of `counter.counted`, and the reply.
#[derive(Serialize)]
struct Counted {
    /// How many events of this subject there have been.
    n: u64,
    /// The id of the event that was counted.
    event: String,
}

#[function(on = "counter.add", key = "subject")]
fn counter(event: Event<()>, ctx: &mut Context) -> Result<Json<Counted>, Fault> {
    let n = ctx.state().get::<u64>("n")?.unwrap_or(0) + 1;
    ctx.state().set("n", &n)?;
    let counted = Counted { n, event: event.id().to_owned() };
    let subject = event.subject().unwrap_or_default();
    ctx.emit(NewEvent::new("counter.counted").subject(subject).json(&counted)?)?;
    Ok(Json(counted))
}
