//! `GET /api/v1/stream`: the live feed as server-sent events. Only what is on disk is in it.
//!
//! A listener that is too slow loses the oldest items, and is told how many (`lagged`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::timeout;
use triphammer_model::{FunctionName, Seq, TypePattern};
use triphammer_pipeline::FeedItem;

use crate::body::ResponseBody;
use crate::caller::Caller;
use crate::gate::Gate;
use crate::json;
use crate::problem::Problem;
use crate::route::{Answer, Call, Server};
use crate::tasks::Shutdown;

/// How often a feed on which nothing happens says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Sent at once, so that the client knows that it hears everything from now on.
const HELLO: &[u8] = b": ok\n\n";
const ALIVE: &[u8] = b": alive\n\n";
/// How much of what is waiting is sent in one piece.
const PIECE_BYTES: usize = 16 << 10;

pub(crate) fn open(mut call: Call<'_>) -> Answer {
    let filter = Filter {
        ty: call.query.parsed("type")?,
        function: call.query.parsed("function")?,
        matched: BTreeSet::new(),
    };
    call.query.done()?;
    call.caller.covers(filter.function.as_ref())?;
    let slot = slot(call.server)?;
    let feed = Feed {
        items: call.server.pipeline.subscribe(),
        filter,
        shutdown: call.server.shutdown.clone(),
        caller: call.caller.clone(),
        gate: call.server.gate.clone(),
        greeted: false,
        _slot: slot,
    };
    let pieces = stream::unfold(feed, |mut feed| async move {
        let piece = feed.next().await?;
        Some((piece, feed))
    });
    let mut response = Response::new(ResponseBody::Stream(Box::pin(pieces)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A place among the feeds that may be open.
pub(super) fn slot(server: &Server) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(&server.streams).try_acquire_owned().map_err(|_| {
        let detail = "there are too many live feeds open";
        Problem::new(hyper::StatusCode::SERVICE_UNAVAILABLE, "http.streams", detail)
            .retry_after(Duration::from_secs(5))
    })
}

struct Feed {
    items: Receiver<Arc<FeedItem>>,
    filter: Filter,
    shutdown: Shutdown,
    caller: Caller,
    gate: Gate,
    greeted: bool,
    _slot: OwnedSemaphorePermit,
}

impl Feed {
    /// The next piece of text; none when the host stops, or the listener's token is good no more.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(HELLO));
        }
        loop {
            let item = tokio::select! {
                biased;
                () = self.shutdown.requested() => return None,
                item = timeout(KEEP_ALIVE, self.items.recv()) => item,
            };
            self.gate.keep_up().await;
            if !self.gate.still_lets_in(&self.caller) {
                return None;
            }
            let mut out = Vec::new();
            match item {
                Err(_) => return Some(Bytes::from_static(ALIVE)),
                Ok(Err(RecvError::Closed)) => return None,
                Ok(Err(RecvError::Lagged(missed))) => write_lagged(&mut out, missed),
                Ok(Ok(item)) => self.filter.write(&mut out, &item),
            }
            self.drain(&mut out);
            if !out.is_empty() {
                return Some(out.into());
            }
        }
    }

    /// Takes along what is there already.
    fn drain(&mut self, out: &mut Vec<u8>) {
        while out.len() < PIECE_BYTES {
            match self.items.try_recv() {
                Ok(item) => self.filter.write(out, &item),
                Err(TryRecvError::Lagged(missed)) => write_lagged(out, missed),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }
}

/// What a listener wants to hear of.
struct Filter {
    ty: Option<TypePattern>,
    function: Option<FunctionName>,
    /// Events of the wanted type: what happens to them does not name the type again.
    matched: BTreeSet<Seq>,
}

/// Events remembered by a filter; the oldest are forgotten.
const MATCHED_MAX: usize = 100_000;

impl Filter {
    fn write(&mut self, out: &mut Vec<u8>, item: &FeedItem) {
        if self.passes(item) {
            write_item(out, item);
        }
    }

    fn passes(&mut self, item: &FeedItem) -> bool {
        self.passes_type(item) && self.passes_function(item)
    }

    fn passes_type(&mut self, item: &FeedItem) -> bool {
        let Some(pattern) = &self.ty else {
            return true;
        };
        match item {
            FeedItem::Accepted { seq, ty, .. } => {
                let matches = pattern.matches(ty);
                if matches {
                    self.matched.insert(*seq);
                    if self.matched.len() > MATCHED_MAX {
                        self.matched.pop_first();
                    }
                }
                matches
            }
            FeedItem::Attempted { id, .. }
            | FeedItem::Committed { id, .. }
            | FeedItem::Retried { id, .. }
            | FeedItem::Dead { id, .. } => self.matched.contains(&id.seq),
            FeedItem::Deployed { .. } => false,
        }
    }

    fn passes_function(&self, item: &FeedItem) -> bool {
        let Some(wanted) = &self.function else {
            return true;
        };
        match item {
            FeedItem::Accepted { functions, .. } => functions.contains(wanted),
            other => other.function() == Some(wanted),
        }
    }
}

fn write_lagged(out: &mut Vec<u8>, missed: u64) {
    out.extend_from_slice(b"event: lagged\ndata: {\"kind\":\"lagged\",\"missed\":");
    json::number(out, missed);
    out.extend_from_slice(b"}\n\n");
}

fn write_item(out: &mut Vec<u8>, item: &FeedItem) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(item.kind().as_bytes());
    out.extend_from_slice(b"\ndata: ");
    write_data(out, item);
    out.extend_from_slice(b"\n\n");
}

/// One line: strings have their line ends escaped.
fn write_data(out: &mut Vec<u8>, item: &FeedItem) {
    let mut object = Object::new(out);
    object.text("kind", item.kind());
    match item {
        FeedItem::Accepted { seq, at, source, id, ty, subject, functions } => {
            object.text("seq", &seq.to_string());
            object.text("at", &at.to_rfc3339());
            object.text("source", source);
            object.text("id", id);
            object.text("type", ty);
            match subject {
                Some(subject) => object.text("subject", subject),
                None => object.raw("subject", b"null"),
            }
            object.texts("functions", functions.iter().map(|name| name.to_string()));
        }
        FeedItem::Attempted { id, revision, attempt, at } => {
            object.delivery(id, *at);
            object.text("revision", &revision.to_string());
            object.number("attempt", (*attempt).into());
        }
        FeedItem::Committed { id, revision, attempt, at, emitted, elapsed } => {
            object.delivery(id, *at);
            object.text("revision", &revision.to_string());
            object.number("attempt", (*attempt).into());
            object.texts("emitted", emitted.iter().map(|seq| seq.to_string()));
            let elapsed_ms = elapsed.as_micros() as f64 / 1e3;
            object.raw("elapsedMs", elapsed_ms.to_string().as_bytes());
        }
        FeedItem::Retried { id, revision, attempt, at, due, error } => {
            object.delivery(id, *at);
            object.text("revision", &revision.to_string());
            object.number("attempt", (*attempt).into());
            object.text("due", &due.to_rfc3339());
            object.error(error);
        }
        FeedItem::Dead { id, at, error } => {
            object.delivery(id, *at);
            object.error(error);
        }
        FeedItem::Deployed { function, revision, canary, at } => {
            object.text("function", function.as_str());
            object.text("revision", &revision.to_string());
            if let Some((canary, weight)) = canary {
                object.text("canary", &canary.to_string());
                object.number("weight", (*weight).into());
            }
            object.text("at", &at.to_rfc3339());
        }
    }
    object.end();
}

/// A JSON object that is being written.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    begun: bool,
}

