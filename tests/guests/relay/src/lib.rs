//! Passes events on under another type, which its configuration names: `to`. Pointed at its own
//! type it goes round for ever, until the host's limit on hops ends it.
//!
//! The configuration may also give what it passes on an `id` and a `source`, and a `delay-ms`.

use std::time::Duration;

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
    if let Some(id) = ctx.config("id") {
        next = next.id(id);
    }
    if let Some(source) = ctx.config("source") {
        next = next.source(source);
    }
    if let Some(ms) = ctx.config("delay-ms") {
        next = next.delay(Duration::from_millis(ms.parse()?));
    }
    ctx.emit(next)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use triphammer_sdk::testing::{Host, event};

    use super::*;

    #[test]
    fn passes_on_what_came() {
        let mut host = Host::new().config("to", "relay.b");
        let came = event("relay.a").subject("s").bytes("text/plain", "hello");
        let done = host.call(relay, came).unwrap();
        let next = done.only_emitted();
        assert_eq!((next.ty.as_str(), next.subject.as_deref()), ("relay.b", Some("s")));
        assert_eq!(next.content_type.as_deref(), Some("text/plain"));
        assert_eq!(next.data.as_deref(), Some(&b"hello"[..]));
    }

    #[test]
    fn the_configuration_says_how() {
        let host = Host::new().config("to", "relay.b").config("id", "i").config("source", "/s");
        let mut host = host.config("delay-ms", "1500");
        let done = host.call(relay, event("relay.a")).unwrap();
        let next = done.only_emitted();
        assert_eq!((next.id.as_str(), next.source.as_str()), ("i", "/s"));
        assert_eq!(next.delay, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn nowhere_to_go_is_a_reject() {
        let fault = Host::new().call(relay, event("relay.a")).unwrap_err();
        assert_eq!(fault, Fault::reject("the configuration has no `to`"));
    }
}
