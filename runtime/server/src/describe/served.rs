//! The schemas of answers that are written without a view: receipts, the live feed, and what the
//! host tells as events. Knows no operations.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::words::{
    Attribute, DeliveryId, DeliveryStatus, EventSource, FunctionName, Reply, Revision, Seq, Time,
    by_hand,
};
use crate::views::ErrorView;

by_hand! {
    Receipts |generator| {
        "description": "One for each event, in the order in which they were sent.",
        "type": "object",
        "properties": {
            "events": { "type": "array", "items": generator.subschema_for::<Receipt>() },
        },
        "required": ["events"],
    }
    Receipt |generator| {
        "description": "Proof that an event is on disk.",
        "type": "object",
        "properties": {
            "id": generator.subschema_for::<Attribute>(),
            "source": generator.subschema_for::<EventSource>(),
            "seq": generator.subschema_for::<Seq>(),
            "duplicate": {
                "type": "boolean", "description": "It came before, as `seq`: nothing runs again.",
            },
            "differs": {
                "type": "boolean", "const": true,
                "description": "A duplicate with another payload than the first.",
            },
            "functions": {
                "type": "array", "items": generator.subschema_for::<FunctionName>(),
                "description": "The functions that it goes to.",
            },
            "dead": {
                "type": "array", "items": generator.subschema_for::<DeadAtOnce>(),
                "description": "Deliveries that are dead letters from the beginning.",
            },
            "results": {
                "type": "array", "items": generator.subschema_for::<DeliveryResult>(),
                "description": "Where the sender waited for them.",
            },
        },
        "required": ["id", "source", "seq", "duplicate", "functions"],
    }
    DeadAtOnce |generator| {
        "type": "object",
        "properties": {
            "function": generator.subschema_for::<FunctionName>(),
            "error": generator.subschema_for::<ErrorView>(),
        },
        "required": ["function", "error"],
    }
    DeliveryResult |generator| {
        "description": "How a delivery was settled.",
        "type": "object",
        "properties": {
            "function": generator.subschema_for::<FunctionName>(),
            "revision": nullable(&generator.subschema_for::<Revision>()),
            "status": generator.subschema_for::<DeliveryStatus>(),
            "attempts": { "type": "integer", "minimum": 0 },
            "reply": generator.subschema_for::<Reply>(),
            "error": generator.subschema_for::<ErrorView>(),
            "emitted": {
                "type": "array", "items": generator.subschema_for::<Emitted>(),
                "description": "Where so many generations were asked for.",
            },
        },
        "required": ["function", "revision", "status", "attempts"],
    }
    Emitted |generator| {
        "description": "An event that a commit made, and what came of it.",
        "type": "object",
        "properties": {
            "seq": generator.subschema_for::<Seq>(),
            "type": generator.subschema_for::<Attribute>(),
            "id": generator.subschema_for::<Attribute>(),
            "results": { "type": "array", "items": generator.subschema_for::<DeliveryResult>() },
        },
        "required": ["seq", "type", "id", "results"],
    }
    Change |_| {
        "description": "A change, or a try at one, as the audit log has it.",
        "type": "object",
        "properties": {
            "n": { "type": "integer", "minimum": 1, "description": "One more with each line." },
            "time": { "type": "string", "format": "date-time" },
            "actor": {
                "type": "object",
                "properties": {
                    "kind": { "enum": ["token", "certificate", "open", "host"] },
                    "id": { "type": "string", "description": "The token's." },
                    "name": { "type": "string", "description": "The token's." },
                    "certificate": { "type": "string", "description": "Whose it is." },
                },
                "required": ["kind"],
            },
            "remote": { "type": "string", "description": "The address that it came from." },
            "action": { "type": "string", "examples": ["deploy"] },
            "target": { "type": "string", "examples": ["welcome"] },
            "status": { "type": "integer", "description": "Of the answer." },
            "detail": { "description": "What else there is to say." },
        },
        "required": ["n", "time", "actor", "action"],
    }
    FeedItem |generator| {
        "description": "The `data` of a server-sent event, whose `event` is `kind`.",
        "oneOf": feed_items(generator),
    }
}

pub(super) fn nullable(schema: &Schema) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// Each kind with its members; those of a canary are there only while there is one.
fn feed_items(generator: &mut SchemaGenerator) -> Value {
    let seq = generator.subschema_for::<Seq>();
    let time = generator.subschema_for::<Time>();
    let function = generator.subschema_for::<FunctionName>();
    let revision = generator.subschema_for::<Revision>();
    let error = generator.subschema_for::<ErrorView>();
    let text = generator.subschema_for::<Attribute>();
    let count = json!({ "type": "integer", "minimum": 1 });
    let of_delivery = json!({
        "id": generator.subschema_for::<DeliveryId>(), "seq": seq, "function": function, "at": time,
    });
    let of_attempt = with(&of_delivery, json!({ "revision": revision, "attempt": count }));
    let accepted = json!({
        "seq": seq, "at": time, "source": generator.subschema_for::<EventSource>(), "id": text,
        "type": text, "subject": nullable(&text),
        "functions": { "type": "array", "items": function },
    });
    let emitted = json!({ "type": "array", "items": seq });
    let elapsed = json!({ "type": "number", "minimum": 0 });
    let deployed = json!({
        "function": function, "revision": revision, "canary": revision,
        "weight": { "type": "integer", "minimum": 1, "maximum": 99 }, "at": time,
    });
    let kinds = [
        ("accepted", accepted),
        ("attempted", of_attempt.clone()),
        ("committed", with(&of_attempt, json!({ "emitted": emitted, "elapsedMs": elapsed }))),
        ("retried", with(&of_attempt, json!({ "due": time, "error": error }))),
        ("dead", with(&of_delivery, json!({ "error": error }))),
        ("deployed", deployed),
        ("lagged", json!({ "missed": count })),
    ];
    kinds.into_iter().map(|(kind, members)| feed_item(kind, members)).collect()
}

fn with(members: &Value, more: Value) -> Value {
    let mut all = members.clone();
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}

fn feed_item(kind: &str, members: Value) -> Value {
    let properties = with(&json!({ "kind": { "type": "string", "const": kind } }), members);
    let names = properties.as_object().into_iter().flat_map(|members| members.keys());
    let required: Vec<_> = names.filter(|name| !matches!(&***name, "canary" | "weight")).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}
