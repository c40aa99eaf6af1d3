//! Holds what the host answers against what it says that it answers. Knows no particular operation.
//!
//! Stricter than what users are promised: a member that is not described is an error here, though
//! later versions may add some.

use std::sync::LazyLock;

use boon::{Compiler, Draft};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::describe::openapi;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document = openapi();
    close(&mut document);
    document
});

/// Lets no object have members that are not described, but for the parts of an `allOf`.
fn close(schema: &mut Value) {
    match schema {
        Value::Array(values) => values.iter_mut().for_each(close),
        Value::Object(members) => {
            let of_object = members.get("type").is_some_and(|ty| ty == "object");
            if of_object && members.contains_key("properties") {
                members.entry("additionalProperties").or_insert(false.into());
            }
            members.values_mut().for_each(close);
        }
        _ => {}
    }
}

/// What is wrong with a value by a schema of 2020-12 that refers to nothing outside itself.
pub(crate) fn errors(schema: &Value, value: &Value) -> Option<String> {
    const URL: &str = "https://localhost/schema";
    let (mut schemas, mut compiler) = (boon::Schemas::new(), Compiler::new());
    compiler.set_default_draft(Draft::V2020_12);
    compiler.enable_format_assertions();
    compiler.add_resource(URL, schema.clone()).unwrap();
    let index = compiler.compile(URL, &mut schemas).unwrap_or_else(|e| panic!("{e:#}"));
    schemas.validate(value, index).err().map(|error| format!("{error:#}"))
}

#[track_caller]
pub(super) fn is_valid(schema: &Value, value: &Value, what: &str) {
    let whole = json!({ "allOf": [schema], "components": DOCUMENT["components"] });
    if let Some(errors) = errors(&whole, value) {
        panic!("{what}: {errors}\n{value:#}");
    }
}

/// The JSON of a view, or of what is written by hand, against the schema of its type.
#[track_caller]
pub(crate) fn check_written<T: JsonSchema>(text: &str) {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    close(&mut schema);
    let value: Value = serde_json::from_str(text).unwrap();
    if let Some(errors) = errors(&schema, &value) {
        panic!("{errors}\n{value:#}");
    }
}

/// An answer against what is described for this line of a request, such as `GET /events`.
#[track_caller]
pub(crate) fn check(line: &str, (status, content_type): (u16, Option<&str>), body: &str) {
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let head = method == "HEAD";
    let method = if head { "get".to_owned() } else { method.to_lowercase() };
    let Some(operation) = operation(&method, path) else {
        assert!(!(200..300).contains(&status), "{line} is served and not described");
        return;
    };
    let Some(content_type) = content_type else {
        assert!(body.is_empty(), "{line}: {body}");
        return;
    };
    let responses = &operation["responses"];
    let response = responses
        .get(status.to_string())
        .or_else(|| responses.get("2XX").filter(|_| (200..300).contains(&status)));
    let response = response.unwrap_or_else(|| panic!("{line}: {status} is not described: {body}"));
    let content = &response["content"];
    let media = content.get(content_type).or_else(|| content.get("*/*"));
    let media = media.unwrap_or_else(|| panic!("{line}: {status} {content_type} is not described"));
    if !head && content_type.ends_with("json") {
        let value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{line}: {body}"));
        is_valid(&media["schema"], &value, &format!("{line}: {status}"));
    }
}

fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let of_path = paths.iter().filter(|(template, _)| matches(template, path));
    of_path.filter_map(|(_, methods)| methods.get(method)).next()
}

fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}
