//! A text as tokens (section 2). Knows nothing of how they are put together.

use std::borrow::Cow;

use super::{ErrorKind, SyntaxError};

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Token<'s> {
    /// Letters, digits and underscores that are no number: a keyword, an attribute, a function.
    Word(&'s str),
    /// Digits, without a sign.
    Digits(&'s str),
    Text(Cow<'s, str>),
    Symbol(Symbol),
    End,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Symbol {
    Open,
    Close,
    Comma,
    Star,
    Slash,
    Percent,
    Plus,
    Minus,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A token and the bytes before it.
#[derive(Clone, Debug)]
pub(crate) struct Placed<'s> {
    pub(crate) token: Token<'s>,
    pub(crate) at: usize,
}

/// Every token of `text`, with an [`Token::End`] behind the last.
pub(crate) fn tokens(text: &str) -> Result<Vec<Placed<'_>>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..].bytes().take_while(|b| b" \t\r\n".contains(b)).count();
        let (token, len) = next(&text[at..], at)?;
        let end = token == Token::End;
        tokens.push(Placed { token, at });
        if end {
            return Ok(tokens);
        }
        at += len;
    }
}

/// The token at the beginning of `rest`, and its length in bytes.
fn next(rest: &str, at: usize) -> Result<(Token<'_>, usize), SyntaxError> {
    let Some(first) = rest.chars().next() else { return Ok((Token::End, 0)) };
    if first == '\'' || first == '"' {
        return string(rest, first, at);
    }
    let word = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    if word > 0 {
        let word = &rest[..word];
        let digits = word.bytes().all(|b| b.is_ascii_digit());
        let token = if digits { Token::Digits(word) } else { Token::Word(word) };
        return Ok((token, word.len()));
    }
    symbol(rest)
        .map(|(symbol, len)| (Token::Symbol(symbol), len))
        .ok_or_else(|| error(at, format!("`{}` begins nothing", first.escape_debug())))
}

fn symbol(rest: &str) -> Option<(Symbol, usize)> {
    let two = match rest.as_bytes().get(..2) {
        Some(b"!=" | b"<>") => Some(Symbol::NotEqual),
        Some(b"<=") => Some(Symbol::LessOrEqual),
        Some(b">=") => Some(Symbol::GreaterOrEqual),
        _ => None,
    };
    if let Some(symbol) = two {
        return Some((symbol, 2));
    }
    let one = match rest.as_bytes().first()? {
        b'(' => Symbol::Open,
        b')' => Symbol::Close,
        b',' => Symbol::Comma,
        b'*' => Symbol::Star,
        b'/' => Symbol::Slash,
        b'%' => Symbol::Percent,
        b'+' => Symbol::Plus,
        b'-' => Symbol::Minus,
        b'=' => Symbol::Equal,
        b'<' => Symbol::Less,
        b'>' => Symbol::Greater,
        _ => return None,
    };
    Some((one, 1))
}

/// A string literal. A backslash keeps what follows from ending it; only with the delimiter does
/// it vanish, as `LIKE` has escapes of its own.
fn string(rest: &str, quote: char, at: usize) -> Result<(Token<'_>, usize), SyntaxError> {
    let body = &rest[1..];
    let mut escaped = false;
    let mut has_escape = false;
    for (index, c) in body.char_indices() {
        match c {
            _ if escaped => {
                has_escape |= c == quote;
                escaped = false;
            }
            '\\' => escaped = true,
            _ if c == quote => {
                let raw = &body[..index];
                let text = if has_escape { unescape(raw, quote).into() } else { raw.into() };
                return Ok((Token::Text(text), index + 2));
            }
            _ => {}
        }
    }
    Err(error(at, "the string has no end"))
}

fn unescape(raw: &str, quote: char) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some(next) if next == quote => text.push(next),
            Some(next) => text.extend([c, next]),
            None => text.push(c),
        }
    }
    text
}

pub(crate) fn error(position: usize, message: impl Into<String>) -> SyntaxError {
    SyntaxError { kind: ErrorKind::Parse, position, message: message.into(), too_complex: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn text(source: &str, expect: &str) {
        let found = tokens(source).unwrap();
        assert_eq!(found[0].token, Token::Text(expect.into()), "{source}");
        assert_eq!(found[1].token, Token::End, "{source}");
    }

    #[test]
    fn a_backslash_takes_only_the_delimiter_in() {
        text(r"'a\'b'", "a'b");
        text(r#""a\"b'c""#, "a\"b'c");
        text(r#"'a\"b'"#, r#"a\"b"#);
        text(r"'a\%\\'", r"a\%\\");
        text(r"'\\\''", r"\\'");
        text("'é\n'", "é\n");
    }

    #[test]
    fn strings_without_an_end_and_strange_characters_are_refused() {
        for (source, at) in [("a = 'b", 4), (r"'a\'", 0), ("a ; b", 2), ("é", 0), ("a ! b", 2)] {
            assert_eq!(tokens(source).unwrap_err().position, at, "{source}");
        }
    }

    #[test]
    fn words_that_begin_with_digits_are_words() {
        let found: Vec<_> = tokens("12 12a <>").unwrap().into_iter().map(|t| t.token).collect();
        let symbol = Token::Symbol(Symbol::NotEqual);
        assert_eq!(found, [Token::Digits("12"), Token::Word("12a"), symbol, Token::End]);
    }
}
