//! The command line's only look at the clock and at randomness, for the ids that it makes.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use triphammer_model::Timestamp;

pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the one place where `trip` asks for the time")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// 64 bits that no other run is likely to have. Not a secret.
pub(crate) fn random() -> u64 {
    // Each `RandomState` is seeded from the operating system.
    RandomState::new().hash_one((std::process::id(), now().ms()))
}

/// An event's id that nobody else has.
pub(crate) fn unique_id() -> String {
    format!("{:016x}{:016x}", random(), random())
}
