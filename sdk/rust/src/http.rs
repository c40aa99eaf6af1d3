//! HTTP requests of a handler: what is sent, and what comes back. Knows no rules: which requests are
//! allowed, how many and how large is the manifest's `http` and the operator's to say.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::outcome::Error;

/// A request, sent by [`Context::fetch`](crate::Context::fetch).
#[derive(Clone, Eq, PartialEq)]
#[must_use = "a request does nothing until `ctx.fetch(request)`"]
pub struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Option<Duration>,
}

impl Request {
    /// A request of any method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self { method: method.into(), url: url.into(), headers, body, timeout: None }
    }

    /// Reads.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// Has something done.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Writes as a whole.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// Changes a part.
    pub fn patch(url: impl Into<String>) -> Self {
        Self::new("PATCH", url)
    }

    /// Removes.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// Adds a header. `{{secret:NAME}}` in its value becomes the secret of the operator, if the secret
    /// may go to this host; what a configuration value `secret:NAME` reads as is just that.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends a value as JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, Error> {
        let body = serde_json::to_vec(value).map_err(Error::encode("a request's body"))?;
        Ok(self.body("application/json", body))
    }

    /// Sends bytes of any media type.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Gives up when no response has begun by then, or its body pauses for so long. The manifest's
    /// `http.timeout` holds in any case.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What it does.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Where it goes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The first header of this name that was set, as the handler wrote it.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// What is sent.
    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }
}

/// Without header values and body, which may be nobody else's business.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &names)
            .field("body_len", &self.body.len())
            .finish()
    }
}

/// What came back, read to its end. Any status is a response: `404` and `500` too.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A response for tests.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// The same with a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is one of success, `200` to `299`.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, if its value is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Takes the body.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// The body, read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// Makes an error of a status that is none of success.
    pub fn error_for_status(self) -> Result<Self, Error> {
        if self.is_success() {
            return Ok(self);
        }
        let message = format!("the request was answered with the status {}", self.status);
        Err(Error::Request { code: "http.status", message })
    }
}

/// Scheme, authority, and path with query.
#[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "for the real host alone"))]
pub(crate) fn split(url: &str) -> Result<(&str, &str, &str), Error> {
    let wrong = || Error::Request {
        code: "http.url",
        message: "a URL begins with `https://` or `http://`, and a host".to_owned(),
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.is_empty() {
        return Err(wrong());
    }
    Ok((scheme, authority, if path.is_empty() { "/" } else { path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expect: (&str, &str, &str)) {
        assert_eq!(split(url).unwrap(), expect, "{url}");
    }

    #[test]
    fn urls_are_split() {
        check("https://a", ("https", "a", "/"));
        check("http://a:80/b?c=d#e", ("http", "a:80", "/b?c=d"));
        check("https://[::1]:1?c://d", ("https", "[::1]:1", "?c://d"));
        for url in ["", "a", "/b", "https:/a", "https://", "https:///b", "https://#a"] {
            assert_eq!(split(url).unwrap_err().code(), "http.url", "{url}");
        }
    }

    #[test]
    fn what_is_sent_is_not_shown() {
        let request = Request::post("https://a").header("authorization", "s3cret");
        let shown = format!("{:?}", request.body("text/plain", "s3cret"));
        assert!(shown.contains("authorization") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn a_status_becomes_an_error_when_it_is_asked_to() {
        assert!(Response::new(204, "").error_for_status().is_ok());
        let error = Response::new(503, "").error_for_status().unwrap_err();
        assert_eq!(error.code(), "http.status");
        assert!(error.to_string().contains("503"));
    }
}
