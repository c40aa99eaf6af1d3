//! Runs handlers natively, in ordinary unit tests.
//!
//! A [`Host`] keeps state and configuration in memory and treats a handler as the real host does:
//! state is one space per ordering key, a handler's effects are kept when it succeeds and thrown
//! away when it fails, a payload that does not parse never reaches it. It delivers nothing by
//! itself: a test hands it each event, emitted ones too, and lets its clock go on, which gives the
//! events of the timers that have come due.
//!
//! ```
//! use triphammer_sdk::testing::{Host, event};
//! use triphammer_sdk::{Context, Event, Fault, NewEvent, function};
//!
//! #[function(on = "door.opened", key = "subject")]
//! fn alarm(event: Event<()>, ctx: &mut Context) -> Result<(), Fault> {
//!     let opened = ctx.state().get::<u32>("opened")?.unwrap_or(0) + 1;
//!     ctx.state().set("opened", &opened)?;
//!     let limit: u32 = ctx.config("limit").ok_or(Fault::reject("no limit"))?.parse()?;
//!     if opened >= limit {
//!         let door = event.subject().unwrap_or_default();
//!         ctx.emit(NewEvent::new("alarm.raised").subject(door).json(&opened)?)?;
//!     }
//!     Ok(())
//! }
//!
//! let mut host = Host::new().keyed_by("subject").config("limit", "2");
//! assert!(host.call(alarm, event("door.opened").subject("front")).unwrap().emitted.is_empty());
//!
//! let done = host.call(alarm, event("door.opened").subject("front")).unwrap();
//! assert_eq!(done.emitted[0].ty, "alarm.raised");
//! assert_eq!(done.emitted[0].json::<u32>(), 2);
//! assert_eq!(host.state_of(Some("front"), "opened"), Some(2));
//! ```
//!
//! Not for limits (time, memory, sizes): those are the real host's, and `trip test` shows them.

mod calls;
mod event;
mod timers;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::calls::HostCalls;
use self::calls::{Attempt, Entry, Space, Web};
pub use self::event::{Emitted, TestEvent, event};
pub use self::timers::Timer;
use self::timers::Timers;
use crate::context::{Context, Level};
use crate::delivery::Delivery;
use crate::event::Event;
use crate::http::{Request, Response};
use crate::outcome::{Error, Fault, IntoReply, Reply};

/// When a host's clock starts, and so when a test's events are accepted until it
/// [lets time pass](Host::advance): the first second of 2026, in milliseconds since 1970.
pub const ACCEPTED_MS: u64 = 1_767_225_600_000;

/// The default of a manifest's `timeout`.
const TIMEOUT_MS: u64 = 10_000;

/// What the function under test is called.
const FUNCTION: &str = "test-function";

/// What a handler that succeeded has done.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its answer for a sender that waits.
    pub reply: Option<Reply>,
    /// The events that it emitted, in order.
    pub emitted: Vec<Emitted>,
}

impl Done {
    /// The reply, read as JSON.
    ///
    /// # Panics
    /// When there is no reply, or it is not JSON of this type.
    #[track_caller]
    pub fn reply_json<T: DeserializeOwned>(&self) -> T {
        let Some(reply) = &self.reply else { panic!("the handler gave no reply") };
        event::read_json("the reply", &reply.data)
    }

    /// The one event that was emitted.
    ///
    /// # Panics
    /// When there is none, or more than one.
    #[track_caller]
    pub fn only_emitted(&self) -> &Emitted {
        match &self.emitted[..] {
            [emitted] => emitted,
            other => panic!("the handler emitted {} events, not one: {other:?}", other.len()),
        }
    }
}

/// A host for tests, with one function's state and configuration in memory.
#[derive(Debug, Default)]
pub struct Host {
    key: Option<String>,
    config: BTreeMap<String, String>,
    spaces: BTreeMap<Option<String>, Space>,
    logs: Vec<(Level, String)>,
    web: Web,
    requests: Vec<Request>,
    deliveries: u64,
    timers: Timers,
    /// Since [`ACCEPTED_MS`].
    elapsed: Duration,
}

