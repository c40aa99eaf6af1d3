//! The rules that CloudEvents 1.0.2 has for an event's attributes, and the limits that are this
//! host's own. Knows nothing of how an event is encoded.

use crate::event::{EventParts, ExtensionValue};
use crate::event_times;
use crate::time::Timestamp;

/// What is wrong with an event: the attribute, and the rule that it breaks.
#[derive(Debug, thiserror::Error)]
#[error("attribute `{attribute}` {rule}")]
pub struct InvalidEvent {
    pub attribute: String,
    pub rule: &'static str,
}

/// The longest context attribute, in bytes.
const ATTRIBUTE_LEN_MAX: usize = 4096;
/// The most extensions an event has.
pub(crate) const EXTENSIONS_MAX: usize = 64;
/// The longest name of an extension, in bytes. The specification advises 20.
const EXTENSION_NAME_LEN_MAX: usize = 64;

impl EventParts {
    /// Checks the attributes by CloudEvents 1.0.2.
    pub(crate) fn check(&self) -> Result<(), InvalidEvent> {
        required("id", &self.id)?;
        required("source", &self.source)?;
        required("type", &self.ty)?;
        let optional = [
            ("subject", &self.subject),
            ("time", &self.time),
            ("datacontenttype", &self.datacontenttype),
            ("dataschema", &self.dataschema),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                required(name, value)?;
            }
        }
        if self.time.as_deref().is_some_and(|time| Timestamp::parse_rfc3339(time).is_none()) {
            return Err(invalid("time", "must be an RFC 3339 timestamp"));
        }
        if self.datacontenttype.as_deref().is_some_and(|text| !text.is_ascii()) {
            return Err(invalid("datacontenttype", "must be a media type, which is ASCII"));
        }
        if self.source.contains(char::is_whitespace) {
            return Err(invalid("source", "must be a URI reference, without spaces"));
        }
        if self.data.as_ref().is_some_and(|data| data.len() > u32::MAX as usize / 2) {
            return Err(invalid("data", "is too large"));
        }
        self.check_extensions()
    }

    fn check_extensions(&self) -> Result<(), InvalidEvent> {
        if self.extensions.len() > EXTENSIONS_MAX {
            return Err(invalid("extensions", "are too many: at most 64"));
        }
        for (index, (name, value)) in self.extensions.iter().enumerate() {
            check_extension_name(name)?;
            if self.extensions[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(invalid(name, "is given twice"));
            }
            if let ExtensionValue::Text(text) = value {
                attribute(name, text)?;
            }
            event_times::check(name, value)?;
        }
        Ok(())
    }
}

const RESERVED: [&str; 10] = [
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "specversion",
    "data",
    "data_base64",
];

fn check_extension_name(name: &str) -> Result<(), InvalidEvent> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !(1..=EXTENSION_NAME_LEN_MAX).contains(&name.len()) || !name.bytes().all(allowed) {
        return Err(invalid(name, "is no extension name: 1 to 64 of a-z and 0-9"));
    }
    if RESERVED.contains(&name) {
        return Err(invalid(name, "is not an extension, and was given as one"));
    }
    Ok(())
}

fn required(name: &str, value: &str) -> Result<(), InvalidEvent> {
    if value.is_empty() {
        return Err(invalid(name, "must not be empty"));
    }
    attribute(name, value)
}

/// The characters that section "Type System" of CloudEvents 1.0.2 forbids in a String.
fn attribute(name: &str, value: &str) -> Result<(), InvalidEvent> {
    if value.len() > ATTRIBUTE_LEN_MAX {
        return Err(invalid(name, "is longer than 4096 bytes"));
    }
    let plain = value.bytes().all(|b| (0x20..0x7f).contains(&b));
    if !plain && value.chars().any(is_forbidden) {
        return Err(invalid(name, "has a control character or a Unicode noncharacter"));
    }
    Ok(())
}

fn is_forbidden(c: char) -> bool {
    let code = u32::from(c);
    c.is_control() || (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

pub(crate) fn invalid(attribute: &str, rule: &'static str) -> InvalidEvent {
    InvalidEvent { attribute: attribute.chars().take(64).collect(), rule }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    fn parts() -> EventParts {
        EventParts { id: "1".into(), source: "/s".into(), ty: "t".into(), ..EventParts::default() }
    }

    #[track_caller]
    fn refused(attribute: &str, parts: &EventParts) {
        assert_eq!(Event::new(parts).unwrap_err().attribute, attribute);
    }

    /// No header could carry it to a sink.
    #[test]
    fn media_types_are_ascii() {
        for (text, is_taken) in [("text/plain; a=\"b c\"", true), ("text/pl\u{e9}in", false)] {
            let parts = EventParts { datacontenttype: Some(text.into()), ..parts() };
            match is_taken {
                true => assert!(Event::new(&parts).is_ok()),
                false => refused("datacontenttype", &parts),
            }
        }
    }

    #[test]
    fn the_specification_is_kept() {
        refused("id", &EventParts { id: String::new(), ..parts() });
        refused("source", &EventParts { source: "a b".into(), ..parts() });
        refused("type", &EventParts { ty: "a\u{0}".into(), ..parts() });
        refused("subject", &EventParts { subject: Some(String::new()), ..parts() });
        refused("subject", &EventParts { subject: Some("\u{fffe}".into()), ..parts() });
        refused("time", &EventParts { time: Some("yesterday".into()), ..parts() });
        for name in ["Upper", "", "a-b", "id", "data"] {
            let extensions = vec![(name.to_owned(), ExtensionValue::Integer(1))];
            refused(name, &EventParts { extensions, ..parts() });
        }
    }
}
