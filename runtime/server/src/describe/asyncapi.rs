//! The document `/asyncapi.json`, AsyncAPI 3.0: the event types that functions handle now, and those
//! that the host makes itself. Knows no events that came in.
//!
//! A channel is a type, or a pattern of types as functions name them. The host *receives* what
//! functions handle and *sends* what it makes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use triphammer_model::TypePattern;

use super::host_events::{HostEvent, host_events};
use super::openapi::security_schemes;
use super::schemas::Schemas;
use super::served::FeedItem;
use super::words::CloudEvent;

/// A function, and what its active revision asks for.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    pub(crate) function: String,
    pub(crate) on: Vec<TypePattern>,
    pub(crate) filter: Option<Value>,
}

/// `base` is the URL of this host.
pub(crate) fn asyncapi(base: &str, subscribers: &[Subscriber]) -> Value {
    let mut schemas = Schemas::new();
    let mut document = Document::default();
    for event in host_events(&mut schemas) {
        document.host_event(&event, &mut schemas);
    }
    for subscriber in subscribers {
        document.subscriber(subscriber, &mut schemas);
    }
    document.feed(&mut schemas);
    let Document { channels, operations, messages } = document;
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Triphammer",
            "description": "The event types that are known here now. Other types are taken in as \
                well, and kept. Events come in by `POST /events`: see /openapi.json.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": CLOUDEVENT,
        "servers": { "host": server(base) },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": schemas.into_definitions(),
            "securitySchemes": security_schemes(),
        },
    })
}

const CLOUDEVENT: &str = "application/cloudevents+json";
/// The live feed, which is no event type.
const FEED: &str = "/api/v1/stream";

fn server(base: &str) -> Value {
    let (protocol, rest) = base.split_once("://").unwrap_or(("http", base));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    json!({
        "host": host,
        "pathname": format!("/{path}"),
        "protocol": protocol,
        "security": [{ "$ref": "#/components/securitySchemes/bearer" }],
    })
}

#[derive(Default)]
struct Document {
    /// By type or pattern.
    channels: BTreeMap<String, Value>,
    operations: BTreeMap<String, Value>,
    messages: Map<String, Value>,
}

impl Document {
    fn host_event(&mut self, event: &HostEvent, schemas: &mut Schemas) {
        let narrowed = json!({
            "properties": { "type": { "const": event.ty }, "data": event.data },
            "required": ["data"],
        });
        self.channel(event.ty, event.about, narrowed, schemas);
        let operation = operation("send", event.ty, event.about);
        self.operations.insert(format!("send {}", event.ty), operation);
    }

    fn subscriber(&mut self, subscriber: &Subscriber, schemas: &mut Schemas) {
        let Subscriber { function, on, filter } = subscriber;
        for pattern in on {
            let ty = match pattern.exact() {
                Some(ty) => json!({ "const": ty }),
                None => types(pattern.as_str()),
            };
            let text = pattern.as_str();
            if !self.channels.contains_key(text) {
                let narrowed = json!({ "properties": { "type": ty } });
                self.channel(text, "Functions handle these.", narrowed, schemas);
            }
            let about = format!("The function `{function}` handles it.");
            let mut operation = operation("receive", text, &about);
            operation["x-function"] = function.as_str().into();
            if let Some(filter) = filter {
                operation["x-filter"] = filter.clone();
            }
            self.operations.insert(format!("{function} receives {text}"), operation);
        }
    }

    fn channel(&mut self, ty: &str, about: &str, narrowed: Value, schemas: &mut Schemas) {
        let name = format!("message{}", self.messages.len() + 1);
        let message = json!({
            "name": ty,
            "title": ty,
            "contentType": CLOUDEVENT,
            "payload": { "allOf": [schemas.answer::<CloudEvent>(), narrowed] },
        });
        self.messages.insert(name.clone(), message);
        let channel = json!({
            "address": address(ty),
            "title": ty,
            "description": about,
            "servers": [{ "$ref": "#/servers/host" }],
            "messages": { "event": { "$ref": format!("#/components/messages/{name}") } },
        });
        self.channels.insert(ty.to_owned(), channel);
    }

