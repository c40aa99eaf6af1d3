//! What a function declares of itself: the manifest, read from JSON and checked once.
//!
//! A member that is not known, or not enforced by this version, is refused: nothing is accepted
//! and ignored. Knows nothing of modules or revisions.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::ids::FunctionName;
use crate::limits::Limits;
use crate::pattern::TypePattern;
use crate::text::{bytes_text, duration_text, parse_bytes, parse_duration};

#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The name to deploy under when the deploy gives none.
    pub name: Option<FunctionName>,
    pub on: Vec<TypePattern>,
    pub key: Option<KeySource>,
    pub retry: RetryPolicy,
    pub timeout: Duration,
    pub memory_bytes: u64,
    pub concurrency: u32,
}

/// Where an event's ordering key is found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeySource {
    Subject,
    Source,
    Extension(String),
    /// A JSON pointer (RFC 6901) into the payload.
    Data(String),
}

/// How a failed attempt is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts: u32,
    pub initial: Duration,
    pub factor: f64,
    pub max: Duration,
}

/// Why a manifest is refused: the member, and the rule.
#[derive(Debug, thiserror::Error)]
#[error("manifest member `{member}` {rule}")]
pub struct InvalidManifest {
    pub code: &'static str,
    pub member: String,
    pub rule: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRetry {
    attempts: Option<u32>,
    initial: Option<String>,
    factor: Option<f64>,
    max: Option<String>,
}

const MEMBERS: [&str; 10] = [
    "name",
    "on",
    "filter",
    "key",
    "retry",
    "timeout",
    "memory",
    "concurrency",
    "priority",
    "batch",
];
const UNSUPPORTED: [&str; 3] = ["filter", "priority", "batch"];
const PATTERNS_MAX: usize = 64;
const MEMORY_BYTES_MIN: u64 = 1 << 20;
const CONCURRENCY_MAX: u32 = 1024;
const ATTEMPTS_MAX: u32 = 1000;

impl Manifest {
    /// The longest manifest, in bytes.
    pub const LEN_MAX: usize = 64 << 10;

    pub fn from_json(text: &str, limits: &Limits) -> Result<Self, InvalidManifest> {
        if text.len() > Self::LEN_MAX {
            return Err(invalid("", "is longer than 64 KiB"));
        }
        let value: Value =
            serde_json::from_str(text).map_err(|e| invalid("", format!("is not JSON: {e}")))?;
        let Value::Object(members) = value else {
            return Err(invalid("", "must be a JSON object"));
        };
        for name in members.keys() {
            if !MEMBERS.contains(&name.as_str()) {
                return Err(invalid(name, format!("is not known; known are {}", known())));
            }
            if UNSUPPORTED.contains(&name.as_str()) {
                let rule = "is not enforced by this version, so it is refused".to_owned();
                let code = "manifest.unsupported";
                return Err(InvalidManifest { code, member: name.clone(), rule });
            }
        }
        let member = |name: &str| members.get(name).filter(|v| !v.is_null());
        Ok(Self {
            name: member("name").map(read_name).transpose()?,
            on: read_patterns(member("on"))?,
            key: member("key").map(read_key).transpose()?,
            retry: member("retry").map_or_else(|| Ok(RetryPolicy::default()), read_retry)?,
            timeout: member("timeout").map_or(Ok(DEFAULT_TIMEOUT), |v| read_timeout(v, limits))?,
            memory_bytes: member("memory")
                .map_or(Ok(DEFAULT_MEMORY), |v| read_memory(v, limits))?,
            concurrency: member("concurrency").map_or(Ok(16), read_concurrency)?,
        })
    }

    /// Every member written out, defaults included.
    pub fn to_json(&self) -> Value {
        let mut value = json!({
            "on": self.on.iter().map(TypePattern::as_str).collect::<Vec<_>>(),
            "retry": {
                "attempts": self.retry.attempts,
                "initial": duration_text(self.retry.initial),
                "factor": self.retry.factor,
                "max": duration_text(self.retry.max),
            },
            "timeout": duration_text(self.timeout),
            "memory": bytes_text(self.memory_bytes),
            "concurrency": self.concurrency,
        });
        if let Some(name) = &self.name {
            value["name"] = name.as_str().into();
        }
        if let Some(key) = &self.key {
            value["key"] = key.to_text().into();
        }
        value
    }

