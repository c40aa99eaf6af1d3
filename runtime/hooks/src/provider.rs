//! A provider, checked: what its data say must fit together. Knows no secrets and no requests.

use std::str::FromStr;

use http::HeaderName;
use triphammer_model::parse_duration;

use crate::answer::{self, Answer};
use crate::error::InvalidHook;
use crate::event;
use crate::key::{Algorithm, SecretForm};
use crate::raw::{RawEvent, RawProvider, RawTimestamp, Texts, TimeUnit};
use crate::request;
use crate::signature::{Format, SignatureRule};
use crate::template::{Part, Place, Template};

#[derive(Clone, Debug)]
pub(crate) struct Provider {
    /// What its types begin with, in our form.
    pub(crate) prefix: String,
    /// Empty for a token, which signs nothing.
    pub(crate) signed: Vec<Template>,
    pub(crate) signature: SignatureRule,
    pub(crate) secret: SecretForm,
    pub(crate) timestamp: Option<TimestampRule>,
    pub(crate) event: EventRule,
    pub(crate) answers: Vec<Answer>,
    pub(crate) keep_headers: Vec<String>,
    /// Media types without parameters; all when empty.
    pub(crate) content_types: Vec<String>,
    pub(crate) json_field: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct TimestampRule {
    pub(crate) at: TimestampAt,
    pub(crate) unit: TimeUnit,
    pub(crate) tolerance_ms: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum TimestampAt {
    Header(HeaderName),
    /// Beside the signatures.
    Part(String),
}

#[derive(Clone, Debug)]
pub(crate) struct EventRule {
    pub(crate) id: Vec<Template>,
    pub(crate) ty: Vec<Template>,
    pub(crate) subject: Vec<Template>,
    pub(crate) time: Vec<Template>,
}

const TEMPLATES_MAX: usize = 8;
const CONTENT_TYPES_MAX: usize = 8;
const TOLERANCE_MS_DEFAULT: u64 = 5 * 60 * 1000;
const TOLERANCE_MS_MAX: u64 = 24 * 3600 * 1000;

pub(crate) fn invalid(setting: &str, rule: impl Into<String>) -> InvalidHook {
    InvalidHook::setting(format!("provider.{setting}"), rule)
}

impl Provider {
    /// `name` is what its types begin with when it does not say it.
    pub(crate) fn check(raw: RawProvider, name: &str) -> Result<Self, InvalidHook> {
        let prefix = event::dotted(raw.prefix.as_deref().unwrap_or(name));
        if prefix.is_empty() || event::is_reserved(&prefix) {
            return Err(invalid("prefix", "must be a type's beginning, and not `triphammer`"));
        }
        let secret = raw.signature.secret;
        let signature = SignatureRule::check(raw.signature)?;
        let tolerance_ms = tolerance("provider.tolerance", raw.tolerance.as_deref())?;
        if raw.timestamp.is_none() && tolerance_ms.is_some() {
            return Err(invalid("tolerance", "needs a `timestamp` that it is about"));
        }
        let timestamp = raw
            .timestamp
            .map(|raw| timestamp(raw, &signature, tolerance_ms.unwrap_or(TOLERANCE_MS_DEFAULT)))
            .transpose()?;
        let provider = Self {
            prefix,
            signed: templates("signed", raw.signed)?,
            signature,
            secret,
            timestamp,
            event: EventRule::check(raw.event)?,
            answers: answer::check(raw.answers)?,
            keep_headers: raw.keep_headers,
            content_types: content_types(raw.content_types)?,
            json_field: raw.json_field,
        };
        provider.check_signed()?;
        Ok(provider)
    }

    /// Whether what is signed has the body, and whether the places in it can't be shifted.
    fn check_signed(&self) -> Result<(), InvalidHook> {
        let wrong = |rule: &str| Err(invalid("signed", rule));
        if self.signature.algorithms().contains(&Algorithm::Token) {
            return match (&self.signed[..], &self.timestamp, &self.signature.body_hash) {
                ([], None, None) => Ok(()),
                _ => wrong("goes with no `token`, and neither do `timestamp` and `body_hash`"),
            };
        }
        if self.signed.is_empty() {
            return wrong("is missing: what does the sender sign?");
        }
        for template in &self.signed {
            let has = |place: &Place| template.places().any(|found| found == place);
            let url = template.places().any(|place| matches!(place, Place::Url(_)));
            let by_hash = self.signature.body_hash.is_some() && url && has(&Place::Params);
            if !has(&Place::Body) && !by_hash {
                return wrong("must have `{body}`, or `{url}`, `{params}` and a `body_hash`");
            }
            if has(&Place::Timestamp) != self.timestamp.is_some() {
                return wrong("must have `{timestamp}` exactly when there is a `timestamp`");
            }
            if has(&Place::Id) && !self.event.id_is_in_headers() {
                return wrong("has `{id}`, so `event.id` must be one header");
            }
            check_parts(template).or_else(wrong)?;
        }
        Ok(())
    }
}

/// A place of any length is followed by text, which its value can't have: else a sender's
/// signature would fit a request in which one place has what belongs to the next.
fn check_parts(template: &Template) -> Result<(), &'static str> {
    for (index, part) in template.parts().iter().enumerate() {
        let place = match part {
            Part::Text(_) => continue,
            Part::Optional(_) => return Err("must have no brackets: all of it is signed"),
            Part::Place(place) => place,
        };
        let next = template.parts().get(index + 1);
        match place {
            Place::Id | Place::Header(_) if matches!(next, None | Some(Part::Text(_))) => {}
            Place::Id | Place::Header(_) => return Err("needs text after `{id}` and `{header:…}`"),
            Place::Timestamp | Place::Url(_) => {}
            Place::Body | Place::Params if next.is_none() => {}
            Place::Body | Place::Params => return Err("must end with the body"),
            _ => return Err("has a place that can't be signed"),
        }
    }
    Ok(())
}

impl EventRule {
    fn check(raw: RawEvent) -> Result<Self, InvalidHook> {
        let values = |name: &str, texts: Texts| {
            let found = templates(name, texts)?;
            let of_request = |place: &Place| {
                use Place::{Form, Header, Json, Query};
                matches!(place, Header(_) | Json(_) | Form(_) | Query(_))
            };
            if found.iter().flat_map(Template::places).any(|place| !of_request(place)) {
                return Err(invalid(name, "has a place that is none of a request"));
            }
            Ok(found)
        };
        let mut ty = values("event.type", raw.ty)?;
        if ty.is_empty() {
            ty.push(Template::from_str("webhook").map_err(|rule| invalid("event.type", rule))?);
        }
        Ok(Self {
            id: values("event.id", raw.id)?,
            ty,
            subject: values("event.subject", raw.subject)?,
            time: values("event.time", raw.time)?,
        })
    }

