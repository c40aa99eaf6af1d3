//! Settings: read once at start from a file, the environment and the command line, then checked.
//!
//! No other module of the host reads a file of settings or the environment. The text forms are
//! in [`raw`]; what comes out of here is checked and typed.

mod access;
mod alerts;
mod handshake;
mod hooks;
mod http_out;
mod log;
mod otlp;
mod raw;
mod trust;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use triphammer_model::{InvalidText, Limits, parse_bytes, parse_duration};
use triphammer_pipeline::Options;

use crate::codec;
use crate::trust::Trust;
pub use access::{AccessConfig, AuditConfig, Insecure, TlsConfig};
pub use alerts::AlertBounds;
pub(crate) use handshake::Handshake;
pub(crate) use hooks::Hooks;
pub use log::{LogConfig, LogFormat};
pub use otlp::OtlpConfig;
use raw::RawConfig;
use triphammer_hooks::InvalidHook;

/// Everything that can be set, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    pub token: Option<Token>,
    pub access: AccessConfig,
    pub audit: AuditConfig,
    /// None for plain HTTP.
    pub tls: Option<TlsConfig>,
    /// Names of this host besides the obvious ones, lower-case and without a port.
    pub allowed_hosts: Vec<String>,
    /// Where senders reach this host, without a slash at the end, if that is not what they write.
    pub public_url: Option<String>,
    pub(crate) hooks: Arc<Hooks>,
    /// Names of hooks that there were.
    pub(crate) retired_hooks: Vec<String>,
    pub(crate) handshake: Handshake,
    pub(crate) trust: Trust,
    pub alerts: AlertBounds,
    pub log: LogConfig,
    /// None where no traces and logs are sent.
    pub otlp: Option<OtlpConfig>,
    pub shutdown_grace: Duration,
    pub http: HttpLimits,
    /// What is below HTTP, the data directory included.
    pub pipeline: Options,
}

/// What bounds a client.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    pub event_bytes_max: usize,
    pub batch_bytes_max: usize,
    pub batch_events_max: usize,
    pub component_bytes_max: usize,
    pub connections_max: usize,
    pub streams_max: usize,
    pub header_timeout: Duration,
    pub body_timeout: Duration,
    pub write_timeout: Duration,
    /// Of all request bodies that are being read or worked on.
    pub body_memory_bytes: u64,
}

/// What the command line sets over the file and the environment.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub listen: Option<String>,
    pub data: Option<PathBuf>,
    /// The first of the two times that an open host must be asked for.
    pub insecure_listen: bool,
}

/// A text that clients must know. Shown by no formatter.
#[derive(Clone)]
pub struct Token(Box<[u8]>);

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    #[error("can't read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is wrong{}", line.map_or_else(String::new, |line| format!(" in line {line}")))]
    Syntax {
        path: PathBuf,
        /// Told only where `source` does not show it.
        line: Option<usize>,
        source: Box<toml::de::Error>,
    },
    #[error("the environment variable {name} is wrong: {rule}")]
    Environment { name: String, rule: String },
    #[error("the setting `{name}` {rule}")]
    Field { name: &'static str, rule: String },
    #[error("the hook `{name}` is wrong")]
    HookSyntax { name: String, source: Box<toml::de::Error> },
    #[error("the hook `{name}` is wrong")]
    Hook { name: String, source: InvalidHook },
    #[error("the secret `{name}` is wrong")]
    SecretSyntax { name: String, source: Box<toml::de::Error> },
    #[error("the secret `{name}` is wrong: {rule}")]
    Secret { name: String, rule: String },
}

impl ConfigError {
    /// Stable, for whoever starts this host.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config.unreadable",
            Self::Syntax { .. } => "config.syntax",
            Self::Environment { .. } => "config.environment",
            Self::Field { .. } => "config.invalid",
            Self::HookSyntax { .. } => "config.syntax",
            Self::Hook { source, .. } => source.code(),
            Self::SecretSyntax { .. } => "config.syntax",
            Self::Secret { .. } => "config.secret",
        }
    }
}

