//! Webhooks: verification of requests that came in, and what events they are.
//!
//! A provider is data (`builtin/*.toml`, or one written out in the settings): where its signature
//! stands, what it signs, where an event's attributes are. One piece of code reads them all.
//!
//! Pure: no I/O, no clock, no async. Knows no HTTP server, no journal and no routes; whoever calls
//! says what time it is and where secrets come from, and stores the event.

mod answer;
mod builtin;
mod error;
mod event;
mod form;
mod hook;
mod json;
mod keep;
mod key;
mod prove;
mod provider;
mod raw;
mod request;
mod secret;
mod settings;
mod signature;
pub mod standard;
mod template;
#[cfg(test)]
mod tests;

pub use answer::Reply;
pub use builtin::builtin_providers;
pub use error::{InvalidHook, Refused};
pub use hook::{Hook, Outcome, ResolveError, Verified};
pub use raw::RawHook;
pub use request::Request;
pub use secret::Secret;
