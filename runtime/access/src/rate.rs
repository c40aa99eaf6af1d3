//! How fast a token may be used. Knows nothing of what is counted; the time is a parameter.
//!
//! One number for each limit: the time at which all that was taken is paid for (the generic cell
//! rate algorithm). What is taken at once may be as much as a whole period's.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::Error;

/// So many in a period: `1000/s`, `60/m`, `500/h`, `10000/d`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    count: u32,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    pub rate: Rate,
    pub remaining: u64,
    /// Until all of it is there again.
    pub reset: Duration,
}

#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    /// Nanoseconds on the caller's time line.
    paid_at: AtomicU64,
}

impl Rate {
    pub const COUNT_MAX: u32 = 1_000_000;

    pub fn count(self) -> u32 {
        self.count
    }

    pub fn period(self) -> Duration {
        Duration::from_secs(match self.unit {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3600,
            Unit::Day => 86_400,
        })
    }

    /// What one costs, in nanoseconds.
    fn cost(self) -> u64 {
        nanos(self.period()) / u64::from(self.count)
    }
}

impl FromStr for Rate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let rule = "is no rate: 1 to 1000000 in a period, such as 100/s, 60/m, 500/h or 10000/d";
        let wrong = || Error::setting("the rate", text, rule);
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let unit = match unit {
            "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            "d" => Unit::Day,
            _ => return Err(wrong()),
        };
        let digits = count.bytes().all(|b| b.is_ascii_digit());
        let count = count.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
        if !(1..=Self::COUNT_MAX).contains(&count) {
            return Err(wrong());
        }
        Ok(Self { count, unit })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => 's',
            Unit::Minute => 'm',
            Unit::Hour => 'h',
            Unit::Day => 'd',
        };
        write!(f, "{}/{unit}", self.count)
    }
}

impl Limiter {
    pub fn new(rate: Rate) -> Self {
        Self { rate, paid_at: AtomicU64::new(0) }
    }

    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Owes what `other` owes.
    pub(crate) fn go_on_from(&self, other: &Self) {
        self.paid_at.store(other.paid_at.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Takes `count`, or says how long to wait for it. More than a period's worth is given when a
    /// whole period is there, and paid for afterwards. `now` never goes back.
    pub fn take(&self, count: u64, now: Duration) -> Result<Quota, Duration> {
        let now = nanos(now);
        let price = count.saturating_mul(self.rate.cost());
        let mut paid_at = self.paid_at.load(Ordering::Relaxed);
        loop {
            let from = paid_at.max(now);
            self.affords(count, from - now)?;
            let then = from.saturating_add(price);
            match self.paid_at.compare_exchange_weak(
                paid_at,
                then,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(self.quota(then - now)),
                Err(other) => paid_at = other,
            }
        }
    }

    /// Whether one could be taken, or how long to wait for it. Takes nothing.
    pub fn check(&self, now: Duration) -> Result<(), Duration> {
        self.affords(1, self.owed(now))
    }

    /// What is left, without taking anything.
    pub fn left(&self, now: Duration) -> Quota {
        self.quota(self.owed(now))
    }

    fn owed(&self, now: Duration) -> u64 {
        self.paid_at.load(Ordering::Relaxed).saturating_sub(nanos(now))
    }

    fn affords(&self, count: u64, owed: u64) -> Result<(), Duration> {
        let needed = count.min(self.rate.count.into()).saturating_mul(self.rate.cost());
        let period = nanos(self.rate.period());
        match owed.saturating_add(needed).saturating_sub(period) {
            0 => Ok(()),
            missing => Err(Duration::from_nanos(missing)),
        }
    }

    fn quota(&self, owed: u64) -> Quota {
        let left = nanos(self.rate.period()).saturating_sub(owed);
        // A cost that is rounded down would otherwise show one more than there ever was.
        let remaining = (left / self.rate.cost()).min(self.rate.count.into());
        Quota { rate: self.rate, remaining, reset: Duration::from_nanos(owed) }
    }
}

fn nanos(duration: Duration) -> u64 {
    // Half of what fits, so that sums of two never overflow.
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_period_may_be_taken_at_once_and_comes_back_evenly() {
        let limiter = Limiter::new("10/s".parse().unwrap());
        let quota = limiter.take(4, ms(0)).unwrap();
        assert_eq!((quota.remaining, quota.reset), (6, ms(400)));
        assert_eq!(limiter.take(6, ms(0)).unwrap().remaining, 0);
        assert_eq!(limiter.take(1, ms(0)), Err(ms(100)));
        assert_eq!((limiter.check(ms(0)), limiter.check(ms(100))), (Err(ms(100)), Ok(())));
        assert_eq!(limiter.take(3, ms(50)), Err(ms(250)));
        // What was refused was not taken.
        assert_eq!(limiter.take(1, ms(100)).unwrap().remaining, 0);
        assert_eq!(limiter.left(ms(1100)).remaining, 10);
        assert_eq!(limiter.take(10, ms(9000)).unwrap().remaining, 0);
    }

    #[test]
    fn more_than_a_period_is_given_once_and_paid_for() {
        let limiter = Limiter::new("10/s".parse().unwrap());
        let quota = limiter.take(30, ms(0)).unwrap();
        assert_eq!((quota.remaining, quota.reset), (0, ms(3000)));
        assert_eq!(limiter.take(1, ms(0)), Err(ms(2100)));
        assert_eq!(limiter.take(30, ms(2100)), Err(ms(900)));
        assert!(limiter.take(30, ms(3000)).is_ok());
    }

    #[test]
    fn nothing_overflows() {
        let limiter = Limiter::new("1/d".parse().unwrap());
        assert_eq!(limiter.take(u64::MAX, Duration::MAX).unwrap().remaining, 0);
        assert!(limiter.take(u64::MAX, Duration::MAX).is_err());
        let odd = Limiter::new("3/s".parse().unwrap());
        assert_eq!(odd.left(ms(0)).remaining, 3);
    }

    #[test]
    fn rates_are_read_and_written() {
        for text in ["1/s", "1000000/s", "60/m", "500/h", "7/d"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for text in ["", "1", "0/s", "1/", "1/w", "-1/s", "+1/s", "1000001/s", "1.5/s", "1/s/s"] {
            assert_eq!(text.parse::<Rate>().unwrap_err().code(), "access.setting", "{text}");
        }
    }
}