    /// What is allowed but surely not meant.
    pub fn warnings(&self) -> Vec<String> {
        let retry = &self.retry;
        let last = retry.attempts.saturating_sub(2);
        let never = retry.attempts > 1 && retry.ceiling(last) < retry.max;
        let text = || {
            format!(
                "retry.max ({}) is never reached in {} attempts",
                duration_text(retry.max),
                retry.attempts
            )
        };
        never.then(text).into_iter().collect()
    }

    pub fn subscribes(&self, ty: &str) -> bool {
        self.on.iter().any(|pattern| pattern.matches(ty))
    }
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_MEMORY: u64 = 64 << 20;

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 16,
            initial: Duration::from_millis(500),
            factor: 2.0,
            max: Duration::from_secs(300),
        }
    }
}

impl RetryPolicy {
    /// The longest wait after failure number `retry`, counted from 0.
    pub fn ceiling(&self, retry: u32) -> Duration {
        let factor = self.factor.powi(i32::try_from(retry).unwrap_or(i32::MAX));
        let wait_ms = self.initial.as_secs_f64() * 1e3 * factor;
        let max_ms = self.max.as_secs_f64() * 1e3;
        // A wait past the longest, infinity included, is the longest.
        Duration::from_millis(if wait_ms < max_ms { wait_ms as u64 } else { max_ms as u64 })
    }
}

impl KeySource {
    /// As it is written in a manifest.
    pub fn to_text(&self) -> String {
        match self {
            Self::Subject => "subject".into(),
            Self::Source => "source".into(),
            Self::Extension(name) => name.clone(),
            Self::Data(pointer) => format!("data.{pointer}"),
        }
    }
}

fn known() -> String {
    MEMBERS.iter().filter(|m| !UNSUPPORTED.contains(m)).copied().collect::<Vec<_>>().join(", ")
}

fn invalid(member: &str, rule: impl Into<String>) -> InvalidManifest {
    let member: String = member.chars().take(64).collect();
    InvalidManifest { code: "manifest.invalid", member, rule: rule.into() }
}

fn text<'a>(member: &str, value: &'a Value) -> Result<&'a str, InvalidManifest> {
    value.as_str().ok_or_else(|| invalid(member, "must be a string"))
}

fn read_name(value: &Value) -> Result<FunctionName, InvalidManifest> {
    text("name", value)?.parse().map_err(|e| invalid("name", format!("is not a name: {e}")))
}

fn read_patterns(value: Option<&Value>) -> Result<Vec<TypePattern>, InvalidManifest> {
    let values = match value {
        Some(Value::Array(values)) => values.as_slice(),
        Some(single @ Value::String(_)) => std::slice::from_ref(single),
        Some(_) => return Err(invalid("on", "must be a pattern or a list of patterns")),
        None => &[],
    };
    if values.is_empty() || values.len() > PATTERNS_MAX {
        return Err(invalid("on", "must name 1 to 64 patterns of event types"));
    }
    let read =
        |v: &Value| text("on", v)?.parse().map_err(|e| invalid("on", format!("is wrong: {e}")));
    values.iter().map(read).collect()
}

fn read_key(value: &Value) -> Result<KeySource, InvalidManifest> {
    let key = text("key", value)?;
    if let Some(pointer) = key.strip_prefix("data.") {
        return match pointer.starts_with('/') && pointer.len() <= 256 {
            true => Ok(KeySource::Data(pointer.into())),
            false => {
                Err(invalid("key", "must have a JSON pointer after `data.`, as `data./user/id`"))
            }
        };
    }
    let extension = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    match key {
        "subject" => Ok(KeySource::Subject),
        "source" => Ok(KeySource::Source),
        "id" | "type" | "time" | "data" | "datacontenttype" | "dataschema" | "specversion" => {
            Err(invalid("key", "must be `subject`, `source`, an extension or `data./pointer`"))
        }
        name if (1..=64).contains(&name.len()) && name.bytes().all(extension) => {
            Ok(KeySource::Extension(name.into()))
        }
        _ => Err(invalid("key", "must be `subject`, `source`, an extension or `data./pointer`")),
    }
}

fn read_retry(value: &Value) -> Result<RetryPolicy, InvalidManifest> {
    let raw =
        RawRetry::deserialize(value).map_err(|e| invalid("retry", format!("is wrong: {e}")))?;
    let default = RetryPolicy::default();
    let duration = |member: &str, text: Option<String>, otherwise| match text {
        Some(text) => parse_duration(&text).map_err(|e| invalid(member, format!("is wrong: {e}"))),
        None => Ok(otherwise),
    };
    let policy = RetryPolicy {
        attempts: raw.attempts.unwrap_or(default.attempts),
        initial: duration("retry.initial", raw.initial, default.initial)?,
        factor: raw.factor.unwrap_or(default.factor),
        max: duration("retry.max", raw.max, default.max)?,
    };
    if !(1..=ATTEMPTS_MAX).contains(&policy.attempts) {
        return Err(invalid("retry.attempts", "must be 1 to 1000"));
    }
    if !(1.0..=100.0).contains(&policy.factor) {
        return Err(invalid("retry.factor", "must be 1 to 100"));
    }
    if policy.initial > policy.max {
        return Err(invalid("retry.initial", "must not be more than retry.max"));
    }
    Ok(policy)
}

