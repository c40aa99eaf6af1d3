//! The schema of a manifest, which the model reads by hand. Knows no functions.
//!
//! What the model answers for a manifest is tested against this, and so are the members that it
//! knows.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::words::{FunctionName, Missed, TypePattern, by_hand};

by_hand! {
    Duration |_| {
        "description": "A number with ms, s, m, h or d, at most 3650 days.",
        "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$", "examples": ["500ms"],
    }
    Filter |_| {
        "description": "An expression of CloudEvents SQL, an object with one dialect, or a list of \
            which all must pass: docs/filters.md.",
        "type": ["string", "object", "array"],
        "examples": ["subject = 'customer-1'", { "cel": "data.amount > 10" }],
    }
    Dialect |_| {
        "description": "How a filter is written.",
        "type": "string",
        "enum": ["all", "any", "cel", "exact", "not", "prefix", "sql", "suffix"],
    }
    Manifest |generator| {
        "description": "What a function declares of itself: docs/delivery.md.",
        "type": "object",
        "properties": nullable(members(generator), &["on"]),
        "required": ["on"],
        "additionalProperties": false,
        "examples": [{ "on": ["order.*"], "key": "subject", "timeout": "2s" }],
    }
    SinkUrl |_| {
        "description": "Where events are sent.",
        "type": "string", "maxLength": URL_LEN_MAX, "pattern": URL,
    }
    Protocol |_| {
        "type": "string", "const": "HTTP",
    }
    ProtocolSettings |_| {
        "description": "How the requests look.",
        "type": "object",
        "properties": protocol_settings(),
        "additionalProperties": false,
    }
    SubscriptionConfig |generator| {
        "description": "What a manifest says of deliveries: docs/delivery.md.",
        "type": "object",
        "properties": nullable(config(generator), &[]),
        "additionalProperties": false,
    }
}

const URL: &str = "^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$";
const URL_LEN_MAX: usize = 2048;
const BYTES: &str = "^[0-9]+(B|KiB|MiB|GiB)$";

/// A member that is null counts as left out, where it may be left out.
fn nullable(mut properties: Value, required: &[&str]) -> Value {
    for (name, schema) in properties.as_object_mut().into_iter().flatten() {
        if !required.contains(&&**name) {
            *schema = json!({ "anyOf": [schema, { "type": "null" }] });
        }
    }
    properties
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({
        "type": "object", "properties": nullable(properties, required), "required": required,
        "additionalProperties": false,
    })
}

fn protocol_settings() -> Value {
    let [headers, method] = settings();
    nullable(json!({ "headers": headers, "method": method }), &[])
}

fn number(min: u32, max: u32) -> Value {
    json!({ "type": "integer", "minimum": min, "maximum": max })
}

fn members(generator: &mut SchemaGenerator) -> Value {
    let pattern = generator.subschema_for::<TypePattern>();
    let patterns = json!({ "type": "array", "items": pattern, "minItems": 1, "maxItems": 64 });
    let duration = generator.subschema_for::<Duration>();
    let rate =
        object(json!({ "limit": number(1, 1_000_000), "period": duration }), &["limit", "period"]);
    let schedule = schedule(generator);
    json!({
        "name": generator.subschema_for::<FunctionName>(),
        "on": { "anyOf": [pattern, patterns] },
        "filter": generator.subschema_for::<Filter>(),
        "key": {
            "type": "string", "pattern": "^([a-z0-9]{1,64}|data\\./.{0,255})$",
            "description": "`subject`, `source`, an extension's name, or `data./json/pointer`.",
        },
        "retry": object(json!({
            "attempts": { "type": "integer", "minimum": 1, "maximum": 1000, "default": 16 },
            "initial": duration,
            "factor": { "type": "number", "minimum": 1, "maximum": 100, "default": 2.0 },
            "max": duration,
            "age": duration,
        }), &[]),
        "deadLetter": object(
            json!({ "lane": { "type": "string", "enum": ["skip", "halt"] }, "keep": duration }),
            &[],
        ),
        "timeout": duration,
        "memory": { "type": "string", "pattern": BYTES, "default": "64MiB" },
        "concurrency": { "type": "integer", "minimum": 1, "maximum": 1024, "default": 16 },
        "keyConcurrency": { "type": "integer", "minimum": 1, "maximum": 1024, "default": 1 },
        "priority": { "type": "integer", "minimum": 0, "maximum": 9, "default": 5 },
        "rateLimit": rate,
        "throttle": rate,
        "debounce": object(json!({ "period": duration, "max": duration }), &["period"]),
        "batch": object(json!({ "max": number(1, 1000), "wait": duration }), &["max"]),
        "breaker": object(
            json!({ "failures": number(1, 10_000), "probe": duration }),
            &["failures"],
        ),
        "schedule": { "anyOf": [
            schedule, { "type": "array", "items": schedule, "maxItems": 16 },
        ] },
        "sink": sink(),
        "http": requests(&duration),
    })
}

/// Where the events of a subscription go.
fn sink() -> Value {
    let (mode, secrets) = sink_config();
    let url = json!({ "type": "string", "maxLength": URL_LEN_MAX, "pattern": URL });
    let [headers, method] = settings();
    object(
        json!({
            "url": url, "method": method, "headers": headers, "mode": mode, "secrets": secrets,
        }),
        &["url"],
    )
}

fn sink_config() -> (Value, Value) {
    let secret = json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" });
    let mode = json!({
        "type": "string", "enum": ["structured", "binary"], "default": "structured",
    });
    let secrets = json!({ "anyOf": [
        secret, { "type": "array", "items": secret, "minItems": 1, "maxItems": 2 },
    ] });
    (mode, secrets)
}

fn settings() -> [Value; 2] {
    let header = json!({ "type": "string", "maxLength": 4096, "pattern": "^[ -~]*$" });
    [
        json!({ "type": "object", "maxProperties": 32, "additionalProperties": header }),
        json!({ "type": "string", "enum": ["POST", "PUT", "PATCH"], "default": "POST" }),
    ]
}

/// What a subscription may say of its deliveries: members of a manifest, and of its sink.
fn config(generator: &mut SchemaGenerator) -> Value {
    const NOT_OF_SINKS: [&str; 8] =
        ["name", "on", "filter", "memory", "batch", "schedule", "sink", "http"];
    let mut all = members(generator);
    if let Value::Object(all) = &mut all {
        NOT_OF_SINKS.iter().for_each(|name| drop(all.remove(*name)));
    }
    (all["mode"], all["secrets"]) = sink_config();
    all
}

/// The requests that an attempt may make.
fn requests(duration: &Schema) -> Value {
    let host = json!({ "type": "string", "minLength": 1 });
    object(
        json!({
            "allow": { "anyOf": [
                host, { "type": "array", "items": host, "minItems": 1, "maxItems": 64 },
            ] },
            "requests": { "type": "integer", "minimum": 1, "default": 16 },
            "bytes": { "type": "string", "pattern": BYTES, "default": "1MiB" },
            "timeout": duration,
        }),
        &["allow"],
    )
}

fn schedule(generator: &mut SchemaGenerator) -> Value {
    let missed = generator.subschema_for::<Missed>();
    let text = json!({ "type": "string", "minLength": 1 });
    let name = json!({ "type": "string", "minLength": 1, "maxLength": 64 });
    object(json!({ "name": name, "cron": text, "zone": text, "missed": missed }), &["cron"])
}
