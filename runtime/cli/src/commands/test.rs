//! `trip test PATH|NAME`: a dry run, whose effects are shown and thrown away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{API, deploy, deployment, outgoing, show};
use crate::client::types::{DryRun, TimerChange};
use crate::client::{self, Client, Request};
use crate::clock;
use crate::error::Error;
use crate::output::{DIM, NAME, Output, data, millis, one_line, paint};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A function on the host, a component (.wasm), or a source directory, which is built first
    #[arg(value_name = "PATH|NAME")]
    what: String,
    /// The event as structured JSON, in a file; - is standard input. `id`, `source` and
    /// `specversion` may be left out
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    /// Settings for a component that is not deployed
    #[arg(long, value_name = "K=V|@FILE")]
    config: Vec<String>,
    /// Where cargo puts what it builds
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
}

/// A new component is compiled first.
const TEST_TIMEOUT: Duration = Duration::from_secs(300);

pub(crate) fn run(args: Args, client: &Client, output: &mut Output) -> Result<(), Error> {
    let event = event(&args.event)?;
    let value = if is_path(&args.what) {
        let (_, wasm) = deploy::component(Path::new(&args.what), args.target_dir.as_deref())?;
        let mut request = Request::post(client::Path::new(API).segment("test"))
            .body("application/wasm", wasm)
            .header("triphammer-event", STANDARD.encode(event.to_string()));
        if let Some(config) = deploy::config(&args.config)? {
            request = request.header("triphammer-config", deployment::ascii(&json!(config)));
        }
        client.send(request.timeout(TEST_TIMEOUT))?.value()?
    } else {
        if !args.config.is_empty() {
            return Err(Error::Usage("--config is for a PATH: a deployed one has its own".into()));
        }
        run_deployed(client, &args.what, &event)?
    };
    let run: DryRun = serde_json::from_value(value.clone()).map_err(client::Error::Shape)?;
    if output.is_json() {
        output.json(&value)?;
    } else {
        output.text(&shown(&args.what, &run))?;
    }
    match run.error {
        None => Ok(()),
        Some(error) => Err(Error::Run { code: error.code }),
    }
}

/// What the active revision of a function would do, as the host says it.
pub(super) fn run_deployed(client: &Client, name: &str, event: &Value) -> Result<Value, Error> {
    let path = client::Path::new(API).segment("functions").segment(name).segment("test");
    let request = Request::post(path).body("application/cloudevents+json", event.to_string());
    Ok(client.send(request.timeout(TEST_TIMEOUT))?.value()?)
}

/// What has a slash, a dot, or is there, is a path; functions' names have none of these.
fn is_path(what: &str) -> bool {
    what.contains(['/', '.', '\\']) || Path::new(what).exists()
}

/// An event from a file, with what a test does not need to say filled in.
pub(super) fn event(file: &Path) -> Result<Value, Error> {
    let bytes = match file.to_str() {
        Some("-") => outgoing::bytes("-")?,
        _ => outgoing::read(file)?,
    };
    let wrong = |why: &str| Error::Usage(format!("`{}` is no event: {why}", file.display()));
    let mut event: Value =
        serde_json::from_slice(&bytes).map_err(|error| wrong(&error.to_string()))?;
    let members = event.as_object_mut().ok_or_else(|| wrong("it is no JSON object"))?;
    for (name, value) in
        [("specversion", "1.0".to_owned()), ("id", clock::unique_id()), ("source", "/trip".into())]
    {
        members.entry(name).or_insert(json!(value));
    }
    Ok(event)
}

pub(super) fn shown(what: &str, run: &DryRun) -> String {
    let revision = run.revision.as_deref().unwrap_or("not deployed");
    let mut lines = vec![format!(
        "{} {revision} {} in {}{}",
        paint(NAME, what),
        if run.error.is_none() { "would commit" } else { "would not commit" },
        millis(run.elapsed_ms),
        paint(DIM, ", nothing is kept")
    )];
    if let Some(error) = &run.error {
        lines.push(format!("  {}", show::failure(error)));
    }
    lines
        .extend(run.logs.iter().map(|line| format!("  {} {}", paint(DIM, "log"), show::log(line))));
    if run.logs_left_out > 0 {
        lines.push(format!("  and {} more log lines", run.logs_left_out));
    }
    let effects = &run.effects;
    let state = |write| format!("  {} {}", paint(DIM, "state"), show::write(write));
    lines.extend(effects.state.iter().map(state));
    lines.extend(
        effects.emitted.iter().map(|event| format!("  {} {}", paint(DIM, "emit"), emitted(event))),
    );
    let changed = |change| format!("  {} {}", paint(DIM, "timer"), timer(change));
    lines.extend(effects.timers.iter().map(changed));
    if let Some(reply) = &effects.reply {
        lines.push(format!("  {} {}", paint(DIM, "reply"), show::reply(reply)));
    }
    lines.join("\n")
}

fn emitted(event: &Value) -> String {
    let attribute = |name: &str| event[name].as_str().map(one_line).unwrap_or_default();
    let mut text = format!("{} {}", paint(NAME, attribute("type")), attribute("subject"));
    if !event["data"].is_null() {
        text.push_str(&format!(" {}", data(&event["data"], show::DATA_MAX)));
    }
    if let Some(delay) = event["delayMs"].as_f64().filter(|delay| *delay > 0.0) {
        text.push_str(&format!(" in {}", millis(delay)));
    }
    text
}

fn timer(change: &TimerChange) -> String {
    let name = paint(NAME, one_line(&change.name));
    match change.after_ms {
        Some(after) => format!("{name} in {}: {}", millis(after), emitted(&change.event)),
        None => format!("{name} cancelled"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_listed() {
        let run: DryRun = serde_json::from_value(json!({
            "revision": "r1", "status": "committed", "elapsedMs": 0.42,
            "effects": {
                "state": [{"name": "n", "value": 1}],
                "emitted": [{"type": "a.b", "subject": "s", "data": {"x": 1}, "delayMs": 1500}],
                "timers": [
                    {"name": "remind", "afterMs": 2000, "event": {"type": "due", "data": 7}},
                    {"name": "unpaid", "cancelled": true},
                ],
                "reply": null,
            },
            "logs": [{"level": "warn", "message": "careful"}],
        }))
        .unwrap();
        let text = anstream::adapter::strip_str(&shown("f", &run)).to_string();
        assert_eq!(
            text,
            "f r1 would commit in 0.42 ms, nothing is kept\n  log warn careful\n  state n = 1\n  emit a.b s {\"x\":1} in 1.5 s\n  timer remind in 2.0 s: due  7\n  timer unpaid cancelled"
        );
    }

    #[test]
    fn an_event_may_leave_out_what_a_test_does_not_need() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("event.json");
        std::fs::write(&file, r#"{"type": "a", "id": "mine"}"#).unwrap();
        let event = event(&file).unwrap();
        assert_eq!((&event["id"], &event["specversion"]), (&json!("mine"), &json!("1.0")));
        std::fs::write(&file, "[]").unwrap();
        assert!(matches!(super::event(&file), Err(Error::Usage(_))));
    }

    #[test]
    fn paths_are_told_from_names() {
        assert!(is_path("./a") && is_path("a.wasm") && is_path("/"));
        assert!(!is_path("surely-no-file-here"));
    }
}
