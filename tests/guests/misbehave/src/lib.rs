//! Breaks each of the host's limits on request. The last segment of the event's type chooses how:
//! `misbehave.spin`, `misbehave.grow`, …; [`behave`] is the list.

mod endless;
mod excess;
mod outside;

use std::process;
use std::time::Duration;

use serde::Deserialize;
use triphammer_sdk::{Context, Event, Fault, NewEvent, Reply, function};

/// The payload; all of it may be left out.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    /// How many or how large, where a behaviour has a size.
    n: Option<usize>,
    /// Goes on when the host has refused a call.
    ignore: bool,
    /// Which attribute is wrong: `type` (the default), `empty`, `extension`, `id`, `source`, `time`.
    what: Option<String>,
    /// When to try again, when a timer comes due, or how long a state entry stays.
    after_ms: Option<u64>,
}

type Outcome = Result<Option<Reply>, Fault>;

#[function(on = "misbehave.*", timeout = "1s", retry(attempts = 2, initial = "10ms"))]
fn misbehave(event: Event<Option<Request>>, ctx: &mut Context) -> Outcome {
    let way = event.ty().rsplit('.').next().unwrap_or_default().to_owned();
    behave(&way, &event.data.unwrap_or_default(), ctx)
}

fn behave(way: &str, request: &Request, ctx: &Context) -> Outcome {
    match way {
        "ok" => ok(ctx),
        "count" => count(request, ctx),
        "flaky" => flaky(request, ctx),
        "who" => Err(Fault::reject(ctx.idempotency_key())),
        "who-again" => Err(Fault::retry(ctx.idempotency_key())),
        "retry" => Err(Fault::retry("it may pass")),
        "retry-after" => Err(Fault::retry_after("not yet", after(request))),
        "reject" => Err(Fault::reject("it will not pass")),
        "panic" => panic!("it panicked on purpose"),
        "trap-after-write" => trap_after_write(ctx),
        "exit" => process::exit(1),
        "bad-emit" => bad_emit(request, ctx),

        "spin" => endless::spin(),
        "spin-in-host-calls" => endless::spin_in_host_calls(ctx),
        "sleep" => endless::sleep(),
        "grow" => endless::grow(),
        "stack" => endless::recurse(),
        "stack-in-memory" => endless::recurse_in_memory(),

        "huge-reply" => excess::huge_reply(request),
        "huge-fault" => excess::huge_fault(request),
        "huge-emit" => excess::huge_emit(request, ctx),
        "many-emits" => excess::many_emits(request, ctx),
        "many-writes" => excess::many_writes(request, ctx),
        "many-logs" => excess::many_logs(request, ctx),
        "big-state-value" => excess::big_state_value(request, ctx),
        "long-name" => excess::long_name(request, ctx),
        "many-timers" => excess::many_timers(request, ctx),
        "timers-and-emits" => excess::timers_and_emits(request, ctx),
        "same-timer" => excess::same_timer(request, ctx),
        "many-cancels" => excess::many_cancels(request, ctx),
        "huge-timer" => excess::huge_timer(request, ctx),
        "timer-name" => excess::timer_name(request, ctx),
        "timer-after" => excess::timer_after(request, ctx),
        "ttl" => excess::ttl(request, ctx),
        "stdout" => excess::stdout(request),

        "read-file" => outside::read_file(),
        "env" => outside::env(),
        "clock" => outside::clock(),
        "random" => outside::random(),
        other => Err(Fault::reject(format!("there is no way to misbehave called `{other}`"))),
    }
}

fn ok(ctx: &Context) -> Outcome {
    ctx.state().set("ok", &true)?;
    Ok(Some(Reply::text("ok")))
}

/// Fails as many times as it is told to, once by default, and behaves after that.
fn flaky(request: &Request, ctx: &Context) -> Outcome {
    let failures = request.n.unwrap_or(1);
    if ctx.attempt() as usize <= failures {
        return Err(Fault::retry(format!("attempt {} fails", ctx.attempt())));
    }
    ok(ctx)
}

/// Reads, adds and writes, with `n` steps in between; without a key, so that concurrent attempts
/// conflict.
fn count(request: &Request, ctx: &Context) -> Outcome {
    let n = ctx.state().get::<u64>("count")?.unwrap_or(0) + 1;
    for step in 0..request.n.unwrap_or(0) {
        std::hint::black_box(step);
    }
    ctx.state().set("count", &n)?;
    Ok(Some(Reply::json(&n)?))
}

fn after(request: &Request) -> Duration {
    Duration::from_millis(request.after_ms.unwrap_or(100))
}

fn trap_after_write(ctx: &Context) -> Outcome {
    ctx.state().set("trapped", &true)?;
    ctx.emit(NewEvent::new("misbehaved.trapped"))?;
    ctx.timers().set("trapped", Duration::ZERO, NewEvent::new("misbehaved.trapped"))?;
    ctx.log().info("about to trap");
    panic!("it trapped after writing");
}

fn bad_emit(request: &Request, ctx: &Context) -> Outcome {
    let event = NewEvent::new("misbehaved.emitted");
    let what = request.what.as_deref().unwrap_or("type");
    // What begins with `timer-` is the same in the event of a timer.
    let (what, in_timer) = what.strip_prefix("timer-").map_or((what, false), |what| (what, true));
    let event = match what {
        "type" => NewEvent::new("triphammer.x"),
        "empty" => NewEvent::new(""),
        "extension" => event.extension("Not-Plain", "x"),
        "id" => event.id(""),
        "source" => event.source(""),
        "time" => event.time("yesterday"),
        other => return Err(Fault::reject(format!("no attribute is called `{other}`"))),
    };
    ctx.state().set("emitted", &true)?;
    let asked = match in_timer {
        true => ctx.timers().set("bad", Duration::from_secs(1), event),
        false => ctx.emit(event),
    };
    refusable(asked, request)?;
    Ok(None)
}

/// Goes on with the next one when the request says so.
fn refusable(result: Result<(), triphammer_sdk::Error>, request: &Request) -> Result<(), Fault> {
    match result {
        Err(_) if request.ignore => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use triphammer_sdk::testing::{Host, event};

    use super::*;

    #[test]
    fn it_can_behave() {
        let mut host = Host::new();
        let done = host.call(misbehave, event("misbehave.ok")).unwrap();
        assert_eq!(done.reply, Some(Reply::text("ok")));
        assert_eq!(host.state("ok"), Some(true));
    }

    #[test]
    fn a_refused_emit_can_be_ignored() {
        let emit = |data: &str| {
            let mut host = Host::new();
            host.call(misbehave, event("misbehave.bad-emit").data(data)).map(|done| done.emitted)
        };
        assert!(matches!(emit("{}"), Err(Fault::Retry { .. })));
        assert_eq!(emit(r#"{"ignore": true}"#), Ok(Vec::new()));
    }

    #[test]
    fn an_unknown_way_is_named() {
        let fault = Host::new().call(misbehave, event("misbehave.politely")).unwrap_err();
        assert!(fault.message().contains("`politely`"), "{fault:?}");
    }
}
