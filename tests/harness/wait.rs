//! Waiting for a condition, with a bound.

use std::time::{Duration, Instant};

/// How long anything may take before the test gives up. Far above what it takes, for machines
/// that do other things as well.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Asks again until there is an answer; `pause` waits for something that may have changed it.
#[track_caller]
pub(crate) fn until<T>(
    what: &str,
    mut pause: impl FnMut(),
    mut ask: impl FnMut() -> Option<T>,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        pause();
    }
}
