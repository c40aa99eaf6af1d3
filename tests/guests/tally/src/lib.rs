//! Counts events by the batch. What it emits says what each batch was made of: no event may be lost,
//! repeated or overtaken in the lists of ids.
//!
//! An event may ask for the whole batch to fail once everything has been written: `fail` is `retry`,
//! `reject`, `trap` or `spin`. Of an event that is `once`, only the first attempt fails.

use serde::{Deserialize, Serialize};
use triphammer_sdk::{Context, Event, Fault, Json, NewEvent, function};

/// The payload; all of it may be left out.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    fail: String,
    once: bool,
}

/// The payload of `tallied`, and the reply.
#[derive(Deserialize, Serialize)]
struct Tallied {
    /// How many events there have been, this batch's among them.
    n: u64,
    /// How many batches.
    batches: u64,
    key: Option<String>,
    /// Of the events, in their order.
    ids: Vec<String>,
    attempts: Vec<u32>,
    idempotency_keys: Vec<String>,
}

#[function(on = "tally.*", batch(max = 100, wait = "50ms"))]
fn tally(events: Vec<Event<Option<Request>>>, ctx: &mut Context) -> Result<Json<Tallied>, Fault> {
    let state = ctx.state();
    let tallied = Tallied {
        n: state.get::<u64>("n")?.unwrap_or(0) + events.len() as u64,
        batches: state.get::<u64>("batches")?.unwrap_or(0) + 1,
        key: ctx.key().map(str::to_owned),
        ids: events.iter().map(|event| event.id().to_owned()).collect(),
        attempts: events.iter().map(Event::attempt).collect(),
        idempotency_keys: events.iter().map(|e| e.idempotency_key().to_owned()).collect(),
    };
    state.set("n", &tallied.n)?;
    state.set("batches", &tallied.batches)?;
    ctx.emit(NewEvent::new("tallied").json(&tallied)?)?;
    for event in &events {
        let Some(request) = &event.data else { continue };
        if request.once && event.attempt() > 1 {
            continue;
        }
        match request.fail.as_str() {
            "retry" => return Err(Fault::retry(format!("{} fails", event.id()))),
            "reject" => return Err(Fault::reject(format!("{} is refused", event.id()))),
            "spin" => loop {
                std::hint::black_box(&event);
            },
            "trap" => panic!("{} traps", event.id()),
            _ => {}
        }
    }
    Ok(Json(tallied))
}

#[cfg(test)]
mod tests {
    use triphammer_sdk::testing::{Host, event};

    use super::*;

    #[test]
    fn a_batch_is_counted_as_one() {
        let mut host = Host::new();
        host.call_batch(tally, ["a", "b"].map(|id| event("tally.add").id(id))).unwrap();
        let done = host.call_batch(tally, [event("tally.add").id("c").attempt(2)]).unwrap();
        let tallied: Tallied = done.only_emitted().json();
        assert_eq!((tallied.n, tallied.batches), (3, 2));
        assert_eq!((tallied.ids, tallied.attempts), (vec!["c".to_owned()], vec![2]));
        let keys = done.reply_json::<Tallied>().idempotency_keys;
        assert!(keys[0].contains("/c/"), "{keys:?}");
    }

    #[test]
    fn a_batch_of_which_one_fails_leaves_no_trace() {
        let mut host = Host::new();
        let events = |attempt: u32| {
            let fails = event("tally.add").data(r#"{"fail": "retry", "once": true}"#);
            [event("tally.add").id("good"), fails.attempt(attempt)]
        };
        let fault = host.call_batch(tally, events(1)).unwrap_err();
        assert_eq!(fault, Fault::retry("test fails"));
        assert!(host.state_names(None).is_empty());
        host.call_batch(tally, events(2)).unwrap();
        assert_eq!(host.state("n"), Some(2));
    }
}
