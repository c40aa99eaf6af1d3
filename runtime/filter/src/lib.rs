//! Filters of subscriptions: which events one asks for, beyond their types.
//!
//! The dialects are those of the CloudEvents Subscriptions API (`exact`, `prefix`, `suffix`, `all`,
//! `any`, `not`, `sql`) and `cel` for what is in a payload. A filter is read from JSON, checked
//! once, and asked as often as there are events, each time within a bounded time. [`Index`] finds
//! the subscriptions of an event without asking each of them.
//!
//! Pure: no I/O, no clock, no async. Knows nothing of deliveries, functions or sinks.

pub mod cel;
mod error;
mod evaluate;
mod filter;
mod index;
pub mod json;
pub mod sql;
mod view;

pub use error::{Invalid, InvalidFilter, RunError};
pub use evaluate::{Evaluation, evaluate};
pub use filter::{Filter, Verdict};
pub use index::Index;
pub use view::{Attribute, PayloadError, View};
