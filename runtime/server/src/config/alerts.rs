//! When the host tells its operator of something. Knows not how.

use std::time::Duration;

use super::raw::RawAlerts;
use super::{ConfigError, bytes, duration};

/// Bounds beyond which something is told; none is never passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AlertBounds {
    /// How long a delivery that could run may wait for its turn.
    pub lag: Option<Duration>,
    /// What is to be free on the disk of the data directory, in bytes.
    pub disk_free: Option<u64>,
}

pub(super) fn read(raw: &RawAlerts) -> Result<AlertBounds, ConfigError> {
    let lag = duration("alerts.lag", &raw.lag)?;
    let disk_free = bytes("alerts.disk_free", &raw.disk_free)?;
    Ok(AlertBounds {
        lag: Some(lag).filter(|lag| !lag.is_zero()),
        disk_free: Some(disk_free).filter(|bytes| *bytes > 0),
    })
}
