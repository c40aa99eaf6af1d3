//! What a handler sees of its delivery and its host: state, outbox, timers, configuration, log.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::delivery::Delivery;
use crate::event::NewEvent;
#[cfg(target_family = "wasm")]
use crate::guest::HostCalls;
use crate::http::{Request, Response};
use crate::outcome::{Error, whole_ms};
#[cfg(not(target_family = "wasm"))]
use crate::testing::HostCalls;
use crate::timers::Timers;

/// A handler's view of its delivery and its host.
///
/// Everything that a handler does through it waits in the host until the handler has returned: then
/// it becomes visible all together, or, after a fault, not at all.
///
/// A handler of batches has one context for the whole batch. What it says of a single delivery is
/// then of the first one; each [`Event`](crate::Event) tells its own.
#[derive(Debug)]
pub struct Context {
    pub(crate) calls: HostCalls,
    pub(crate) delivery: Arc<Delivery>,
}

impl Context {
    /// The function's state, of this delivery's ordering key where the function has one.
    pub fn state(&self) -> State<'_> {
        State { calls: &self.calls }
    }

    /// Sets and cancels timers: events that come back to this function later, and to no other.
    pub fn timers(&self) -> Timers<'_> {
        Timers { calls: &self.calls }
    }

    /// Emits an event with the commit of this attempt.
    pub fn emit(&self, event: NewEvent) -> Result<(), Error> {
        self.calls.emit(event)
    }

    /// Makes an HTTP request, and waits for the whole response. It needs `http(allow = …)` in the
    /// attribute, and an operator who allows it too; redirects are not followed.
    ///
    /// A request is no effect: it is not undone when the handler fails, and made again by the next
    /// attempt, with the same `Idempotency-Key` if it writes.
    ///
    /// ```
    /// use triphammer_sdk::http::{Request, Response};
    /// use triphammer_sdk::{Context, Event, Fault, function, testing};
    ///
    /// #[function(on = "order.placed", http(allow = "api.payments.example"))]
    /// fn pay(event: Event<u64>, ctx: &mut Context) -> Result<(), Fault> {
    ///     let request = Request::post("https://api.payments.example/charges")
    ///         .header("authorization", "Bearer {{secret:PAYMENT_KEY}}")
    ///         .json(&event.data)?;
    ///     ctx.fetch(request)?.error_for_status()?;
    ///     Ok(())
    /// }
    ///
    /// let mut host = testing::Host::new().answering(|request| {
    ///     assert_eq!(request.body_bytes(), b"100");
    ///     Ok(Response::new(201, ""))
    /// });
    /// host.call(pay, testing::event("order.placed").json(&100)).unwrap();
    /// assert_eq!(host.requests().len(), 1);
    /// ```
    pub fn fetch(&self, request: Request) -> Result<Response, Error> {
        self.calls.fetch(request)
    }

    /// A value of the function's configuration, which is set when it is deployed.
    pub fn config(&self, name: &str) -> Option<String> {
        self.calls.config(name)
    }

    /// Writes log lines, which the host keeps with the attempt, a failed one too.
    pub fn log(&self) -> Log<'_> {
        Log { calls: &self.calls }
    }

    /// Which attempt at this delivery this is, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.delivery.attempt
    }

    /// The ordering key; none for a function that declares none.
    pub fn key(&self) -> Option<&str> {
        self.delivery.key.as_deref()
    }

    /// The same for every attempt at this delivery, and for no other delivery: what to hand to an
    /// outside service so that it does its part once.
    pub fn idempotency_key(&self) -> &str {
        &self.delivery.idempotency_key
    }

    /// The revision that handles this attempt: `r1`, `r2`, ….
    pub fn revision(&self) -> &str {
        &self.delivery.revision
    }

    /// The function's name.
    pub fn function(&self) -> &str {
        &self.delivery.function
    }

    /// The event's sequence number on this host.
    pub fn seq(&self) -> &str {
        &self.delivery.seq
    }

    /// When the event was accepted, in milliseconds since 1970.
    pub fn accepted_ms(&self) -> u64 {
        self.delivery.accepted_ms
    }

    /// When this attempt is stopped, in milliseconds since 1970.
    pub fn deadline_ms(&self) -> u64 {
        self.delivery.deadline_ms
    }
}

/// The function's own state: entries with names, whose values are JSON or bytes.
///
/// A handler reads what was committed and what it wrote itself.
///
/// ```
/// use triphammer_sdk::{Context, Event, Fault, function, testing};
///
/// #[function(on = "door.opened", key = "subject")]
/// fn count(_event: Event<()>, ctx: &mut Context) -> Result<(), Fault> {
///     let opened: u64 = ctx.state().get("opened")?.unwrap_or(0);
///     ctx.state().set("opened", &(opened + 1))?;
///     Ok(())
/// }
///
/// let mut host = testing::Host::new().keyed_by("subject");
/// for door in ["front", "back", "front"] {
///     host.call(count, testing::event("door.opened").subject(door)).unwrap();
/// }
/// assert_eq!(host.state_of(Some("front"), "opened"), Some(2));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    calls: &'a HostCalls,
}

