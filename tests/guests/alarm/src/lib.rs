//! Sets and cancels timers, and keeps state for a time, as its events ask; every timer that comes
//! due is counted and told.
//!
//! - `alarm.set` sets the timer `name` to come due `after_ms` later. `n` is handed on.
//! - `alarm.cancel` cancels the timer `name`.
//! - `alarm.keep` writes the state entry `name` with a time to live of `after_ms`.
//! - `alarm.look` replies with the state entry `name`, or null.
//! - `rang`, the timer's event, adds one to the state entry `rang` and emits `told`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use triphammer_sdk::{Context, Event, Fault, Json, NewEvent, function};

/// The payload of all of its events.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
struct Request {
    name: String,
    after_ms: u64,
    /// Tells one setting of a timer from another.
    n: u64,
}

/// The payload of `told`.
#[derive(Deserialize, Serialize)]
struct Told {
    name: String,
    n: u64,
    /// How often a timer of this key has rung.
    times: u64,
    key: Option<String>,
    accepted_ms: u64,
}

#[function(on = "alarm.*", key = "subject")]
fn alarm(event: Event<Request>, ctx: &mut Context) -> Result<Option<Json<Value>>, Fault> {
    let Request { name, after_ms, n } = event.data.clone();
    let after = Duration::from_millis(after_ms);
    match event.ty() {
        "alarm.set" => ctx.timers().set(&name, after, NewEvent::new("rang").json(&event.data)?)?,
        "alarm.cancel" => ctx.timers().cancel(&name)?,
        "alarm.keep" => ctx.state().set_with_ttl(&name, &n, after)?,
        "alarm.look" => return Ok(Some(Json(ctx.state().get(&name)?.unwrap_or_default()))),
        "rang" => {
            let times = ctx.state().get::<u64>("rang")?.unwrap_or(0) + 1;
            ctx.state().set("rang", &times)?;
            let (key, accepted_ms) = (ctx.key().map(str::to_owned), event.accepted_ms());
            let told = Told { name, n, times, key, accepted_ms };
            ctx.emit(NewEvent::new("told").json(&told)?)?;
        }
        other => return Err(Fault::reject(format!("it can't do `{other}`"))),
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use triphammer_sdk::testing::{Host, TestEvent, event};

    use super::*;

    fn ask(what: &str, request: Value) -> TestEvent {
        event(format!("alarm.{what}")).subject("s").json(&request)
    }

    #[test]
    fn what_is_set_rings_once_and_what_is_cancelled_never() {
        let mut host = Host::new().keyed_by("subject");
        for (name, n) in [("a", 1), ("b", 2), ("a", 3)] {
            let set = ask("set", json!({"name": name, "after_ms": 1000, "n": n}));
            host.call(alarm, set).unwrap();
        }
        host.call(alarm, ask("cancel", json!({"name": "b"}))).unwrap();
        assert!(host.advance(Duration::from_millis(999)).is_empty());
        let due = host.advance(Duration::from_millis(1));
        let told: Vec<Told> = due
            .into_iter()
            .map(|timer| host.call(alarm, timer).unwrap().only_emitted().json())
            .collect();
        let [told] = &told[..] else { panic!("{} rang", told.len()) };
        assert_eq!((told.name.as_str(), told.n, told.times), ("a", 3, 1));
        assert_eq!(told.key.as_deref(), Some("s"));
        assert!(host.advance(Duration::from_secs(3600)).is_empty());
    }

    #[test]
    fn what_is_kept_for_a_time_is_gone_after_it() {
        let mut host = Host::new().keyed_by("subject");
        host.call(alarm, ask("keep", json!({"name": "k", "after_ms": 10, "n": 7}))).unwrap();
        let mut look = |by: u64| {
            host.advance(Duration::from_millis(by));
            let done = host.call(alarm, ask("look", json!({"name": "k"}))).unwrap();
            done.reply_json::<Value>()
        };
        assert_eq!(look(9), json!(7));
        assert_eq!(look(1), Value::Null);
    }
}
