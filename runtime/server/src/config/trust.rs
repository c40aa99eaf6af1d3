//! Settings of whose modules are taken. Reads public keys only; checks no signature.

use super::raw::RawTrust;
use super::{ConfigError, field};
use crate::trust::{KEYS_MAX, Trust, TrustError};

pub(super) fn read(raw: &RawTrust) -> Result<Trust, ConfigError> {
    let RawTrust { keys, required } = raw;
    if keys.len() > KEYS_MAX {
        return Err(field("trust.keys", format!("has more than {KEYS_MAX} keys")));
    }
    if keys.is_empty() && *required {
        return Err(field(
            "trust.keys",
            "is empty, and `trust.required` would refuse every module",
        ));
    }
    let read = |text: &String| {
        text.parse().map_err(|error: TrustError| field("trust.keys", error.to_string()))
    };
    let keys = keys.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Trust { keys, required: *required })
}
