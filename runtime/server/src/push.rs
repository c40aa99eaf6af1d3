//! Delivers events to sinks: one request for an attempt, signed by Standard Webhooks where the
//! subscription names a secret. Decides by the status whether another attempt has a purpose; when that
//! is, and what becomes of the delivery, is the pipeline's.
//!
//! HTTP Protocol Binding for CloudEvents 1.0.2; HTTP 1.1 Web Hooks for Event Delivery, section 2.2.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Request, StatusCode};
use triphammer_hooks::{Secret, standard};
use triphammer_model::{FunctionName, HttpRules, Sink, SinkMode};
use triphammer_outbound::{Answer, Caller, Client, Error, Exchange, Patience};
use triphammer_pipeline::{Clock, Fault, Push, PushError, Pushed};

use crate::codec;

/// Of the bodies of a request and its answer together; answers are not read.
const BYTES_MAX: u64 = 64 << 20;
/// The longest that a sink may ask to be left alone at once.
const AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
const STRUCTURED: HeaderValue =
    HeaderValue::from_static("application/cloudevents+json; charset=utf-8");

/// Reaches sinks by the operator's rules for outgoing requests.
pub(crate) struct Pusher {
    client: Arc<Client>,
    clock: Clock,
}

impl fmt::Debug for Pusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pusher").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Pusher {
    pub(crate) fn new(client: Arc<Client>) -> Self {
        Self { client, clock: Clock::system() }
    }

    /// The request, signed.
    fn request(&self, pushed: &Pushed) -> Result<Request<Full<Bytes>>, PushError> {
        let Pushed { sink, event, delivery, idempotency_key, .. } = pushed;
        let mut headers = HeaderMap::new();
        for (name, value) in &sink.headers {
            let read = (HeaderName::try_from(name), HeaderValue::try_from(value));
            if let (Ok(name), Ok(value)) = read {
                headers.insert(name, value);
            }
        }
        let body = match sink.mode {
            SinkMode::Structured => {
                headers.insert(CONTENT_TYPE, STRUCTURED);
                let mut body = Vec::with_capacity(event.as_bytes().len() + 256);
                codec::write_event(&mut body, event);
                Bytes::from(body)
            }
            SinkMode::Binary => codec::write_binary(&mut headers, event),
        };
        if !sink.secrets.is_empty() {
            self.sign(&mut headers, sink, (&delivery.id.function, idempotency_key), &body)?;
        }
        let mut request = Request::new(Full::new(body));
        *request.uri_mut() = sink.url.parse().map_err(|_| fault("sink.url", "is no URL"))?;
        *request.method_mut() =
            sink.method.parse().map_err(|_| fault("sink.method", "is no method"))?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Standard Webhooks: the id is the delivery's, and the same for every attempt at it.
    fn sign(
        &self,
        headers: &mut HeaderMap,
        sink: &Sink,
        (function, id): (&FunctionName, &str),
        body: &[u8],
    ) -> Result<(), PushError> {
        let mut keys = Vec::with_capacity(sink.secrets.len());
        for name in &sink.secrets {
            let name = name.parse().map_err(|error| fault("sink.secret", error))?;
            let secret = self.client.secrets().value(&name, function, &sink.target);
            let secret = Secret::new(secret.map_err(|error| fault("sink.secret", error))?);
            let key = standard::SigningKey::new(&secret);
            keys.push(key.map_err(|error| fault("sink.secret", error))?);
        }
        let now = self.clock.now().ms() / 1000;
        let signed = standard::sign(&keys, id, now, body);
        let signed = signed.map_err(|error| fault("sink.secret", error))?;
        let named = [
            ("webhook-id", signed.id),
            ("webhook-timestamp", signed.timestamp),
            ("webhook-signature", signed.signature),
        ];
        for (name, value) in named {
            let value = HeaderValue::try_from(value).map_err(|e| fault("sink.secret", e))?;
            headers.insert(name, value);
        }
        Ok(())
    }

    fn exchange(&self, pushed: &Pushed) -> Exchange {
        let Pushed { sink, delivery, idempotency_key, timeout, trace, .. } = pushed;
        let rules = HttpRules {
            allow: vec![sink.target.pattern()],
            requests: 1,
            bytes: BYTES_MAX,
            timeout: *timeout,
        };
        let caller = Caller {
            function: delivery.id.function.clone(),
            rules: Some(Arc::new(rules)),
            idempotency_key: Some(idempotency_key.clone()),
            attempt: delivery.attempt,
            trace: trace.clone(),
            dry_run: false,
        };
        Exchange::new(Arc::clone(&self.client), caller, Arc::new(|_: &str, _: &Error| {}))
    }
}

