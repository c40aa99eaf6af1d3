//! Reading the members of a manifest: each error names the member and its rule. Knows no function.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::limits::Limits;
use crate::manifest::{InvalidManifest, KeySource, invalid};
use crate::pattern::TypePattern;
use crate::text::{bytes_text, duration_text, parse_bytes, parse_duration};

const PATTERNS_MAX: usize = 64;
const MEMORY_BYTES_MIN: u64 = 1 << 20;

/// The members of one JSON object, and what the object is called.
pub(crate) struct Members<'a> {
    path: String,
    members: &'a Map<String, Value>,
}

type Read<T> = Result<T, InvalidManifest>;

impl<'a> Members<'a> {
    pub(crate) fn new(path: &str, members: &'a Map<String, Value>) -> Self {
        Self { path: path.to_owned(), members }
    }

    /// A member that is there and not null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// The member's name from the top.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(crate) fn invalid(&self, name: &str, rule: impl Into<String>) -> InvalidManifest {
        invalid(&self.path(name), rule)
    }

    /// Refuses members that are not among `known`.
    pub(crate) fn only(&self, known: &[&str]) -> Read<()> {
        match self.members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                Err(self.invalid(name, format!("is not known; known are {}", known.join(", "))))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn required<T>(&self, name: &str, value: Option<T>) -> Read<T> {
        value.ok_or_else(|| self.invalid(name, "is missing"))
    }

    pub(crate) fn text(&self, name: &str) -> Read<Option<&'a str>> {
        let text =
            |value: &'a Value| value.as_str().ok_or_else(|| self.invalid(name, "must be a string"));
        self.get(name).map(text).transpose()
    }

    pub(crate) fn number(&self, name: &str, range: RangeInclusive<u32>) -> Read<Option<u32>> {
        let rule = || format!("must be a whole number from {} to {}", range.start(), range.end());
        let number = |value: &Value| {
            let number = value.as_u64().and_then(|n| u32::try_from(n).ok());
            number.filter(|n| range.contains(n)).ok_or_else(|| self.invalid(name, rule()))
        };
        self.get(name).map(number).transpose()
    }

    pub(crate) fn float(&self, name: &str, range: RangeInclusive<f64>) -> Read<Option<f64>> {
        let rule = || format!("must be {} to {}", range.start(), range.end());
        let float = |value: &Value| {
            let float = value.as_f64().filter(|n| range.contains(n));
            float.ok_or_else(|| self.invalid(name, rule()))
        };
        self.get(name).map(float).transpose()
    }

    pub(crate) fn duration(
        &self,
        name: &str,
        range: RangeInclusive<Duration>,
    ) -> Read<Option<Duration>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let duration =
            parse_duration(text).map_err(|e| self.invalid(name, format!("is wrong: {e}")))?;
        if range.contains(&duration) {
            return Ok(Some(duration));
        }
        let min = duration_text(*range.start());
        Err(self.invalid(
            name,
            match *range.end() {
                Duration::MAX => format!("must be {min} or more"),
                max => format!("must be {min} to {}", duration_text(max)),
            },
        ))
    }

    /// A member that is an object, read by `read`.
    pub(crate) fn object<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Members<'_>) -> Read<T>,
    ) -> Read<Option<T>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => {
                read(&Members { path: self.path(name), members }).map(Some)
            }
            Some(_) => Err(self.invalid(name, "must be an object")),
        }
    }

    /// A member that is an object, or a list of them.
    pub(crate) fn objects<T>(
        &self,
        name: &str,
        max: usize,
        read: impl Fn(&Members<'_>) -> Read<T>,
    ) -> Read<Vec<T>> {
        let values = match self.get(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) => values.as_slice(),
            Some(single) => std::slice::from_ref(single),
        };
        if values.len() > max {
            return Err(self.invalid(name, format!("must be at most {max}")));
        }
        let read = |value: &Value| match value {
            Value::Object(members) => read(&Members { path: self.path(name), members }),
            _ => Err(self.invalid(name, "must be an object, or a list of objects")),
        };
        values.iter().map(read).collect()
    }
}

pub(crate) fn read_patterns(value: Option<&Value>) -> Result<Vec<TypePattern>, InvalidManifest> {
    let values = match value {
        Some(Value::Array(values)) => values.as_slice(),
        Some(single @ Value::String(_)) => std::slice::from_ref(single),
        Some(_) => return Err(invalid("on", "must be a pattern or a list of patterns")),
        None => &[],
    };
    if values.is_empty() || values.len() > PATTERNS_MAX {
        return Err(invalid("on", "must name 1 to 64 patterns of event types"));
    }
    let read =
        |v: &Value| text("on", v)?.parse().map_err(|e| invalid("on", format!("is wrong: {e}")));
    values.iter().map(read).collect()
}

/// A text, an object or a list; what it says is not known here.
pub(crate) fn read_filter(value: Option<&Value>) -> Result<Option<Value>, InvalidManifest> {
    match value {
        None => Ok(None),
        Some(value @ (Value::String(_) | Value::Object(_) | Value::Array(_))) => {
            Ok(Some(value.clone()))
        }
        Some(_) => Err(InvalidManifest {
            code: "manifest.invalid",
            member: "filter".to_owned(),
            rule: "must be an expression, an object with one dialect, or a list of filters"
                .to_owned(),
        }),
    }
}

pub(crate) fn read_key(key: &str) -> Result<KeySource, InvalidManifest> {
    if let Some(pointer) = key.strip_prefix("data.") {
        return match pointer.starts_with('/') && pointer.len() <= 256 {
            true => Ok(KeySource::Data(pointer.into())),
            false => {
                Err(invalid("key", "must have a JSON pointer after `data.`, as `data./user/id`"))
            }
        };
    }
    let extension = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    match key {
        "subject" => Ok(KeySource::Subject),
        "source" => Ok(KeySource::Source),
        "id" | "type" | "time" | "data" | "datacontenttype" | "dataschema" | "specversion" => {
            Err(invalid("key", "must be `subject`, `source`, an extension or `data./pointer`"))
        }
        name if (1..=64).contains(&name.len()) && name.bytes().all(extension) => {
            Ok(KeySource::Extension(name.into()))
        }
        _ => Err(invalid("key", "must be `subject`, `source`, an extension or `data./pointer`")),
    }
}

pub(crate) fn read_memory(members: &Members<'_>, limits: &Limits) -> Read<Option<u64>> {
    let Some(text) = members.text("memory")? else { return Ok(None) };
    let bytes =
        parse_bytes(text).map_err(|e| members.invalid("memory", format!("is wrong: {e}")))?;
    if !(MEMORY_BYTES_MIN..=limits.memory_bytes_max).contains(&bytes) {
        let max = bytes_text(limits.memory_bytes_max);
        return Err(members.invalid("memory", format!("must be 1MiB to {max}")));
    }
    Ok(Some(bytes))
}

fn text<'a>(member: &str, value: &'a Value) -> Read<&'a str> {
    value.as_str().ok_or_else(|| invalid(member, "must be a string"))
}
