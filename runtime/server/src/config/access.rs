//! Settings of who may come in: tokens, certificates, the audit log. Paths only; what is in the
//! files is read by those who use it.

use std::path::{Path, PathBuf};

use super::raw::RawConfig;
use super::{ConfigError, Overrides, bytes, field};

/// Where tokens are, and whether they are asked for.
#[derive(Clone, Debug)]
pub struct AccessConfig {
    pub tokens: PathBuf,
    /// Even when there are none.
    pub required: bool,
    /// Whether other machines may reach this host without tokens or TLS: said both in the settings
    /// and on the command line.
    pub insecure: Insecure,
}

impl AccessConfig {
    /// Of a host with these settings, for whoever keeps its tokens: none of the host's secrets is
    /// read, and what else is wrong with its settings is no matter.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        Ok(access(&super::raw(file, overrides)?, overrides.insecure_listen))
    }
}

/// How often an open host was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Insecure {
    pub by_flag: bool,
    pub by_setting: bool,
}

/// The log of changes.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    pub path: PathBuf,
    pub files: u32,
    pub file_bytes: u64,
}

/// What a connection is encrypted with.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// PEM: the host's certificate, then those between it and a root.
    pub cert: PathBuf,
    pub key: PathBuf,
    /// PEM: who signs the certificates that clients need; none when they need none.
    pub client_ca: Option<PathBuf>,
}

/// In the data directory: nothing else in there looks into it.
const DIRECTORY: &str = "access";
const FILES_MAX: u32 = 1000;

pub(super) fn access(raw: &RawConfig, insecure_listen: bool) -> AccessConfig {
    AccessConfig {
        tokens: path(&raw.access.tokens).unwrap_or_else(|| beside(raw, "tokens.toml")),
        required: raw.access.required,
        insecure: Insecure { by_flag: insecure_listen, by_setting: raw.access.insecure },
    }
}

pub(super) fn audit(raw: &RawConfig) -> Result<AuditConfig, ConfigError> {
    let file_bytes = bytes("audit.file_bytes", &raw.audit.file_bytes)?;
    if !(1 << 10..=1 << 30).contains(&file_bytes) {
        return Err(field("audit.file_bytes", "must be from 1KiB to 1GiB"));
    }
    if !(1..=FILES_MAX).contains(&raw.audit.files) {
        return Err(field("audit.files", "must be from 1 to 1000"));
    }
    let path = path(&raw.audit.path).unwrap_or_else(|| beside(raw, "audit.jsonl"));
    Ok(AuditConfig { path, files: raw.audit.files, file_bytes })
}

pub(super) fn tls(raw: &RawConfig) -> Result<Option<TlsConfig>, ConfigError> {
    let client_ca = path(&raw.tls.client_ca);
    match (path(&raw.tls.cert), path(&raw.tls.key)) {
        (Some(cert), Some(key)) => Ok(Some(TlsConfig { cert, key, client_ca })),
        (None, None) if client_ca.is_none() => Ok(None),
        (None, _) => Err(field("tls.cert", "is needed with the other settings of `tls`")),
        (_, None) => Err(field("tls.key", "is needed with the other settings of `tls`")),
    }
}

fn path(path: &Path) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then(|| path.to_owned())
}

fn beside(raw: &RawConfig, name: &str) -> PathBuf {
    raw.data.join(DIRECTORY).join(name)
}