impl Config {
    /// The defaults, then the file, then `TRIPHAMMER_*`, then the command line.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::check(&raw(file, overrides)?, overrides, &environment)
    }

    #[cfg(test)]
    pub(crate) fn from_parts(
        path: &Path,
        text: &str,
        environment: impl Fn(&str) -> Option<String>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let raw = RawConfig::from_parts(path, text, &environment, overrides)?;
        Self::check(&raw, overrides, &environment)
    }

    fn check(
        raw: &RawConfig,
        overrides: &Overrides,
        environment: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let http = http(raw)?;
        Ok(Self {
            listen: listen(&raw.listen)?,
            token: token(raw)?,
            access: access::access(raw, overrides.insecure_listen),
            audit: access::audit(raw)?,
            tls: access::tls(raw)?,
            allowed_hosts: raw.allowed_hosts.iter().map(|h| host(h)).collect::<Result<_, _>>()?,
            public_url: public_url(&raw.public_url)?,
            hooks: Arc::new(hooks::read(&raw.hooks, environment)?),
            retired_hooks: handshake::retired_hooks(raw)?,
            handshake: handshake::read(raw)?,
            trust: trust::read(&raw.trust)?,
            alerts: alerts::read(&raw.alerts)?,
            log: log::read(&raw.log)?,
            otlp: otlp::read(&raw.otlp, environment)?,
            shutdown_grace: duration("shutdown_grace", &raw.shutdown_grace)?,
            pipeline: Options {
                http_out: http_out::read(&raw.http_out, &raw.secrets, environment)?,
                ..pipeline(raw, &http)?
            },
            http,
        })
    }
}

/// All settings as they are written, from everywhere.
fn raw(file: Option<&Path>, overrides: &Overrides) -> Result<RawConfig, ConfigError> {
    let text = match file {
        None => String::new(),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.into(), source })?,
    };
    let path = file.unwrap_or_else(|| Path::new("the configuration"));
    RawConfig::from_parts(path, &text, environment, overrides)
}

