//! What a function declares of itself: the manifest, read from JSON and checked once.
//!
//! A member that is not known is refused: nothing is accepted and ignored. Knows nothing of modules or revisions.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ids::FunctionName;
use crate::limits::Limits;
use crate::manifest_flow::{Batch, Breaker, DeadLetterPolicy, Debounce, Priority, Rate};
use crate::manifest_http::HttpRules;
use crate::manifest_read::{Members, read_filter, read_key, read_memory, read_patterns};
use crate::manifest_retry::RetryPolicy;
use crate::pattern::TypePattern;
use crate::schedule::Schedule;
use crate::sink::Sink;
use crate::text::{bytes_text, duration_text};

#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The name to deploy under when the deploy gives none.
    pub name: Option<FunctionName>,
    pub on: Vec<TypePattern>,
    /// Which of them, as it is written: an expression, a dialect, or a list of filters that all must
    /// pass. What it says is checked where filters are known.
    pub filter: Option<Value>,
    pub key: Option<KeySource>,
    pub retry: RetryPolicy,
    pub dead_letter: DeadLetterPolicy,
    pub timeout: Duration,
    pub memory_bytes: u64,
    /// Attempts at the same time.
    pub concurrency: u32,
    /// Of them with the same ordering key. More than one gives up the order within a key.
    pub key_concurrency: u32,
    pub priority: Priority,
    pub rate_limit: Option<Rate>,
    pub throttle: Option<Rate>,
    pub debounce: Option<Debounce>,
    pub batch: Option<Batch>,
    pub breaker: Option<Breaker>,
    pub schedules: Vec<Schedule>,
    /// Where its events go, for want of a module: of a subscription.
    pub sink: Option<Arc<Sink>>,
    /// The requests that an attempt may make; none when none.
    pub http: Option<Arc<HttpRules>>,
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

/// Why a manifest is refused: the member, and the rule.
#[derive(Debug, thiserror::Error)]
#[error("manifest member `{member}` {rule}")]
pub struct InvalidManifest {
    pub code: &'static str,
    pub member: String,
    pub rule: String,
}

/// Known and enforced.
const MEMBERS: [&str; 19] = [
    "name",
    "on",
    "filter",
    "key",
    "retry",
    "deadLetter",
    "timeout",
    "memory",
    "concurrency",
    "keyConcurrency",
    "priority",
    "rateLimit",
    "throttle",
    "debounce",
    "batch",
    "breaker",
    "schedule",
    "sink",
    "http",
];
const CONCURRENCY_MAX: u32 = 1024;
const SCHEDULES_MAX: usize = 16;

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
        }
        Self::read(&Members::new("", &members), limits)
    }

    fn read(members: &Members<'_>, limits: &Limits) -> Result<Self, InvalidManifest> {
        let manifest = Self {
            name: members
                .text("name")?
                .map(|text| {
                    text.parse().map_err(|e| invalid("name", format!("is not a name: {e}")))
                })
                .transpose()?,
            on: read_patterns(members.get("on"))?,
            filter: read_filter(members.get("filter"))?,
            key: members.text("key")?.map(read_key).transpose()?,
            retry: members.object("retry", RetryPolicy::read)?.unwrap_or_default(),
            dead_letter: members.object("deadLetter", DeadLetterPolicy::read)?.unwrap_or_default(),
            timeout: members
                .duration("timeout", Duration::from_millis(1)..=limits.timeout_max)?
                .unwrap_or(DEFAULT_TIMEOUT),
            memory_bytes: read_memory(members, limits)?.unwrap_or(DEFAULT_MEMORY),
            concurrency: members.number("concurrency", 1..=CONCURRENCY_MAX)?.unwrap_or(16),
            key_concurrency: members.number("keyConcurrency", 1..=CONCURRENCY_MAX)?.unwrap_or(1),
            priority: members
                .number("priority", 0..=9)?
                .map_or_else(Priority::default, Priority::of),
            rate_limit: members.object("rateLimit", Rate::read)?,
            throttle: members.object("throttle", Rate::read)?,
            debounce: members.object("debounce", Debounce::read)?,
            batch: members.object("batch", Batch::read)?,
            breaker: members.object("breaker", Breaker::read)?,
            schedules: members.objects("schedule", SCHEDULES_MAX, Schedule::read)?,
            sink: members.object("sink", Sink::read)?.map(Arc::new),
            http: members.object("http", |http| HttpRules::read(http, limits).map(Arc::new))?,
        };
        manifest.check_together()?;
        Ok(manifest)
    }

    /// What no member can tell alone.
    fn check_together(&self) -> Result<(), InvalidManifest> {
        if self.key_concurrency > 1 && self.key.is_none() {
            return Err(invalid("keyConcurrency", "needs a `key`"));
        }
        if self.key_concurrency > 1 && self.batch.is_some() {
            return Err(invalid("keyConcurrency", "must be 1 with `batch`"));
        }
        if self.dead_letter.halts && self.key.is_none() {
            return Err(invalid(
                "deadLetter.lane",
                "`halt` needs a `key`: without one there is no lane",
            ));
        }
        if self.sink.is_some() && self.batch.is_some() {
            return Err(invalid("batch", "is not for a `sink`, which takes one event at a time"));
        }
        let named = |name: &str| self.schedules.iter().filter(|other| other.name == name).count();
        if self.schedules.iter().any(|schedule| named(&schedule.name) > 1) {
            return Err(invalid("schedule.name", "must be given to one schedule only"));
        }
        if self.dead_letter.halts && self.key_concurrency > 1 {
            return Err(invalid("deadLetter.lane", "`halt` needs a `keyConcurrency` of 1"));
        }
        Ok(())
    }

    /// Every member written out, defaults included.
    pub fn to_json(&self) -> Value {
        let mut value = json!({
            "on": self.on.iter().map(TypePattern::as_str).collect::<Vec<_>>(),
            "retry": self.retry.to_json(),
            "timeout": duration_text(self.timeout),
            "memory": bytes_text(self.memory_bytes),
            "concurrency": self.concurrency,
        });
        let mut set = |name: &str, member: Option<Value>| {
            if let Some(member) = member {
                value[name] = member;
            }
        };
        set("name", self.name.as_ref().map(|name| name.as_str().into()));
        set("filter", self.filter.clone());
        set("key", self.key.as_ref().map(|key| key.to_text().into()));
        set("deadLetter", self.dead_letter.to_json());
        set("keyConcurrency", (self.key_concurrency > 1).then(|| self.key_concurrency.into()));
        let priority = self.priority != Priority::default();
        set("priority", priority.then(|| self.priority.get().into()));
        set("rateLimit", self.rate_limit.map(Rate::to_json));
        set("throttle", self.throttle.map(Rate::to_json));
        set("debounce", self.debounce.map(Debounce::to_json));
        set("batch", self.batch.map(Batch::to_json));
        set("breaker", self.breaker.map(Breaker::to_json));
        let schedules = self.schedules.iter().map(Schedule::to_json).collect::<Vec<_>>();
        set("sink", self.sink.as_ref().map(|sink| sink.to_json()));
        set("schedule", (!schedules.is_empty()).then(|| schedules.into()));
        set("http", self.http.as_deref().map(HttpRules::to_json));
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
    MEMBERS.join(", ")
}

