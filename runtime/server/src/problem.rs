//! Errors as clients see them: problem details (RFC 9457) with a stable `code`.

use std::borrow::Cow;
use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::body::ResponseBody;
use crate::json;

/// One refusal. Turned into a response once, at the edge.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: String,
    /// Further members, their values JSON already.
    members: Vec<(&'static str, Vec<u8>)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            detail: detail.into(),
            members: Vec::new(),
            headers: Vec::new(),
        }
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// There is nothing under this path.
    pub(crate) fn no_such_path(path: &str) -> Self {
        let path: String = path.chars().take(128).collect();
        Self::not_found("http.not_found", format!("there is nothing at {path}"))
    }

    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("this path answers {allow}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "http.method", detail)
            .header(hyper::header::ALLOW, HeaderValue::from_static(allow))
    }

    /// What went wrong is this host's own.
    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "host.internal", detail)
    }

    /// The request was wrong, not the host.
    pub(crate) fn is_refusal(&self) -> bool {
        self.status.is_client_error()
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn text_member(mut self, name: &'static str, text: &str) -> Self {
        let mut value = Vec::new();
        json::string(&mut value, text);
        self.members.push((name, value));
        self
    }

    pub(crate) fn number_member(mut self, name: &'static str, number: u64) -> Self {
        let mut value = Vec::new();
        json::number(&mut value, number);
        self.members.push((name, value));
        self
    }

    pub(crate) fn texts_member(mut self, name: &'static str, texts: &[String]) -> Self {
        let mut value = Vec::new();
        json::array(&mut value, texts, |out, text| json::string(out, text));
        self.members.push((name, value));
        self
    }

    /// Says when it is worth trying again, in whole seconds and at least one.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(hyper::header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut out = br#"{"type":"about:blank","title":"#.to_vec();
        json::string(&mut out, self.status.canonical_reason().unwrap_or("Error"));
        out.extend_from_slice(br#","status":"#);
        json::number(&mut out, self.status.as_u16().into());
        out.extend_from_slice(br#","code":"#);
        json::string(&mut out, &self.code);
        out.extend_from_slice(br#","detail":"#);
        json::string(&mut out, &self.detail);
        for (name, value) in &self.members {
            out.push(b',');
            json::name(&mut out, name);
            out.extend_from_slice(value);
        }
        out.push(b'}');
        out
    }

    pub(crate) fn into_response(self) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::from(self.to_json()));
        *response.status_mut() = self.status;
        let headers: &mut HeaderMap = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_that_of_rfc_9457() {
        let problem = Problem::not_found("function.not_found", "no \"x\"")
            .text_member("attribute", "a")
            .number_member("index", 3)
            .retry_after(Duration::from_millis(1200));
        let expect = concat!(
            r#"{"type":"about:blank","title":"Not Found","status":404,"#,
            r#""code":"function.not_found","detail":"no \"x\"","attribute":"a","index":3}"#,
        );
        assert_eq!(String::from_utf8(problem.to_json()).unwrap(), expect);
        let response = problem.into_response();
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["retry-after"], "2");
    }
}