impl Host {
    /// A host for a function without an ordering key.
    pub fn new() -> Self {
        Self::default()
    }

    /// As the manifest's `key`: `subject`, `source`, an extension's name or `data./json/pointer`.
    #[must_use]
    pub fn keyed_by(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets a value of the function's configuration.
    #[must_use]
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.insert(name.into(), value.into());
        self
    }

    /// Answers the requests that handlers make. Without it each of them is denied.
    #[must_use]
    pub fn answering(
        mut self,
        answers: impl FnMut(&Request) -> Result<Response, Error> + 'static,
    ) -> Self {
        self.web = Web(Some(Rc::new(RefCell::new(answers))));
        self
    }

    /// Delivers an event to a handler, and keeps what it did if it succeeds.
    pub fn call<T, R>(
        &mut self,
        handler: fn(Event<T>, &mut Context) -> Result<R, Fault>,
        event: TestEvent,
    ) -> Result<Done, Fault>
    where
        T: DeserializeOwned + 'static,
        R: IntoReply,
    {
        let key = event.ordering_key(self.key.as_deref())?;
        let delivery = self.delivery(&event, key);
        let event = event.delivered::<T>(Arc::clone(&delivery));
        self.run(delivery, |ctx| handler(event?, ctx)?.into_reply().map_err(Fault::from))
    }

    /// Delivers events to a handler of batches, and keeps what it did if it succeeds. With an
    /// ordering key all of them must have the same one, as the host sees to.
    ///
    /// ```
    /// use triphammer_sdk::testing::{Host, event};
    /// use triphammer_sdk::{Context, Event, Fault, function};
    ///
    /// #[function(on = "reading", key = "subject", batch(max = 100, wait = "1s"))]
    /// fn store(events: Vec<Event<f64>>, ctx: &mut Context) -> Result<(), Fault> {
    ///     let sum: f64 = events.iter().map(|event| event.data).sum();
    ///     Ok(ctx.state().set("sum", &sum)?)
    /// }
    ///
    /// let mut host = Host::new().keyed_by("subject");
    /// let reading = |value: f64| event("reading").subject("s").json(&value);
    /// host.call_batch(store, [reading(1.5), reading(2.5)]).unwrap();
    /// assert_eq!(host.state_of(Some("s"), "sum"), Some(4.0));
    /// ```
    ///
    /// # Panics
    /// When there is no event, or they have different ordering keys.
    #[track_caller]
    pub fn call_batch<T, R>(
        &mut self,
        handler: fn(Vec<Event<T>>, &mut Context) -> Result<R, Fault>,
        events: impl IntoIterator<Item = TestEvent>,
    ) -> Result<Done, Fault>
    where
        T: DeserializeOwned + 'static,
        R: IntoReply,
    {
        let mut batch = Vec::new();
        let mut first: Option<Arc<Delivery>> = None;
        for event in events {
            let key = event.ordering_key(self.key.as_deref())?;
            let delivery = self.delivery(&event, key);
            let first = first.get_or_insert_with(|| Arc::clone(&delivery));
            assert!(first.key == delivery.key, "the events of a batch have one ordering key");
            batch.push((event, delivery));
        }
        let Some(first) = first else { panic!("a batch has at least one event") };
        let read = |(event, delivery): (TestEvent, _)| event.delivered_in_batch::<T>(delivery);
        let events = batch.into_iter().map(read).collect::<Result<Vec<_>, _>>();
        self.run(first, |ctx| handler(events?, ctx)?.into_reply().map_err(Fault::from))
    }

