//! What an operator may see of the settings that are in force: no secret, and no path.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Serialize;
use triphammer_access::Token;

use crate::config::Config;
use crate::describe::words;
use crate::views::HookView;

/// Fixed when the host starts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fixed {
    version: &'static str,
    listen: String,
    tls: bool,
    /// Whether senders and operators are asked for a certificate.
    client_certificates: bool,
    /// Threads that run functions, and attempts that may be under way.
    workers: usize,
    attempts_max: usize,
    /// By the name of the setting; in bytes, milliseconds or pieces, as it says.
    limits: BTreeMap<&'static str, u64>,
    retention: Retention,
    alerts: Alerts,
}

/// When something is told as an event; null for never.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Alerts {
    lag_ms: Option<u64>,
    disk_free_bytes: Option<u64>,
}

/// How long what has happened is kept, and how much of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Retention {
    age_ms: u64,
    bytes: u64,
    dedup_window_ms: u64,
    dedup_bytes: u64,
}

/// The settings in force.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Settings")]
pub(crate) struct SettingsView<'a> {
    #[serde(flatten)]
    pub(crate) fixed: &'a Fixed,
    /// Whether nobody may ask without a token.
    pub(crate) tokens_required: bool,
    pub(crate) tokens: Vec<TokenView>,
    pub(crate) hooks: Vec<HookView>,
}

/// A token without what proves it. What is null does not bound it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
pub(crate) struct TokenView {
    name: String,
    scopes: Vec<String>,
    functions: Option<Vec<String>>,
    types: Option<Vec<String>>,
    rate: Option<String>,
    #[schemars(with = "Option<words::Time>")]
    expires: Option<String>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            name: token.name,
            scopes: token.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            functions: token.functions.map(texts),
            types: token.types.map(texts),
            rate: token.rate.map(|rate| rate.to_string()),
            expires: token.expires.map(|at| at.to_rfc3339()),
        }
    }
}

fn texts<P: ToString>(patterns: Vec<P>) -> Vec<String> {
    patterns.iter().map(ToString::to_string).collect()
}

impl Fixed {
    pub(crate) fn of(config: &Config, listen: SocketAddr) -> Self {
        let pipeline = &config.pipeline;
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            listen: listen.to_string(),
            tls: config.tls.is_some(),
            client_certificates: config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()),
            workers: pipeline.workers,
            attempts_max: pipeline.attempts_max,
            limits: limits(config),
            retention: Retention {
                age_ms: ms(pipeline.retention_age),
                bytes: pipeline.retention_bytes,
                dedup_window_ms: ms(pipeline.dedup_window),
                dedup_bytes: pipeline.dedup_bytes,
            },
            alerts: Alerts {
                lag_ms: config.alerts.lag.map(ms),
                disk_free_bytes: config.alerts.disk_free,
            },
        }
    }
}

fn limits(config: &Config) -> BTreeMap<&'static str, u64> {
    let (http, limits) = (&config.http, &config.pipeline.limits);
    let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    BTreeMap::from([
        ("eventBytes", http.event_bytes_max as u64),
        ("batchBytes", http.batch_bytes_max as u64),
        ("batchEvents", http.batch_events_max as u64),
        ("componentBytes", http.component_bytes_max as u64),
        ("connections", http.connections_max as u64),
        ("streams", http.streams_max as u64),
        ("attemptMs", ms(limits.timeout_max)),
        ("attemptMemoryBytes", limits.memory_bytes_max),
        ("attemptEmits", limits.emits_max as u64),
        ("attemptEmitBytes", limits.emit_bytes_max as u64),
        ("attemptTimers", limits.timers_max as u64),
        ("attemptStateWrites", limits.state_writes_max as u64),
        ("attemptStateBytes", limits.state_bytes_max as u64),
        ("attemptLogLines", limits.log_lines_kept as u64),
        ("attemptRequests", limits.http_requests_max.into()),
        ("stateValueBytes", limits.state_value_len_max as u64),
        ("functionStateBytes", limits.function_state_bytes_max),
        ("replyBytes", limits.reply_len_max as u64),
        ("hops", limits.hops_max.into()),
        ("subscriptions", config.pipeline.subscriptions_max as u64),
    ])
}