fn read_timeout(value: &Value, limits: &Limits) -> Result<Duration, InvalidManifest> {
    let timeout = parse_duration(text("timeout", value)?)
        .map_err(|e| invalid("timeout", format!("is wrong: {e}")))?;
    if timeout < Duration::from_millis(1) || timeout > limits.timeout_max {
        let max = duration_text(limits.timeout_max);
        return Err(invalid("timeout", format!("must be 1ms to {max}")));
    }
    Ok(timeout)
}

fn read_memory(value: &Value, limits: &Limits) -> Result<u64, InvalidManifest> {
    let bytes = parse_bytes(text("memory", value)?)
        .map_err(|e| invalid("memory", format!("is wrong: {e}")))?;
    if !(MEMORY_BYTES_MIN..=limits.memory_bytes_max).contains(&bytes) {
        let max = bytes_text(limits.memory_bytes_max);
        return Err(invalid("memory", format!("must be 1MiB to {max}")));
    }
    Ok(bytes)
}

fn read_concurrency(value: &Value) -> Result<u32, InvalidManifest> {
    let count = value.as_u64().and_then(|n| u32::try_from(n).ok());
    count
        .filter(|n| (1..=CONCURRENCY_MAX).contains(n))
        .ok_or_else(|| invalid("concurrency", "must be a whole number from 1 to 1024"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Manifest, InvalidManifest> {
        Manifest::from_json(text, &Limits::default())
    }

    #[track_caller]
    fn refused(text: &str, member: &str) {
        assert_eq!(read(text).unwrap_err().member, member, "{text}");
    }

    #[test]
    fn defaults_are_written_out_and_read_back() {
        let manifest = read(r#"{"on": "order.*", "key": "data./a/b"}"#).unwrap();
        assert_eq!(manifest.timeout, Duration::from_secs(10));
        assert_eq!(read(&manifest.to_json().to_string()).unwrap(), manifest);
    }

    #[test]
    fn wrong_members_are_named() {
        refused(r#"{"on": []}"#, "on");
        refused(r#"{}"#, "on");
        refused(r#"{"on": "a..b"}"#, "on");
        refused(r#"{"on": "a", "keys": "x"}"#, "keys");
        refused(r#"{"on": "a", "key": "id"}"#, "key");
        refused(r#"{"on": "a", "key": "data.x"}"#, "key");
        refused(r#"{"on": "a", "timeout": "0ms"}"#, "timeout");
        refused(r#"{"on": "a", "timeout": "1h"}"#, "timeout");
        refused(r#"{"on": "a", "memory": "1KiB"}"#, "memory");
        refused(r#"{"on": "a", "memory": "1GiB"}"#, "memory");
        refused(r#"{"on": "a", "concurrency": 0}"#, "concurrency");
        refused(r#"{"on": "a", "retry": {"attempts": 0}}"#, "retry.attempts");
        refused(r#"{"on": "a", "retry": {"initial": "9m"}}"#, "retry.initial");
        refused(r#"{"on": "a", "retry": {"tries": 1}}"#, "retry");
        refused("[]", "");
    }

    #[test]
    fn members_not_enforced_are_refused() {
        for text in [r#"{"on":"a","filter":"x"}"#, r#"{"on":"a","priority":5}"#] {
            assert_eq!(read(text).unwrap_err().code, "manifest.unsupported");
        }
    }

    #[test]
    fn an_unreachable_longest_wait_is_a_warning() {
        assert_eq!(read(r#"{"on":"a"}"#).unwrap().warnings().len(), 0);
        let short = read(r#"{"on":"a","retry":{"attempts":3}}"#).unwrap();
        assert_eq!(short.warnings().len(), 1);
    }

    #[test]
    fn waits_grow_to_the_longest() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.ceiling(0), Duration::from_millis(500));
        assert_eq!(policy.ceiling(3), Duration::from_secs(4));
        assert_eq!(policy.ceiling(99_999), Duration::from_secs(300));
    }
}
