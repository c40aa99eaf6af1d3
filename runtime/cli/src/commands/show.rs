//! How things of the admin API look as text.

use serde_json::Value;

use crate::client::types::{Breaker, Canary, Failure, Function, LogLine, Reply, StateWrite};
use crate::output::{BAD, DIM, GOOD, NAME, NOTE, count, data, data_base64, one_line, paint, when};

/// Values on a line are cut here.
pub(super) const DATA_MAX: usize = 100;

/// A manifest's or config's members as `name` and `value`, nested ones dotted.
pub(super) fn flat(value: &Value) -> Vec<(String, String)> {
    let mut into = Vec::new();
    flatten("", value, &mut into);
    into
}

fn flatten(prefix: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let dot = if prefix.is_empty() { "" } else { "." };
                flatten(&format!("{prefix}{dot}{name}"), value, into);
            }
        }
        Value::Null => {}
        value => into.push((prefix.to_owned(), plain(value))),
    }
}

/// Without the quotes and brackets that JSON needs.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => one_line(text),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    }
}

pub(super) fn failure(failure: &Failure) -> String {
    let Failure { code, message } = failure;
    format!("{} {}", paint(BAD, code), one_line(message))
}

/// A delivery's or an attempt's status, coloured by what it means.
pub(super) fn status(status: &str) -> String {
    match status {
        "committed" => paint(GOOD, status),
        "dead" | "failed" => paint(BAD, status),
        "retry" | "retried" | "waiting" | "blocked" | "dropped" | "expired" => paint(NOTE, status),
        _ => status.to_owned(),
    }
}

pub(super) fn reply(reply: &Reply) -> String {
    match (&reply.data, &reply.data_base64) {
        (Some(value), _) => data(value, DATA_MAX),
        (None, Some(text)) => format!("{} of {}", data_base64(text), reply.content_type),
        (None, None) => format!("nothing of {}", reply.content_type),
    }
}

pub(super) fn write(write: &StateWrite) -> String {
    let name = paint(NAME, one_line(&write.name));
    if write.deleted {
        return format!("{name} deleted");
    }
    let ttl = write.ttl_ms.map(|ms| format!(" {}", paint(DIM, format!("for {} ms", count(ms)))));
    let shown = value(write.value.as_ref(), write.value_base64.as_deref());
    format!("{name} = {shown}{}", ttl.unwrap_or_default())
}

/// A value of state, which is JSON where it can be.
pub(super) fn value(json: Option<&Value>, base64: Option<&str>) -> String {
    match (json, base64) {
        (Some(value), _) => data(value, DATA_MAX),
        (None, Some(text)) => data_base64(text),
        (None, None) => "null".to_owned(),
    }
}

pub(super) fn log(line: &LogLine) -> String {
    let level = match line.level.as_str() {
        "error" => paint(BAD, &line.level),
        "warn" => paint(NOTE, &line.level),
        _ => paint(DIM, &line.level),
    };
    format!("{level} {}", one_line(&line.message))
}

/// What a canary gets, and when it would be rolled back.
pub(super) fn canary(canary: &Canary, active: &str) -> String {
    let Canary { weight, failures_max, .. } = canary;
    let bound = match failures_max {
        100 => "whatever fails".to_owned(),
        max => format!("until more than {max} % fail"),
    };
    format!("gets {weight} % beside {active}, {bound}")
}

/// A circuit breaker as it stands, and why.
pub(super) fn breaker(breaker: &Breaker) -> String {
    let Breaker { state, failures, since, until, error } = breaker;
    let state = paint(if breaker.is_closed() { GOOD } else { NOTE }, state);
    let plural = if *failures == 1 { "" } else { "s" };
    let name = paint(DIM, "breaker");
    let mut text = format!("  {name} {state} · {} failure{plural} in a row", count(*failures));
    if let Some(error) = error {
        text.push_str(&format!(" · {}", failure(error)));
    }
    if let Some(since) = since {
        text.push_str(&format!(" · since {}", when(since)));
    }
    if let Some(until) = until.as_ref().filter(|_| breaker.state == "open") {
        text.push_str(&format!(" · probed at {}", when(until)));
    }
    text
}

/// Which revision serves, and whether anything does.
pub(super) fn serving(function: &Function) -> String {
    let name = paint(NAME, &function.name);
    let active = match &function.active {
        Some(active) => format!("{} is active", paint(GOOD, active)),
        None => paint(NOTE, "no revision is active"),
    };
    let before = function.previous.as_ref();
    let before = before.map_or_else(String::new, |previous| format!(" (before: {previous})"));
    let canary = function.canary.as_ref().map_or_else(String::new, |canary| {
        format!(", canary {} gets {} %", paint(NOTE, &canary.revision), canary.weight)
    });
    match &function.paused {
        None => format!("{name}: {active}{before}{canary}"),
        Some(paused) => {
            let reason = match paused.reason.as_str() {
                "" => String::new(),
                reason => format!(": {}", one_line(reason)),
            };
            format!("{name}: {}{reason}, {active}{before}{canary}", paint(NOTE, "paused"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_manifest_is_flat() {
        let manifest = json!({"on": ["a", "b.*"], "retry": {"attempts": 3}, "key": null});
        let expect = [("on", "a, b.*"), ("retry.attempts", "3")];
        assert_eq!(flat(&manifest), expect.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn values_are_shown_as_what_they_are() {
        let shown = |json: Value| {
            let text = write(&serde_json::from_value(json).unwrap());
            anstream::adapter::strip_str(&text).to_string()
        };
        assert_eq!(shown(json!({"name": "a", "value": {"b": 1}})), r#"a = {"b":1}"#);
        assert_eq!(shown(json!({"name": "a", "valueBase64": "AAAA"})), "a = 3 B");
        let some_time = json!({"name": "a", "value": 1, "ttlMs": 1500});
        assert_eq!(shown(some_time), "a = 1 for 1,500 ms");
        assert_eq!(shown(json!({"name": "a", "deleted": true})), "a deleted");
    }
}