    /// Runs one attempt.
    fn run(
        &mut self,
        delivery: Arc<Delivery>,
        handle: impl FnOnce(&mut Context) -> Result<Option<Reply>, Fault>,
    ) -> Result<Done, Fault> {
        let (key, own_id) = (delivery.key.clone(), delivery.idempotency_key.clone());
        let space = self.spaces.get(&key).cloned().unwrap_or_default();
        let attempt = Attempt::new(space, self.config.clone(), self.now_ms(), self.web.clone());
        let attempt = Rc::new(RefCell::new(attempt));
        let mut ctx = Context { calls: HostCalls::new(Rc::clone(&attempt)), delivery };
        let outcome = handle(&mut ctx);
        let attempt = std::mem::take(&mut *attempt.borrow_mut());
        self.logs.extend(attempt.logs);
        self.requests.extend(attempt.requests);
        let reply = outcome?;
        self.spaces.insert(key.clone(), attempt.space);
        for change in attempt.timers {
            self.timers.change(&key, change, self.elapsed);
        }
        let numbered = attempt.emitted.into_iter().enumerate();
        let emitted = numbered
            .map(|(index, event)| Emitted::new(event, FUNCTION, || format!("{own_id}/{index}")));
        Ok(Done { reply, emitted: emitted.collect() })
    }

    fn delivery(&mut self, event: &TestEvent, key: Option<String>) -> Arc<Delivery> {
        self.deliveries += 1;
        let now_ms = self.now_ms();
        Arc::new(Delivery {
            seq: self.deliveries.to_string(),
            function: FUNCTION.into(),
            revision: "r1".into(),
            attempt: event.attempt,
            key,
            accepted_ms: now_ms,
            deadline_ms: now_ms + TIMEOUT_MS,
            // Made from the event, so that a test can deliver the same one again.
            idempotency_key: format!("{}/{}/{FUNCTION}", event.source_text(), event.id_text()),
        })
    }

    /// Lets time pass: state entries whose time is up are gone, and the events of the timers that
    /// have come due are returned, the first due first, for the test to deliver.
    pub fn advance(&mut self, by: Duration) -> Vec<TestEvent> {
        self.elapsed += by;
        let now_ms = self.now_ms();
        for space in self.spaces.values_mut() {
            space.retain(|_, entry| entry.until_ms.is_none_or(|until| until > now_ms));
        }
        self.timers.due(self.elapsed)
    }

    /// The timers that are set, the first due first.
    pub fn timers(&self) -> Vec<&Timer> {
        self.timers.all()
    }

    fn now_ms(&self) -> u64 {
        let elapsed = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        ACCEPTED_MS.saturating_add(elapsed)
    }

    /// A committed state entry of a function without an ordering key.
    ///
    /// # Panics
    /// When the entry is not JSON of this type.
    #[track_caller]
    pub fn state<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.state_of(None, name)
    }

    /// A committed state entry, of an ordering key where there is one.
    ///
    /// # Panics
    /// When the entry is not JSON of this type.
    #[track_caller]
    pub fn state_of<T: DeserializeOwned>(&self, key: Option<&str>, name: &str) -> Option<T> {
        let space = self.spaces.get(&key.map(str::to_owned))?;
        space.get(name).map(|entry| event::read_json(name, &entry.value))
    }

    /// The names of all committed state entries, of an ordering key where there is one.
    pub fn state_names(&self, key: Option<&str>) -> Vec<String> {
        let space = self.spaces.get(&key.map(str::to_owned));
        space.map(|space| space.keys().cloned().collect()).unwrap_or_default()
    }

    /// Writes a state entry as if an earlier delivery had.
    ///
    /// # Panics
    /// When the value can't be written as JSON.
    #[track_caller]
    pub fn set_state<T: Serialize>(&mut self, key: Option<&str>, name: &str, value: &T) {
        match serde_json::to_vec(value) {
            Ok(value) => {
                let space = self.spaces.entry(key.map(str::to_owned)).or_default();
                space.insert(name.to_owned(), Entry { value, until_ms: None });
            }
            Err(error) => panic!("the value of `{name}` can't be written as JSON: {error}"),
        }
    }

    /// The requests of all attempts so far, those of failed ones among them.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// The log lines of all attempts so far, those of failed ones among them.
    pub fn logs(&self) -> &[(Level, String)] {
        &self.logs
    }
}
