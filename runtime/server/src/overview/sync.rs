//! How long syncs took over the last minute, from the journal's counts by class. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use triphammer_model::Timestamp;
use triphammer_pipeline::{LogStats, TimesRecent};

const SPAN: Duration = Duration::from_secs(60);
/// Between two samples.
const INTERVAL: Duration = Duration::from_secs(10);

/// The journal's counts of the last minute, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Syncs {
    before: VecDeque<(Timestamp, LogStats)>,
}

impl Syncs {
    pub(crate) fn note(&mut self, at: Timestamp, log: LogStats) {
        if self.before.back().is_some_and(|(last, _)| at.since(*last) < INTERVAL) {
            return;
        }
        self.before.push_back((at, log));
        while self.before.get(1).is_some_and(|(next, _)| at.since(*next) >= SPAN) {
            self.before.pop_front();
        }
    }

    pub(crate) fn recent(&self, now: &LogStats) -> TimesRecent {
        let start = LogStats::default();
        let before = self.before.front().map_or(&start, |(_, log)| log);
        let count = now.syncs.saturating_sub(before.syncs);
        if count == 0 {
            return TimesRecent::default();
        }
        let time = now.sync_time.saturating_sub(before.sync_time);
        let classes = now.sync_classes.iter().zip(before.sync_classes);
        let classes: Vec<u64> = classes.map(|(now, before)| now.saturating_sub(before)).collect();
        TimesRecent {
            count,
            mean_ms: Some(time.as_secs_f64() * 1e3 / count as f64),
            p50_ms: Some(quantile_ms(&classes, 0.5, now.sync_time_max)),
            p99_ms: Some(quantile_ms(&classes, 0.99, now.sync_time_max)),
        }
    }
}

/// As if the times of a class lay evenly in it.
fn quantile_ms(classes: &[u64], quantile: f64, longest: Duration) -> f64 {
    let mut left = quantile * classes.iter().sum::<u64>() as f64;
    let limit = |class: usize| LogStats::class_limit(class).unwrap_or(longest);
    for (class, counted) in classes.iter().enumerate().filter(|(_, counted)| **counted > 0) {
        let counted = *counted as f64;
        if left <= counted {
            let from = class.checked_sub(1).map_or(Duration::ZERO, limit).as_secs_f64();
            let to = limit(class).min(longest).as_secs_f64().max(from);
            return (from + (to - from) * left / counted) * 1e3;
        }
        left -= counted;
    }
    longest.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(first: u64, third: u64) -> LogStats {
        let mut log = LogStats { syncs: first + third, ..LogStats::default() };
        (log.sync_classes[0], log.sync_classes[2]) = (first, third);
        log.sync_time = Duration::from_micros(32 * first + 192 * third);
        log.sync_time_max = Duration::from_micros(256);
        log
    }

    #[test]
    fn syncs_of_the_last_minute_are_told_by_class() {
        let mut syncs = Syncs::default();
        assert_eq!(syncs.recent(&LogStats::default()), TimesRecent::default());
        for second in [0, 5, 10, 30, 60, 75] {
            syncs.note(Timestamp(second * 1000), log(second, 0));
        }
        let found = syncs.recent(&log(75, 35));
        let off = found.p50_ms.unwrap() - 0.064 * 50.0 / 65.0;
        assert!(found.count == 100 && off.abs() < 1e-9, "{found:?}");
        assert!((0.128..=0.256).contains(&found.p99_ms.unwrap()), "{found:?}");
    }
}