pub(crate) fn invalid(member: &str, rule: impl Into<String>) -> InvalidManifest {
    let member: String = member.chars().take(64).collect();
    InvalidManifest { code: "manifest.invalid", member, rule: rule.into() }
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
        refused(r#"{"on": "a", "retry": {"tries": 1}}"#, "retry.tries");
        refused(r#"{"on": "a", "retry": {"age": "1ms"}}"#, "retry.age");
        refused(r#"{"on": "a", "priority": 10}"#, "priority");
        refused(r#"{"on": "a", "keyConcurrency": 2}"#, "keyConcurrency");
        refused(r#"{"on": "a", "key": "subject", "keyConcurrency": 0}"#, "keyConcurrency");
        refused(r#"{"on": "a", "deadLetter": {"lane": "halt"}}"#, "deadLetter.lane");
        refused(r#"{"on": "a", "deadLetter": {"lane": "stop"}}"#, "deadLetter.lane");
        refused(r#"{"on": "a", "deadLetter": {"keep": "1ms"}}"#, "deadLetter.keep");
        refused(r#"{"on": "a", "rateLimit": "5/s"}"#, "rateLimit");
        refused(r#"{"on": "a", "rateLimit": {"limit": -1, "period": "1s"}}"#, "rateLimit.limit");
        refused(r#"{"on": "a", "rateLimit": {"limit": 5, "period": "8d"}}"#, "rateLimit.period");
        refused(r#"{"on": "a", "debounce": "1s"}"#, "debounce");
        refused(r#"{"on": "a", "debounce": {"max": "1s"}}"#, "debounce.period");
        refused(r#"{"on": "a", "debounce": {"period": "0ms"}}"#, "debounce.period");
        refused(r#"{"on": "a", "debounce": {"period": "2s", "max": "1s"}}"#, "debounce.max");
        refused(r#"{"on": "a", "http": ["a.example"]}"#, "http");
        refused(r#"{"on": "a", "http": {}}"#, "http.allow");
        refused(r#"{"on": "a", "http": {"allow": []}}"#, "http.allow");
        refused(r#"{"on": "a", "http": {"allow": "*"}}"#, "http.allow");
        refused(r#"{"on": "a", "http": {"allow": ["a", 1]}}"#, "http.allow");
        refused(r#"{"on": "a", "http": {"allow": "a", "requests": 0}}"#, "http.requests");
        refused(r#"{"on": "a", "http": {"allow": "a", "requests": 101}}"#, "http.requests");
        refused(r#"{"on": "a", "http": {"allow": "a", "bytes": "0B"}}"#, "http.bytes");
        refused(r#"{"on": "a", "http": {"allow": "a", "bytes": "65MiB"}}"#, "http.bytes");
        refused(r#"{"on": "a", "http": {"allow": "a", "timeout": "0s"}}"#, "http.timeout");
        refused(r#"{"on": "a", "http": {"allow": "a", "deny": "b"}}"#, "http.deny");
        refused(r#"{"on": "a", "throttle": 5}"#, "throttle");
        refused(r#"{"on": "a", "throttle": {"limit": 0, "period": "1s"}}"#, "throttle.limit");
        refused(r#"{"on": "a", "throttle": {"period": "1s"}}"#, "throttle.limit");
        refused(r#"{"on": "a", "throttle": {"limit": 5}}"#, "throttle.period");
        refused(r#"{"on": "a", "throttle": {"limit": 5, "period": "1ms"}}"#, "throttle.period");
        refused(r#"{"on": "a", "throttle": {"limit": 5, "per": "1s"}}"#, "throttle.per");
        refused(r#"{"on": "a", "breaker": 5}"#, "breaker");
        refused(r#"{"on": "a", "breaker": {"probe": "1s"}}"#, "breaker.failures");
        refused(r#"{"on": "a", "breaker": {"failures": 0}}"#, "breaker.failures");
        refused(r#"{"on": "a", "breaker": {"failures": 10001}}"#, "breaker.failures");
        refused(r#"{"on": "a", "breaker": {"failures": 5, "probe": "99ms"}}"#, "breaker.probe");
        refused(r#"{"on": "a", "breaker": {"failures": 5, "probe": "2d"}}"#, "breaker.probe");
        refused("[]", "");
    }

    /// The Rust SDK writes the same file in a test of its own.
    #[test]
    fn every_member_is_read_as_the_sdk_writes_it() {
        let text = include_str!("../../../tests/manifest/every_member.json");
        let mut value: Value = serde_json::from_str(text).unwrap();
        let members = value.as_object_mut().unwrap();
        let names: Vec<String> = members.keys().cloned().collect();
        let manifest = read(&value.to_string()).unwrap();
        let written = manifest.to_json();
        for name in names {
            let left_out = name == "keyConcurrency" && manifest.key_concurrency == 1;
            assert!(left_out || written.get(&name).is_some(), "{name}");
        }
        assert_eq!(read(&written.to_string()).unwrap(), manifest);
    }

    #[test]
    fn schedules_are_refused_by_their_members() {
        let of = |schedule: &str| format!(r#"{{"on": "a", "schedule": {schedule}}}"#);
        refused(&of(r#"{"zone": "UTC"}"#), "schedule.cron");
        refused(&of(r#"{"cron": "* * * *"}"#), "schedule.cron");
        refused(&of(r#"{"cron": "0 0 31 2 *"}"#), "schedule.cron");
        refused(&of(r#"{"cron": "0 0 * * *", "zone": "Mars/Base"}"#), "schedule.zone");
        refused(&of(r#"{"cron": "0 0 * * *", "missed": "some"}"#), "schedule.missed");
        refused(&of(r#"{"cron": "0 0 * * *", "name": ""}"#), "schedule.name");
        refused(&of(r#"{"cron": "0 0 * * *", "name": "a\nb"}"#), "schedule.name");
        refused(&of(r#"{"cron": "0 0 * * *", "when": "x"}"#), "schedule.when");
        refused(&of(r#"[{"cron": "0 0 * * *"}, {"cron": "0 0 * * *"}]"#), "schedule.name");
        refused(&of(r#""0 0 * * *""#), "schedule");
        let good = of(
            r#"[{"cron": "0 0 * * *"}, {"name": "b", "cron": "0 9 * * mon", "zone": "europe/berlin"}]"#,
        );
        let manifest = read(&good).unwrap();
        assert_eq!(manifest.schedules[0].name, "0 0 * * *");
        assert_eq!(manifest.schedules[1].zone.as_str(), "Europe/Berlin");
        assert_eq!(read(&manifest.to_json().to_string()).unwrap(), manifest);
    }

    #[test]
    fn an_unreachable_longest_wait_is_a_warning() {
        assert_eq!(read(r#"{"on":"a"}"#).unwrap().warnings().len(), 0);
        let short = read(r#"{"on":"a","retry":{"attempts":3}}"#).unwrap();
        assert_eq!(short.warnings().len(), 1);
    }
}
