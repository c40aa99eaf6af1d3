//! The document `/openapi.json`, OpenAPI 3.1. Put together from the table; knows no operation.

use serde_json::{Map, Value, json};

use super::operation::Operation;
use super::schemas::Schemas;
use super::table;

const ABOUT: &str = "Events in over HTTP as CloudEvents, functions deployed while the host runs, and \
    what an operator sees and does. Sequence numbers, cursors and revisions are opaque strings, times \
    are RFC 3339. Whatever answers `GET` answers `HEAD`. Refusals are `application/problem+json` with \
    a stable `code`. A query parameter that is unknown, or given twice, is refused; one that is empty \
    counts as left out. A path that has other methods answers `405` and names them in `Allow`.";

/// The whole document. The same for all requests, and small enough to be made for each.
pub(crate) fn openapi() -> Value {
    let mut schemas = Schemas::new();
    let operations = table::operations(&mut schemas);
    let mut paths = Map::new();
    for operation in &operations {
        add(&mut paths, operation, &mut schemas);
    }
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Triphammer",
            "summary": "An event function runtime",
            "description": ABOUT,
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "This host" }],
        "tags": tags(),
        "paths": paths,
        "components": {
            "schemas": schemas.into_definitions(),
            "securitySchemes": security_schemes(),
        },
    })
}

fn add(paths: &mut Map<String, Value>, operation: &Operation, schemas: &mut Schemas) {
    let methods = paths.entry(operation.path).or_insert_with(|| json!({}));
    methods[operation.method] = operation.to_json(schemas);
}

fn tags() -> Value {
    json!([
        { "name": "ingress", "description": "Events in." },
        { "name": "functions", "description": "What handles events." },
        { "name": "events", "description": "What came in, and what happens." },
        { "name": "replays", "description": "The past again." },
        { "name": "deliveries", "description": "One event for one function each." },
        { "name": "subscriptions", "description": "Where events are sent." },
        { "name": "host", "description": "The host about itself." },
    ])
}

pub(super) fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http", "scheme": "bearer",
            "description": "A token of this host. What it must be good for stands with each \
                operation: `send`, `read`, `deploy` or `operate`. A host without tokens asks for none.",
        },
        "basic": {
            "type": "http", "scheme": "basic",
            "description": "For browsers: the token is the password.",
        },
    })
}
