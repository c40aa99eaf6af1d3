//! Timers: events that a function sends itself, later and under a name.

use std::time::Duration;

use crate::event::NewEvent;
#[cfg(target_family = "wasm")]
use crate::guest::HostCalls;
use crate::outcome::{Error, whole_ms};
#[cfg(not(target_family = "wasm"))]
use crate::testing::HostCalls;

/// The function's timers, of this delivery's ordering key where the function has one.
///
/// A timer is an event for this function alone, whatever its `on` says; it comes under the ordering
/// key of the delivery that set it, and with the same guarantees as any event. What an attempt sets
/// and cancels takes effect with its commit, or not at all.
///
/// ```
/// use std::time::Duration;
/// use triphammer_sdk::testing::{Host, event};
/// use triphammer_sdk::{Context, Event, Fault, NewEvent, function};
///
/// #[function(on = ["order.placed", "order.paid"], key = "subject")]
/// fn remind(event: Event<()>, ctx: &mut Context) -> Result<(), Fault> {
///     match event.ty() {
///         "order.placed" => {
///             let week = Duration::from_secs(7 * 24 * 3600);
///             ctx.timers().set("unpaid", week, NewEvent::new("order.unpaid"))?;
///         }
///         "order.paid" => ctx.timers().cancel("unpaid")?,
///         // The timer.
///         _ => ctx.emit(NewEvent::new("reminder.requested"))?,
///     }
///     Ok(())
/// }
///
/// let mut host = Host::new().keyed_by("subject");
/// host.call(remind, event("order.placed").subject("o-1")).unwrap();
/// host.call(remind, event("order.placed").subject("o-2")).unwrap();
/// host.call(remind, event("order.paid").subject("o-1")).unwrap();
///
/// let due = host.advance(Duration::from_secs(8 * 24 * 3600));
/// assert_eq!(due.len(), 1);
/// for timer in due {
///     let done = host.call(remind, timer).unwrap();
///     assert_eq!(done.only_emitted().ty, "reminder.requested");
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timers<'a> {
    pub(crate) calls: &'a HostCalls,
}

impl Timers<'_> {
    /// Delivers the event this long after the commit: up to ten years, in whole milliseconds,
    /// rounded up. A timer that is already set under this name, of 1 to 128 bytes, is replaced.
    ///
    /// The host makes the event's id and source, and the delay is the timer's: an event that has
    /// its own is refused.
    pub fn set(&self, name: &str, after: Duration, event: NewEvent) -> Result<(), Error> {
        let own = [
            ("id", event.id.is_some()),
            ("source", event.source.is_some()),
            ("delay", event.delay.is_some()),
        ];
        match own.iter().find(|(_, is_given)| *is_given) {
            Some((member, _)) => Err(Error::Refused {
                code: "event.malformed".to_owned(),
                message: format!("the event of a timer can't have a `{member}` of its own"),
            }),
            None => self.calls.set_timer(name, whole_ms(after), event),
        }
    }

    /// Removes a timer, if it is set and its event has not begun to be handled.
    pub fn cancel(&self, name: &str) -> Result<(), Error> {
        self.calls.cancel_timer(name)
    }
}
