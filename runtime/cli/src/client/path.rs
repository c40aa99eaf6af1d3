//! Paths of the host's API, with what users give them escaped.

use std::fmt::Write as _;

/// A path and its query, built from parts.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    text: String,
    has_query: bool,
}

impl Path {
    /// Begins with a path that is known not to need escaping.
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), has_query: text.contains('?') }
    }

    /// Adds `/segment`.
    pub(crate) fn segment(mut self, segment: &str) -> Self {
        self.text.push('/');
        escape(segment, &mut self.text);
        self
    }

    pub(crate) fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        escape(name, &mut self.text);
        self.text.push('=');
        escape(&value.to_string(), &mut self.text);
        self
    }

    /// Adds what there is.
    pub(crate) fn maybe(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.text
    }
}

/// All but RFC 3986's unreserved characters.
fn escape(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            into.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_give_is_escaped() {
        let path = Path::new("/api/v1/functions").segment("a/b?c");
        let path = path.query("type", "order.*").maybe("x", None::<&str>).query("q", "é &=");
        assert_eq!(
            String::from(path),
            "/api/v1/functions/a%2Fb%3Fc?type=order.%2A&q=%C3%A9%20%26%3D"
        );
    }
}
