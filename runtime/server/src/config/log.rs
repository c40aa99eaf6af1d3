//! How the host writes its log: the form of its lines, and which there are. Writes none.

use serde::{Deserialize, Serialize};

use super::{ConfigError, field};

/// What the compiler of components says is for its developers.
const FILTER: &str = "info,cranelift=warn,wasmtime=warn";

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLog {
    pub(super) format: String,
    pub(super) filter: String,
}

impl Default for RawLog {
    fn default() -> Self {
        Self { format: "text".into(), filter: FILTER.into() }
    }
}

/// The host's own lines, on standard error.
#[derive(Clone, Debug)]
pub struct LogConfig {
    pub format: LogFormat,
    /// A level, or target=level, with commas between; read by whoever writes the lines.
    pub filter: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

pub(super) fn read(raw: &RawLog) -> Result<LogConfig, ConfigError> {
    let format = match raw.format.as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => return Err(field("log.format", "must be `text` or `json`")),
    };
    Ok(LogConfig { format, filter: raw.filter.clone() })
}
