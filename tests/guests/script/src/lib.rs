//! Does with its state what the event says, step by step, and tells what it saw: in an event, or in
//! the error when it is told to fail. Without an ordering key, so any number of them run at once.

use serde::{Deserialize, Serialize};
use triphammer_sdk::{Context, Event, Fault, NewEvent, function};

/// The payload of `script.run`.
#[derive(Deserialize, Serialize)]
struct Script {
    steps: Vec<Step>,
    /// Attempts that fail before one succeeds.
    #[serde(default)]
    retries: u32,
    /// In the end it says that trying again is useless.
    #[serde(default)]
    reject: bool,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    Get(String),
    Scan {
        prefix: String,
        after: Option<String>,
        limit: u32,
    },
    /// Writes what no other attempt writes, and how many entries were read before.
    Set(String),
    /// Writes so many bytes.
    Fill(String, usize),
    Delete(String),
}

/// What a step has done.
#[derive(Debug, Eq, PartialEq, Serialize)]
struct Done {
    step: Step,
    /// Names and values: what a read found, or what was written.
    entries: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Report<'a> {
    event: &'a str,
    done: Vec<Done>,
}

#[function(on = "script.run", concurrency = 16, retry(initial = "5ms", max = "20ms"))]
fn script(event: Event<Script>, ctx: &mut Context) -> Result<(), Fault> {
    let mut seen = 0;
    let mut done = Vec::new();
    for step in &event.data.steps {
        let mark = format!("{}/{}/{seen}", event.id(), ctx.attempt());
        let entries = take(step, ctx, mark)?;
        if matches!(step, Step::Get(_) | Step::Scan { .. }) {
            seen += entries.len();
        }
        done.push(Done { step: step.clone(), entries });
    }
    let report = Report { event: event.id(), done };
    let text = serde_json::to_string(&report)?;
    if ctx.attempt() <= event.data.retries {
        return Err(Fault::retry(text));
    }
    if event.data.reject {
        return Err(Fault::reject(text));
    }
    ctx.emit(NewEvent::new("script.done").json(&report)?)?;
    Ok(())
}

fn take(step: &Step, ctx: &mut Context, mark: String) -> Result<Vec<(String, String)>, Fault> {
    let state = ctx.state();
    Ok(match step {
        Step::Get(name) => {
            let found = state.get::<String>(name)?;
            found.map(|value| (name.clone(), value)).into_iter().collect()
        }
        Step::Scan { prefix, after, limit } => state.scan(prefix, after.as_deref(), *limit)?,
        Step::Set(name) => {
            state.set(name, &mark)?;
            vec![(name.clone(), mark)]
        }
        Step::Fill(name, len) => {
            state.set_bytes(name, &vec![b'x'; *len])?;
            Vec::new()
        }
        Step::Delete(name) => {
            state.delete(name)?;
            Vec::new()
        }
    })
}

#[cfg(test)]
mod tests {
    use triphammer_sdk::testing::{Host, event};

    use super::*;

    fn run(host: &mut Host, script: &str) -> Result<String, Fault> {
        let script: Script = serde_json::from_str(script).unwrap();
        let done = host.call(super::script, event("script.run").id("e").json(&script))?;
        Ok(String::from_utf8(done.only_emitted().data.clone().unwrap().to_vec()).unwrap())
    }

    #[test]
    fn it_tells_what_it_saw() {
        let mut host = Host::new();
        let told = run(&mut host, r#"{"steps":[{"get":"a"},{"set":"a"},{"get":"a"},{"set":"b"}]}"#);
        let told = told.unwrap();
        assert!(told.contains(r#"{"step":{"get":"a"},"entries":[]}"#), "{told}");
        assert!(told.contains(r#"{"step":{"get":"a"},"entries":[["a","e/1/0"]]}"#), "{told}");
        assert!(told.contains(r#"{"step":{"set":"b"},"entries":[["b","e/1/1"]]}"#), "{told}");
        let scan = r#"{"steps":[{"delete":"a"},{"scan":{"prefix":"","after":null,"limit":9}}]}"#;
        assert!(run(&mut host, scan).unwrap().contains(r#""entries":[["b","e/1/1"]]"#));
    }

    #[test]
    fn it_fails_as_it_is_told() {
        let mut host = Host::new();
        let reject = run(&mut host, r#"{"steps":[],"reject":true}"#).unwrap_err();
        assert_eq!(reject, Fault::reject(r#"{"event":"e","done":[]}"#));
        let retry = run(&mut host, r#"{"steps":[],"retries":1}"#).unwrap_err();
        assert_eq!(retry, Fault::retry(r#"{"event":"e","done":[]}"#));
    }
}
