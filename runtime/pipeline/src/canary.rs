//! Which of two revisions an attempt runs on, and when the newer one has failed too often. Pure: no
//! clock, no I/O, no lock. Knows neither how a revision is loaded nor what its end changes.

use std::sync::Arc;

use triphammer_journal::Canary;
use triphammer_model::{FunctionName, OrderingKey, RevisionId, Seq, Timestamp};

use crate::registry::Revision;

/// How much of a function's work a revision is to get.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Share {
    /// All of it: the revision becomes the active one.
    #[default]
    All,
    /// A part, beside the active revision.
    Canary {
        /// Percent of the ordering keys, or of the deliveries of a function without: 1 to 99.
        weight: u8,
        /// Given up when more than this many percent of its attempts fail; 100 is never.
        failures_max: u8,
    },
}

/// Why a share is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidShare {
    #[error("a weight of {0} is none: it is 1 to 100, in percent")]
    Weight(u32),
    #[error("a revision that is not activated gets no share: leave out the weight, or activate it")]
    NotActivated,
    #[error("a bound of {0} is none: it is 0 to 100 percent of the attempts")]
    Failures(u32),
    #[error("a bound for failures needs a weight below 100: only a canary has one")]
    FailuresAlone,
}

impl InvalidShare {
    /// Stable and public.
    pub fn code(self) -> &'static str {
        match self {
            Self::Weight(_) | Self::NotActivated => "deploy.weight",
            Self::Failures(_) | Self::FailuresAlone => "deploy.failures",
        }
    }
}

impl Share {
    /// The bound of a canary for which none is asked, in percent.
    pub const FAILURES_MAX_DEFAULT: u8 = 50;

    /// As asked for, both in percent. A weight of 100, or none, is all.
    pub fn new(weight: Option<u32>, failures: Option<u32>) -> Result<Self, InvalidShare> {
        let weight = weight.unwrap_or(100);
        if !(1..=100).contains(&weight) {
            return Err(InvalidShare::Weight(weight));
        }
        match failures {
            Some(bound) if bound > 100 => Err(InvalidShare::Failures(bound)),
            Some(_) if weight == 100 => Err(InvalidShare::FailuresAlone),
            _ if weight == 100 => Ok(Self::All),
            bound => Ok(Self::Canary {
                weight: weight as u8,
                failures_max: bound.map_or(Self::FAILURES_MAX_DEFAULT, |bound| bound as u8),
            }),
        }
    }
}

/// A canary that runs, as far as the host has counted. A restart counts anew.
#[derive(Debug)]
pub(crate) struct RunningCanary {
    pub(crate) revision: Arc<Revision>,
    pub(crate) since: Timestamp,
    weight: u8,
    failures_max: u8,
    pub(crate) tally: Tally,
}

/// Attempts that say something about their revision: faults of the host's own and conflicts do not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    pub(crate) attempts: u64,
    pub(crate) failures: u64,
}

/// A canary is to be given up by the host.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) tally: Tally,
    /// The failures that it was allowed, in percent.
    pub(crate) bound: u8,
    /// As a sentence.
    pub(crate) reason: String,
}

/// Attempts before which a canary is not judged.
const ATTEMPTS_MIN: u64 = 20;

impl RunningCanary {
    /// Goes on counting where `before` was, if it is the same canary.
    pub(crate) fn new(canary: Canary, revision: Arc<Revision>, before: Option<&Self>) -> Self {
        let same = before.filter(|before| before.is(&canary));
        Self {
            revision,
            since: canary.since,
            weight: canary.weight,
            failures_max: canary.failures_max,
            tally: same.map_or_else(Tally::default, |before| before.tally),
        }
    }

    pub(crate) fn is(&self, canary: &Canary) -> bool {
        (self.revision.id, self.since) == (canary.revision, canary.since)
    }

    /// Whether a delivery's attempts run on the canary. The answer is the same for all attempts,
    /// hosts and restarts, and a greater weight only adds to what it takes.
    pub(crate) fn takes(&self, key: Option<&OrderingKey>, seq: Seq) -> bool {
        side(&self.revision.function, key, seq) < self.weight
    }

    /// Counts an attempt that ran on `revision`. Says so when the bound is passed.
    pub(crate) fn count(
        &mut self,
        revision: RevisionId,
        started: Timestamp,
        failed: bool,
    ) -> Option<Verdict> {
        if revision != self.revision.id || started < self.since {
            return None;
        }
        self.tally.attempts += 1;
        self.tally.failures += u64::from(failed);
        let (Tally { attempts, failures }, bound) = (self.tally, self.failures_max);
        self.tally.passes(bound).then(|| Verdict {
            tally: self.tally,
            bound,
            reason: format!("{failures} of {attempts} attempts failed, more than {bound} percent"),
        })
    }
}

