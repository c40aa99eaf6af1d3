//! Too much of what is allowed: replies, events, timers, writes, log lines, names, times.

use std::time::Duration;

use triphammer_sdk::{Context, Fault, NewEvent, Reply};

use crate::{Outcome, Request, refusable};

const MIB: usize = 1 << 20;

/// Less than the default memory limit, so that it is the reply that is too large.
pub(crate) fn huge_reply(request: &Request) -> Outcome {
    let bytes = request.n.unwrap_or(32 * MIB);
    Ok(Some(Reply::new("application/octet-stream", vec![b'x'; bytes])))
}

pub(crate) fn huge_fault(request: &Request) -> Outcome {
    Err(Fault::retry("x".repeat(request.n.unwrap_or(16 * MIB))))
}

pub(crate) fn huge_emit(request: &Request, ctx: &Context) -> Outcome {
    let data = vec![b'x'; request.n.unwrap_or(16 * MIB)];
    let event = NewEvent::new("misbehaved.emitted").bytes("application/octet-stream", data);
    refusable(ctx.emit(event), request)?;
    Ok(None)
}

pub(crate) fn many_emits(request: &Request, ctx: &Context) -> Outcome {
    for n in 0..request.n.unwrap_or(10_000) {
        let event = NewEvent::new("misbehaved.emitted").subject(n.to_string());
        refusable(ctx.emit(event), request)?;
    }
    Ok(None)
}

pub(crate) fn many_writes(request: &Request, ctx: &Context) -> Outcome {
    for n in 0..request.n.unwrap_or(1_000_000) {
        refusable(ctx.state().set(&format!("write-{n}"), &n), request)?;
    }
    Ok(None)
}

pub(crate) fn many_logs(request: &Request, ctx: &Context) -> Outcome {
    for n in 0..request.n.unwrap_or(1_000_000) {
        ctx.log().info(format!("line {n}"));
    }
    Ok(None)
}

pub(crate) fn big_state_value(request: &Request, ctx: &Context) -> Outcome {
    let value = vec![b'x'; request.n.unwrap_or(16 * MIB)];
    refusable(ctx.state().set_bytes("big", &value), request)?;
    Ok(None)
}

pub(crate) fn long_name(request: &Request, ctx: &Context) -> Outcome {
    let name = "x".repeat(request.n.unwrap_or(MIB));
    refusable(ctx.state().set(&name, &true), request)?;
    Ok(None)
}

pub(crate) fn many_timers(request: &Request, ctx: &Context) -> Outcome {
    for n in 0..request.n.unwrap_or(1_000_000) {
        set_timer(&format!("timer-{n}"), request, ctx)?;
    }
    Ok(None)
}

/// As many of both, and a timer more.
pub(crate) fn timers_and_emits(request: &Request, ctx: &Context) -> Outcome {
    many_timers(request, ctx)?;
    many_emits(request, ctx)?;
    set_timer("last", request, ctx)
}

/// Each takes the place of the one before it.
pub(crate) fn same_timer(request: &Request, ctx: &Context) -> Outcome {
    for _ in 0..request.n.unwrap_or(1_000_000) {
        set_timer("same", request, ctx)?;
    }
    Ok(None)
}

pub(crate) fn many_cancels(request: &Request, ctx: &Context) -> Outcome {
    for n in 0..request.n.unwrap_or(1_000_000) {
        refusable(ctx.timers().cancel(&format!("timer-{n}")), request)?;
    }
    Ok(None)
}

pub(crate) fn huge_timer(request: &Request, ctx: &Context) -> Outcome {
    let data = vec![b'x'; request.n.unwrap_or(16 * MIB)];
    let event = NewEvent::new("misbehaved.timer").bytes("application/octet-stream", data);
    refusable(ctx.timers().set("huge", Duration::ZERO, event), request)?;
    Ok(None)
}

pub(crate) fn timer_name(request: &Request, ctx: &Context) -> Outcome {
    let name = "x".repeat(request.n.unwrap_or(MIB));
    refusable(ctx.timers().cancel(&name), request)?;
    set_timer(&name, request, ctx)
}

pub(crate) fn timer_after(request: &Request, ctx: &Context) -> Outcome {
    set_timer("late", request, ctx)
}

pub(crate) fn ttl(request: &Request, ctx: &Context) -> Outcome {
    let ttl = Duration::from_millis(request.after_ms.unwrap_or(0));
    refusable(ctx.state().set_with_ttl("short", &true, ttl), request)?;
    Ok(None)
}

fn set_timer(name: &str, request: &Request, ctx: &Context) -> Outcome {
    let after = Duration::from_millis(request.after_ms.unwrap_or(1000));
    refusable(ctx.timers().set(name, after, NewEvent::new("misbehaved.timer")), request)?;
    Ok(None)
}

/// One line on each, or `n`: the host keeps them as log lines.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "what the test is about")]
pub(crate) fn stdout(request: &Request) -> Outcome {
    for _ in 0..request.n.unwrap_or(1) {
        println!("a line on stdout");
        eprintln!("a line on stderr");
    }
    Ok(None)
}