impl<'o> Object<'o> {
    fn new(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, begun: false }
    }

    fn end(self) {
        self.out.push(b'}');
    }

    fn name(&mut self, name: &str) {
        if std::mem::replace(&mut self.begun, true) {
            self.out.push(b',');
        }
        json::name(self.out, name);
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        json::string(self.out, value);
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        json::number(self.out, value);
    }

    fn raw(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.out.extend_from_slice(value);
    }

    fn texts(&mut self, name: &str, values: impl Iterator<Item = String>) {
        self.name(name);
        json::array(self.out, values, |out, value| json::string(out, &value));
    }

    fn delivery(&mut self, id: &triphammer_model::DeliveryId, at: triphammer_model::Timestamp) {
        self.text("id", &id.to_string());
        self.text("seq", &id.seq.to_string());
        self.text("function", id.function.as_str());
        self.text("at", &at.to_rfc3339());
    }

    fn error(&mut self, error: &triphammer_model::ErrorInfo) {
        self.name("error");
        let mut inner = Object::new(self.out);
        inner.text("code", &error.code);
        inner.text("message", &error.message);
        inner.end();
    }
}

#[cfg(test)]
mod tests {
    use triphammer_model::{DeliveryId, ErrorInfo, RevisionId, Timestamp};

    use super::*;
    use crate::describe::{self, contract};

