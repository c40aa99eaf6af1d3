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
        "memory": { "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$", "default": "64MiB" },
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
    })
}

fn schedule(generator: &mut SchemaGenerator) -> Value {
    let missed = generator.subschema_for::<Missed>();
    let text = json!({ "type": "string", "minLength": 1 });
    let name = json!({ "type": "string", "minLength": 1, "maxLength": 64 });
    object(&json!({ "name": name, "cron": text, "zone": text, "missed": missed }), &["cron"])
}
