//! Texts with places in them: `{header:x-event}[.{json:/action}]`. Knows nothing of requests.
//!
//! What is in brackets is left out whole when a place in it has nothing. Elsewhere a place that
//! has nothing means that there is no text. `{{`, `}}`, `[[` and `]]` stand for one of each.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::{Chars, FromStr};

use http::HeaderName;

use crate::error::Refused;
use crate::form::Port;
use crate::json::Pointer;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    Text(String),
    Place(Place),
    Optional(Vec<Part>),
}

/// What stands in a request or is known of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// The delivery's id, as the provider's `event.id` finds it.
    Id,
    /// The time of signing, as the sender wrote it.
    Timestamp,
    Body,
    Url(Port),
    /// The form's fields, sorted.
    Params,
    Header(HeaderName),
    Json(Pointer),
    Form(String),
    Query(String),
    /// The event's type as the provider names it.
    Type,
    /// The hook's name.
    Hook,
}

const LEN_MAX: usize = 1024;
const PARTS_MAX: usize = 32;

impl Template {
    pub(crate) fn parts(&self) -> &[Part] {
        &self.0
    }

    /// All places, those in brackets included.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.0
            .iter()
            .flat_map(|part| match part {
                Part::Text(_) => &[][..],
                Part::Place(_) => std::slice::from_ref(part),
                Part::Optional(parts) => parts,
            })
            .filter_map(|part| match part {
                Part::Place(place) => Some(place),
                _ => None,
            })
    }

    /// The text; none when a place outside brackets has nothing.
    pub(crate) fn render<'a>(&self, value: Value<'_, 'a>) -> Result<Option<String>, Refused> {
        render(&self.0, value)
    }
}

/// What is at a place.
pub(crate) type Value<'v, 'a> = &'v dyn Fn(&Place) -> Result<Option<Cow<'a, str>>, Refused>;

fn render(parts: &[Part], value: Value<'_, '_>) -> Result<Option<String>, Refused> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Place(place) => match value(place)? {
                Some(found) if !found.is_empty() => text.push_str(&found),
                _ => return Ok(None),
            },
            Part::Optional(parts) => {
                text.push_str(render(parts, value)?.as_deref().unwrap_or_default());
            }
        }
    }
    Ok(Some(text))
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !(1..=LEN_MAX).contains(&text.len()) {
            return Err(format!("must have 1 to {LEN_MAX} bytes"));
        }
        let mut chars = text.chars().peekable();
        let parts = parse(&mut chars, Nesting::Outside)?;
        let count = parts.iter().map(|part| match part {
            Part::Optional(parts) => parts.len() + 1,
            _ => 1,
        });
        if count.sum::<usize>() > PARTS_MAX {
            return Err(format!("must have at most {PARTS_MAX} parts"));
        }
        Ok(Self(parts))
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Nesting {
    Outside,
    InBrackets,
}

fn parse(chars: &mut Peekable<Chars<'_>>, nesting: Nesting) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    while let Some(c) = chars.next() {
        let special = matches!(c, '{' | '}' | '[' | ']');
        if !special || chars.next_if_eq(&c).is_some() {
            literal.push(c);
            continue;
        }
        if !literal.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut literal)));
        }
        match (c, nesting) {
            ('{', _) => parts.push(Part::Place(place(chars)?)),
            ('[', Nesting::Outside) => {
                parts.push(Part::Optional(parse(chars, Nesting::InBrackets)?));
            }
            ('[', Nesting::InBrackets) => return Err("has brackets in brackets".into()),
            (']', Nesting::InBrackets) => return Ok(parts),
            _ => return Err(format!("has a `{c}` that closes nothing; write `{c}{c}` for one")),
        }
    }
    if nesting == Nesting::InBrackets {
        return Err("has a `[` that is not closed".into());
    }
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(parts)
}

/// What is between `{` and `}`.
fn place(chars: &mut Peekable<Chars<'_>>) -> Result<Place, String> {
    let mut text = String::new();
    loop {
        match chars.next() {
            Some('}') => break,
            Some(c) => text.push(c),
            None => return Err("has a `{` that is not closed".into()),
        }
    }
    let wrong = |rule: &dyn std::fmt::Display| format!("has the place `{text}`: {rule}");
    let Some((kind, name)) = text.split_once(':') else {
        return bare(&text).ok_or_else(|| wrong(&"there is no such place"));
    };
    match (kind, name) {
        ("header", _) => name.parse().map(Place::Header).map_err(|_| wrong(&"no header's name")),
        ("json", _) => name.parse().map(Place::Json).map_err(|rule| wrong(&rule)),
        ("form" | "query", "") => Err(wrong(&"it has no name")),
        ("form", _) => Ok(Place::Form(name.into())),
        ("query", _) => Ok(Place::Query(name.into())),
        ("url", "noport") => Ok(Place::Url(Port::Removed)),
        ("url", "port") => Ok(Place::Url(Port::Added)),
        _ => Err(wrong(&"there is no such place")),
    }
}

fn bare(text: &str) -> Option<Place> {
    Some(match text {
        "id" => Place::Id,
        "timestamp" => Place::Timestamp,
        "body" => Place::Body,
        "url" => Place::Url(Port::AsSent),
        "params" => Place::Params,
        "type" => Place::Type,
        "hook" => Place::Hook,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, expect: Option<&str>) {
        let template: Template = template.parse().unwrap();
        let value = |place: &Place| {
            Ok(match place {
                Place::Id => Some("i".into()),
                Place::Header(name) if name == "x-a" => Some("h".into()),
                Place::Form(name) if name == "empty" => Some("".into()),
                Place::Json(_) => Some("{id}]".into()),
                _ => None,
            })
        };
        assert_eq!(template.render(&value).unwrap().as_deref(), expect);
    }

    #[test]
    fn places_are_filled() {
        check("a", Some("a"));
        check("{id}.{header:X-A}", Some("i.h"));
        check("a{header:x-b}", None);
        check("{form:empty}", None);
        check("{id}[.{header:x-a}][-{header:x-b}]!", Some("i.h!"));
        check("[{form:empty}]", Some(""));
        check("{json:/a}", Some("{id}]"));
        check("{{id}}[[]]", Some("{id}[]"));
        check("{{{id}}}", Some("{i}"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "{",
            "}",
            "[",
            "]",
            "{}",
            "{ids}",
            "{header:}",
            "{header:a b}",
            "{json:a}",
            "{json}",
            "{form:}",
            "{query:}",
            "{url:x}",
            "[a[b]]c]",
            "[{id}",
            "{id",
            "{x:y}",
            "[{id]}",
        ] {
            assert!(text.parse::<Template>().is_err(), "{text}");
        }
        assert!("a".repeat(LEN_MAX).parse::<Template>().is_ok());
        assert!("a".repeat(LEN_MAX + 1).parse::<Template>().is_err());
        assert!("{id}".repeat(PARTS_MAX).parse::<Template>().is_ok());
        assert!("{id}".repeat(PARTS_MAX + 1).parse::<Template>().is_err());
        assert!(format!("[{}]", "{id}".repeat(PARTS_MAX)).parse::<Template>().is_err());
    }
}
