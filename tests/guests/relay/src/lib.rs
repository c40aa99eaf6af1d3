//! Passes events on under another type, which its configuration names: `to`. Pointed at its own
//! type it goes round for ever, until the host's limit on hops ends it.

use triphammer_sdk::{Context, Event, Fault, NewEvent, function};

#[function(on = "relay.*")]
fn relay(event: Event<Vec<u8>>, ctx: &mut Context) -> Result<(), Fault> {
    let to = ctx.config("to").ok_or_else(|| Fault::reject("the configuration has no `to`"))?;
    let mut next = NewEvent::new(to);
    if let Some(subject) = event.subject() {
        next = next.subject(subject);
    }
    if let Some(content_type) = event.content_type() {
        next = next.bytes(content_type, event.data.as_slice());
    }
    ctx.emit(next)?;
    Ok(())
}