impl Tally {
    fn passes(self, failures_max: u8) -> bool {
        self.attempts >= ATTEMPTS_MIN
            && self.failures * 100 > self.attempts * u64::from(failures_max)
    }
}

/// Where a delivery falls, from 0 to 99: by its ordering key, or by its own number if its function
/// has none. FNV-1a with a finaliser: what is stored nowhere must come out the same for ever.
fn side(function: &FunctionName, key: Option<&OrderingKey>, seq: Seq) -> u8 {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let all = |hash, bytes: &[u8]| bytes.iter().fold(hash, fnv);
    // No name has a zero in it, so a name and a key are read in one way only.
    let named = fnv(all(0xcbf2_9ce4_8422_2325, function.as_str().as_bytes()), &0);
    let mut z = match key {
        Some(key) => all(named, key.as_str().as_bytes()),
        None => all(named, &seq.get().to_le_bytes()),
    };
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) % 100) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FunctionName {
        text.parse().unwrap()
    }

    fn keyed(function: &str, key: &str) -> u8 {
        let key = OrderingKey::new(key).unwrap();
        // The number of the delivery is of no interest: each has another one.
        side(&name(function), Some(&key), Seq::new(key.as_str().len() as u64 + 7).unwrap())
    }

    fn unkeyed(seq: u64) -> u8 {
        side(&name("f"), None, Seq::new(seq).unwrap())
    }

    #[test]
    fn a_side_is_the_same_for_ever() {
        let found = ["a", "b", "order-1", "order-2", "é"].map(|key| keyed("f", key));
        assert_eq!(found, [48, 48, 83, 14, 2]);
        assert_eq!([1, 2, 3, u64::MAX].map(unkeyed), [16, 57, 41, 68]);
        let key = OrderingKey::new("a").unwrap();
        let of = |seq| side(&name("f"), Some(&key), Seq::new(seq).unwrap());
        assert!((1..1000).all(|seq| of(seq) == of(1)), "a key stays where it is");
    }

    #[test]
    fn every_weight_gets_its_share() {
        let sides: Vec<u8> = (0..100_000).map(|n| keyed("f", &format!("customer-{n}"))).collect();
        let numbers: Vec<u8> = (1..=100_000).map(unkeyed).collect();
        for sides in [sides, numbers] {
            assert!(sides.iter().all(|side| *side < 100));
            for weight in [1, 5, 10, 50, 90, 99] {
                let share = sides.iter().filter(|side| **side < weight).count() as i64;
                let expected = i64::from(weight) * 1000;
                assert!((share - expected).abs() < 500, "{weight} %: {share}");
            }
        }
    }

    #[test]
    fn functions_do_not_share_their_sides() {
        let same = (0..10_000).map(|n| format!("k{n}")).filter(|k| keyed("f", k) == keyed("g", k));
        assert!((50..200).contains(&same.count()));
    }

    #[test]
    fn a_share_is_checked() {
        use InvalidShare::*;
        let canary = |weight, failures_max| Ok(Share::Canary { weight, failures_max });
        assert_eq!(Share::new(None, None), Ok(Share::All));
        assert_eq!(Share::new(Some(100), None), Ok(Share::All));
        assert_eq!(Share::new(Some(1), None), canary(1, 50));
        assert_eq!(Share::new(Some(99), Some(0)), canary(99, 0));
        assert_eq!(Share::new(Some(10), Some(100)), canary(10, 100));
        assert_eq!(Share::new(Some(0), None), Err(Weight(0)));
        assert_eq!(Share::new(Some(101), None), Err(Weight(101)));
        assert_eq!(Share::new(Some(10), Some(101)), Err(Failures(101)));
        assert_eq!(Share::new(None, Some(10)), Err(FailuresAlone));
        assert_eq!(Share::new(Some(100), Some(10)), Err(FailuresAlone));
    }

    #[test]
    fn a_bound_is_passed_by_more_than_it_after_enough_attempts() {
        let passes = |attempts, failures, max| Tally { attempts, failures }.passes(max);
        assert!(!passes(19, 19, 50) && passes(20, 20, 50));
        assert!(!passes(20, 10, 50) && passes(20, 11, 50));
        assert!(!passes(1000, 0, 0) && passes(1000, 1, 0));
        assert!(!passes(1000, 1000, 100));
    }
}
