//! What a hook's own settings say, checked. Knows no requests.

use triphammer_model::parse_bytes;

use crate::error::InvalidHook;
use crate::event;
use crate::hook::{Hook, ResolveError};
use crate::key::Key;
use crate::provider::Provider;
use crate::raw::SecretRef;
use crate::secret::Secret;
use crate::template::{Place, Template};

pub(crate) fn keys(
    provider: &Provider,
    secrets: &[SecretRef],
    resolve: impl Fn(&str) -> Result<Secret, ResolveError>,
) -> Result<Vec<Key>, InvalidHook> {
    if !(1..=Hook::SECRETS_MAX).contains(&secrets.len()) {
        return Err(InvalidHook::setting("secrets", "must have 1 to 8 secrets"));
    }
    let algorithms = provider.signature.algorithms();
    let mut keys = Vec::with_capacity(secrets.len());
    for (index, SecretRef(text)) in secrets.iter().enumerate() {
        let number = index + 1;
        let secret =
            resolve(text).map_err(|source| InvalidHook::SecretUnresolved { number, source })?;
        let key = Key::new(&secret, provider.secret, algorithms[0])
            .map_err(|rule| InvalidHook::Secret { number, rule })?;
        if !algorithms.contains(&key.algorithm()) {
            let rule = "is for an algorithm that this provider does not sign with";
            return Err(InvalidHook::Secret { number, rule });
        }
        keys.push(key);
    }
    Ok(keys)
}

pub(crate) fn event_type(text: &str) -> Result<Template, InvalidHook> {
    let wrong = |rule: String| InvalidHook::setting("type", rule);
    let template: Template = text.parse().map_err(wrong)?;
    let known = |place: &Place| {
        use Place::{Form, Header, Hook, Json, Query, Type};
        matches!(place, Type | Hook | Header(_) | Json(_) | Form(_) | Query(_))
    };
    if !template.places().all(known) {
        return Err(wrong("has a place that is none of a type".into()));
    }
    // What is certain already is refused now; what comes with a request is, when it comes.
    let fixed = template.places().next().is_none().then(|| event::dotted(text));
    match fixed.map(|ty| event::check_type(&ty)) {
        Some(Err(refused)) => Err(wrong(format!("is no type: {refused}"))),
        _ => Ok(template),
    }
}

pub(crate) fn source(text: String) -> Result<String, InvalidHook> {
    let plain = text.bytes().all(|b| b.is_ascii_graphic());
    if (1..=512).contains(&text.len()) && plain {
        return Ok(text);
    }
    let rule = "must be a URI reference of 1 to 512 visible characters of ASCII";
    Err(InvalidHook::setting("source", rule))
}

pub(crate) fn body_limit(text: Option<&str>) -> Result<usize, InvalidHook> {
    let Some(text) = text else { return Ok(Hook::BODY_BYTES_DEFAULT) };
    let bytes =
        parse_bytes(text).map_err(|error| InvalidHook::setting("body_limit", error.to_string()))?;
    match usize::try_from(bytes) {
        Ok(bytes @ 1..=Hook::BODY_BYTES_MAX) => Ok(bytes),
        _ => Err(InvalidHook::setting("body_limit", "must be 1B to 32MiB")),
    }
}
