//! `OPTIONS` on the paths that take events: a sender asks whether it may deliver here, and how fast
//! (CloudEvents, HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section 4).
//!
//! Consent is given in the answer or not at all: a callback URL is a request to somebody else's
//! address on a stranger's word, so it is not used.

use hyper::header::{ALLOW, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::body::ResponseBody;
use crate::config::Handshake;
use crate::problem::Problem;
use crate::route::{Answer, header};

const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");
const ORIGIN_LEN_MAX: usize = 255;

/// Answers what is allowed. Without the header of the handshake it only tells the methods.
pub(crate) fn answer(allowed: &Handshake, headers: &HeaderMap) -> Answer {
    let mut response = Response::new(ResponseBody::from(Vec::new()));
    *response.status_mut() = StatusCode::OK;
    let out = response.headers_mut();
    out.insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    if let Some(origin) = header(headers, "webhook-request-origin")? {
        let origin = origin.trim();
        let rate = header(headers, "webhook-request-rate")?.map(read_rate).transpose()?;
        if !is_origin(origin) {
            let detail = "`WebHook-Request-Origin` is the sender's DNS name";
            return Err(Problem::bad_request("http.header", detail));
        }
        if !allowed.has(origin) {
            let detail = format!("the origin `{origin}` may not deliver here: see `handshake`");
            return Err(Problem::new(StatusCode::FORBIDDEN, "http.webhook_origin", detail));
        }
        let value = HeaderValue::from_str(origin);
        out.insert(ALLOWED_ORIGIN, value.unwrap_or(HeaderValue::from_static("*")));
        out.insert(ALLOWED_RATE, allowed_rate(allowed.rate, rate));
    }
    Ok(response)
}

/// Requests a minute; none for `*`, which asks for no limit.
fn read_rate(text: &str) -> Result<Option<u32>, Problem> {
    match text.trim() {
        "*" => Ok(None),
        number => number.parse().ok().filter(|rate| *rate > 0).map(Some).ok_or_else(|| {
            let detail = "`WebHook-Request-Rate` is a number of requests a minute, or `*`";
            Problem::bad_request("http.header", detail)
        }),
    }
}

/// The lesser of what is allowed and what was asked for.
fn allowed_rate(most: Option<u32>, asked: Option<Option<u32>>) -> HeaderValue {
    match (most, asked.flatten()) {
        (Some(most), Some(asked)) => most.min(asked).into(),
        (Some(rate), None) | (None, Some(rate)) => rate.into(),
        (None, None) => HeaderValue::from_static("*"),
    }
}

fn is_origin(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
    (1..=ORIGIN_LEN_MAX).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status or code, the allowed origin and the allowed rate.
    #[track_caller]
    fn check(origins: &[&str], rate: Option<u32>, asked: &[(&'static str, &str)], expect: &str) {
        let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in asked {
            headers.append(*name, value.parse().unwrap());
        }
        let found = match answer(&Handshake { origins, rate }, &headers) {
            Err(problem) => problem.code().to_owned(),
            Ok(response) => {
                let of = |name| {
                    let value = response.headers().get(name);
                    value.map_or("-", |value: &HeaderValue| value.to_str().unwrap())
                };
                format!(
                    "{} {} {}",
                    response.status().as_u16(),
                    of(ALLOWED_ORIGIN),
                    of(ALLOWED_RATE)
                )
            }
        };
        assert_eq!(found, expect);
    }

    #[test]
    fn consent_is_for_the_origins_that_are_named() {
        let asks = [("webhook-request-origin", "Events.example.com")];
        check(&["events.example.com"], None, &asks, "200 Events.example.com *");
        check(&["*"], None, &asks, "200 Events.example.com *");
        check(&["other.example.com"], None, &asks, "http.webhook_origin");
        check(&[], None, &asks, "http.webhook_origin");
        check(&["*"], None, &[], "200 - -");
    }

    #[test]
    fn the_rate_is_the_lesser() {
        let ask = |rate| [("webhook-request-origin", "a"), ("webhook-request-rate", rate)];
        check(&["*"], Some(60), &ask("100"), "200 a 60");
        check(&["*"], Some(60), &ask("10"), "200 a 10");
        check(&["*"], Some(60), &ask("*"), "200 a 60");
        check(&["*"], None, &ask("10"), "200 a 10");
        for wrong in ["0", "-1", "many", ""] {
            check(&["*"], None, &ask(wrong), "http.header");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for wrong in ["", "a b", "a/b", "ä"] {
            check(&["*"], None, &[("webhook-request-origin", wrong)], "http.header");
        }
        let twice = [("webhook-request-origin", "a"), ("webhook-request-origin", "b")];
        check(&["*"], None, &twice, "http.header");
    }
}