    fn id(seq: u64) -> DeliveryId {
        DeliveryId { seq: Seq::new(seq).unwrap(), function: "welcome".parse().unwrap() }
    }

    fn accepted(seq: u64, ty: &str) -> FeedItem {
        FeedItem::Accepted {
            seq: Seq::new(seq).unwrap(),
            at: Timestamp(1500),
            source: "/s".into(),
            id: "a\"b".into(),
            ty: ty.into(),
            subject: None,
            functions: vec!["welcome".parse().unwrap()],
        }
    }

    fn attempted(seq: u64) -> FeedItem {
        let revision = RevisionId::new(3).unwrap();
        FeedItem::Attempted { id: id(seq), revision, attempt: 1, at: Timestamp(1500) }
    }

    #[track_caller]
    fn check(item: &FeedItem, expect: &str) {
        let mut out = Vec::new();
        write_item(&mut out, item);
        let kind = item.kind();
        let text = String::from_utf8(out).unwrap();
        let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        contract::check_written::<describe::FeedItem>(data);
        assert_eq!(text, format!("event: {kind}\ndata: {{\"kind\":\"{kind}\",{expect}}}\n\n"));
    }

    #[test]
    fn items_are_one_line_of_json_each() {
        let at = r#""at":"1970-01-01T00:00:01.500Z""#;
        let delivery = format!(r#""id":"42/welcome","seq":"42","function":"welcome",{at}"#);
        let revision = RevisionId::new(3).unwrap();
        let time = Timestamp(1500);
        let error = ErrorInfo { code: "invoke.trap".into(), message: "a\nb".into() };
        let shown = r#""error":{"code":"invoke.trap","message":"a\nb"}"#;
        check(
            &accepted(42, "t"),
            &format!(
                r#""seq":"42",{at},"source":"/s","id":"a\"b","type":"t","subject":null,"functions":["welcome"]"#
            ),
        );
        check(&attempted(42), &format!(r#"{delivery},"revision":"r3","attempt":1"#));
        check(
            &FeedItem::Committed {
                id: id(42),
                revision,
                attempt: 2,
                at: time,
                emitted: vec![Seq::new(43).unwrap()],
                elapsed: Duration::from_micros(1250),
            },
            &format!(r#"{delivery},"revision":"r3","attempt":2,"emitted":["43"],"elapsedMs":1.25"#),
        );
        check(
            &FeedItem::Retried {
                id: id(42),
                revision,
                attempt: 2,
                at: time,
                due: time,
                error: error.clone(),
            },
            &format!(
                r#"{delivery},"revision":"r3","attempt":2,"due":"1970-01-01T00:00:01.500Z",{shown}"#
            ),
        );
        check(&FeedItem::Dead { id: id(42), at: time, error }, &format!("{delivery},{shown}"));
        check(
            &FeedItem::Deployed {
                function: "welcome".parse().unwrap(),
                revision,
                canary: None,
                at: time,
            },
            &format!(r#""function":"welcome","revision":"r3",{at}"#),
        );
        check(
            &FeedItem::Deployed {
                function: "welcome".parse().unwrap(),
                revision,
                canary: Some((RevisionId::new(4).unwrap(), 10)),
                at: time,
            },
            &format!(r#""function":"welcome","revision":"r3","canary":"r4","weight":10,{at}"#),
        );
    }

    #[test]
    fn a_type_is_followed_through_its_deliveries() {
        let ty = Some("order.*".parse().unwrap());
        let mut filter = Filter { ty, function: None, matched: BTreeSet::new() };
        assert!(filter.passes(&accepted(1, "order.created")));
        assert!(!filter.passes(&accepted(2, "user.created")));
        assert!(filter.passes(&attempted(1)));
        assert!(!filter.passes(&attempted(2)));
    }

    #[test]
    fn a_function_is_followed() {
        let function = |name: &str| Some(name.parse().unwrap());
        let mut filter =
            Filter { ty: None, function: function("welcome"), matched: BTreeSet::new() };
        assert!(filter.passes(&accepted(1, "t")) && filter.passes(&attempted(1)));
        filter.function = function("other");
        assert!(!filter.passes(&accepted(1, "t")) && !filter.passes(&attempted(1)));
    }
}
