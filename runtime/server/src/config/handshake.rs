//! Settings of who may deliver, where senders ask first, and which hooks are no longer there. Answers
//! nobody.

use super::raw::RawConfig;
use super::{ConfigError, field, host};

/// Who may deliver, where senders ask before they do.
#[derive(Clone, Debug)]
pub(crate) struct Handshake {
    /// Lower-case DNS names, or `*` for all.
    pub(crate) origins: Vec<String>,
    /// Requests a minute; any number when none.
    pub(crate) rate: Option<u32>,
}

impl Handshake {
    pub(crate) fn has(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(origin))
    }
}

pub(super) fn read(raw: &RawConfig) -> Result<Handshake, ConfigError> {
    let origin = |text: &String| match text.as_str() {
        "*" => Ok(text.clone()),
        name => host(name).map_err(|_| {
            field("handshake.origins", format!("has DNS names, or `*`, not `{name}`"))
        }),
    };
    let origins = raw.handshake.origins.iter().map(origin).collect::<Result<_, _>>()?;
    Ok(Handshake { origins, rate: (raw.handshake.rate > 0).then_some(raw.handshake.rate) })
}

pub(super) fn retired_hooks(raw: &RawConfig) -> Result<Vec<String>, ConfigError> {
    let retired = &raw.handshake.retired_hooks;
    match retired.iter().find(|name| raw.hooks.contains_key(*name)) {
        Some(name) => {
            Err(field("handshake.retired_hooks", format!("has `{name}`, which is a hook")))
        }
        None => Ok(retired.clone()),
    }
}