    fn id_is_in_headers(&self) -> bool {
        matches!(&self.id[..], [only] if matches!(only.parts(), [Part::Place(Place::Header(_))]))
    }
}

fn timestamp(
    raw: RawTimestamp,
    signature: &SignatureRule,
    tolerance_ms: u64,
) -> Result<TimestampRule, InvalidHook> {
    let at = match (raw.header, raw.part) {
        (Some(name), None) => TimestampAt::Header(header("timestamp.header", &name)?),
        (None, Some(part)) => match &signature.format {
            Format::Pairs { .. } => TimestampAt::Part(part),
            _ => return Err(invalid("timestamp.part", "needs the format `pairs`")),
        },
        _ => return Err(invalid("timestamp", "has either a `header` or a `part`")),
    };
    Ok(TimestampRule { at, unit: raw.unit, tolerance_ms })
}

/// A duration of 1 ms to a day, in milliseconds.
pub(crate) fn tolerance(setting: &str, text: Option<&str>) -> Result<Option<u64>, InvalidHook> {
    let Some(text) = text else { return Ok(None) };
    let duration =
        parse_duration(text).map_err(|error| InvalidHook::setting(setting, error.to_string()))?;
    match u64::try_from(duration.as_millis()) {
        Ok(ms @ 1..=TOLERANCE_MS_MAX) => Ok(Some(ms)),
        _ => Err(InvalidHook::setting(setting, "must be 1ms to 1d")),
    }
}

pub(crate) fn header(setting: &str, name: &str) -> Result<HeaderName, InvalidHook> {
    name.parse().map_err(|_| invalid(setting, "is no header's name"))
}

fn templates(setting: &str, texts: Texts) -> Result<Vec<Template>, InvalidHook> {
    if texts.0.len() > TEMPLATES_MAX {
        return Err(invalid(setting, "has more than 8 templates"));
    }
    let parsed =
        texts.0.iter().map(|text| text.parse().map_err(|rule: String| invalid(setting, rule)));
    parsed.collect()
}

fn content_types(raw: Vec<String>) -> Result<Vec<String>, InvalidHook> {
    let plain = |text: &String| request::essence(text) == text && text.contains('/');
    if raw.len() > CONTENT_TYPES_MAX || !raw.iter().all(plain) {
        let rule = "must be at most 8 media types without parameters";
        return Err(invalid("content_types", rule));
    }
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HMAC: &str =
        "signature={header='s',format='plain',algorithm='hmac-sha256',encoding='hex'}";

    #[track_caller]
    fn check(toml: &str, setting: Option<&str>) {
        let raw: RawProvider = toml::from_str(toml).unwrap();
        let found = match Provider::check(raw, "acme") {
            Ok(_) => None,
            Err(InvalidHook::Setting { setting, .. }) => Some(setting),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(found.as_deref(), setting, "{toml}");
    }

    #[test]
    fn what_is_signed_has_the_body_and_can_t_be_shifted() {
        let with = |signed: &str, setting: Option<&str>| {
            check(&format!("signed='{signed}'\n{HMAC}"), setting);
        };
        with("{body}", None);
        with("{header:a}:{body}", None);
        with("{url} {body}", None);
        for signed in [
            "x",
            "{url}",
            "{url}{params}",
            "{timestamp}{body}",
            "{id}.{body}",
            "{header:a}{body}",
            "[{header:a}].{body}",
            "{body}.x",
            "{json:/a}.{body}",
            "{type}.{body}",
            "{",
        ] {
            with(signed, Some("provider.signed"));
        }
        check(HMAC, Some("provider.signed"));
        check(&format!("signed=[{}]\n{HMAC}", "'{body}',".repeat(9)), Some("provider.signed"));
        let id = |id: &str, setting| {
            check(&format!("signed='{{id}}.{{body}}'\nevent={{id={id}}}\n{HMAC}"), setting);
        };
        id("'{header:a}'", None);
        id("['{header:a}','{header:b}']", Some("provider.signed"));
        id("'{json:/id}'", Some("provider.signed"));
    }

    #[test]
    fn a_token_signs_nothing() {
        let token = HMAC.replace("hmac-sha256", "token");
        check(&token, None);
        check(&format!("signed='{{body}}'\n{token}"), Some("provider.signed"));
        check(&format!("timestamp={{header='t',unit='s'}}\n{token}"), Some("provider.signed"));
    }

    #[test]
    fn a_timestamp_is_signed() {
        let with = |timestamp: &str, setting| {
            check(&format!("signed='{{timestamp}}.{{body}}'\n{timestamp}\n{HMAC}"), setting);
        };
        with("timestamp={header='t',unit='ms'}", None);
        with("tolerance='1d'\ntimestamp={header='t',unit='s'}", None);
        with("timestamp={unit='s'}", Some("provider.timestamp"));
        with("timestamp={header='t',part='t',unit='s'}", Some("provider.timestamp"));
        with("timestamp={header='t t',unit='s'}", Some("provider.timestamp.header"));
        with("timestamp={part='t',unit='s'}", Some("provider.timestamp.part"));
        with("tolerance='5m'", Some("provider.tolerance"));
        for wrong in ["0s", "25h", "soon"] {
            let tolerance = format!("tolerance='{wrong}'\ntimestamp={{header='t',unit='s'}}");
            with(&tolerance, Some("provider.tolerance"));
        }
        let unsigned = format!("signed='{{body}}'\ntimestamp={{header='t',unit='s'}}\n{HMAC}");
        check(&unsigned, Some("provider.signed"));
    }

    #[test]
    fn what_does_not_go_with_the_format_is_refused() {
        let with = |more: &str, setting: Option<&str>| {
            let name = setting.map(|setting| format!("provider.signature.{setting}"));
            let text = format!("signed='{{body}}'\nsignature={{encoding='hex',{more}}}");
            check(&text, name.as_deref());
        };
        let plain = "header='s',format='plain'";
        let sha1 = "algorithm='hmac-sha1'";
        with(&format!("{plain},{sha1},prefix='a'"), None);
        with(plain, Some("algorithm"));
        with("header='s s',format='plain'", Some("header"));
        with(&format!("{plain},{sha1},prefix_optional=true"), Some("prefix_optional"));
        with(&format!("{plain},{sha1},separator=','"), Some("separator"));
        with(&format!("{plain},{sha1},part='v1'"), Some("part"));
        with(&format!("{plain},{sha1},secret='standard'"), Some("secret"));
        with(&format!("{plain},{sha1},versions={{v='token'}}"), Some("versions"));
        let pairs = format!("header='s',format='pairs',{sha1}");
        with(&format!("{pairs},separator=',',part='v1'"), None);
        with(&format!("{pairs},part='v1'"), Some("separator"));
        with(&format!("{pairs},separator=','"), Some("part"));
        with(&format!("{pairs},prefix='a',separator=',',part='v1'"), Some("prefix"));
        let versions = "header='s',format='versions'";
        with(&format!("{versions},versions={{a='hmac-sha1',b='hmac-sha1'}}"), None);
        with(versions, Some("versions"));
        with(&format!("{versions},versions={{a='ed25519'}},{sha1}"), Some("algorithm"));
        with(&format!("{versions},versions={{a='hmac-sha1',b='ed25519'}}"), Some("versions"));
        let standard = "secret='standard',versions={a='hmac-sha1'}";
        with(&format!("{versions},{standard}"), Some("versions"));
    }

    #[test]
    fn the_rest_is_checked_too() {
        let with =
            |more: &str, setting| check(&format!("signed='{{body}}'\n{more}\n{HMAC}"), setting);
        with("prefix='a.b'", None);
        with("prefix='triphammer.x'", Some("provider.prefix"));
        with("prefix='.'", Some("provider.prefix"));
        with("event={type='{body}'}", Some("event.type").map(|_| "provider.event.type"));
        with("event={subject='{url}'}", Some("provider.event.subject"));
        with("content_types=['a/b; c=d']", Some("provider.content_types"));
        with("content_types=['json']", Some("provider.content_types"));
        with("answers=[{status=1}]", Some("provider.answers.status"));
    }
}
