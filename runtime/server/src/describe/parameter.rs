//! Parameters, as OpenAPI has them. Knows no operations.

use serde_json::{Value, json};

use super::schemas::Schemas;
use super::words;
use crate::query::{LIMIT_DEFAULT, LIMIT_MAX};

pub(super) fn in_path(name: &str, schema: impl Into<Value>, example: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true, "schema": schema.into(), "example": example,
    })
}

/// One that is empty means nothing.
pub(super) fn in_query(name: &str, schema: impl Into<Value>, about: &str) -> Value {
    json!({
        "name": name, "in": "query", "description": about, "schema": schema.into(),
        "allowEmptyValue": true,
    })
}

pub(super) fn in_header(name: &str, schema: impl Into<Value>, about: &str) -> Value {
    json!({ "name": name, "in": "header", "description": about, "schema": schema.into() })
}

/// A header whose value is JSON.
pub(super) fn json_header(name: &str, schema: impl Into<Value>, about: &str) -> Value {
    json!({
        "name": name, "in": "header", "description": about,
        "content": { "application/json": { "schema": schema.into() } },
    })
}

pub(super) fn function(schemas: &mut Schemas) -> Value {
    in_path("name", schemas.body::<words::FunctionName>(), "welcome")
}

pub(super) fn seq(schemas: &mut Schemas) -> Value {
    in_path("seq", schemas.body::<words::Seq>(), "42")
}

pub(super) fn flag(name: &str, default: bool, about: &str) -> Value {
    in_query(name, json!({ "type": "boolean", "default": default }), about)
}

/// `limit` and `cursor`.
pub(super) fn paging() -> [Value; 2] {
    let limit = json!({
        "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT,
    });
    [
        in_query("limit", limit, "How many entries a page has."),
        in_query("cursor", json!({ "type": "string" }), "The `cursor` of the page before."),
    ]
}

/// The same of a list that is whole without a `limit`.
pub(super) fn paging_if_asked() -> [Value; 2] {
    let [mut limit, cursor] = paging();
    if let Some(schema) = limit["schema"].as_object_mut() {
        schema.remove("default");
    }
    [limit, cursor]
}

/// What a canary gets: `weight` and `failures`.
pub(super) fn share() -> [Value; 2] {
    let (weight, failures) = share_schemas();
    [
        in_query("weight", weight, "Percent of the work; less than 100 makes a canary."),
        in_query(
            "failures",
            failures,
            "A canary is given up when more percent of its attempts fail.",
        ),
    ]
}

fn share_schemas() -> (Value, Value) {
    (
        json!({ "type": "integer", "minimum": 1, "maximum": 100 }),
        json!({ "type": "integer", "minimum": 0, "maximum": 100 }),
    )
}
