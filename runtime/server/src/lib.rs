//! The host as a whole: HTTP in front of the pipeline, configuration, tasks.
//!
//! The composition root. Types of HTTP stop here; nothing below knows what a request is.

mod admit;
mod alerts;
mod api;
mod app;
mod body;
mod caller;
mod client_name;
mod codec;
mod config;
mod credentials;
mod dashboard;
mod describe;
mod endpoint;
mod errors;
mod exposure;
mod gate;
mod guard;
mod hooks;
mod http2;
mod json;
mod listen;
mod metrics;
mod overview;
mod paced;
mod paths;
mod problem;
mod process;
mod push;
mod query;
mod receipts;
mod route;
mod settings;
mod tasks;
mod tls;
mod traces;
mod trust;
mod views;

pub use app::{App, AppError};
pub use config::{
    AccessConfig, AlertBounds, AuditConfig, Config, ConfigError, HttpLimits, Insecure, LogConfig,
    LogFormat, OtlpConfig, Overrides, TlsConfig, Token,
};
pub use tls::TlsError;
pub use triphammer_telemetry::HostLog;
pub use trust::{ModuleKey, PublicKey, TrustError};

/// The pages of the reference, which are written from what is here.
#[cfg(test)]
#[path = "../../../tests/harness/reference.rs"]
mod page;
#[cfg(test)]
mod tests;
