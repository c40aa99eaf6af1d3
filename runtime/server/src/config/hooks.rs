//! The webhooks of the settings, and where their secrets are. Proves nothing.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};
use triphammer_hooks::{Hook, InvalidHook, RawHook, ResolveError, Secret};

use super::ConfigError;

/// The most webhooks that a host has: each is a label in its metrics.
const HOOKS_MAX: usize = 256;
/// The longest file with a secret, in bytes.
const SECRET_LEN_MAX: u64 = 64 << 10;

/// By their names.
pub(crate) type Hooks = BTreeMap<String, Hook>;

pub(super) fn read(
    table: &Table,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<Hooks, ConfigError> {
    if table.len() > HOOKS_MAX {
        let rule = format!("has more than {HOOKS_MAX} hooks");
        return Err(ConfigError::Field { name: "hooks", rule });
    }
    table.iter().map(|(name, value)| one(name, value, environment)).collect()
}

fn one(
    name: &str,
    value: &Value,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<(String, Hook), ConfigError> {
    let raw = RawHook::deserialize(value.clone())
        .map_err(|source| ConfigError::HookSyntax { name: name.into(), source: source.into() })?;
    let hook = Hook::new(name, raw, |place| resolve(place, environment));
    let invalid = |source: InvalidHook| ConfigError::Hook { name: name.into(), source };
    Ok((name.to_owned(), hook.map_err(invalid)?))
}

/// `env:NAME` or `file:PATH`. A secret that is written out would be in backups and pastes of the file.
fn resolve(
    place: &str,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<Secret, ResolveError> {
    match place.split_once(':') {
        Some(("env", name)) => match environment(name) {
            Some(text) => Ok(Secret::new(text)),
            None => Err(format!("the environment variable {name} is not set").into()),
        },
        Some(("file", path)) => Ok(Secret::new(read_file(Path::new(path))?)),
        // What it says may be the secret itself.
        _ => Err("a secret is `env:NAME` or `file:PATH`".into()),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, ResolveError> {
    let failed = |error: std::io::Error| format!("can't read {}: {error}", path.display());
    let len = std::fs::metadata(path).map_err(failed)?.len();
    if len > SECRET_LEN_MAX {
        return Err(format!("{} has more than {SECRET_LEN_MAX} bytes", path.display()).into());
    }
    Ok(std::fs::read(path).map_err(failed)?)
}
