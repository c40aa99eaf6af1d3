//! Settings as they are written: the shape of the file, its defaults, and the environment laid
//! over it. Checks spelling only.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use triphammer_model::{bytes_text, duration_text};
use triphammer_pipeline::Options;

use super::http_out::RawHttpOut;
use super::log::RawLog;
use super::otlp::RawOtlp;
use super::{ConfigError, Overrides};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) listen: String,
    pub(super) data: PathBuf,
    /// Empty for none.
    pub(super) token: String,
    /// Empty for none.
    pub(super) token_file: PathBuf,
    pub(super) allowed_hosts: Vec<String>,
    /// Empty for none.
    pub(super) public_url: String,
    /// 0 for one per core.
    pub(super) workers: usize,
    pub(super) attempts_max: usize,
    pub(super) subscriptions_max: usize,
    pub(super) shutdown_grace: String,
    pub(super) access: RawAccess,
    pub(super) audit: RawAudit,
    pub(super) tls: RawTls,
    pub(super) trust: RawTrust,
    pub(super) http: RawHttp,
    pub(super) events: RawEvents,
    pub(super) handshake: RawHandshake,
    pub(super) dedup: RawDedup,
    pub(super) retention: RawRetention,
    pub(super) memory: RawMemory,
    pub(super) journal: RawJournal,
    pub(super) limits: RawLimits,
    pub(super) alerts: RawAlerts,
    pub(super) log: RawLog,
    pub(super) otlp: RawOtlp,
    pub(super) http_out: RawHttpOut,
    /// By their names; read by [`super::hooks`].
    pub(super) hooks: Table,
    /// By their names; read by [`super::http_out`].
    pub(super) secrets: Table,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAccess {
    /// Empty for the one in the data directory.
    pub(super) tokens: PathBuf,
    pub(super) required: bool,
    pub(super) insecure: bool,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTrust {
    pub(super) keys: Vec<String>,
    pub(super) required: bool,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAudit {
    /// Empty for the one in the data directory.
    pub(super) path: PathBuf,
    pub(super) files: u32,
    pub(super) file_bytes: String,
}

/// Each is empty for none.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTls {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
    pub(super) client_ca: PathBuf,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHttp {
    pub(super) connections_max: usize,
    pub(super) streams_max: usize,
    pub(super) header_timeout: String,
    pub(super) body_timeout: String,
    pub(super) write_timeout: String,
    pub(super) body_memory: String,
    pub(super) component_bytes_max: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawEvents {
    pub(super) bytes_max: String,
    pub(super) batch_bytes_max: String,
    pub(super) batch_events_max: usize,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHandshake {
    pub(super) origins: Vec<String>,
    /// 0 for any.
    pub(super) rate: u32,
    pub(super) retired_hooks: Vec<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDedup {
    pub(super) window: String,
    pub(super) bytes: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRetention {
    pub(super) age: String,
    pub(super) bytes: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMemory {
    pub(super) payload_cache: String,
    pub(super) state_cache: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawJournal {
    pub(super) checkpoint_bytes: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    pub(super) timeout: String,
    pub(super) memory: String,
    pub(super) emits: usize,
    pub(super) emit_bytes: String,
    pub(super) timers: usize,
    pub(super) state_writes: usize,
    pub(super) state_bytes: String,
    pub(super) state_name_len: usize,
    pub(super) state_value: String,
    pub(super) state_scan: usize,
    pub(super) function_state: String,
    pub(super) reply: String,
    pub(super) log_lines_kept: usize,
    pub(super) log_bytes_kept: String,
    pub(super) log_lines: usize,
    pub(super) hops: u16,
}

/// Each is 0 for never.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAlerts {
    pub(super) lag: String,
    pub(super) disk_free: String,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7070".into(),
            data: Options::default().data,
            token: String::new(),
            token_file: PathBuf::new(),
            allowed_hosts: Vec::new(),
            public_url: String::new(),
            workers: 0,
            attempts_max: Options::default().attempts_max,
            subscriptions_max: Options::default().subscriptions_max,
            shutdown_grace: "10s".into(),
            access: RawAccess::default(),
            audit: RawAudit::default(),
            tls: RawTls::default(),
            trust: RawTrust::default(),
            http: RawHttp::default(),
            events: RawEvents::default(),
            handshake: RawHandshake::default(),
            dedup: RawDedup::default(),
            retention: RawRetention::default(),
            memory: RawMemory::default(),
            journal: RawJournal::default(),
            limits: RawLimits::default(),
            alerts: RawAlerts::default(),
            log: RawLog::default(),
            otlp: RawOtlp::default(),
            http_out: RawHttpOut::default(),
            hooks: Table::new(),
            secrets: Table::new(),
        }
    }
}

impl Default for RawAudit {
    fn default() -> Self {
        Self { path: PathBuf::new(), files: 10, file_bytes: "10MiB".into() }
    }
}

impl Default for RawHttp {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            streams_max: 64,
            header_timeout: "30s".into(),
            body_timeout: "30s".into(),
            write_timeout: "30s".into(),
            body_memory: "256MiB".into(),
            component_bytes_max: "64MiB".into(),
        }
    }
}

impl Default for RawEvents {
    fn default() -> Self {
        Self { bytes_max: "1MiB".into(), batch_bytes_max: "8MiB".into(), batch_events_max: 1000 }
    }
}

impl Default for RawDedup {
    fn default() -> Self {
        let options = Options::default();
        Self { window: duration_text(options.dedup_window), bytes: bytes_text(options.dedup_bytes) }
    }
}

impl Default for RawRetention {
    fn default() -> Self {
        let options = Options::default();
        Self {
            age: duration_text(options.retention_age),
            bytes: bytes_text(options.retention_bytes),
        }
    }
}

impl Default for RawMemory {
    fn default() -> Self {
        let options = Options::default();
        Self {
            payload_cache: bytes_text(options.payload_bytes_max),
            state_cache: bytes_text(options.state_cache_bytes as u64),
        }
    }
}

impl Default for RawJournal {
    fn default() -> Self {
        Self { checkpoint_bytes: bytes_text(Options::default().checkpoint_bytes) }
    }
}

impl Default for RawAlerts {
    fn default() -> Self {
        Self { lag: "1m".into(), disk_free: "2GiB".into() }
    }
}

impl Default for RawLimits {
    fn default() -> Self {
        let limits = Options::default().limits;
        let size = |bytes: usize| bytes_text(bytes as u64);
        Self {
            timeout: duration_text(limits.timeout_max),
            memory: bytes_text(limits.memory_bytes_max),
            emits: limits.emits_max,
            emit_bytes: size(limits.emit_bytes_max),
            timers: limits.timers_max,
            state_writes: limits.state_writes_max,
            state_bytes: size(limits.state_bytes_max),
            state_name_len: limits.state_name_len_max,
            state_value: size(limits.state_value_len_max),
            state_scan: limits.state_scan_max,
            function_state: bytes_text(limits.function_state_bytes_max),
            reply: size(limits.reply_len_max),
            log_lines_kept: limits.log_lines_kept,
            log_bytes_kept: size(limits.log_bytes_kept),
            log_lines: limits.log_lines_max,
            hops: limits.hops_max,
        }
    }
}

impl RawConfig {
    /// A file's text, then the environment, then the command line.
    pub(super) fn from_parts(
        path: &Path,
        text: &str,
        environment: impl Fn(&str) -> Option<String>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let raw: Self = toml::from_str(text).map_err(|source| syntax_error(path, text, source))?;
        let mut raw = raw.with_environment(environment)?;
        if let Some(listen) = &overrides.listen {
            raw.listen.clone_from(listen);
        }
        if let Some(data) = &overrides.data {
            raw.data.clone_from(data);
        }
        Ok(raw)
    }

    /// Lays the environment over the settings: `dedup.window` is `TRIPHAMMER_DEDUP_WINDOW`.
    /// Variables that name no setting are left alone, for others may use the prefix as well.
    fn with_environment(
        self,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let wrong = |name: &str, rule: &str| ConfigError::Environment {
            name: name.to_owned(),
            rule: rule.to_owned(),
        };
        let mut table =
            Table::try_from(self).map_err(|error| wrong("TRIPHAMMER_*", &error.to_string()))?;
        overlay("TRIPHAMMER", &mut table, &environment)?;
        table.try_into().map_err(|error| wrong("TRIPHAMMER_*", error.message()))
    }

    /// The names of all settings, as they are written in the file.
    #[cfg(test)]
    pub(super) fn names() -> Vec<String> {
        fn collect(table: &Table, names: &mut Vec<String>) {
            for (name, value) in table {
                match value {
                    Value::Table(table) => collect(table, names),
                    _ => names.push(name.clone()),
                }
            }
        }
        let mut names = Vec::new();
        collect(&Table::try_from(Self::default()).unwrap(), &mut names);
        names
    }
}

/// Shows the place of the mistake, unless a secret may be there.
fn syntax_error(path: &Path, text: &str, mut source: toml::de::Error) -> ConfigError {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let hidden = lines.into_iter().any(|line| line.contains("secret") || line.contains("token"));
    let line = source.span().filter(|_| hidden).map(|span| {
        let before = text.as_bytes().iter().take(span.start);
        before.filter(|byte| **byte == b'\n').count() + 1
    });
    if hidden {
        source.set_input(None);
    }
    ConfigError::Syntax { path: path.into(), line, source: Box::new(source) }
}

fn overlay(
    prefix: &str,
    table: &mut Table,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<(), ConfigError> {
    for (key, value) in table {
        let name = format!("{prefix}_{}", key.to_ascii_uppercase());
        if let Value::Table(inner) = value {
            overlay(&name, inner, environment)?;
            continue;
        }
        let Some(text) = environment(&name) else {
            continue;
        };
        *value = match value {
            Value::Integer(_) => text.trim().parse().map(Value::Integer).map_err(|_| {
                ConfigError::Environment { name, rule: "it must be a whole number".into() }
            })?,
            Value::Float(_) => text.trim().parse().map(Value::Float).map_err(|_| {
                ConfigError::Environment { name, rule: "it must be a number".into() }
            })?,
            Value::Boolean(_) => text.trim().parse().map(Value::Boolean).map_err(|_| {
                ConfigError::Environment { name, rule: "it must be true or false".into() }
            })?,
            Value::Array(_) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Value::Array(parts.map(|part| Value::String(part.into())).collect())
            }
            _ => Value::String(text),
        };
    }
    Ok(())
}