impl Push for Pusher {
    fn push(
        &self,
        pushed: Pushed,
    ) -> Pin<Box<dyn Future<Output = Result<String, PushError>> + Send>> {
        let request = self.request(&pushed);
        let mut exchange = self.exchange(&pushed);
        let clock = self.clock.clone();
        Box::pin(async move {
            let answered = exchange.send(request?, Patience::default()).await;
            let Answer { response, .. } = answered.map_err(|error| unreached(&error))?;
            // Its body is nobody's business: the status is the answer.
            judge(response.status(), response.headers(), clock.now().ms())
        })
    }
}

/// A mistake in what the subscription says of its requests, which its next revision may mend.
fn fault(code: &'static str, message: impl fmt::Display) -> PushError {
    PushError { code, message: message.to_string(), fault: Fault::Guest, after: None }
}

fn unreached(error: &Error) -> PushError {
    let fault = if matches!(error, Error::Busy) { Fault::Host } else { Fault::Guest };
    PushError { code: error.code(), message: error.to_string(), fault, after: None }
}

/// What a status says: taken, not now, or never.
fn judge(status: StatusCode, headers: &HeaderMap, now_ms: u64) -> Result<String, PushError> {
    let message = format!("the sink answered {status}");
    match status.as_u16() {
        200..=299 => return Ok(message),
        // It is gone, or the same bytes would be refused again.
        410 => return Err(never("sink.gone", message)),
        400 | 413 | 415 | 422 => return Err(never("sink.refused", message)),
        _ => {}
    }
    let after =
        headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, now_ms));
    Err(PushError { code: "sink.status", message, fault: Fault::Guest, after })
}

fn never(code: &'static str, message: String) -> PushError {
    PushError { code, message, fault: Fault::Final, after: None }
}

/// Seconds, or a date of HTTP (RFC 9110, section 10.2.3).
fn retry_after(text: &str, now_ms: u64) -> Option<Duration> {
    let text = text.trim();
    let after = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms);
            date.duration_since(now).unwrap_or_default()
        }
    };
    Some(after.min(AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code, the fault, and for how long the sink is left alone, in seconds.
    #[track_caller]
    fn check(
        status: u16,
        retry_after: Option<&str>,
        expect: Result<(), (&str, Fault, Option<u64>)>,
    ) {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, value.parse().unwrap());
        }
        // Thu, 01 Jan 2026 00:00:00 GMT.
        let judged = judge(status.try_into().unwrap(), &headers, 1_767_225_600_000);
        let found = judged.map(|_| ()).map_err(|e| (e.code, e.fault, e.after.map(|d| d.as_secs())));
        assert_eq!(found, expect, "{status}");
    }

    #[test]
    fn the_status_says_whether_to_try_again() {
        check(200, None, Ok(()));
        check(204, Some("9"), Ok(()));
        for status in [301, 401, 404, 408, 500, 502] {
            check(status, None, Err(("sink.status", Fault::Guest, None)));
        }
        for status in [400, 413, 415, 422] {
            check(status, Some("9"), Err(("sink.refused", Fault::Final, None)));
        }
        check(410, None, Err(("sink.gone", Fault::Final, None)));
    }

    #[test]
    fn a_sink_says_when_to_come_again() {
        let again = |after| Err(("sink.status", Fault::Guest, after));
        check(429, Some("7"), again(Some(7)));
        check(503, Some(" 120 "), again(Some(120)));
        check(503, Some("Thu, 01 Jan 2026 00:01:00 GMT"), again(Some(60)));
        check(503, Some("Thu, 01 Jan 2015 00:01:00 GMT"), again(Some(0)));
        check(503, Some("99999999"), again(Some(24 * 3600)));
        for nonsense in ["-1", "soon", ""] {
            check(503, Some(nonsense), again(None));
        }
    }
}
