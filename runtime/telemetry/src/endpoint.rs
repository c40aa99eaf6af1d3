//! Where a collector is: a URL, below which each signal has its path. Looks nothing up.

use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

/// A checked URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    pub(crate) is_tls: bool,
    /// Without the brackets of an address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As `Host` says it.
    pub(crate) authority: String,
    /// Without a slash at the end.
    pub(crate) path: String,
}

/// No such URL.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be a URL such as http://collector:4318, without a query or a password, not `{0}`")]
pub struct InvalidEndpoint(String);

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        // Whatever stands before an @ may be a password.
        let shown = text.rsplit('@').next().unwrap_or_default();
        let invalid = || InvalidEndpoint(shown.to_owned());
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(invalid()),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or_else(invalid)?;
        if uri.query().is_some() || authority.host().is_empty() {
            return Err(invalid());
        }
        // A port that is no number of 16 bits is none to `http`.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some(after) if !after.is_empty() => {
                let port = after.strip_prefix(':').and_then(|port| port.parse().ok());
                port.filter(|port| *port > 0).ok_or_else(invalid)?
            }
            _ => [80, 443][usize::from(is_tls)],
        };
        Ok(Self {
            is_tls,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl Endpoint {
    /// Whether certificates are needed.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<(bool, &str, u16, &str)>) {
        let found = text.parse::<Endpoint>().ok();
        let parts = found.as_ref().map(|e| (e.is_tls, e.host.as_str(), e.port, e.path.as_str()));
        assert_eq!(parts, expect, "{text}");
    }

    #[test]
    fn urls_of_collectors_are_read() {
        check("http://127.0.0.1:4318", Some((false, "127.0.0.1", 4318, "")));
        check("http://[::1]:4318/", Some((false, "::1", 4318, "")));
        check("https://otel.example.com/a/b/", Some((true, "otel.example.com", 443, "/a/b")));
        check("http://collector", Some((false, "collector", 80, "")));
        for wrong in [
            "",
            "collector:4318",
            "grpc://collector:4317",
            "http://",
            "/v1",
            "http://a:b@collector",
            "http://collector/?x=1",
            "http://collector:99999",
            "http://collector:0",
            "http://collector:",
        ] {
            check(wrong, None);
        }
        let error = "http://user:pass@host".parse::<Endpoint>().unwrap_err().to_string();
        assert!(!error.contains("pass@"), "{error}");
    }
}
