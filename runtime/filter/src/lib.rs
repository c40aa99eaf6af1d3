//! Filters.

pub mod sql;
mod view;

pub use view::{Attribute, PayloadError, View};
