//! What the integration tests stand on: guests built once a run, the real `trip` as a process of
//! its own, and an HTTP client that can also misbehave. Knows nothing of the crates inside.

mod api;
mod browser;
mod certificates;
mod cli;
mod documents;
mod feed;
mod guests;
mod host;
mod http;
mod page;
mod sink;
mod small_disk;
mod terminal;
mod wait;

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

pub(crate) use api::{committed, dead, text_reply, upload};
pub(crate) use browser::Browser;
pub(crate) use certificates::Authority;
pub(crate) use cli::{Ran, Running, trip, trip_in};
pub(crate) use documents::{Block, Kind, Script, blocks, blocks_of, documents};
pub(crate) use feed::Feed;
pub(crate) use guests::{PACKAGES, component, root, target_dir};
pub(crate) use host::{Ended, Host, Setup};
pub(crate) use http::{Connection, Request, Response};
pub(crate) use page::Page;
pub(crate) use sink::Sink;
pub(crate) use small_disk::SmallDisk;
pub(crate) use terminal::Terminal;
pub(crate) use wait::{DEADLINE, until};

/// A CloudEvent to be sent; it has an id of its own unless it is given another.
#[derive(Clone, Debug)]
pub(crate) struct Event(Map<String, Value>);

/// An event of this type, with the payload `{}`.
pub(crate) fn event(ty: &str) -> Event {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let Value::Object(members) = json!({
        "specversion": "1.0", "id": id, "source": "/tests", "type": ty, "data": {},
    }) else {
        unreachable!("the literal is an object")
    };
    Event(members)
}

impl Event {
    /// Sets an attribute, an extension or the payload; `null` leaves it out.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        match value.into() {
            Value::Null => drop(self.0.remove(name)),
            value => drop(self.0.insert(name.to_owned(), value)),
        }
        self
    }

    pub(crate) fn id(self, id: &str) -> Self {
        self.with("id", id)
    }

    pub(crate) fn source(self, source: &str) -> Self {
        self.with("source", source)
    }

    pub(crate) fn subject(self, subject: &str) -> Self {
        self.with("subject", subject)
    }

    pub(crate) fn data(self, data: Value) -> Self {
        self.with("data", data)
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// The request that sends it in structured mode.
    pub(crate) fn request(&self) -> Request {
        self.request_to("/events")
    }

    /// The same, to another address of it.
    pub(crate) fn request_to(&self, path: impl Into<String>) -> Request {
        Request::post(path).body("application/cloudevents+json", self.json().to_string())
    }
}

/// The request that sends all of them as one batch.
pub(crate) fn batch(events: &[Event]) -> Request {
    let all: Vec<Value> = events.iter().map(Event::json).collect();
    Request::post("/events")
        .body("application/cloudevents-batch+json", Value::Array(all).to_string())
}
