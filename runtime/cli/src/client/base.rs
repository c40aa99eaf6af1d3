//! Where a host is: the parts of its URL.

use std::fmt;
use std::str::FromStr;

use super::Error;

/// `http[s]://ADDRESS[:PORT][/PREFIX]`, without a slash at the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Base {
    scheme: Scheme,
    authority: String,
    address: String,
    prefix: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scheme {
    Http,
    Https,
}

impl Base {
    /// Whether it speaks TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// Name or address without the port.
    pub(crate) fn host(&self) -> &str {
        self.address.rsplit_once(':').map_or(&self.address, |(host, _)| host)
    }

    /// What the `Host` header says.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Name or address with the port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What comes before every path; usually nothing.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl FromStr for Base {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = |rule| Error::Url { url: text.to_owned(), rule };
        let (scheme, rest, port) = match text.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest, 80),
            Some(("https", rest)) => (Scheme::Https, rest, 443),
            _ => return Err(invalid("it begins with http:// or https://")),
        };
        let (authority, prefix) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let visible = rest.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#'));
        if authority.is_empty() || authority.contains('@') || !visible {
            return Err(invalid("write http://ADDRESS:PORT"));
        }
        // In `[::1]:7070` only what follows the bracket is a port.
        let has_port = authority.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let address = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
        let port = address.rsplit(':').next().unwrap_or_default();
        if port.parse::<u16>().is_err() {
            return Err(invalid("the port is no number below 65536"));
        }
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(Self { scheme, authority: authority.to_owned(), address, prefix })
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure() { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, address: &str, prefix: &str) {
        let base: Base = text.parse().unwrap();
        assert_eq!((base.address(), base.prefix()), (address, prefix), "{text}");
    }

    #[test]
    fn a_url_names_an_address_and_a_prefix() {
        check("http://127.0.0.1:7070", "127.0.0.1:7070", "");
        check("http://host/", "host:80", "");
        check("http://host:1/a/b/", "host:1", "/a/b");
        check("http://[::1]:7070", "[::1]:7070", "");
        check("http://[::1]", "[::1]:80", "");
        check("https://host/x", "host:443", "/x");
        let base: Base = "https://[::1]".parse().unwrap();
        assert_eq!((base.host(), base.is_secure()), ("[::1]", true));
        assert_eq!(base.to_string(), "https://[::1]");
    }

    #[test]
    fn what_is_no_url_of_a_host_is_refused() {
        for text in [
            "",
            "host:1",
            "http://",
            "http:///x",
            "HTTPS://host",
            "http://h:99999",
            "http://h:x",
            "http://u@h",
            "http://h ost",
            "http://h/?q",
        ] {
            assert!(text.parse::<Base>().is_err(), "{text}");
        }
    }
}
