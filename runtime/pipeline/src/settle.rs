//! Decides what becomes of a delivery after an attempt. Pure: no clock, no I/O, no locks.

use std::time::Duration;

use triphammer_model::{Effects, ErrorInfo, InvalidEvent, RetryPolicy};
use triphammer_sandbox::{Fault, InvokeError};

use crate::push::PushError;

/// Why an attempt failed: in the sandbox, or by a rule of the ring.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    #[error(transparent)]
    Push(#[from] PushError),
    #[error("an event emitted here would be more than {max} hops from the one that came in")]
    Hops { max: u16 },
    #[error("all state of a function together may take at most {max} bytes")]
    State { max: u64 },
    #[error("an emitted event can't be taken in: {0}")]
    Emit(#[from] InvalidEvent),
    #[error("{starts} attempts were begun that ended with the host: it may be what ended it")]
    Crashed { starts: u8 },
}

impl AttemptError {
    /// Stable and public.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Invoke(error) => error.code(),
            Self::Push(error) => error.code,
            Self::Hops { .. } => "limit.hops",
            Self::State { .. } => "limit.function_state",
            Self::Emit(_) => "event.malformed",
            Self::Crashed { .. } => "invoke.crashed",
        }
    }

    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Invoke(error) => error.fault(),
            Self::Push(error) => error.fault,
            // There may be room again: what has expired or is deleted makes some.
            Self::State { .. } => Fault::Guest,
            Self::Hops { .. } | Self::Emit(_) | Self::Crashed { .. } => Fault::Final,
        }
    }

    /// When the handler wants to be tried again, if it said so.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Invoke(InvokeError::Retry { after, .. }) => *after,
            Self::Push(error) => error.after,
            _ => None,
        }
    }

    pub(crate) fn info(&self) -> ErrorInfo {
        ErrorInfo { code: self.code().to_owned(), message: self.to_string() }
    }
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Settlement {
    Commit(Effects),
    /// Try again after this long; `counted` attempts come nearer to the last.
    Retry {
        after: Duration,
        counted: bool,
        error: AttemptError,
    },
    Dead {
        error: AttemptError,
    },
}

/// A fraction of the longest wait, in 65,536ths: full jitter, so that deliveries that failed
/// together are not tried again together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jitter(pub(crate) u16);

/// The longest wait after a fault of the host's own.
const HOST_WAIT_MAX: Duration = Duration::from_secs(5);

/// Decides for a batch. It may be any of its deliveries that makes it fail, so none is blamed: they
/// run one by one, and `attempt` counts for none of them.
pub(crate) fn settle_batch(
    policy: &RetryPolicy,
    attempt: u32,
    outcome: Result<Effects, AttemptError>,
    jitter: Jitter,
) -> Settlement {
    match settle(policy, (attempt, Duration::ZERO), outcome, jitter) {
        Settlement::Retry { error, after, .. } => {
            let asked = match error.fault() {
                Fault::Host => Some(after),
                Fault::Guest | Fault::Final => error.retry_after(),
            };
            Settlement::Retry { after: asked.unwrap_or_default(), counted: false, error }
        }
        Settlement::Dead { error } => {
            let after = error.retry_after().unwrap_or_default();
            Settlement::Retry { after, counted: false, error }
        }
        commit @ Settlement::Commit(_) => commit,
    }
}

/// `attempt` counts from 1; `age` is the time since the delivery was accepted, or came due.
pub(crate) fn settle(
    policy: &RetryPolicy,
    (attempt, age): (u32, Duration),
    outcome: Result<Effects, AttemptError>,
    jitter: Jitter,
) -> Settlement {
    let error = match outcome {
        Ok(effects) => return Settlement::Commit(effects),
        Err(error) => error,
    };
    match error.fault() {
        // The guest said that trying again is useless.
        Fault::Final => Settlement::Dead { error },
        Fault::Guest if attempt >= policy.attempts => Settlement::Dead { error },
        Fault::Guest => {
            let asked = error.retry_after();
            let after = asked.unwrap_or_else(|| jitter.of(policy.ceiling(attempt - 1)));
            if policy.age.is_some_and(|most| age + after > most) {
                return Settlement::Dead { error };
            }
            Settlement::Retry { after, counted: true, error }
        }
        // It says nothing about the event, so it never uses up an attempt.
        Fault::Host => {
            let after = jitter.of(policy.ceiling(attempt - 1).min(HOST_WAIT_MAX));
            Settlement::Retry { after, counted: false, error }
        }
    }
}

impl Jitter {
    /// From whatever bits are at hand, well mixed (the finaliser of SplitMix64).
    pub(crate) fn from_bits(bits: u64) -> Self {
        let mut z = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((z >> 48) as u16)
    }

    fn of(self, longest: Duration) -> Duration {
        let ms = longest.as_millis() as u64;
        Duration::from_millis(ms * (u64::from(self.0) + 1) / 65_536)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(attempt: u32, error: InvokeError, expect: &str) {
        let error = AttemptError::Invoke(error);
        let policy = RetryPolicy {
            attempts: 3,
            initial: Duration::from_secs(1),
            factor: 2.0,
            max: Duration::from_secs(60),
            age: None,
        };
        let found =
            match settle(&policy, (attempt, Duration::from_secs(50)), Err(error), Jitter(u16::MAX))
            {
                Settlement::Commit(_) => "commit".to_owned(),
                Settlement::Retry { after, counted, .. } => format!("{after:?} {counted}"),
                Settlement::Dead { .. } => "dead".to_owned(),
            };
        assert_eq!(found, expect);
    }

    fn trap() -> InvokeError {
        InvokeError::Trap { message: "unreachable".into() }
    }

    #[test]
    fn guest_faults_back_off_then_stop() {
        check(1, trap(), "1s true");
        check(2, trap(), "2s true");
        check(3, trap(), "dead");
        check(99, trap(), "dead");
    }

    #[test]
    fn a_time_asked_for_is_kept() {
        let after = Some(Duration::from_secs(9));
        check(1, InvokeError::Retry { message: "busy".into(), after }, "9s true");
        check(3, InvokeError::Retry { message: "busy".into(), after }, "dead");
    }

    #[test]
    fn a_rejection_is_final_and_a_host_fault_never_counts() {
        check(1, InvokeError::Rejected { message: "no".into() }, "dead");
        check(99, InvokeError::Host { message: "disk".into() }, "5s false");
    }

    #[test]
    fn jitter_covers_the_whole_range() {
        let waits: Vec<_> =
            (0..1000).map(|n| Jitter::from_bits(n).of(Duration::from_secs(1))).collect();
        assert!(waits.iter().any(|w| *w < Duration::from_millis(50)));
        assert!(waits.iter().any(|w| *w > Duration::from_millis(950)));
        assert!(waits.iter().all(|w| *w <= Duration::from_secs(1)));
    }
}
