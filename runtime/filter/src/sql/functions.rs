//! The built-in functions (section 3.5): which there are, with how many arguments, and what they
//! give. Knows nothing of how arguments are evaluated.
//!
//! `INT`, `BOOL`, `STRING`, `IS_INT` and `IS_BOOL` are the conversions that section 3.7 speaks of;
//! the last two tell whether a cast would succeed.

use std::borrow::Cow;

use super::SqlError;
use super::value::{Type, Value};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Function {
    Length,
    Concat,
    ConcatWs,
    Lower,
    Upper,
    Trim,
    Left,
    Right,
    Substring,
    Abs,
    Int,
    Bool,
    String,
    IsInt,
    IsBool,
}

/// A name, the function, and the fewest and most arguments.
const FUNCTIONS: [(&str, Function, usize, usize); 15] = [
    ("LENGTH", Function::Length, 1, 1),
    ("CONCAT", Function::Concat, 0, usize::MAX),
    ("CONCAT_WS", Function::ConcatWs, 1, usize::MAX),
    ("LOWER", Function::Lower, 1, 1),
    ("UPPER", Function::Upper, 1, 1),
    ("TRIM", Function::Trim, 1, 1),
    ("LEFT", Function::Left, 2, 2),
    ("RIGHT", Function::Right, 2, 2),
    ("SUBSTRING", Function::Substring, 2, 3),
    ("ABS", Function::Abs, 1, 1),
    ("INT", Function::Int, 1, 1),
    ("BOOL", Function::Bool, 1, 1),
    ("STRING", Function::String, 1, 1),
    ("IS_INT", Function::IsInt, 1, 1),
    ("IS_BOOL", Function::IsBool, 1, 1),
];

impl Function {
    /// The function that is called by `name` with so many arguments; else what there is instead.
    pub(crate) fn find(name: &str, arguments: usize) -> Result<Self, String> {
        let found = FUNCTIONS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
        match found {
            Some((_, function, least, most)) if (*least..=*most).contains(&arguments) => {
                Ok(*function)
            }
            Some((known, ..)) => Err(format!("no `{known}` has {arguments} arguments")),
            None => {
                let name: String = name.chars().take(40).collect();
                Err(format!("no function has the name `{name}`"))
            }
        }
    }

    pub(crate) fn ty(self) -> Type {
        match self {
            Self::Length | Self::Abs | Self::Int => Type::Integer,
            Self::Bool | Self::IsInt | Self::IsBool => Type::Boolean,
            _ => Type::String,
        }
    }
}

/// What a function that fails has raised, and the value it gives all the same; none is the zero
/// value of its type.
pub(crate) struct Raised<'e> {
    pub(crate) error: SqlError,
    pub(crate) value: Option<Value<'e>>,
}

impl From<SqlError> for Raised<'_> {
    fn from(error: SqlError) -> Self {
        Self { error, value: None }
    }
}

type Given<'e> = Result<Value<'e>, Raised<'e>>;

pub(crate) fn abs<'e>(number: i32) -> Given<'e> {
    number.checked_abs().map(Value::Integer).ok_or(Raised {
        error: SqlError::Math("the absolute value of -2147483648 is no 32-bit integer"),
        value: Some(Value::Integer(i32::MAX)),
    })
}

pub(crate) fn left(text: Cow<'_, str>, len: i32) -> Given<'_> {
    let Ok(len) = usize::try_from(len) else { return negative("LEFT", text) };
    let end = text.char_indices().nth(len).map_or(text.len(), |(at, _)| at);
    Ok(Value::Text(slice(text, 0, end)))
}

pub(crate) fn right(text: Cow<'_, str>, len: i32) -> Given<'_> {
    let Ok(len) = usize::try_from(len) else { return negative("RIGHT", text) };
    let start = match len.checked_sub(1) {
        Some(before) => text.char_indices().rev().nth(before).map_or(0, |(at, _)| at),
        None => text.len(),
    };
    let end = text.len();
    Ok(Value::Text(slice(text, start, end)))
}

fn negative<'e>(name: &'static str, text: Cow<'e, str>) -> Given<'e> {
    let rule = "the number of characters must not be negative";
    Err(Raised { error: SqlError::Function(name, rule), value: Some(Value::Text(text)) })
}

/// Characters are counted from 1, or from the end when `position` is negative.
pub(crate) fn substring(text: Cow<'_, str>, position: i32, len: Option<i32>) -> Given<'_> {
    let fail = |rule| Err(SqlError::Function("SUBSTRING", rule).into());
    let Ok(len) = len.map(usize::try_from).transpose() else {
        return fail("the number of characters must not be negative");
    };
    let count = text.chars().count();
    let distance = position.unsigned_abs() as usize;
    if distance > count {
        return fail("the position is outside the text");
    }
    let skip = match position {
        0 => return Ok(Type::String.zero()),
        1.. => distance - 1,
        _ => count - distance,
    };
    let at = |index: usize| text.char_indices().nth(index).map_or(text.len(), |(at, _)| at);
    let start = at(skip);
    let end = len.map_or(text.len(), |len| at(skip.saturating_add(len)));
    Ok(Value::Text(slice(text, start, end)))
}

pub(crate) fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    let start = text.len() - text.trim_start().len();
    let end = text.trim_end().len().max(start);
    slice(text, start, end)
}

/// Part of a text, borrowed when the whole is.
fn slice(text: Cow<'_, str>, start: usize, end: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[start..end]),
        Cow::Owned(text) => Cow::Owned(text[start..end].to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: Given<'_>, expect: &str, fails: bool) {
        let (value, failed) = match given {
            Ok(value) => (value, false),
            Err(raised) => (raised.value.unwrap_or_else(|| Type::String.zero()), true),
        };
        assert_eq!((value.cast_text().as_ref(), failed), (expect, fails));
    }

    #[test]
    fn texts_are_cut_between_characters() {
        check(left("äöü".into(), 2), "äö", false);
        check(right("äöü".into(), 2), "öü", false);
        check(right("äöü".into(), 0), "", false);
        check(left("äöü".into(), i32::MIN), "äöü", true);
        check(substring("äöü".into(), -2, Some(1)), "ö", false);
        check(substring("äöü".into(), 2, Some(i32::MAX)), "öü", false);
        check(substring("äöü".into(), 3, Some(0)), "", false);
        check(substring("äöü".into(), i32::MIN, None), "", true);
        check(substring("äöü".into(), 1, Some(-1)), "", true);
        check(substring("".into(), 1, None), "", true);
    }

    #[test]
    fn only_white_space_is_trimmed() {
        assert_eq!(trim("\u{2003} a b\u{a0}".into()), "a b");
        assert_eq!(trim(" \t ".into()), "");
        assert_eq!(trim("\u{7}a".into()), "\u{7}a");
    }

    #[test]
    fn functions_are_found_by_name_and_arity() {
        assert_eq!(Function::find("concat_ws", 1), Ok(Function::ConcatWs));
        for (name, arguments) in [("CONCAT_WS", 0), ("LEFT", 1), ("SUBSTRING", 4), ("NOW", 0)] {
            assert!(Function::find(name, arguments).is_err(), "{name}");
        }
    }
}
