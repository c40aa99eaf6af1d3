//! The values of the language, and how one type is cast to another (section 3.7). Knows nothing
//! of expressions.

use std::borrow::Cow;
use std::fmt;

use super::SqlError;

/// The primitive types of section 3.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Type {
    String,
    Integer,
    Boolean,
}

/// A value: text is borrowed from the event or the expression where that is possible.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value<'e> {
    Text(Cow<'e, str>),
    Integer(i32),
    Boolean(bool),
}

impl Type {
    pub fn zero(self) -> Value<'static> {
        match self {
            Self::String => Value::Text(Cow::Borrowed("")),
            Self::Integer => Value::Integer(0),
            Self::Boolean => Value::Boolean(false),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "String",
            Self::Integer => "Integer",
            Self::Boolean => "Boolean",
        })
    }
}

impl<'e> Value<'e> {
    pub fn ty(&self) -> Type {
        match self {
            Self::Text(_) => Type::String,
            Self::Integer(_) => Type::Integer,
            Self::Boolean(_) => Type::Boolean,
        }
    }

    pub(crate) fn cast_text(self) -> Cow<'e, str> {
        match self {
            Self::Text(text) => text,
            Self::Integer(number) => number.to_string().into(),
            Self::Boolean(true) => "true".into(),
            Self::Boolean(false) => "false".into(),
        }
    }

    pub(crate) fn cast_integer(self) -> Result<i32, SqlError> {
        match self {
            Self::Text(text) => text.parse().map_err(|_| cast_error(&text, Type::Integer)),
            Self::Integer(number) => Ok(number),
            Self::Boolean(value) => Ok(value.into()),
        }
    }

    pub(crate) fn cast_boolean(self) -> Result<bool, SqlError> {
        match self {
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Self::Text(text) => Err(cast_error(&text, Type::Boolean)),
            Self::Integer(number) => Ok(number != 0),
            Self::Boolean(value) => Ok(value),
        }
    }
}

impl From<Value<'_>> for serde_json::Value {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Text(text) => Self::String(text.into_owned()),
            Value::Integer(number) => number.into(),
            Value::Boolean(value) => Self::Bool(value),
        }
    }
}

fn cast_error(text: &str, target: Type) -> SqlError {
    // Enough to recognise it; an attribute may have 4096 bytes.
    SqlError::Cast { text: text.chars().take(40).collect(), target }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &Value<'_>, text: &str, integer: Option<i32>, boolean: Option<bool>) {
        assert_eq!(value.clone().cast_text(), text);
        assert_eq!(value.clone().cast_integer().ok(), integer, "{value:?}");
        assert_eq!(value.clone().cast_boolean().ok(), boolean, "{value:?}");
    }

    #[test]
    fn casts_follow_the_table() {
        let text = |text| Value::Text(Cow::Borrowed(text));
        check(&Value::Integer(-7), "-7", Some(-7), Some(true));
        check(&Value::Integer(0), "0", Some(0), Some(false));
        check(&Value::Boolean(true), "true", Some(1), Some(true));
        check(&Value::Boolean(false), "false", Some(0), Some(false));
        check(&text("+007"), "+007", Some(7), None);
        check(&text("-2147483648"), "-2147483648", Some(i32::MIN), None);
        check(&text("TrUe"), "TrUe", None, Some(true));
        for none in ["", "+", " 1", "1.0", "2147483648", "tru", "0x1", "١"] {
            check(&text(none), none, None, None);
        }
    }
}
