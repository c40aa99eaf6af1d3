//! Which event types a function asks for. Knows nothing of functions or of filters on data.

use std::fmt;
use std::str::FromStr;

/// A pattern over dotted types: `*` is any one segment, `**` any number of them, none included.
/// Wildcards never match the host's own `triphammer.*` unless the first segment is written out.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct TypePattern {
    text: String,
}

/// A text that is not a pattern.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a pattern of event types: {rule}")]
pub struct InvalidPattern {
    text: String,
    rule: &'static str,
}

/// The first segment of the host's own types.
const HOST_SEGMENT: &str = "triphammer";

impl TypePattern {
    /// The longest pattern, in bytes.
    pub const LEN_MAX: usize = 256;
    /// More would make matching slow for nothing.
    pub const DEEP_WILDCARDS_MAX: usize = 4;

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The whole type, when the pattern has no wildcard.
    pub fn exact(&self) -> Option<&str> {
        (!self.text.split('.').any(|s| s == "*" || s == "**")).then_some(&self.text)
    }

    pub fn matches(&self, ty: &str) -> bool {
        let host = ty.split('.').next() == Some(HOST_SEGMENT);
        if host && self.text.split('.').next() != Some(HOST_SEGMENT) {
            return false;
        }
        matches(&self.text, ty)
    }
}

/// Segment by segment. After a mismatch only the last `**` tries again with one segment more: an
/// earlier one could not do better. So a hostile type costs its length times the pattern's.
fn matches(pattern: &str, ty: &str) -> bool {
    let (mut pattern, mut ty) = (Some(pattern), Some(ty));
    let mut again: Option<(Option<&str>, &str)> = None;
    loop {
        let step = match (pattern.map(cut), ty.map(cut)) {
            (None, None) => return true,
            (Some(("**", rest)), _) => {
                again = ty.map(|ty| (rest, ty));
                Some((rest, ty))
            }
            (Some((head, rest)), Some((segment, ty_rest))) if head == "*" || head == segment => {
                Some((rest, ty_rest))
            }
            _ => None,
        };
        (pattern, ty) = match (step, again) {
            (Some(step), _) => step,
            (None, Some((rest, tried))) => {
                let longer = cut(tried).1;
                again = longer.map(|ty| (rest, ty));
                (rest, longer)
            }
            (None, None) => return false,
        };
    }
}

fn cut(text: &str) -> (&str, Option<&str>) {
    match text.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (text, None),
    }
}

impl FromStr for TypePattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let invalid = |rule| Err(InvalidPattern { text: text.chars().take(80).collect(), rule });
        if text.is_empty() || text.len() > Self::LEN_MAX {
            return invalid("it must have 1 to 256 bytes");
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return invalid("it must have no spaces or control characters");
        }
        if text.split('.').any(str::is_empty) {
            return invalid("its segments, separated by dots, must not be empty");
        }
        if text.split('.').any(|s| s.contains('*') && s != "*" && s != "**") {
            return invalid("a wildcard, `*` or `**`, must be a whole segment");
        }
        if text.split('.').filter(|s| *s == "**").count() > Self::DEEP_WILDCARDS_MAX {
            return invalid("it must have at most 4 `**`");
        }
        Ok(Self { text: text.into() })
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, ty: &str, expect: bool) {
        let pattern: TypePattern = pattern.parse().unwrap();
        assert_eq!(pattern.matches(ty), expect, "{pattern} on {ty}");
    }

    #[test]
    fn wildcards_stand_for_segments() {
        check("order.created", "order.created", true);
        check("order.created", "order.creates", false);
        check("order.*", "order.created", true);
        check("order.*", "order", false);
        check("order.*", "order.a.b", false);
        check("order.**", "order.a.b", true);
        check("order.**", "order", true);
        check("**.failed", "a.b.failed", true);
        check("**.failed", "failed", true);
        check("**.failed", "a.failed.b", false);
        check("a.**.z", "a.z", true);
        check("a.**.z", "a.b.c.z", true);
        check("a.**.z", "a.b.c", false);
        check("*", "order", true);
        check("**", "a.b.c", true);
    }

    #[test]
    fn a_hostile_type_is_cheap() {
        let pattern: TypePattern = "**.a.**.a.**.a.**.b".parse().unwrap();
        let ty = vec!["a"; 2000].join(".");
        assert!(!pattern.matches(&ty));
        check("**.a.**.b.c", "x.a.b.b.c", true);
        check("**.**", "a", true);
        check("a.**.**", "a", true);
    }

    #[test]
    fn host_types_must_be_named() {
        check("**", "triphammer.delivery.dead", false);
        check("*.delivery.dead", "triphammer.delivery.dead", false);
        check("triphammer.**", "triphammer.delivery.dead", true);
        check("**", "triphammerx.a", true);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", ".", "a..b", "a.", ".a", "a.b*", "***", "a b", "**.**.**.**.**"] {
            assert!(text.parse::<TypePattern>().is_err(), "{text}");
        }
    }
}
