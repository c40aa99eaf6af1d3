//! The patterns of `LIKE` (section 3.4.3), read once. Knows nothing of expressions.
//!
//! A pattern is cut at its `%`. The pieces between are looked for from the left, each behind the
//! one before: no piece is ever looked for again, so there is nothing to go back to.

/// `%` is any text, `_` any one character; a backslash before either makes it itself.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    first: Piece,
    /// Those between two `%`.
    middle: Vec<Piece>,
    /// None when there is no `%`.
    last: Option<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(Box<str>),
    /// None is any character.
    Wild(Box<[Option<char>]>),
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        let mut pieces = pieces(text);
        let first = pieces.remove(0);
        let last = pieces.pop();
        pieces.retain(|piece| !matches!(piece, Piece::Literal(text) if text.is_empty()));
        Self { first, middle: pieces, last }
    }

    /// The most work that a match against a text of `len` bytes takes, in bytes looked at.
    pub(crate) fn work(&self, len: usize) -> usize {
        let wild = |piece: &Piece| match piece {
            Piece::Literal(_) => 0,
            Piece::Wild(chars) => chars.len(),
        };
        let wild: usize = self.middle.iter().map(wild).sum();
        len.saturating_mul(wild.saturating_add(1))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some(mut rest) = self.first.strip(text) else { return false };
        let Some(last) = &self.last else { return rest.is_empty() };
        for piece in &self.middle {
            match piece.find(rest) {
                Some(behind) => rest = behind,
                None => return false,
            }
        }
        last.ends(rest)
    }
}

/// The pieces between the `%`, of which there is always one.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next_if(|next| matches!(next, '%' | '_'));
                piece.push(Some(escaped.unwrap_or(c)));
            }
            '_' => piece.push(None),
            '%' => pieces.push(Piece::new(std::mem::take(&mut piece))),
            _ => piece.push(Some(c)),
        }
    }
    pieces.push(Piece::new(piece));
    pieces
}

impl Piece {
    fn new(chars: Vec<Option<char>>) -> Self {
        match chars.iter().copied().collect::<Option<String>>() {
            Some(text) => Self::Literal(text.into()),
            None => Self::Wild(chars.into()),
        }
    }

    /// What is behind the piece, when `text` begins with it.
    fn strip<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Literal(literal) => text.strip_prefix(&**literal),
            Self::Wild(wild) => {
                let mut chars = text.chars();
                let fits = wild.iter().all(|expect| match (chars.next(), expect) {
                    (Some(found), Some(expect)) => found == *expect,
                    (found, _) => found.is_some(),
                });
                fits.then_some(chars.as_str())
            }
        }
    }

    /// What is behind the first place where the piece is.
    fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Literal(literal) => text.split_once(&**literal).map(|(_, behind)| behind),
            Self::Wild(_) => text.char_indices().find_map(|(at, _)| self.strip(&text[at..])),
        }
    }

    fn ends(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => text.ends_with(&**literal),
            Self::Wild(wild) => {
                let mut chars = text.chars().rev();
                wild.iter().rev().all(|expect| match (chars.next(), expect) {
                    (Some(found), Some(expect)) => found == *expect,
                    (found, _) => found.is_some(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expect: bool) {
        assert_eq!(Pattern::new(pattern).matches(text), expect, "{text} LIKE {pattern}");
    }

    #[test]
    fn wildcards_stand_for_characters() {
        check("", "", true);
        check("", "a", false);
        check("%", "", true);
        check("_", "é", true);
        check("_", "", false);
        check("_%_", "a", false);
        check("%_%_%", "ab", true);
        check("a%a", "a", false);
        check("ab%ba", "aba", false);
        check("%a_c%_", "xxabcabc", true);
        check("%a_c%_", "xxabc", false);
        check("%_é", "é", false);
        check("%aab%", "aaaab", true);
        check("%a_b%b", "aaxab", false);
        check("%_b%", "bab", true);
    }

    #[test]
    fn escapes_are_of_wildcards_only() {
        check(r"\%", "%", true);
        check(r"\%", "a", false);
        check(r"\_\", r"_\", true);
        check(r"\\%", r"\%", true);
        check(r"\\%", r"\\", false);
        check(r"a\c", r"a\c", true);
    }

    #[test]
    fn a_pattern_of_many_wildcards_is_no_more_work_than_its_length() {
        let text = "a".repeat(4096);
        check(&("%a".repeat(1500) + "%b"), &text, false);
        check(&("%_a".repeat(1000) + "b"), &text, false);
        assert_eq!(Pattern::new("%abc%def%").work(100), 100);
        assert_eq!(Pattern::new("%a_%_%").work(100), 400);
    }
}
