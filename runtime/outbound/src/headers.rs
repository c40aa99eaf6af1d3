//! The head of a request as it is sent: what a guest may not say itself, and what the host adds.

use http::header::{HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use triphammer_model::{TRACEPARENT, TRACESTATE, Target, TraceContext};

use crate::error::Error;

/// The longest path with its query, in bytes.
const PATH_LEN_MAX: usize = 8 << 10;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Of the connection, not of the request; and the name of the host, which is the target's.
const FORBIDDEN: [&str; 9] = [
    "connection",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether no guest may set this header, nor see it in a response.
pub fn is_forbidden(name: &HeaderName) -> bool {
    FORBIDDEN.contains(&name.as_str()) || name.as_str().starts_with("proxy-")
}

/// What the host adds to a request that does not have it.
pub(crate) struct Additions<'a> {
    pub(crate) idempotency_key: Option<String>,
    /// The request's own place in its trace.
    pub(crate) trace: Option<&'a TraceContext>,
    pub(crate) user_agent: &'a HeaderValue,
}

/// Makes the headers those of this request to this target.
pub(crate) fn complete(headers: &mut HeaderMap, target: &Target, additions: &Additions<'_>) {
    let forbidden: Vec<_> = headers.keys().filter(|name| is_forbidden(name)).cloned().collect();
    for name in forbidden {
        headers.remove(name);
    }
    if let Ok(host) = HeaderValue::from_str(&target.authority()) {
        headers.insert(HOST, host);
    }
    headers.entry(USER_AGENT).or_insert_with(|| additions.user_agent.clone());
    let key = additions.idempotency_key.as_deref();
    if let Some(key) = key.and_then(|key| HeaderValue::from_str(key).ok()) {
        headers.entry(IDEMPOTENCY_KEY).or_insert(key);
    }
    // The two go together: a state of one trace beside the parent of another means nothing.
    if let Some(trace) = additions.trace.filter(|_| !headers.contains_key(TRACEPARENT)) {
        if let Ok(parent) = HeaderValue::from_str(&trace.to_traceparent()) {
            headers.insert(TRACEPARENT, parent);
        }
        headers.remove(TRACESTATE);
        if let Some(state) = trace.state().and_then(|state| HeaderValue::from_str(state).ok()) {
            headers.insert(TRACESTATE, state);
        }
    }
}

/// Whether the request has a key of the guest's own.
pub(crate) fn has_key(headers: &HeaderMap) -> bool {
    headers.contains_key(IDEMPOTENCY_KEY)
}

/// Whether sending it twice may do its work twice.
pub(crate) fn writes(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method)
}

/// Refuses methods that make a tunnel, or send headers back.
pub(crate) fn check_method(method: &Method) -> Result<(), Error> {
    if [Method::CONNECT, Method::TRACE].contains(method) {
        return Err(Error::Method { method: method.to_string() });
    }
    Ok(())
}

/// The path and query alone, which is how servers, not proxies, are asked.
pub(crate) fn origin_form(uri: &Uri) -> Result<Uri, Error> {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if path.len() > PATH_LEN_MAX {
        return Err(Error::Path { max: PATH_LEN_MAX });
    }
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    };
    // It came out of a URI, so it is one; what is not does not become a request line.
    Uri::builder().path_and_query(path).build().map_err(|_| Error::Protocol)
}

#[cfg(test)]
mod tests {
    use triphammer_model::Scheme;

    use super::*;

    fn headers(given: &[(&str, &str)], trace: Option<&TraceContext>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let user_agent = HeaderValue::from_static("triphammer/1");
        let additions =
            Additions { idempotency_key: Some("key-1".to_owned()), trace, user_agent: &user_agent };
        let target = Target::new(Scheme::Https, "Api.example.com:8443").unwrap();
        complete(&mut headers, &target, &additions);
        headers
    }

    #[test]
    fn what_belongs_to_the_connection_is_the_hosts() {
        let names = [
            "connection",
            "Host",
            "keep-alive",
            "proxy-authorization",
            "Proxy-Connection",
            "proxy-anything",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "expect",
        ];
        let headers = headers(&names.map(|name| (name, "x")), None);
        assert_eq!(headers.get_all("host").iter().collect::<Vec<_>>(), ["api.example.com:8443"]);
        for name in names.iter().filter(|name| **name != "Host") {
            assert!(!headers.contains_key(*name), "{name}");
        }
    }

    #[test]
    fn what_the_guest_says_stays() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = TraceContext::parse(parent, Some("a=b"));
        let own = headers(
            &[
                ("user-agent", "mine"),
                ("idempotency-key", "own"),
                ("traceparent", "x"),
                ("tracestate", "y"),
            ],
            trace.as_ref(),
        );
        for (name, value) in [
            ("user-agent", "mine"),
            ("idempotency-key", "own"),
            ("traceparent", "x"),
            ("tracestate", "y"),
        ] {
            assert_eq!(own[name], value);
        }
        let added = headers(&[("tracestate", "of another")], trace.as_ref());
        assert_eq!(
            (&added["user-agent"], &added["idempotency-key"]),
            (&"triphammer/1".parse().unwrap(), &"key-1".parse().unwrap())
        );
        assert_eq!(added["traceparent"], parent);
        assert_eq!(added["tracestate"], "a=b");
        assert!(!headers(&[], None).contains_key("traceparent"));
    }

    #[test]
    fn paths_begin_with_a_slash_and_have_a_longest() {
        for (uri, path) in [
            ("https://a", "/"),
            ("https://a/", "/"),
            ("https://a?x=1", "/?x=1"),
            ("https://a/b?c=d", "/b?c=d"),
        ] {
            assert_eq!(origin_form(&uri.parse().unwrap()).unwrap().to_string(), path);
        }
        let long = format!("https://a/{}", "x".repeat(PATH_LEN_MAX));
        assert_eq!(origin_form(&long.parse().unwrap()).unwrap_err().code(), "outbound.target");
    }
}
