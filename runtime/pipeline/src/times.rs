//! How long things take: counted in classes since the start, and in finer ones over the last minute.
//! Knows neither what is timed nor what a metric is called.

use std::time::Duration;

use triphammer_model::Timestamp;

/// The upper bounds of the classes that are kept since the start, in microseconds; one more class is
/// above the last.
pub const BOUNDS_US: [u64; 15] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 60_000_000,
];

/// Two windows of this length are the last half to whole minute.
const WINDOW: Duration = Duration::from_secs(30);

/// Times since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TimesTotal {
    pub count: u64,
    pub sum: Duration,
    /// How many fell into each class of [`BOUNDS_US`], and above.
    pub classes: [u64; BOUNDS_US.len() + 1],
}

impl TimesTotal {
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        for (class, more) in self.classes.iter_mut().zip(other.classes) {
            *class += more;
        }
    }
}

/// Times of a while.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TimesRecent {
    pub count: u64,
    /// In milliseconds, as the others; none of them where nothing was counted.
    pub mean_ms: Option<f64>,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

/// What is kept of the times of one thing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    total: TimesTotal,
    now: Box<Spread>,
    before: Box<Spread>,
    /// When `now` began.
    since: Timestamp,
}

impl Times {
    pub(crate) fn count(&mut self, time: Duration, at: Timestamp) {
        self.turn(at);
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.total.count += 1;
        self.total.sum += time;
        self.total.classes[BOUNDS_US.partition_point(|bound| *bound < us)] += 1;
        self.now.count(us);
    }

    pub(crate) fn total(&self) -> TimesTotal {
        self.total
    }

    /// Of the last half to whole minute.
    pub(crate) fn recent(&self, at: Timestamp) -> TimesRecent {
        let age = at.since(self.since);
        if age >= WINDOW * 2 {
            TimesRecent::default()
        } else if age >= WINDOW {
            self.now.recent()
        } else {
            self.now.plus(&self.before).recent()
        }
    }

    fn turn(&mut self, at: Timestamp) {
        let age = at.since(self.since);
        if age < WINDOW {
            return;
        }
        std::mem::swap(&mut self.now, &mut self.before);
        *self.now = Spread::default();
        if age >= WINDOW * 2 {
            *self.before = Spread::default();
        }
        self.since = at;
    }
}

/// Four classes for each doubling: a quantile is off by an eighth at most.
const CLASSES: usize = 132;

/// Times in fine classes.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    classes: [u32; CLASSES],
    count: u64,
    sum_us: u64,
}

impl Default for Spread {
    fn default() -> Self {
        Self { classes: [0; CLASSES], count: 0, sum_us: 0 }
    }
}

impl Spread {
    pub(crate) fn count(&mut self, us: u64) {
        let class = &mut self.classes[class(us)];
        *class = class.saturating_add(1);
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    pub(crate) fn recent(&self) -> TimesRecent {
        if self.count == 0 {
            return TimesRecent::default();
        }
        TimesRecent {
            count: self.count,
            mean_ms: Some(self.sum_us as f64 / self.count as f64 / 1e3),
            p50_ms: Some(self.quantile_us(0.5) / 1e3),
            p99_ms: Some(self.quantile_us(0.99) / 1e3),
        }
    }

    fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        for (class, more) in sum.classes.iter_mut().zip(other.classes) {
            *class = class.saturating_add(more);
        }
        sum.count += other.count;
        sum.sum_us = sum.sum_us.saturating_add(other.sum_us);
        sum
    }

    /// Of something that was counted: as if the times of a class lay evenly in it.
    fn quantile_us(&self, quantile: f64) -> f64 {
        let mut left = quantile * self.count as f64;
        for (class, counted) in self.classes.iter().enumerate().filter(|(_, n)| **n > 0) {
            let counted = f64::from(*counted);
            if left <= counted {
                let (from, to) = (limit(class) as f64, limit(class + 1) as f64);
                return if class < 4 { from } else { from + (to - from) * left / counted };
            }
            left -= counted;
        }
        limit(CLASSES) as f64
    }
}

fn class(us: u64) -> usize {
    if us < 4 {
        return us as usize;
    }
    let octave = us.ilog2() as usize;
    let quarter = (us >> (octave - 2)) as usize & 3;
    (4 * (octave - 1) + quarter).min(CLASSES - 1)
}

/// The lowest time of a class.
fn limit(class: usize) -> u64 {
    match class {
        0..4 => class as u64,
        _ => (4 + class as u64 % 4) << (class / 4 - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_class_that_holds_it() {
        for us in (0..5_000).chain([1 << 20, (1 << 33) - 1]) {
            let class = class(us);
            assert!(limit(class) <= us && us < limit(class + 1), "{us} in {class}");
        }
        assert_eq!(class(u64::MAX), CLASSES - 1);
    }

    #[test]
    fn quantiles_are_off_by_an_eighth_at_most() {
        let mut spread = Spread::default();
        (1..=10_000).for_each(|us| spread.count(us * 10));
        let found = spread.recent();
        assert_eq!((found.count, found.mean_ms), (10_000, Some(50.005)));
        let near = |found: Option<f64>, expect: f64| (found.unwrap() / expect - 1.0).abs() < 0.125;
        assert!(near(found.p50_ms, 50.0) && near(found.p99_ms, 99.0), "{found:?}");
        assert_eq!(Spread::default().recent(), TimesRecent::default());
    }

    #[test]
    fn what_is_older_than_a_minute_counts_no_more() {
        let mut times = Times::default();
        let at = |seconds: u64| Timestamp(seconds * 1000);
        let count = |times: &Times, seconds| times.recent(at(seconds)).count;
        times.count(Duration::from_millis(1), at(100));
        times.count(Duration::from_millis(2), at(129));
        assert_eq!((count(&times, 129), count(&times, 159), count(&times, 160)), (2, 2, 0));
        times.count(Duration::from_millis(3), at(131));
        assert_eq!((count(&times, 131), count(&times, 160), count(&times, 161)), (3, 3, 1));
        times.count(Duration::from_millis(4), at(500));
        assert_eq!(count(&times, 500), 1);
        let total = times.total();
        assert_eq!((total.count, total.sum), (4, Duration::from_millis(10)));
        assert_eq!(total.classes[1..4], [1, 1, 2]);
        assert_eq!(total.classes.iter().sum::<u64>(), 4);
    }
}