impl State<'_> {
    /// Reads an entry that was written as JSON.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let Some(bytes) = self.get_bytes(name)? else { return Ok(None) };
        decode(name, &bytes).map(Some)
    }

    /// Writes an entry as JSON.
    pub fn set<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), Error> {
        let bytes = serde_json::to_vec(value).map_err(Error::encode("a state entry"))?;
        self.set_bytes(name, &bytes)
    }

    /// Reads an entry's bytes.
    pub fn get_bytes(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.calls.get(name)
    }

    /// Writes an entry's bytes.
    pub fn set_bytes(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.calls.set(name, value)
    }

    /// Writes an entry as JSON that is gone this long after the commit: 1 ms to ten years, in whole
    /// milliseconds, rounded up. Written again with [`set`](Self::set), it stays.
    ///
    /// ```
    /// use std::time::Duration;
    /// use triphammer_sdk::{Context, Event, Fault, function, testing};
    ///
    /// #[function(on = "code.requested", key = "subject")]
    /// fn request(_event: Event<()>, ctx: &mut Context) -> Result<(), Fault> {
    ///     Ok(ctx.state().set_with_ttl("code", "4711", Duration::from_secs(600))?)
    /// }
    ///
    /// let mut host = testing::Host::new().keyed_by("subject");
    /// host.call(request, testing::event("code.requested").subject("ann")).unwrap();
    /// assert_eq!(host.state_of(Some("ann"), "code"), Some("4711".to_owned()));
    /// host.advance(Duration::from_secs(600));
    /// assert!(host.state_names(Some("ann")).is_empty());
    /// ```
    pub fn set_with_ttl<T: Serialize + ?Sized>(
        &self,
        name: &str,
        value: &T,
        ttl: Duration,
    ) -> Result<(), Error> {
        let bytes = serde_json::to_vec(value).map_err(Error::encode("a state entry"))?;
        self.set_bytes_with_ttl(name, &bytes, ttl)
    }

    /// As [`set_with_ttl`](Self::set_with_ttl), with the value's bytes.
    pub fn set_bytes_with_ttl(&self, name: &str, value: &[u8], ttl: Duration) -> Result<(), Error> {
        self.calls.set_with_ttl(name, value, whole_ms(ttl))
    }

    /// Removes an entry, if there is one.
    pub fn delete(&self, name: &str) -> Result<(), Error> {
        self.calls.delete(name)
    }

    /// Entries whose names begin with `prefix`, in the order of their names' bytes, at most `limit`
    /// of them, beginning after the name `after`.
    pub fn scan<T: DeserializeOwned>(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, T)>, Error> {
        let entries = self.scan_bytes(prefix, after, limit)?.into_iter();
        entries.map(|(name, bytes)| decode(&name, &bytes).map(|value| (name, value))).collect()
    }

    /// As [`scan`](Self::scan), with the values' bytes.
    pub fn scan_bytes(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, Error> {
        self.calls.scan(prefix, after, limit)
    }
}

fn decode<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Decode { name: name.to_owned(), source })
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Every step.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// What is worth knowing.
    Info,
    /// What may become a fault.
    Warn,
    /// A fault.
    Error,
}

/// Writes log lines, which the host keeps with the attempt.
///
/// ```
/// # use triphammer_sdk::{Context, Event, Fault};
/// fn handler(event: Event<()>, ctx: &mut Context) -> Result<(), Fault> {
///     ctx.log().info("started");
///     ctx.log().debug(format!("{} from {}", event.ty(), event.source()));
///     Ok(())
/// }
/// # let mut host = triphammer_sdk::testing::Host::new();
/// # host.call(handler, triphammer_sdk::testing::event("a")).unwrap();
/// # assert_eq!(host.logs().len(), 2);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Log<'a> {
    calls: &'a HostCalls,
}

impl Log<'_> {
    /// A line of any level.
    pub fn write(&self, level: Level, message: impl AsRef<str>) {
        self.calls.log(level, message.as_ref());
    }

    /// A line of level [`Level::Trace`].
    pub fn trace(&self, message: impl AsRef<str>) {
        self.write(Level::Trace, message);
    }

    /// A line of level [`Level::Debug`].
    pub fn debug(&self, message: impl AsRef<str>) {
        self.write(Level::Debug, message);
    }

    /// A line of level [`Level::Info`].
    pub fn info(&self, message: impl AsRef<str>) {
        self.write(Level::Info, message);
    }

    /// A line of level [`Level::Warn`].
    pub fn warn(&self, message: impl AsRef<str>) {
        self.write(Level::Warn, message);
    }

    /// A line of level [`Level::Error`].
    pub fn error(&self, message: impl AsRef<str>) {
        self.write(Level::Error, message);
    }
}
