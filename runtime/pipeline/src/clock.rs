//! The time of day, taken as a value so that tests control it. The only place that asks the
//! operating system.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use triphammer_model::Timestamp;

/// Cheap to clone. Never goes back, whatever the system's clock does.
#[derive(Clone, Debug)]
pub struct Clock {
    latest_ms: Arc<AtomicU64>,
    manual: bool,
}

impl Clock {
    pub fn system() -> Self {
        Self { latest_ms: Arc::new(AtomicU64::new(0)), manual: false }
    }

    /// Stands still until it is [moved](Self::advance_to).
    pub fn manual(start: Timestamp) -> Self {
        Self { latest_ms: Arc::new(AtomicU64::new(start.ms())), manual: true }
    }

    pub fn now(&self) -> Timestamp {
        if self.manual {
            return Timestamp(self.latest_ms.load(Ordering::Acquire));
        }
        #[expect(clippy::disallowed_methods, reason = "this is the clock that all others take")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.latest_ms.fetch_max(now_ms, Ordering::AcqRel).max(now_ms))
    }

    /// Nanoseconds since 1970, for what only shows times: it may go back, as the system's clock does.
    pub fn unix_ns(&self) -> u64 {
        if self.manual {
            return self.now().ms().saturating_mul(1_000_000);
        }
        #[expect(clippy::disallowed_methods, reason = "this is the clock that all others take")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Never behind `time` from now on, such as that of the newest record.
    pub fn advance_to(&self, time: Timestamp) {
        self.latest_ms.fetch_max(time.ms(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back() {
        let clock = Clock::system();
        let future = clock.now().plus(std::time::Duration::from_secs(3600));
        clock.advance_to(future);
        assert_eq!(clock.now(), future);
    }
}
