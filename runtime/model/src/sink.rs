//! Where the events of a subscription go: an HTTP endpoint, and how the requests to it look. Knows
//! no network, and no secret: those that sign are named only.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::manifest::InvalidManifest;
use crate::manifest_read::Members;
use crate::target::{Scheme, Target};

const URL_LEN_MAX: usize = 2048;
const HEADERS_MAX: usize = 32;
const HEADER_LEN_MAX: usize = 4096;
/// Two, so that one can take the place of the other.
const SECRETS_MAX: usize = 2;
const METHODS: [&str; 3] = ["POST", "PUT", "PATCH"];
/// Headers that the host sets itself, or that are the connection's.
const TAKEN: [&str; 13] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "idempotency-key",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
const TAKEN_PREFIXES: [&str; 3] = ["ce-", "proxy-", "webhook-"];

/// An HTTP endpoint that takes events.
#[derive(Clone, Debug, PartialEq)]
pub struct Sink {
    /// As it was given.
    pub url: String,
    pub target: Target,
    /// `POST`, `PUT` or `PATCH`.
    pub method: &'static str,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub mode: SinkMode,
    /// Names of the operator's secrets that sign, the newer one first; at most two.
    pub secrets: Vec<String>,
}

/// How an event stands in a request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SinkMode {
    /// Attributes and payload in the body, so that a signature is over both.
    #[default]
    Structured,
    /// Attributes in headers; the body is the payload.
    Binary,
}

impl SinkMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Structured => "structured",
            Self::Binary => "binary",
        }
    }
}

type Read<T> = Result<T, InvalidManifest>;

impl Sink {
    pub(crate) fn read(members: &Members<'_>) -> Read<Self> {
        members.only(&["url", "method", "headers", "mode", "secrets"])?;
        let url = members.required("url", members.text("url")?)?;
        let target = target(url).map_err(|rule| members.invalid("url", rule))?;
        let method = match members.text("method")? {
            None => METHODS[0],
            Some(text) => METHODS
                .into_iter()
                .find(|method| *method == text)
                .ok_or_else(|| members.invalid("method", "must be POST, PUT or PATCH"))?,
        };
        let mode = match members.text("mode")? {
            None | Some("structured") => SinkMode::Structured,
            Some("binary") => SinkMode::Binary,
            Some(_) => return Err(members.invalid("mode", "must be `structured` or `binary`")),
        };
        let (headers, secrets) = (read_headers(members)?, read_secrets(members)?);
        Ok(Self { url: url.to_owned(), target, method, headers, mode, secrets })
    }

    pub fn to_json(&self) -> Value {
        let mut value = json!({"url": self.url, "method": self.method, "mode": self.mode.as_str()});
        if !self.headers.is_empty() {
            value["headers"] = json!(self.headers);
        }
        if !self.secrets.is_empty() {
            value["secrets"] = json!(self.secrets);
        }
        value
    }
}

/// Where a URL leads, or what is wrong with it.
fn target(url: &str) -> Result<Target, String> {
    if url.len() > URL_LEN_MAX || !url.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("must have at most 2048 visible ASCII characters".into());
    }
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return Err("must be a URL that begins with `https://` or `http://`".into()),
    };
    if rest.contains(['#', '\\']) {
        return Err("must have neither a fragment nor a backslash".into());
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    Target::new(scheme, &rest[..end]).map_err(|error| format!("is wrong: {error}"))
}

fn read_headers(members: &Members<'_>) -> Read<BTreeMap<String, String>> {
    let none = Map::new();
    let given = match members.get("headers") {
        None => &none,
        Some(Value::Object(given)) => given,
        Some(_) => return Err(members.invalid("headers", "must be an object of strings")),
    };
    if given.len() > HEADERS_MAX {
        return Err(members.invalid("headers", "must be at most 32"));
    }
    let mut headers = BTreeMap::new();
    for (name, value) in given {
        let member = format!("headers.{name}");
        let (name, value) = header(name, value).map_err(|rule| members.invalid(&member, rule))?;
        if headers.insert(name, value).is_some() {
            return Err(members.invalid(&member, "is given twice"));
        }
    }
    Ok(headers)
}

