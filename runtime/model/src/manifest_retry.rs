//! How often a failed attempt is tried again, and how long it waits. Knows no clock.

use std::time::Duration;

use serde_json::{Value, json};

use crate::manifest::{InvalidManifest, invalid};
use crate::manifest_read::Members;
use crate::text::duration_text;

/// How a failed attempt is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts: u32,
    pub initial: Duration,
    pub factor: f64,
    pub max: Duration,
    /// Since it was accepted, or came due: no attempt begins that would be older.
    pub age: Option<Duration>,
}

const ATTEMPTS_MAX: u32 = 1000;

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 16,
            initial: Duration::from_millis(500),
            factor: 2.0,
            max: Duration::from_secs(300),
            age: None,
        }
    }
}

impl RetryPolicy {
    pub(crate) fn read(members: &Members<'_>) -> Result<Self, InvalidManifest> {
        members.only(&["attempts", "initial", "factor", "max", "age"])?;
        let default = Self::default();
        let any = Duration::ZERO..=Duration::MAX;
        let policy = Self {
            attempts: members.number("attempts", 1..=ATTEMPTS_MAX)?.unwrap_or(default.attempts),
            initial: members.duration("initial", any.clone())?.unwrap_or(default.initial),
            factor: members.float("factor", 1.0..=100.0)?.unwrap_or(default.factor),
            max: members.duration("max", any)?.unwrap_or(default.max),
            age: members.duration("age", Duration::from_secs(1)..=Duration::MAX)?,
        };
        if policy.initial > policy.max {
            return Err(invalid("retry.initial", "must not be more than retry.max"));
        }
        Ok(policy)
    }

    pub(crate) fn to_json(self) -> Value {
        let mut value = json!({
            "attempts": self.attempts,
            "initial": duration_text(self.initial),
            "factor": self.factor,
            "max": duration_text(self.max),
        });
        if let Some(age) = self.age {
            value["age"] = duration_text(age).into();
        }
        value
    }

    /// The longest wait after failure number `retry`, counted from 0.
    pub fn ceiling(&self, retry: u32) -> Duration {
        let factor = self.factor.powi(i32::try_from(retry).unwrap_or(i32::MAX));
        let wait_ms = self.initial.as_secs_f64() * 1e3 * factor;
        let max_ms = self.max.as_secs_f64() * 1e3;
        // A wait past the longest, infinity included, is the longest.
        Duration::from_millis(if wait_ms < max_ms { wait_ms as u64 } else { max_ms as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.ceiling(0), Duration::from_millis(500));
        assert_eq!(policy.ceiling(3), Duration::from_secs(4));
        assert_eq!(policy.ceiling(99_999), Duration::from_secs(300));
    }
}