    fn feed(&mut self, schemas: &mut Schemas) {
        let about = "What happens in this host, as server-sent events.";
        let message = json!({
            "name": "feedItem",
            "contentType": "application/json",
            "payload": schemas.answer::<FeedItem>(),
        });
        self.messages.insert("feedItem".to_owned(), message);
        let channel = json!({
            "address": FEED,
            "description": about,
            "servers": [{ "$ref": "#/servers/host" }],
            "messages": { "event": { "$ref": "#/components/messages/feedItem" } },
        });
        self.channels.insert(FEED.to_owned(), channel);
        self.operations.insert("send the feed".to_owned(), operation("send", FEED, about));
    }
}

fn operation(action: &str, channel: &str, about: &str) -> Value {
    let channel = format!("#/channels/{}", pointer(channel));
    json!({
        "action": action,
        "summary": about,
        "channel": { "$ref": channel },
        "messages": [{ "$ref": format!("{channel}/messages/event") }],
    })
}

/// Braces would be parameters: a channel whose type has some has no address, but its title.
fn address(ty: &str) -> Option<&str> {
    (!ty.contains(['{', '}'])).then_some(ty)
}

/// A name as a part of a JSON pointer in a URI.
fn pointer(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'~' => out.push_str("~0"),
            b'/' => out.push_str("~1"),
            b'-' | b'.' | b'_' | b'*' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The types that a pattern with wildcards matches.
fn types(pattern: &str) -> Value {
    let expression = expression(pattern);
    if pattern.starts_with('*') {
        // Wildcards never match the host's own types.
        return json!({ "pattern": expression, "not": { "pattern": "^triphammer(\\.|$)" } });
    }
    json!({ "pattern": expression })
}

/// A pattern as a regular expression.
fn expression(pattern: &str) -> String {
    const SEGMENT: &str = "[^.]*";
    let mut segments: Vec<&str> = pattern.split('.').collect();
    segments.dedup_by(|a, b| *a == "**" && *b == "**");
    if segments == ["**"] {
        return "^".to_owned();
    }
    let mut out = String::from("^");
    // A dot is written before each segment but the first, and not after a leading `**`, which
    // brings its own.
    let mut dot = "";
    for (index, segment) in segments.into_iter().enumerate() {
        match segment {
            "**" if index == 0 => out.push_str(&format!("({SEGMENT}\\.)*")),
            "**" => out.push_str(&format!("(\\.{SEGMENT})*")),
            "*" => out.push_str(&format!("{dot}{SEGMENT}")),
            literal => out.push_str(&format!("{dot}{}", escaped(literal))),
        }
        dot = if index == 0 && segment == "**" { "" } else { "\\." };
    }
    out.push('$');
    out
}

fn escaped(literal: &str) -> String {
    let escape = |c: char| c.is_ascii_punctuation() && c != '_';
    literal.chars().fold(String::new(), |mut out, c| {
        if escape(c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::contract;

    #[track_caller]
    fn check(pattern: &str) {
        let schema = types(pattern);
        let pattern: TypePattern = pattern.parse().unwrap();
        for ty in [
            "a",
            "b",
            "a.b",
            "a.c",
            "a.b.c",
            "a.x.b",
            "a.x.y.b",
            "x.a",
            "x.y.a.b",
            "a-b",
            "axb",
            "a..b",
            "triphammer",
            "triphammer.a",
            "triphammer.x.a",
            "triphammers.a",
        ] {
            assert_eq!(
                contract::errors(&schema, &json!(ty)).is_none(),
                pattern.matches(ty),
                "{pattern} on {ty}"
            );
        }
    }

    #[test]
    fn expressions_say_what_patterns_say() {
        for pattern in [
            "a",
            "a.b",
            "a.*",
            "*.b",
            "*",
            "**",
            "a.**",
            "**.a",
            "**.a.**",
            "a.**.b",
            "**.**.b",
            "a.**.*",
            "*.**",
            "triphammer.**",
            "triphammer.*",
            "a-b",
            "a.*.b",
            "a.**.**.b",
        ] {
            check(pattern);
        }
    }

    #[test]
    fn references_are_escaped() {
        assert_eq!(pointer("order.*"), "order.*");
        assert_eq!(pointer("a/b~c d%"), "a~1b~0c%20d%25");
        assert_eq!((address("order.*"), address("a{b}")), (Some("order.*"), None));
    }
}
