//! What this host says of itself to programs: `/openapi.json`, everything that can be asked of it,
//! and `/asyncapi.json`, the event types that it knows. Answers nothing else.
//!
//! The schemas are those of the types that are read and written. What is written by hand is
//! described by hand, and every answer that the tests of this crate get is held against the
//! description.

mod asyncapi;
mod host_events;
pub(crate) mod manifest;
mod openapi;
mod operation;
mod parameter;
mod schemas;
mod served;
mod table;
pub(crate) mod words;

pub(crate) use asyncapi::{Subscriber, asyncapi};
pub(crate) use openapi::openapi;

#[cfg(test)]
pub(crate) use served::{FeedItem, Receipts};
#[cfg(test)]
pub(crate) use tests::contract;

#[cfg(test)]
mod tests;
