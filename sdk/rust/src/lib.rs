//! Write Triphammer functions in Rust.
//!
//! A function is a `cdylib` crate with one handler that carries the [`function`] attribute:
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use triphammer_sdk::{Context, Event, Fault, NewEvent, function};
//!
//! #[derive(Deserialize)]
//! struct Registered {
//!     email: String,
//! }
//!
//! #[derive(Default, Deserialize, Serialize)]
//! struct Seen {
//!     count: u64,
//! }
//!
//! #[function(on = "user.registered", key = "subject", timeout = "2s")]
//! fn welcome(event: Event<Registered>, ctx: &mut Context) -> Result<(), Fault> {
//!     let mut seen: Seen = ctx.state().get("seen")?.unwrap_or_default();
//!     seen.count += 1;
//!     ctx.state().set("seen", &seen)?;
//!     ctx.emit(NewEvent::new("email.requested").subject(&event.data.email).json(&seen)?)?;
//!     Ok(())
//! }
//! # use triphammer_sdk::testing::{Host, event};
//! # let mut host = Host::new().keyed_by("subject");
//! # let done = host.call(welcome, event("user.registered").subject("ada").json(&serde_json::json!({"email": "a@b.c"})));
//! # assert_eq!(done.unwrap().emitted[0].subject.as_deref(), Some("a@b.c"));
//! ```
//!
//! With `batch(max = 100, wait = "1s")` the handler takes a list, `Vec<Event<T>>`, which is committed
//! as one: all of it, or nothing.
//!
//! `cargo build --target wasm32-wasip2 --release` makes it a component that can be deployed as it
//! is. A handler's effects (state writes, emitted events, the reply) become visible all together
//! with the acknowledgement of its event, or not at all, so a handler never has to undo anything.
//! Each event is handled by a fresh instance: nothing survives in memory, [`State`] does.
//!
//! Handlers are ordinary functions; `testing` runs them natively.
//!
//! The crate knows the guest interface and JSON. It knows nothing of how the host stores, routes
//! or retries.

mod context;
mod delivery;
mod event;
#[cfg(target_family = "wasm")]
mod guest_http;
pub mod http;
mod outcome;
mod timers;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use context::{Context, Level, Log, State};
pub use event::{Event, ExtensionValue, NewEvent};
pub use outcome::{Error, Fault, IntoReply, Json, Reply};
pub use timers::Timers;
pub use triphammer_sdk_macro::function;

/// What the expansion of [`function`] needs. Not for use by hand: it changes with the macro.
#[doc(hidden)]
pub mod expansion {
    use serde::de::DeserializeOwned;

    use crate::{Context, Event, Fault, IntoReply};

    /// Compiles only for a handler that the host can call, on every target.
    pub const fn check<T, R>(_handler: fn(Event<T>, &mut Context) -> Result<R, Fault>)
    where
        T: DeserializeOwned + 'static,
        R: IntoReply,
    {
    }

    /// The same for a handler of batches.
    pub const fn check_batch<T, R>(_handler: fn(Vec<Event<T>>, &mut Context) -> Result<R, Fault>)
    where
        T: DeserializeOwned + 'static,
        R: IntoReply,
    {
    }
}

/// Compiles and runs the README's examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
