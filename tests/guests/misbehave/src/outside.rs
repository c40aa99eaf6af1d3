//! Reaches for what is outside the sandbox, and answers with what it got.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

use triphammer_sdk::Reply;

use crate::Outcome;

pub(crate) fn read_file() -> Outcome {
    Ok(Some(Reply::text(match fs::read("/etc/passwd") {
        Ok(bytes) => format!("read {} bytes", bytes.len()),
        Err(error) => format!("refused: {error}"),
    })))
}

pub(crate) fn env() -> Outcome {
    Ok(Some(Reply::json(&env::vars().collect::<BTreeMap<_, _>>())?))
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "what the test is about")]
pub(crate) fn clock() -> Outcome {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Some(Reply::json(&now.as_millis())?))
}

/// A number that differs from instance to instance.
pub(crate) fn random() -> Outcome {
    let mut seen: HashMap<&str, u64> = HashMap::new();
    seen.insert("hash", RandomState::new().hash_one("a"));
    Ok(Some(Reply::json(&seen)?))
}
