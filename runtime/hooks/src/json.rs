//! Single values out of a JSON text, without making a tree of it. Knows nothing of hooks.
//!
//! A text is checked as a whole once; after that each look-up reads along one path and skips the
//! rest, so that a hostile text costs its length times the path's and no memory.

use std::fmt;
use std::str::FromStr;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON pointer (RFC 6901) to something below the root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pointer(Vec<String>);

/// The deepest that objects and arrays may be nested, as what handlers read with has it.
pub(crate) const DEPTH_MAX: usize = 128;
const TOKENS_MAX: usize = 16;

impl FromStr for Pointer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let tokens = text.strip_prefix('/').ok_or("a JSON pointer begins with `/`")?;
        let tokens: Vec<String> = tokens
            .split('/')
            .map(unescape)
            .collect::<Option<_>>()
            .ok_or("in a JSON pointer `~` is written `~0`, and `/` within a name `~1`")?;
        if tokens.len() > TOKENS_MAX {
            return Err("a JSON pointer has at most 16 names");
        }
        Ok(Self(tokens))
    }
}

fn unescape(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escaped, rest) = part.split_at_checked(1)?;
        text.push(match escaped {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        text.push_str(rest);
    }
    Some(text)
}

/// The text when it is JSON that is not nested too deeply, else the rule that it breaks.
pub(crate) fn check(bytes: &[u8]) -> Result<&str, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8, as JSON is")?;
    if is_deep(bytes) {
        return Err("its JSON is nested more than 128 deep");
    }
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => Ok(text),
        Err(_) => Err("it is not JSON"),
    }
}

fn is_deep(bytes: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

/// The scalar at the pointer: a string's content, the JSON text of a number or a boolean. Null,
/// objects and arrays are nothing.
pub(crate) fn scalar(text: &str, pointer: &Pointer) -> Option<String> {
    let found = find(text, pointer)?;
    match found.as_bytes().first()? {
        b'"' => serde_json::from_str(found).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(found.to_owned()),
    }
}

/// Whether anything but null is there.
pub(crate) fn exists(text: &str, pointer: &Pointer) -> bool {
    find(text, pointer).is_some_and(|found| found != "null")
}

fn find<'a>(text: &'a str, pointer: &Pointer) -> Option<&'a str> {
    let mut text = text.trim_ascii();
    for token in &pointer.0 {
        let mut reader = serde_json::Deserializer::from_str(text);
        text = Step { token }.deserialize(&mut reader).ok()??.get();
    }
    Some(text)
}

/// One name further. Of a name given twice the last counts, as for most readers.
struct Step<'t> {
    token: &'t str,
}

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == self.token {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let plain = self.token == "0" || !self.token.starts_with(['0', '+']);
        let mut before: Option<usize> = if plain { self.token.parse().ok() } else { None };
        let mut found = None;
        loop {
            if before == Some(0) {
                found = seq.next_element()?;
                before = None;
            } else if seq.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            } else {
                before = before.map(|count| count - 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(text: &str, pointer: &str, expect: Option<&str>) {
        let pointer: Pointer = pointer.parse().unwrap();
        assert_eq!(scalar(text, &pointer).as_deref(), expect, "{text}");
    }

    #[test]
    fn scalars_are_found() {
        found(r#"{"a":{"b":"x\n"}}"#, "/a/b", Some("x\n"));
        found(r#" {"a":[true, 1.50]}"#, "/a/1", Some("1.50"));
        found(r#"{"a":[true,[]]}"#, "/a/0", Some("true"));
        found(r#"{"a/b~":-0}"#, "/a~1b~0", Some("-0"));
        found(r#"{"\u0061":1,"b":{"a":2},"a":3}"#, "/a", Some("3"));
        found(r#"{"":{"":1}}"#, "//", Some("1"));
    }

    #[test]
    fn what_is_no_scalar_is_nothing() {
        for text in [r#"{"a":null}"#, r#"{"a":{}}"#, r#"{"a":[]}"#, "{}", "[1]", "1", "null", ""] {
            found(text, "/a", None);
        }
        for token in ["/01", "/+1", "/-1", "/2", "/x", "/99999999999999999999"] {
            found("[1,2]", token, None);
        }
        found(r#"{"a":"\ud800"}"#, "/a", None);
        let pointer: Pointer = "/a".parse().unwrap();
        assert!(exists(r#"{"a":{}}"#, &pointer) && !exists(r#"{"a":null}"#, &pointer));
    }

    #[test]
    fn nonsense_is_no_pointer() {
        for text in ["", "a", "/~", "/~2", "/a~"] {
            assert!(text.parse::<Pointer>().is_err(), "{text}");
        }
        assert!("/a".repeat(TOKENS_MAX).parse::<Pointer>().is_ok());
        assert!("/a".repeat(TOKENS_MAX + 1).parse::<Pointer>().is_err());
    }

    #[test]
    fn only_json_that_is_not_too_deep_is_taken() {
        for text in ["{}", " [1] ", r#"{"a":"[[[\"[[["}"#, "1", "\"a\""] {
            assert!(check(text.as_bytes()).is_ok(), "{text}");
        }
        for text in [&b""[..], b"{", b"{}x", b"{a:1}", b"\xff", b"\"\\\""] {
            assert!(check(text).is_err());
        }
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(check(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert!(check(nested(DEPTH_MAX + 1).as_bytes()).is_err());
        for bomb in ["[", "{\"a\":", "[{\"a\":"] {
            assert!(check(bomb.repeat(200_000).as_bytes()).is_err());
        }
    }
}
