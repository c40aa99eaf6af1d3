//! The words that the API's schemas are made of: ids, times, and what is written by hand. Knows no
//! operations.
//!
//! Each is a type with no values, named by the views in `#[schemars(with = "…")]` where what they
//! serve is a plain string.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;
use triphammer_model::{FunctionName as Name, TypePattern as Pattern};
use triphammer_pipeline::Status;

/// Types whose schema is written out. Each stands in the document under its own name.
macro_rules! by_hand {
    ($($(#[$doc:meta])* $name:ident |$generator:pat_param| $schema:tt)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) enum $name {}

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}
pub(super) use by_hand;

/// Neither control characters nor the noncharacters of the first plane, as CloudEvents has it.
const ATTRIBUTE: &str = "^[^\\x00-\\x1f\\x7f-\\x9f\\ufdd0-\\ufdef\\ufffe\\uffff]+$";
const URI: &str = "^[^\\s\\x00-\\x1f\\x7f-\\x9f\\ufdd0-\\ufdef\\ufffe\\uffff]+$";
/// All that a member can be called; what is not known is an extension.
const MEMBER: &str = "^([a-z0-9]{1,64}|data_base64)$";
const NEW_MEMBER: &str = "^([a-z0-9]{1,64}|data_base64|delayMs)$";
const ATTRIBUTE_LEN_MAX: usize = 4096;

by_hand! {
    Seq |_| {
        "description": "An event's number in the journal, in decimal. Opaque, and never reused.",
        "type": "string", "pattern": "^[1-9][0-9]{0,18}$", "examples": ["42"],
    }
    FunctionName |_| {
        "description": "A function's name.",
        "type": "string", "minLength": 1, "maxLength": Name::LEN_MAX,
        "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "examples": ["welcome"],
    }
    Revision |_| {
        "description": "One immutable version of a function, counted for each function.",
        "type": "string", "pattern": "^r[1-9][0-9]{0,8}$", "examples": ["r1"],
    }
    DeliveryId |_| {
        "description": "One event for one function: the event's number and the function's name.",
        "type": "string", "maxLength": 20 + Name::LEN_MAX,
        "pattern": "^[1-9][0-9]{0,18}/[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        "examples": ["42/welcome"],
    }
    ReplayId |_| {
        "description": "The number of a replay.",
        "type": "string", "pattern": "^[0-9]{1,19}$", "examples": ["1"],
    }
    Digest |_| {
        "description": "The BLAKE3 hash of a component, in hexadecimal.",
        "type": "string", "pattern": "^[0-9a-f]{64}$",
    }
    Time |_| {
        "description": "RFC 3339. What the host writes is in UTC, with milliseconds.",
        "type": "string", "format": "date-time", "minLength": 20, "maxLength": 64,
        "examples": ["2026-01-02T03:04:05.678Z"],
    }
    TypePattern |_| {
        "description": "Event types: `*` is any one segment, `**` any number of them, at most 4 \
            times. No wildcard matches the first segment `triphammer`.",
        "type": "string", "minLength": 1, "maxLength": Pattern::LEN_MAX,
        "pattern": "^(\\*\\*?|[^\\s*.\\x00-\\x1f\\x7f-\\x9f]+)(\\.(\\*\\*?|[^\\s*.\\x00-\\x1f\\x7f-\\x9f]+))*$",
        "examples": ["order.*"],
    }
    Attribute |_| {
        "description": "A string of CloudEvents 1.0.2, at most 4096 bytes in UTF-8.",
        "type": "string", "minLength": 1, "maxLength": ATTRIBUTE_LEN_MAX, "pattern": ATTRIBUTE,
    }
    EventSource |_| {
        "description": "A URI reference, without spaces, at most 4096 bytes in UTF-8.",
        "type": "string", "minLength": 1, "maxLength": ATTRIBUTE_LEN_MAX, "pattern": URI,
        "examples": ["/shop"],
    }
    DeliveryStatus |_| {
        "description": "Where a delivery is.",
        "type": "string", "enum": Status::ALL.map(Status::as_str),
    }
    OpenStatus |_| {
        "description": "What can be listed: those that are open, and dead letters.",
        "type": "string",
        "enum": Status::ALL.into_iter().filter(|status| !status.is_settled())
            .map(Status::as_str).collect::<Vec<_>>(),
    }
    WaitKind |_| {
        "description": "What a delivery waits for.",
        "type": "string",
        "enum": ["lane", "halted", "concurrency", "exclusive", "worker", "time", "retry", "paused",
            "throttle", "batch", "breaker", "disk"],
    }
    Outcome |_| {
        "description": "How an attempt ended.",
        "type": "string", "enum": ["committed", "retry", "dead"],
    }
    RunStatus |_| {
        "description": "How a dry run ended.",
        "type": "string", "enum": ["committed", "failed"],
    }
    ReplayState |_| {
        "type": "string", "enum": ["running", "done", "cancelled", "failed"],
    }
    BreakerState |_| {
        "type": "string", "enum": ["closed", "open", "half-open"],
    }
    Missed |_| {
        "description": "What becomes of a schedule's slots that passed while the host was down.",
        "type": "string", "enum": ["skip", "once", "all"],
    }
    LogLevel |_| {
        "type": "string", "enum": ["trace", "debug", "info", "warn", "error"],
    }
    ErrorCode |_| {
        "description": "Stable; docs/errors.md says what each means.",
        "type": "string", "pattern": "^[a-z0-9_]+(\\.[a-z0-9_]+)+$", "examples": ["invoke.trap"],
    }
    Entrance |_| {
        "description": "How an event came in.",
        "type": "string", "pattern": "^(ingress|post|host|hook:.+|function:.+)$",
    }
    Reply |_| {
        "description": "What a handler answered: a JSON reply as the value, any other in Base64.",
        "type": "object",
        "properties": {
            "contentType": { "type": "string" },
            "data": true,
            "dataBase64": { "type": "string", "contentEncoding": "base64" },
        },
        "required": ["contentType"],
        "oneOf": [{ "required": ["data"] }, { "required": ["dataBase64"] }],
    }
    CloudEvent |generator| {
        "description": "CloudEvents 1.0.2 in JSON. A member that is null counts as left out.",
        "type": "object",
        "properties": attributes(generator),
        "required": ["specversion", "id", "source", "type"],
        "not": { "required": ["data", "data_base64"] },
        "propertyNames": { "pattern": MEMBER },
        "additionalProperties": extension(),
        "examples": [example("order.placed")],
    }
    NewEvent |generator| {
        "description": "An event that is not made yet: the host fills in what is missing.",
        "type": "object",
        "properties": new_attributes(generator),
        "required": ["specversion"],
        "propertyNames": { "pattern": NEW_MEMBER },
        "additionalProperties": extension(),
    }
    Problem |_| {
        "description": "RFC 9457. `code` is stable; the further members depend on it.",
        "type": "object",
        "properties": {
            "type": { "type": "string", "const": "about:blank" },
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "code": { "type": "string", "pattern": "^[a-z_]+(\\.[a-z_]+)+$" },
            "detail": { "type": "string" },
            "scope": { "type": "string", "description": "That the token lacks." },
            "parameter": { "type": "string", "description": "The query parameter." },
            "attribute": { "type": "string", "description": "The attribute of the event." },
            "index": { "type": "integer", "minimum": 0, "description": "Of the event in its batch." },
            "member": { "type": "string", "description": "Of the manifest, or the subscription." },
            "path": { "type": "string", "description": "Where in the filter." },
            "position": { "type": "integer", "minimum": 0, "description": "In the expression." },
            "problems": {
                "type": "array", "items": { "type": "string" },
                "description": "All that is wrong with the component.",
            },
        },
        "required": ["type", "title", "status", "code", "detail"],
        "examples": [{
            "type": "about:blank", "title": "Not Found", "status": 404,
            "code": "function.not_found", "detail": "there is no function `welcome`",
        }],
    }
}

/// An event that can be sent as it stands.
pub(crate) fn example(ty: &str) -> serde_json::Value {
    json!({
        "specversion": "1.0", "id": "4711", "source": "/shop", "type": ty,
        "subject": "customer-1", "datacontenttype": "application/json", "data": { "amount": 12 },
    })
}

fn extension() -> serde_json::Value {
    let (min, max) = (i32::MIN, i32::MAX);
    json!({ "anyOf": [
        { "type": "string", "maxLength": ATTRIBUTE_LEN_MAX, "pattern": ATTRIBUTE },
        { "type": "boolean" },
        { "type": "integer", "minimum": min, "maximum": max },
        { "type": "null" },
    ] })
}

/// Members that are known.
fn attributes(generator: &mut SchemaGenerator) -> serde_json::Value {
    let text = generator.subschema_for::<Attribute>();
    let source = generator.subschema_for::<EventSource>();
    let time = generator.subschema_for::<Time>();
    let optional = |schema: &Schema| json!({ "anyOf": [schema, { "type": "null" }] });
    json!({
        "specversion": { "type": "string", "const": "1.0" },
        "id": text,
        "source": source,
        "type": text,
        "subject": optional(&text),
        "time": optional(&time),
        "datacontenttype": optional(&text),
        "dataschema": optional(&text),
        "data": true,
        "data_base64": { "type": ["string", "null"], "contentEncoding": "base64" },
        "notbefore": optional(&time),
        "expirytime": optional(&time),
    })
}

fn new_attributes(generator: &mut SchemaGenerator) -> serde_json::Value {
    let mut members = attributes(generator);
    members["delayMs"] = json!({ "type": "integer", "minimum": 0 });
    members
}
