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
    Manifest |generator| {
        "description": "What a function declares of itself: docs/delivery.md.",
        "type": "object",
        "properties": members(generator),
        "required": ["on"],
        "additionalProperties": false,
        "examples": [{ "on": ["order.*"], "key": "subject", "timeout": "2s" }],
    }
}

const BYTES: &str = "^[0-9]+(B|KiB|MiB|GiB)$";

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": false,
    })
}

fn number(min: u32, max: u32) -> Value {
    json!({ "type": "integer", "minimum": min, "maximum": max })
}

fn members(generator: &mut SchemaGenerator) -> Value {
    let pattern = generator.subschema_for::<TypePattern>();
    let patterns = json!({ "type": "array", "items": pattern, "minItems": 1, "maxItems": 64 });
    let duration = generator.subschema_for::<Duration>();
    let rate =
        object(&json!({ "limit": number(1, 1_000_000), "period": duration }), &["limit", "period"]);
    let schedule = schedule(generator);
    json!({
        "name": generator.subschema_for::<FunctionName>(),
        "on": { "anyOf": [pattern, patterns] },
        "filter": generator.subschema_for::<Filter>(),
        "key": {
            "type": "string", "pattern": "^([a-z0-9]{1,64}|data\\./.{0,255})$",
            "description": "`subject`, `source`, an extension's name, or `data./json/pointer`.",
        },
        "retry": object(&json!({
            "attempts": { "type": "integer", "minimum": 1, "maximum": 1000, "default": 16 },
            "initial": duration,
            "factor": { "type": "number", "minimum": 1, "maximum": 100, "default": 2.0 },
            "max": duration,
            "age": duration,
        }), &[]),
        "deadLetter": object(
            &json!({ "lane": { "type": "string", "enum": ["skip", "halt"] }, "keep": duration }),
            &[],
        ),
        "timeout": duration,
        "memory": { "type": "string", "pattern": BYTES, "default": "64MiB" },
        "concurrency": { "type": "integer", "minimum": 1, "maximum": 1024, "default": 16 },
        "keyConcurrency": { "type": "integer", "minimum": 1, "maximum": 1024, "default": 1 },
        "priority": { "type": "integer", "minimum": 0, "maximum": 9, "default": 5 },
        "rateLimit": rate,
        "throttle": rate,
        "debounce": object(&json!({ "period": duration, "max": duration }), &["period"]),
        "batch": object(&json!({ "max": number(1, 1000), "wait": duration }), &["max"]),
        "breaker": object(
            &json!({ "failures": number(1, 10_000), "probe": duration }),
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
    let secret = json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" });
    let header = json!({ "type": "string", "maxLength": 4096, "pattern": "^[ -~]*$" });
    object(
        &json!({
            "url": { "type": "string", "maxLength": 2048, "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://" },
            "method": { "type": "string", "enum": ["POST", "PUT", "PATCH"], "default": "POST" },
            "headers": { "type": "object", "maxProperties": 32, "additionalProperties": header },
            "mode": {
                "type": "string", "enum": ["structured", "binary"], "default": "structured",
            },
            "secrets": { "anyOf": [
                secret, { "type": "array", "items": secret, "minItems": 1, "maxItems": 2 },
            ] },
        }),
        &["url"],
    )
}

/// The requests that an attempt may make.
fn requests(duration: &Schema) -> Value {
    let host = json!({ "type": "string", "minLength": 1 });
    object(
        &json!({
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
    object(&json!({ "name": name, "cron": text, "zone": text, "missed": missed }), &["cron"])
}
