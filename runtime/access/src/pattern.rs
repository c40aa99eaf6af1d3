//! Which functions a token is for. Knows nothing of functions but their names.

use std::fmt;
use std::str::FromStr;

use triphammer_model::FunctionName;

use crate::error::Error;

/// A function's name in which each `*` is any number of characters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FunctionPattern(String);

impl FunctionPattern {
    /// More would make matching slow for nothing.
    pub const WILDCARDS_MAX: usize = 4;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is any name at all.
    pub fn is_all(&self) -> bool {
        self.0.bytes().all(|b| b == b'*')
    }

    /// Tries the last `*` alone again after a mismatch: an earlier one could not do better.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n) = (0, 0);
        let mut again = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    again = Some((p, n));
                    p += 1;
                }
                Some(b) if *b == name[n] => (p, n) = (p + 1, n + 1),
                _ => match again {
                    None => return false,
                    Some((star, from)) => {
                        again = Some((star, from + 1));
                        (p, n) = (star + 1, from + 1);
                    }
                },
            }
        }
        pattern[p..].iter().all(|b| *b == b'*')
    }
}

impl FromStr for FunctionPattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'*');
        let in_range = (1..=FunctionName::LEN_MAX).contains(&text.len());
        let wildcards = text.bytes().filter(|b| *b == b'*').count();
        if in_range && text.bytes().all(allowed) && wildcards <= Self::WILDCARDS_MAX {
            return Ok(Self(text.to_owned()));
        }
        let rule = "is no pattern of functions: 1 to 63 of a-z, 0-9, - and at most 4 of *";
        Err(Error::setting("the function", text, rule))
    }
}

impl fmt::Display for FunctionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, expect: bool) {
        let pattern: FunctionPattern = pattern.parse().unwrap();
        assert_eq!(pattern.matches(name), expect, "{pattern} on {name}");
    }

    #[test]
    fn a_star_is_any_number_of_characters() {
        check("billing", "billing", true);
        check("billing", "billing-eu", false);
        check("billing", "billin", false);
        check("billing-*", "billing-eu", true);
        check("billing-*", "billing-", true);
        check("billing-*", "billing", false);
        check("*-eu", "billing-eu", true);
        check("*-eu", "billing-eu-x", false);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-c-b", false);
        check("*", "anything", true);
        check("**", "anything", true);
        check("*a*a*a*b", &"a".repeat(63), false);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let long = "a".repeat(64);
        for text in ["", "A", "a b", "a.b", "a_b", "*a*a*a*a*", "ä", "a%62", long.as_str()] {
            assert_eq!(text.parse::<FunctionPattern>().unwrap_err().code(), "access.setting");
        }
    }
}