#[expect(clippy::disallowed_methods, reason = "this is the module that may")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Token {
    /// None when it could not stand in an `Authorization` header.
    pub fn new(text: &str) -> Option<Self> {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        plain.then(|| Self(text.as_bytes().into()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

fn field(name: &'static str, rule: impl Into<String>) -> ConfigError {
    ConfigError::Field { name, rule: rule.into() }
}

fn listen(text: &str) -> Result<SocketAddr, ConfigError> {
    let address = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    let rule = || format!("must be an address and a port, such as 127.0.0.1:7070, not `{text}`");
    address.parse().map_err(|_| field("listen", rule()))
}

fn data(path: &Path) -> Result<PathBuf, ConfigError> {
    if path.as_os_str().is_empty() {
        return Err(field("data", "must name a directory"));
    }
    Ok(path.into())
}

fn token(raw: &RawConfig) -> Result<Option<Token>, ConfigError> {
    let rule = "must be of visible ASCII characters, without spaces, and not empty";
    let file = &raw.token_file;
    let (name, text) = match (raw.token.is_empty(), file.as_os_str().is_empty()) {
        (true, true) => return Ok(None),
        (false, false) => {
            return Err(field("token_file", "and `token` are both set; one of them is enough"));
        }
        (false, true) => ("token", raw.token.clone()),
        (true, false) => {
            let text = std::fs::read_to_string(file)
                .map_err(|source| ConfigError::Read { path: file.clone(), source })?;
            ("token_file", text.trim_end().to_owned())
        }
    };
    Token::new(&text).map(Some).ok_or_else(|| field(name, rule))
}

fn host(text: &str) -> Result<String, ConfigError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = bare.is_some_and(|bare| bare.parse::<std::net::Ipv6Addr>().is_ok());
    if address || !text.is_empty() && text.bytes().all(allowed) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(field("allowed_hosts", format!("has names without scheme and port, not `{text}`")))
}

/// A scheme and an authority; a path is what is in front of ours.
fn public_url(text: &str) -> Result<Option<String>, ConfigError> {
    let rule = || {
        format!("must be a URL such as https://events.example.com, without a query, not `{text}`")
    };
    if text.is_empty() {
        return Ok(None);
    }
    let uri: hyper::Uri = text.parse().map_err(|_| field("public_url", rule()))?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    if !known || uri.authority().is_none() || uri.query().is_some() {
        return Err(field("public_url", rule()));
    }
    Ok(Some(text.trim_end_matches('/').to_owned()))
}

fn workers(count: usize) -> Result<usize, ConfigError> {
    const WORKERS_MAX: usize = 1024;
    match count {
        0 => Ok(Options::default().workers),
        1..=WORKERS_MAX => Ok(count),
        _ => Err(field("workers", "must be at most 1024, or 0 for one per core")),
    }
}

fn duration(name: &'static str, text: &str) -> Result<Duration, ConfigError> {
    parse_duration(text).map_err(|error| text_error(name, &error))
}

fn positive_duration(name: &'static str, text: &str) -> Result<Duration, ConfigError> {
    match duration(name, text)? {
        Duration::ZERO => Err(field(name, "must be longer than nothing")),
        duration => Ok(duration),
    }
}

fn bytes(name: &'static str, text: &str) -> Result<u64, ConfigError> {
    parse_bytes(text).map_err(|error| text_error(name, &error))
}

/// A size that something in memory has, from 1 KiB to 2 GiB.
fn size(name: &'static str, text: &str) -> Result<usize, ConfigError> {
    match bytes(name, text)? {
        bytes @ 0x400..=0x8000_0000 => Ok(bytes as usize),
        _ => Err(field(name, "must be from 1KiB to 2GiB")),
    }
}

fn count(name: &'static str, count: usize) -> Result<usize, ConfigError> {
    if count == 0 { Err(field(name, "must be at least 1")) } else { Ok(count) }
}

fn text_error(name: &'static str, error: &InvalidText) -> ConfigError {
    field(name, format!("is wrong: {error}"))
}

fn http(raw: &RawConfig) -> Result<HttpLimits, ConfigError> {
    let (http, events) = (&raw.http, &raw.events);
    let limits = HttpLimits {
        event_bytes_max: size("events.bytes_max", &events.bytes_max)?,
        batch_bytes_max: size("events.batch_bytes_max", &events.batch_bytes_max)?,
        batch_events_max: count("events.batch_events_max", events.batch_events_max)?,
        component_bytes_max: size("http.component_bytes_max", &http.component_bytes_max)?,
        connections_max: count("http.connections_max", http.connections_max)?,
        streams_max: http.streams_max,
        header_timeout: positive_duration("http.header_timeout", &http.header_timeout)?,
        body_timeout: positive_duration("http.body_timeout", &http.body_timeout)?,
        write_timeout: positive_duration("http.write_timeout", &http.write_timeout)?,
        body_memory_bytes: bytes("http.body_memory", &http.body_memory)?,
    };
    if limits.batch_bytes_max < limits.event_bytes_max {
        return Err(field("events.batch_bytes_max", "must be at least `events.bytes_max`"));
    }
    let largest = limits.component_bytes_max.max(limits.batch_bytes_max) as u64;
    if limits.body_memory_bytes < largest {
        return Err(field("http.body_memory", "must hold the largest body that is allowed"));
    }
    Ok(limits)
}

fn pipeline(raw: &RawConfig, http: &HttpLimits) -> Result<Options, ConfigError> {
    Ok(Options {
        data: data(&raw.data)?,
        limits: limits(raw)?,
        workers: workers(raw.workers)?,
        attempts_max: count("attempts_max", raw.attempts_max)?,
        subscriptions_max: raw.subscriptions_max,
        // Checked as JSON or with headers at the door; the encoded form is a little different.
        event_bytes_max: http.event_bytes_max.saturating_add(codec::ENCODING_BYTES),
        dedup_window: duration("dedup.window", &raw.dedup.window)?,
        dedup_bytes: bytes("dedup.bytes", &raw.dedup.bytes)?,
        retention_age: duration("retention.age", &raw.retention.age)?,
        retention_bytes: bytes("retention.bytes", &raw.retention.bytes)?,
        payload_bytes_max: bytes("memory.payload_cache", &raw.memory.payload_cache)?,
        state_cache_bytes: size("memory.state_cache", &raw.memory.state_cache)?,
        checkpoint_bytes: bytes("journal.checkpoint_bytes", &raw.journal.checkpoint_bytes)?,
        ..Options::default()
    })
}

fn limits(raw: &RawConfig) -> Result<Limits, ConfigError> {
    let (raw, out) = (&raw.limits, &raw.http_out);
    Ok(Limits {
        timeout_max: positive_duration("limits.timeout", &raw.timeout)?,
        memory_bytes_max: bytes("limits.memory", &raw.memory)?,
        emits_max: raw.emits,
        emit_bytes_max: size("limits.emit_bytes", &raw.emit_bytes)?,
        timers_max: raw.timers,
        state_writes_max: raw.state_writes,
        state_bytes_max: size("limits.state_bytes", &raw.state_bytes)?,
        state_name_len_max: count("limits.state_name_len", raw.state_name_len)?,
        state_value_len_max: size("limits.state_value", &raw.state_value)?,
        state_scan_max: count("limits.state_scan", raw.state_scan)?,
        function_state_bytes_max: bytes("limits.function_state", &raw.function_state)?,
        reply_len_max: size("limits.reply", &raw.reply)?,
        log_lines_kept: raw.log_lines_kept,
        log_bytes_kept: size("limits.log_bytes_kept", &raw.log_bytes_kept)?,
        log_lines_max: raw.log_lines,
        hops_max: raw.hops,
        http_requests_max: out.requests,
        http_bytes_max: bytes("http_out.bytes", &out.bytes)?,
    })
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
