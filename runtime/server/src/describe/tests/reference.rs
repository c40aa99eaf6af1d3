//! The reference of the API, `docs/reference/api.md`, written from the document `/openapi.json`.
//! Knows OpenAPI, and no operation.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::super::openapi;
use super::operations;

const HEAD: &str = "# The API, path by path

This page is written from `/openapi.json` of a running host, which has the same for programs. What no schema can say is in
[the page on the API](../api.md); codes are explained in [the page on errors](../errors.md).
";

fn document() -> String {
    let document = openapi();
    let operations = operations(&document);
    let common = Common::of(&operations);
    let mut out = HEAD.to_owned();
    common.write(&mut out);
    for tag in document["tags"].as_array().unwrap() {
        let name = tag["name"].as_str().unwrap();
        write!(out, "\n## {}\n\n{}\n", capital(name), text(&tag["description"])).unwrap();
        for (method, path, operation) in &operations {
            if operation["tags"][0] == name {
                write_operation(&mut out, (method, path), operation, &common);
            }
        }
    }
    write_schemas(&mut out, document["components"]["schemas"].as_object().unwrap());
    out
}

/// The codes that many operations have, which are told once.
struct Common {
    always: BTreeSet<String>,
    with_token: BTreeSet<String>,
}

impl Common {
    fn of(operations: &[(String, String, Value)]) -> Self {
        let shared = |all: Vec<&Value>| {
            let mut sets = all.into_iter().map(codes);
            let first = sets.next().unwrap();
            sets.fold(first, |shared, codes| &shared & &codes)
        };
        let scoped = operations.iter().filter(|(.., operation)| scope(operation).is_some());
        let always = shared(operations.iter().map(|(.., operation)| operation).collect());
        let with_token = shared(scoped.map(|(.., operation)| operation).collect());
        Self { with_token: &with_token - &always, always }
    }

    fn write(&self, out: &mut String) {
        let list = |codes: &BTreeSet<String>| {
            codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ")
        };
        write!(
            out,
            "\nAny request may be refused with {}; one that needs a scope, on a host with tokens, also \
             with {}. Neither is repeated below.\n",
            list(&self.always),
            list(&self.with_token),
        )
        .unwrap();
    }
}

/// Every code that an operation refuses with.
fn codes(operation: &Value) -> BTreeSet<String> {
    let responses = operation["responses"].as_object().unwrap();
    responses.values().flat_map(codes_of).collect()
}

