//! Headers of the requests to a collector: from the settings, which say where each value is, or from
//! OpenTelemetry's variable. No error says a value, for each may be a key.

use std::path::Path;

use hyper::header::{HeaderName, HeaderValue};
use toml::{Table, Value};

use super::super::{ConfigError, field};
use crate::codec::percent_decoded;

const VARIABLE: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// The most headers.
const HEADERS_MAX: usize = 32;
const PLACE: &str = "its value is `env:NAME` or `file:PATH`";
const NO_NAME: &str = "is no name of a header";
const NO_VALUE: &str = "its value is none that a header has";

pub(super) type Header = (HeaderName, HeaderValue);

pub(super) fn of_table(
    table: &Table,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<Vec<Header>, ConfigError> {
    if table.len() > HEADERS_MAX {
        return Err(field("otlp.headers", format!("has more than {HEADERS_MAX} headers")));
    }
    let wrong = |name: &str, rule: &str| field("otlp.headers", format!("`{name}`: {rule}"));
    let one = |(name, place): (&String, &Value)| {
        let known = name.parse().map_err(|_| wrong(name, NO_NAME))?;
        let text = place.as_str().ok_or_else(|| wrong(name, PLACE))?;
        let text = resolve(text, environment).map_err(|rule| wrong(name, &rule))?;
        let value = secret(text.trim_end().as_bytes()).ok_or_else(|| wrong(name, NO_VALUE))?;
        Ok((known, value))
    };
    table.iter().map(one).collect()
}

fn resolve(place: &str, environment: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    match place.split_once(':') {
        Some(("env", name)) => {
            environment(name).ok_or_else(|| format!("the environment variable {name} is not set"))
        }
        Some(("file", path)) => std::fs::read_to_string(Path::new(path))
            .map_err(|error| format!("can't read {path}: {error}")),
        _ => Err(PLACE.to_owned()),
    }
}

/// These, or those of the variable where there are none.
pub(super) fn or_of_variable(
    own: Vec<Header>,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<Vec<Header>, ConfigError> {
    if own.is_empty() { of_variable(environment) } else { Ok(own) }
}

/// Those of the variable: `name=value,name=value`, the values percent-encoded. OpenTelemetry, "OTLP
/// Exporter", "Specifying headers via environment variables"; W3C Baggage, 3.2.1, without properties.
fn of_variable(environment: &impl Fn(&str) -> Option<String>) -> Result<Vec<Header>, ConfigError> {
    let wrong = |rule: String| ConfigError::Environment { name: VARIABLE.to_owned(), rule };
    let text = environment(VARIABLE).unwrap_or_default();
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let mut headers: Vec<Header> = Vec::new();
    for (before, part) in parts.enumerate() {
        if before == HEADERS_MAX {
            return Err(wrong(format!("it has more than {HEADERS_MAX} headers")));
        }
        // Told by its place: what was meant as a value may stand where the name should.
        let wrong = |rule: &str| wrong(format!("header {}: {rule}", before + 1));
        let (name, value) = pair(part).map_err(wrong)?;
        if headers.iter().any(|(known, _)| *known == name) {
            return Err(wrong("was there before"));
        }
        headers.push((name, value));
    }
    Ok(headers)
}

fn pair(text: &str) -> Result<Header, &'static str> {
    let (name, value) = text.split_once('=').ok_or("is no `name=value`")?;
    let name = name.trim_end().parse().map_err(|_| NO_NAME)?;
    // What was not encoded is taken as it is, like other exporters do: a space, or an equals sign.
    let value = percent_decoded(value.trim_start().as_bytes());
    let value = value.ok_or("a percent sign begins no escape; write `%25` for it")?;
    Ok((name, secret(&value).ok_or(NO_VALUE)?))
}

fn secret(bytes: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(bytes).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(headers: Vec<Header>) -> Vec<String> {
        let all = headers.into_iter();
        all.map(|(name, value)| {
            assert!(value.is_sensitive());
            format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
        })
        .collect()
    }

    #[track_caller]
    fn check(variable: &str, expect: &[&str]) {
        let found = of_variable(&|name| (name == VARIABLE).then(|| variable.to_owned()));
        assert_eq!(shown(found.unwrap()), expect, "{variable}");
    }

    #[track_caller]
    fn refused(variable: &str, part: &str) {
        let found = of_variable(&|name| (name == VARIABLE).then(|| variable.to_owned()));
        told(found.unwrap_err(), "config.environment", part);
    }

    #[track_caller]
    fn refused_in_table(line: &str, part: &str) {
        let key = |name: &str| (name == "KEY").then(|| "s3cret\nx".to_owned());
        told(of_table(&line.parse().unwrap(), &key).unwrap_err(), "config.invalid", part);
    }

    #[track_caller]
    fn told(error: ConfigError, code: &str, part: &str) {
        assert_eq!(error.code(), code);
        let text = error.to_string();
        assert!(text.contains(part) && !text.contains("s3cret"), "{text}");
    }

    #[test]
    fn the_variable_has_pairs_with_encoded_values() {
        assert_eq!(of_variable(&|_| None).unwrap().len(), 0);
        check("", &[]);
        check("api-key=s3cret", &["api-key: s3cret"]);
        check("A=1,b=2", &["a: 1", "b: 2"]);
        check(" a = 1 ,\tb=2 ,, ", &["a: 1", "b: 2"]);
        check("authorization=Basic%20YTpi%3D%3d", &["authorization: Basic YTpi=="]);
        check("authorization=Bearer YTpi==", &["authorization: Bearer YTpi=="]);
        check("a=1+2;c=3", &["a: 1+2;c=3"]);
        check("a=%C3%A4%2C%25", &["a: ä,%"]);
        check("a=", &["a: "]);
    }

    #[test]
    fn what_is_no_list_of_headers_is_refused_by_its_place() {
        refused("s3cret", "header 1: is no `name=value`");
        refused("a=1,s3cret", "header 2: is no `name=value`");
        refused("s3cret x=1", "header 1: is no name of a header");
        refused("=s3cret", "header 1: is no name of a header");
        refused("a=s3cret%", "`%25`");
        refused("a=s3cret%0g", "`%25`");
        refused("a=s3cret%0D%0Ax:%201", "header 1: its value is none");
        refused("a=s3cret%00", "header 1: its value is none");
        refused("a=1,A=s3cret", "header 2: was there before");
        let many: Vec<String> = (0..33).map(|n| format!("h{n}=s3cret")).collect();
        refused(&many.join(","), "more than 32");
        check(&many[..1].join(","), &["h0: s3cret"]);
    }

    #[test]
    fn the_table_wins_over_the_variable() {
        let given = |name: &str| (name == VARIABLE).then(|| "a=1".to_owned());
        let own = vec![("b".parse().unwrap(), secret(b"2").unwrap())];
        assert_eq!(shown(or_of_variable(own, &given).unwrap()), ["b: 2"]);
        assert_eq!(shown(or_of_variable(Vec::new(), &given).unwrap()), ["a: 1"]);
    }

    #[test]
    fn values_of_the_table_are_read_from_where_they_are() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "Bearer s3cret-2\n").unwrap();
        let path = file.path().display();
        let table = format!("api-key = \"env:KEY\"\nauthorization = \"file:{path}\"");
        let table: Table = table.parse().unwrap();
        let found = of_table(&table, &|name| (name == "KEY").then(|| "s3cret-1".to_owned()));
        assert_eq!(shown(found.unwrap()), ["api-key: s3cret-1", "authorization: Bearer s3cret-2"]);
        told(of_table(&table, &|_| None).unwrap_err(), "config.invalid", "KEY is not set");
    }

    #[test]
    fn what_is_no_place_of_a_header_is_refused_by_its_name() {
        refused_in_table("api-key = \"s3cret\"", "`api-key`");
        refused_in_table("api-key = 5", "`env:NAME` or `file:PATH`");
        refused_in_table("api-key = \"file:/nowhere\"", "/nowhere");
        refused_in_table("\"a b\" = \"env:KEY\"", "`a b`");
        refused_in_table("k = \"env:KEY\"", "`k`");
        let many: String = (0..33).map(|n| format!("h{n} = \"env:KEY\"\n")).collect();
        refused_in_table(&many, "more than 32");
    }
}
