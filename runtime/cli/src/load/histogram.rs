//! Latencies in buckets: percentiles within two percent, in constant memory.

use std::time::Duration;

/// Buckets for each power of two.
const SUB: u64 = 64;
const SUB_BITS: u32 = SUB.trailing_zeros();
/// Powers of two above the first `SUB` values: microseconds up to some hours.
const POWERS: usize = 28;

#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; SUB as usize * (POWERS + 1)], count: 0, max_us: 0 }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let last = self.buckets.len() - 1;
        self.buckets[index(us).min(last)] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Milliseconds that a share of the latencies does not exceed; 0 when there are none.
    pub(crate) fn percentile_ms(&self, percent: f64) -> f64 {
        let rank = (percent / 100.0 * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += bucket;
            if seen >= rank {
                return upper(index).min(self.max_us) as f64 / 1e3;
            }
        }
        self.max_ms()
    }

    pub(crate) fn max_ms(&self) -> f64 {
        self.max_us as f64 / 1e3
    }
}

fn index(us: u64) -> usize {
    if us < SUB {
        return us as usize;
    }
    let power = us.ilog2() - SUB_BITS;
    let within = (us >> power) - SUB;
    (u64::from(power + 1) * SUB + within) as usize
}

/// The highest value in a bucket.
fn upper(index: usize) -> u64 {
    let (power, within) = (index as u64 / SUB, index as u64 % SUB);
    match power {
        0 => within,
        _ => ((SUB + within + 1) << (power - 1)) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_narrow_and_in_order() {
        let mut last = 0;
        for us in (0..5000).chain((5000..50_000_000).step_by(9973)) {
            let bucket = index(us);
            assert!(bucket >= last, "{us}");
            last = bucket;
            let upper = upper(bucket);
            assert!(upper >= us && upper - us <= us / 50 + 1, "{us} is in a bucket up to {upper}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_values() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.percentile_ms(50.0), histogram.max_ms()), (0.0, 0.0));
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }
        for (percent, ms) in [(50.0, 500.0), (90.0, 900.0), (99.0, 990.0)] {
            let measured = histogram.percentile_ms(percent);
            assert!((measured / ms - 1.0).abs() < 0.02, "p{percent} is {measured}");
        }
        assert_eq!((histogram.percentile_ms(100.0), histogram.max_ms()), (1000.0, 1000.0));
        histogram.record(Duration::from_secs(1 << 40));
        assert_eq!(histogram.count(), 1001);
    }
}
