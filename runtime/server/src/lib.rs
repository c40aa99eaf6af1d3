//! The host as a whole: HTTP in front of the pipeline, configuration, tasks.
//!
//! The composition root. Types of HTTP stop here; nothing below knows what a request is.

mod body;
mod codec;
mod config;
mod guard;
mod json;
mod problem;
mod query;

pub use config::{Config, ConfigError, HttpLimits, Overrides, Token};
