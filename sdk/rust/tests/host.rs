//! The test host treats a handler as the real one does.

use serde::Deserialize;
use triphammer_sdk::testing::{Done, Host, TestEvent, event};
use triphammer_sdk::{Context, Event, Fault, Json, Level, NewEvent, Reply};

#[track_caller]
fn rejected(result: Result<Done, Fault>, expect: &str) {
    match result {
        Err(Fault::Reject { message }) if message.contains(expect) => {}
        other => panic!("not a reject with `{expect}`: {other:?}"),
    }
}

#[derive(Deserialize)]
struct User {
    email: String,
}

fn email(event: Event<User>, _: &mut Context) -> Result<Json<String>, Fault> {
    Ok(Json(event.data.email))
}

#[test]
fn a_payload_that_does_not_parse_never_reaches_the_handler() {
    let mut host = Host::new();
    let user = |data: &str| event("user.registered").data(data);
    let done = host.call(email, user(r#"{"email": "a@b.c", "age": 1}"#)).unwrap();
    assert_eq!(done.reply_json::<String>(), "a@b.c");
    rejected(host.call(email, user("{}")), "missing field `email` at line 1 column 2");
    rejected(host.call(email, event("user.registered")), "invalid type: null");
    let text = event("user.registered").bytes("text/plain", "a@b.c");
    rejected(host.call(email, text), "(its content type is text/plain)");
}

fn length(event: Event<Vec<u8>>, _: &mut Context) -> Result<Json<usize>, Fault> {
    Ok(Json(event.data.len()))
}

fn any(event: Event, _: &mut Context) -> Result<Json<serde_json::Value>, Fault> {
    Ok(Json(event.data))
}

fn unit(_: Event<()>, _: &mut Context) -> Result<Option<Reply>, Fault> {
    Ok(None)
}

#[test]
fn bytes_json_and_nothing_are_payloads_too() {
    let mut host = Host::new();
    let raw = || event("a").bytes("image/png", [1, 2, 255]);
    assert_eq!(host.call(length, raw()).unwrap().reply_json::<usize>(), 3);
    assert_eq!(host.call(length, event("a")).unwrap().reply_json::<usize>(), 0);
    assert_eq!(host.call(length, event("a").data("[1]")).unwrap().reply_json::<usize>(), 3);
    assert!(host.call(unit, raw()).unwrap().reply.is_none());
    let null = host.call(any, event("a")).unwrap().reply_json::<serde_json::Value>();
    assert!(null.is_null());
    rejected(host.call(any, raw()), "image/png");
}

fn write_then_fail(event: Event<()>, ctx: &mut Context) -> Result<(), Fault> {
    ctx.log().warn("about to write");
    ctx.state().set("written", &ctx.attempt())?;
    ctx.emit(NewEvent::new("written"))?;
    if ctx.attempt() == 1 { Err(Fault::retry(event.ty())) } else { Ok(()) }
}

#[test]
fn a_failed_attempt_leaves_only_its_log_lines() {
    let mut host = Host::new();
    assert_eq!(host.call(write_then_fail, event("a")).unwrap_err(), Fault::retry("a"));
    assert_eq!(host.state::<u32>("written"), None);
    assert_eq!(host.logs(), [(Level::Warn, "about to write".to_owned())]);

    let done = host.call(write_then_fail, event("a").attempt(2)).unwrap();
    assert_eq!(done.emitted.len(), 1);
    assert_eq!(host.state("written"), Some(2));
}

fn key(_: Event<()>, ctx: &mut Context) -> Result<Json<Option<String>>, Fault> {
    ctx.state().set("here", &true)?;
    Ok(Json(ctx.key().map(str::to_owned)))
}

#[track_caller]
fn check_key(expression: &str, event: TestEvent, expect: &str) {
    let mut host = Host::new().keyed_by(expression);
    let done = host.call(key, event);
    let found = done.map(|done| done.reply_json::<Option<String>>());
    assert_eq!(found, Ok(Some(expect.to_owned())));
    assert_eq!(host.state_names(Some(expect)), ["here"]);
    assert!(host.state_names(None).is_empty());
}

#[test]
fn the_key_is_found_where_the_manifest_says() {
    check_key("subject", event("a").subject("s"), "s");
    check_key("source", event("a").source("/x"), "/x");
    check_key("tenant", event("a").extension("tenant", 7), "7");
    check_key("data./a~1b/0", event("a").data(r#"{"a/b": ["x"]}"#), "x");
    check_key("data./n", event("a").data(r#"{"n": 1.50}"#), "1.5");
    check_key("data./b", event("a").data(r#"{"b": true}"#), "true");
    for (expression, data) in [("subject", "1"), ("tenant", "1"), ("data./a", r#"{"a": {}}"#)] {
        let result = Host::new().keyed_by(expression).call(key, event("a").data(data));
        rejected(result, "route.key_missing");
    }
}

fn scan(_: Event<()>, ctx: &mut Context) -> Result<Json<Vec<String>>, Fault> {
    let after = ctx.config("after");
    let entries = ctx.state().scan::<u8>("b/", after.as_deref(), 2)?;
    Ok(Json(entries.into_iter().map(|(name, _)| name).collect()))
}

#[test]
fn a_scan_has_a_prefix_a_start_and_a_limit() {
    let scanned = |after: Option<&str>| {
        let mut host = Host::new();
        if let Some(after) = after {
            host = host.config("after", after);
        }
        for name in ["a", "b/1", "b/2", "b/3", "c"] {
            host.set_state(None, name, &0);
        }
        host.call(scan, event("a")).unwrap().reply_json::<Vec<String>>()
    };
    assert_eq!(scanned(None), ["b/1", "b/2"]);
    assert_eq!(scanned(Some("a")), ["b/1", "b/2"]);
    assert_eq!(scanned(Some("b/1")), ["b/2", "b/3"]);
    assert!(scanned(Some("b/3")).is_empty());
    assert!(scanned(Some("z")).is_empty());
}

fn delete(_: Event<()>, ctx: &mut Context) -> Result<(), Fault> {
    assert_eq!(ctx.state().get::<u8>("n")?, Some(1));
    ctx.state().delete("n")?;
    assert_eq!(ctx.state().get::<u8>("n")?, None);
    Ok(())
}

#[test]
fn what_is_deleted_is_gone() {
    let mut host = Host::new();
    host.set_state(None, "n", &1);
    host.call(delete, event("a")).unwrap();
    assert!(host.state_names(None).is_empty());
}

fn emit(event: Event<String>, ctx: &mut Context) -> Result<(), Fault> {
    ctx.emit(NewEvent::new("first").subject("s").extension("n", 1).extension("n", 2).json(&3)?)?;
    ctx.emit(NewEvent::new(event.data).id("own").source("/own"))?;
    Ok(())
}

#[test]
fn emitted_events_are_filled_in_and_come_round() {
    let mut host = Host::new();
    let done = host.call(emit, event("a").id("e-1").json("second")).unwrap();
    let [first, second] = &done.emitted[..] else { panic!("{done:?}") };
    assert_eq!(first.source, "/functions/test-function");
    assert_ne!(first.id, "");
    assert_eq!(first.extension("n").map(ToString::to_string).as_deref(), Some("2"));
    assert_eq!((second.id.as_str(), second.source.as_str()), ("own", "/own"));

    let round: Event<u8> = TestEvent::from(first.clone()).build().unwrap();
    assert_eq!((round.data, round.ty(), round.subject()), (3, "first", Some("s")));
    assert_eq!(round.id(), first.id);
}

#[test]
fn what_the_host_refuses_to_emit_is_refused() {
    for ty in ["triphammer.x", "triphammer", ""] {
        let fault = Host::new().call(emit, event("a").json(ty)).unwrap_err();
        assert!(matches!(fault, Fault::Retry { .. }), "{fault:?}");
    }
    assert!(Host::new().call(emit, event("a").json("triphammerx.y")).is_ok());
}

fn wrong_type(_: Event<()>, ctx: &mut Context) -> Result<(), Fault> {
    ctx.state().set("n", "text")?;
    ctx.state().get::<u8>("n")?;
    Ok(())
}

#[test]
fn an_entry_of_another_type_is_named_with_its_cause() {
    let fault = Host::new().call(wrong_type, event("a")).unwrap_err();
    let expect = "the state entry `n` is not of the type asked for: invalid type: string";
    assert!(fault.message().starts_with(expect), "{fault:?}");
}