fn header(name: &str, value: &Value) -> Result<(String, String), &'static str> {
    let name = name.to_ascii_lowercase();
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !(1..=64).contains(&name.len()) || !name.bytes().all(token) {
        return Err("is no name of a header");
    }
    if TAKEN.contains(&&*name) || TAKEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Err("is set by the host");
    }
    let value = value.as_str().ok_or("must be a string")?;
    let plain = |b: u8| b == b' ' || b.is_ascii_graphic();
    if value.len() > HEADER_LEN_MAX || !value.bytes().all(plain) {
        return Err("must have at most 4096 visible ASCII characters and spaces");
    }
    Ok((name, value.to_owned()))
}

fn read_secrets(members: &Members<'_>) -> Read<Vec<String>> {
    let wrong = || members.invalid("secrets", "must be the names of one or two secrets");
    let values = match members.get("secrets") {
        None => return Ok(Vec::new()),
        Some(Value::Array(values)) => values.as_slice(),
        Some(single) => std::slice::from_ref(single),
    };
    if !(1..=SECRETS_MAX).contains(&values.len()) {
        return Err(wrong());
    }
    let name = |value: &Value| value.as_str().filter(|name| is_name(name)).map(str::to_owned);
    values.iter().map(|value| name(value).ok_or_else(wrong)).collect()
}

fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Manifest};

    fn read(sink: &Value) -> Result<Manifest, InvalidManifest> {
        Manifest::from_json(&json!({"on": "a", "sink": sink}).to_string(), &Limits::default())
    }

    #[track_caller]
    fn refused(sink: &Value, member: &str) {
        assert_eq!(read(sink).unwrap_err().member, member, "{sink}");
    }

    #[test]
    fn a_sink_is_written_as_it_is_read() {
        let full = json!({
            "url": "https://Example.com:8443/in?a=b", "method": "PUT", "mode": "binary",
            "headers": {"Authorization": "Bearer {{secret:KEY}}"}, "secrets": ["NEW", "OLD"],
        });
        let manifest = read(&full).unwrap();
        let sink = manifest.sink.as_deref().unwrap();
        assert_eq!(sink.target.to_string(), "https://example.com:8443");
        assert_eq!(sink.headers["authorization"], "Bearer {{secret:KEY}}");
        let again = Manifest::from_json(&manifest.to_json().to_string(), &Limits::default());
        assert_eq!(again.unwrap(), manifest);
        let least = read(&json!({"url": "http://[::1]", "secrets": "S"})).unwrap();
        assert_eq!(least.sink.as_deref().unwrap().method, "POST");
    }

    #[test]
    fn wrong_members_are_named() {
        refused(&json!({}), "sink.url");
        for url in ["", "x", "ftp://a", "https://", "https://u@a/", "https://a/#b", "https://a\\b"]
        {
            refused(&json!({"url": url}), "sink.url");
        }
        refused(&json!({"url": format!("https://a/{}", "x".repeat(2048))}), "sink.url");
        let with = |name: &str, value: Value| json!({"url": "https://a", name: value});
        refused(&with("method", json!("GET")), "sink.method");
        refused(&with("mode", json!("batched")), "sink.mode");
        refused(&with("other", json!(1)), "sink.other");
        refused(&with("secrets", json!([])), "sink.secrets");
        refused(&with("secrets", json!(["a", "b", "c"])), "sink.secrets");
        refused(&with("secrets", json!("a b")), "sink.secrets");
        refused(&with("headers", json!([])), "sink.headers");
        for taken in ["Host", "CE-id", "webhook-signature", "Content-Type", "a b", "", "Proxy-X"] {
            refused(&with("headers", json!({taken: "x"})), &format!("sink.headers.{taken}"));
        }
        refused(&with("headers", json!({"x": "a\nb"})), "sink.headers.x");
        refused(&with("headers", json!({"x": "1", "X": "2"})), "sink.headers.x");
    }
}
