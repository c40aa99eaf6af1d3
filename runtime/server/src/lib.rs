//! The host as a whole: HTTP in front of the pipeline, configuration, tasks.
//!
//! The composition root. Types of HTTP stop here; nothing below knows what a request is.

mod api;
mod app;
mod body;
mod codec;
mod config;
mod describe;
mod errors;
mod guard;
mod hooks;
mod json;
mod listen;
mod metrics;
mod paced;
mod problem;
mod process;
mod push;
mod query;
mod receipts;
mod route;
mod tasks;
mod views;

pub use app::{App, AppError};
pub use config::{Config, ConfigError, HttpLimits, Overrides, Token};

#[cfg(test)]
mod tests;
