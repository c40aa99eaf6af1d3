//! Runs handlers natively, in ordinary unit tests.
//!
//! A [`Host`] keeps state and configuration in memory and treats a handler as the real host does:
//! state is one space per ordering key, a handler's effects are kept when it succeeds and thrown
//! away when it fails, a payload that does not parse never reaches it. It delivers nothing by
//! itself: a test hands it each event, emitted ones too.
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

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::calls::HostCalls;
use self::calls::{Attempt, Space};
pub use self::event::{Emitted, TestEvent, event};
use crate::context::{Context, Delivery, Level};
use crate::event::Event;
use crate::outcome::{Fault, IntoReply, Reply};

/// When every event of a test is accepted: the first second of 2026, in milliseconds since 1970.
pub const ACCEPTED_MS: u64 = 1_767_225_600_000;

/// The default of a manifest's `timeout`.
const TIMEOUT_MS: u64 = 10_000;

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
    deliveries: u64,
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
        self.deliveries += 1;
        let key = match &self.key {
            Some(expression) => Some(event.key(expression)?),
            None => None,
        };
        let delivery = self.delivery(&event, key.clone());
        let own_id = delivery.idempotency_key.clone();
        let space = self.spaces.get(&key).cloned().unwrap_or_default();
        let attempt = Rc::new(RefCell::new(Attempt::new(space, self.config.clone())));
        let event = event.build::<T>()?;
        let mut ctx = Context { calls: HostCalls::new(Rc::clone(&attempt)), delivery };
        let outcome =
            handler(event, &mut ctx).and_then(|reply| reply.into_reply().map_err(Fault::from));
        let attempt = std::mem::take(&mut *attempt.borrow_mut());
        self.logs.extend(attempt.logs);
        let reply = outcome?;
        self.spaces.insert(key, attempt.space);
        let numbered = attempt.emitted.into_iter().enumerate();
        let emitted = numbered.map(|(index, event)| {
            Emitted::new(event, "test-function", || format!("{own_id}/{index}"))
        });
        Ok(Done { reply, emitted: emitted.collect() })
    }

    fn delivery(&self, event: &TestEvent, key: Option<String>) -> Delivery {
        Delivery {
            seq: self.deliveries.to_string(),
            function: "test-function".into(),
            revision: "r1".into(),
            attempt: event.attempt,
            key,
            accepted_ms: ACCEPTED_MS,
            deadline_ms: ACCEPTED_MS + TIMEOUT_MS,
            // Made from the event, so that a test can deliver the same one again.
            idempotency_key: format!("{}/{}/test-function", event.source_text(), event.id_text()),
        }
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
        space.get(name).map(|bytes| event::read_json(name, bytes))
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
            Ok(bytes) => {
                let space = self.spaces.entry(key.map(str::to_owned)).or_default();
                space.insert(name.to_owned(), bytes);
            }
            Err(error) => panic!("the value of `{name}` can't be written as JSON: {error}"),
        }
    }

    /// The log lines of all attempts so far, those of failed ones among them.
    pub fn logs(&self) -> &[(Level, String)] {
        &self.logs
    }
}
