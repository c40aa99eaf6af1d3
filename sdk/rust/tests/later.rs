//! What the test host does later, or all at once: timers, times to live, batches.

use std::time::Duration;

use triphammer_sdk::testing::{ACCEPTED_MS, Host, TestEvent, event};
use triphammer_sdk::{Context, Event, Fault, NewEvent};

const SECOND: Duration = Duration::from_secs(1);

/// Sets the timer that its event names, a second later, and fails if its payload says so.
fn set(event: Event<bool>, ctx: &mut Context) -> Result<(), Fault> {
    let name = event.subject().unwrap_or_default();
    let timer = NewEvent::new("due").subject(name).json(&event.accepted_ms())?;
    ctx.timers().set(name, SECOND, timer)?;
    if event.data { Err(Fault::retry("as asked")) } else { Ok(()) }
}

fn cancel(event: Event<()>, ctx: &mut Context) -> Result<(), Fault> {
    Ok(ctx.timers().cancel(event.subject().unwrap_or_default())?)
}

fn timer(name: &str, fails: bool) -> TestEvent {
    event("set").subject(name).json(&fails)
}

#[test]
fn timers_come_due_in_their_order() {
    let mut host = Host::new();
    host.call(set, timer("a", false)).unwrap();
    assert!(host.advance(SECOND / 2).is_empty());
    for name in ["c", "b", "d"] {
        host.call(set, timer(name, false)).unwrap();
    }
    // Set again, it is the last one.
    host.call(set, timer("c", false)).unwrap();
    host.call(cancel, event("cancel").subject("d")).unwrap();
    let names: Vec<_> = host.timers().iter().map(|timer| timer.name.clone()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let due: Vec<Event<u64>> =
        host.advance(SECOND).into_iter().map(|event| event.build().unwrap()).collect();
    let told: Vec<_> = due.iter().map(|due| (due.subject().unwrap(), due.data)).collect();
    let later = ACCEPTED_MS + 500;
    assert_eq!(told, [("a", ACCEPTED_MS), ("b", later), ("c", later)]);
    assert!(host.timers().is_empty());
}

#[test]
fn a_failed_attempt_sets_and_cancels_nothing() {
    let mut host = Host::new();
    assert!(host.call(set, timer("a", true)).is_err());
    assert!(host.timers().is_empty());
}

#[test]
fn a_timer_comes_under_the_key_that_has_set_it() {
    fn key(_: Event<()>, ctx: &mut Context) -> Result<(), Fault> {
        Ok(ctx.state().set("rang", ctx.key().unwrap_or_default())?)
    }
    let mut host = Host::new().keyed_by("source");
    host.call(set, timer("a", false).source("/x")).unwrap();
    host.call(set, timer("a", false).source("/y")).unwrap();
    host.call(cancel, event("cancel").subject("a").source("/y")).unwrap();
    for due in host.advance(SECOND) {
        host.call(key, due.data("null")).unwrap();
    }
    assert_eq!(host.state_of(Some("/x"), "rang"), Some("/x".to_owned()));
    assert!(host.state_names(Some("/y")).is_empty());
}

/// Has the host refuse what its payload names.
fn refused(event: Event<String>, ctx: &mut Context) -> Result<(), Fault> {
    let new = || NewEvent::new("due");
    let (timers, state) = (ctx.timers(), ctx.state());
    match event.data.as_str() {
        "empty name" => timers.cancel("")?,
        "long name" => timers.set(&"x".repeat(129), SECOND, new())?,
        "late" => timers.set("a", 3651 * 24 * 3600 * SECOND, new())?,
        "id" => timers.set("a", SECOND, new().id("i"))?,
        "source" => timers.set("a", SECOND, new().source("/s"))?,
        "delay" => timers.set("a", SECOND, new().delay(SECOND))?,
        "type" => timers.set("a", SECOND, NewEvent::new("triphammer.x"))?,
        "no time" => state.set_with_ttl("a", &1, Duration::ZERO)?,
        _ => state.set_with_ttl("a", &1, 3651 * 24 * 3600 * SECOND)?,
    }
    Ok(())
}

#[test]
fn what_the_host_refuses_is_refused() {
    for (what, code) in [
        ("empty name", "timer.name"),
        ("long name", "limit.timer_name"),
        ("late", "timer.delay"),
        ("id", "event.malformed"),
        ("source", "event.malformed"),
        ("delay", "event.malformed"),
        ("type", "event.reserved_type"),
        ("no time", "state.ttl"),
        ("too long a time", "state.ttl"),
    ] {
        let fault = Host::new().call(refused, event("a").json(what)).unwrap_err();
        assert!(fault.message().contains(code), "{what}: {fault:?}");
    }
}

#[test]
fn a_time_to_live_ends_unless_it_is_written_again() {
    fn keep(event: Event<bool>, ctx: &mut Context) -> Result<(), Fault> {
        match event.data {
            true => ctx.state().set("a", &1)?,
            // Less than a millisecond is one.
            false => ctx.state().set_with_ttl("a", &1, Duration::from_nanos(1))?,
        }
        Ok(())
    }
    let mut host = Host::new();
    for (stays, left) in [(false, 0), (true, 1)] {
        host.call(keep, event("keep").json(&false)).unwrap();
        if stays {
            host.call(keep, event("keep").json(&true)).unwrap();
        }
        assert_eq!(host.state_names(None).len(), 1);
        host.advance(Duration::from_millis(1));
        assert_eq!(host.state_names(None).len(), left);
    }
}

fn sum(events: Vec<Event<u32>>, ctx: &mut Context) -> Result<(), Fault> {
    let sum: u32 = events.iter().map(|event| event.data).sum();
    let keys: Vec<_> = events.iter().map(Event::idempotency_key).collect();
    ctx.state().set("keys", &keys)?;
    assert_eq!(ctx.idempotency_key(), keys[0]);
    Ok(ctx.state().set("sum", &sum)?)
}

#[test]
fn a_batch_has_one_outcome_and_each_event_its_own_delivery() {
    let mut host = Host::new();
    let events = [("a", "1"), ("b", "2")].map(|(id, data)| event("n").id(id).data(data));
    host.call_batch(sum, events).unwrap();
    assert_eq!(host.state("sum"), Some(3));
    let keys: Vec<String> = host.state("keys").unwrap();
    assert!(keys[0].contains("/a/") && keys[1].contains("/b/"), "{keys:?}");
    let wrong = ["1", "x"].map(|data| event("n").data(data));
    let fault = host.call_batch(sum, wrong).unwrap_err();
    assert!(fault.message().starts_with("event 4: the payload"), "{fault:?}");
}

#[test]
#[should_panic(expected = "one ordering key")]
fn a_batch_of_two_keys_is_the_tests_mistake() {
    let events = ["x", "y"].map(|subject| event("n").subject(subject).data("1"));
    let _ = Host::new().keyed_by("subject").call_batch(sum, events);
}
