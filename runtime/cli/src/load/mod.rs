//! A load generator that leaves the processor to the host: one thread, keep-alive connections,
//! requests patched in place, answers read no further than needed.
//!
//! Knows HTTP/1.1 and CloudEvents, nothing of functions or of the admin API.

mod connection;
mod engine;
mod error;
mod histogram;
mod payload;
mod process;
mod request;
mod response;
mod stream;

pub(crate) use self::engine::{Goal, Outcome, Pace, Plan, Progress, run};
pub(crate) use self::error::Error;
pub(crate) use self::histogram::Histogram;
pub(crate) use self::payload::{SIZE_MIN, payload};
pub(crate) use self::process::{Usage, usage};
pub(crate) use self::request::{Mode, Template};