fn codes_of(response: &Value) -> Vec<String> {
    let problem = &response["content"]["application/problem+json"]["schema"]["allOf"][1];
    let codes = problem["properties"]["code"]["enum"].as_array();
    codes.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn scope(operation: &Value) -> Option<&str> {
    operation["security"][0]["bearer"][0].as_str()
}

fn write_operation(
    out: &mut String,
    (method, path): (&str, &str),
    operation: &Value,
    common: &Common,
) {
    write!(out, "\n### {method} {path}\n\n{}. ", text(&operation["summary"])).unwrap();
    match scope(operation) {
        Some(scope) => writeln!(out, "Scope `{scope}`.").unwrap(),
        None => out.push_str("No token.\n"),
    }
    if let Some(about) = operation["description"].as_str() {
        write!(out, "\n{}\n", cell(about)).unwrap();
    }
    write_parameters(out, operation["parameters"].as_array().map_or(&[], Vec::as_slice));
    if let Some(content) = operation["requestBody"]["content"].as_object() {
        let about = text(&operation["requestBody"]["description"]);
        write!(out, "\nBody: {}", about.trim_end_matches('.')).unwrap();
        writeln!(out, ", as {}.", media(content)).unwrap();
    }
    write_answers(out, operation["responses"].as_object().unwrap(), common);
}

fn write_parameters(out: &mut String, parameters: &[Value]) {
    if parameters.is_empty() {
        return;
    }
    out.push_str("\n| parameter | in | type | is |\n|---|---|---|---|\n");
    for parameter in parameters {
        let content = &parameter["content"]["application/json"]["schema"];
        let schema = if content.is_null() { &parameter["schema"] } else { content };
        let json = if content.is_null() { "" } else { "JSON: " };
        let required = if parameter["required"] == true { "; required" } else { "" };
        let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
        let kind = format!("{json}{}{required}", kind(schema));
        writeln!(out, "| `{name}` | {place} | {kind} | {} |", text(&parameter["description"]))
            .unwrap();
    }
}

fn write_answers(out: &mut String, responses: &Map<String, Value>, common: &Common) {
    out.push_str("\n| status | answer |\n|---|---|\n");
    for (status, response) in responses {
        let told =
            |code: &String| !common.always.contains(code) && !common.with_token.contains(code);
        let codes = codes_of(response);
        if codes.is_empty() {
            let content =
                response["content"].as_object().map(|content| format!(" {}", media(content)));
            let content = content.unwrap_or_default();
            writeln!(out, "| {status} | {}{content} |", text(&response["description"])).unwrap();
            continue;
        }
        let codes: Vec<_> =
            codes.into_iter().filter(told).map(|code| format!("`{code}`")).collect();
        if !codes.is_empty() {
            writeln!(out, "| {status} | {} |", codes.join(", ")).unwrap();
        }
    }
}

fn media(content: &Map<String, Value>) -> String {
    let one = |(media_type, content): (&String, &Value)| match &content["schema"] {
        Value::Bool(_) | Value::Null => format!("`{media_type}`"),
        schema => format!("`{media_type}`: {}", kind(schema)),
    };
    content.iter().map(one).collect::<Vec<_>>().join(", or ")
}

fn write_schemas(out: &mut String, schemas: &Map<String, Value>) {
    out.push_str("\n## Schemas\n\nA member with `?` may be left out.\n");
    for (name, schema) in schemas {
        write!(out, "\n### {name}\n\n").unwrap();
        if let Some(about) = schema["description"].as_str() {
            write!(out, "{}\n\n", cell(about)).unwrap();
        }
        let Some(members) = schema["properties"].as_object() else {
            let kind = kind(schema);
            writeln!(out, "{}{}", kind[..1].to_uppercase(), &kind[1..]).unwrap();
            continue;
        };
        out.push_str("| member | type | is |\n|---|---|---|\n");
        let required = schema["required"].as_array();
        for (member, schema) in members {
            let is_required =
                required.is_some_and(|names| names.iter().any(|name| name == member.as_str()));
            let mark = if is_required { "" } else { "?" };
            let about = text(&schema["description"]);
            writeln!(out, "| `{member}`{mark} | {} | {about} |", kind(schema)).unwrap();
        }
    }
}

/// What a schema lets be, in words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for several in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[several].as_array() {
            let choices: Vec<_> = choices.iter().map(kind).collect();
            return choices.join(" or ");
        }
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ");
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().map(|one| of_type(one, schema)).collect(),
        Value::Null => vec!["anything".to_owned()],
        one => vec![of_type(one, schema)],
    };
    types.join(" or ") + &bounds(schema)
}

fn of_type(name: &Value, schema: &Value) -> String {
    match name.as_str() {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("object, each member {}", kind(&schema["additionalProperties"]))
        }
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("string") => "text".to_owned(),
        Some(other) => other.to_owned(),
        None => "anything".to_owned(),
    }
}

fn bounds(schema: &Value) -> String {
    let mut out = String::new();
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => write!(out, ", {least} to {most}").unwrap(),
        (Some(least), None) if *least != 0 => write!(out, ", {least} or more").unwrap(),
        _ => {}
    }
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        write!(out, ", `{default}` if left out").unwrap();
    }
    out
}

fn text(value: &Value) -> String {
    cell(value.as_str().unwrap_or_default())
}

/// On one line, and without what ends a table's cell.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    first.to_uppercase() + rest
}

#[test]
fn the_reference_is_that_of_the_description() {
    crate::page::agrees("docs/reference/api.md", &document());
}
