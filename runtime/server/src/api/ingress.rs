//! `POST /events`: the way in. What is answered with a 2xx is on disk.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use triphammer_model::Event;
use triphammer_pipeline::{Entrance, Wait, Waited};

use super::post;
use crate::body::{Allowance, ResponseBody};
use crate::caller::Caller;
use crate::codec::{self, Mode};
use crate::problem::Problem;
use crate::query::Query;
use crate::receipts;
use crate::route::{Answer, Server, header, respond};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The longest that a sender can wait for results.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The first segment of the host's own event types.
const HOST_TYPES: &str = "triphammer.";

pub(crate) async fn answer(server: &Server, caller: &Caller, request: Request<Incoming>) -> Answer {
    let given = given(server, request).await;
    let (events, wait) = paid(server, caller, given)?;
    take_in(server, caller, Entrance::Ingress, events, wait).await
}

async fn given(
    server: &Server,
    request: Request<Incoming>,
) -> Result<(Vec<Event>, Option<Wait>), Problem> {
    if let Some(query) = request.uri().query() {
        let mut query = Query::parse(Some(query))?;
        // Looked at before, where tokens are asked for.
        query.text("access_token");
        query.done()?;
    }
    let wait = wait(request.headers())?;
    Ok((read(server, request).await?, wait))
}

/// What can't be read counts as one event.
pub(super) fn paid<T>(
    server: &Server,
    caller: &Caller,
    given: Result<T, Problem>,
) -> Result<T, Problem> {
    given.or_else(|problem| server.gate.charge(caller, 1).and(Err(problem)))
}

/// Gives events to the pipeline, and answers with their receipts or, when waited for, results.
/// Whoever sends them may send all of these types, and has not sent too many.
pub(super) async fn take_in(
    server: &Server,
    caller: &Caller,
    entrance: Entrance,
    events: Vec<Event>,
    wait: Option<Wait>,
) -> Answer {
    paid(server, caller, caller.may_send(&events))?;
    server.gate.charge(caller, events.len())?;
    match wait {
        None => {
            let receipts = server.pipeline.accept(entrance, events).await?;
            Ok(accepted(StatusCode::ACCEPTED, receipts::write(&receipts, None)))
        }
        Some(wait) => {
            let waiting = server.pipeline.accept_and_wait(entrance, events, wait);
            Ok(waited(Box::pin(waiting).await?, wait))
        }
    }
}

async fn read(server: &Server, request: Request<Incoming>) -> Result<Vec<Event>, Problem> {
    let (parts, body) = request.into_parts();
    let mode = codec::mode(&parts.headers)?;
    let received = server.bodies.read(&parts.headers, body, allowance(server, mode)).await?;
    let mut events = codec::decode(mode, &parts.headers, received.bytes, &server.bounds)?;
    codec::carry(&parts.headers, &mut events, &server.bounds);
    post::check_events(&parts.headers, &events)?;
    for (index, event) in events.iter().enumerate() {
        check_type(event).map_err(|problem| match mode {
            Mode::Batch => problem.number_member("index", index as u64),
            Mode::Binary | Mode::Structured => problem,
        })?;
    }
    Ok(events)
}

/// Refuses what only the host may send.
pub(super) fn check_type(event: &Event) -> Result<(), Problem> {
    if !event.ty().starts_with(HOST_TYPES) {
        return Ok(());
    }
    let detail = format!("types that begin with `{HOST_TYPES}` are the host's own");
    Err(Problem::new(StatusCode::FORBIDDEN, "event.reserved_type", detail))
}

pub(super) fn allowance(server: &Server, mode: Mode) -> Allowance {
    match mode {
        Mode::Binary | Mode::Structured => Allowance {
            bytes: server.http.event_bytes_max,
            what: "the event",
            code: "event.too_large",
        },
        Mode::Batch => Allowance {
            bytes: server.http.batch_bytes_max,
            what: "the batch",
            code: "event.batch_too_large",
        },
    }
}

/// What the sender asks to wait for by `Prefer: wait=SECONDS; depth=N`; more seconds than the most
/// are the most. Other preferences are none of ours.
pub(super) fn wait(headers: &HeaderMap) -> Result<Option<Wait>, Problem> {
    if !headers.contains_key("prefer") {
        return Ok(None);
    }
    let mut wait = None;
    for preference in header(headers, "prefer")?.unwrap_or_default().split(',') {
        let (token, parameters) = preference.split_once(';').unwrap_or((preference, ""));
        let (name, value) = token.split_once('=').unwrap_or((token, ""));
        if !name.trim().eq_ignore_ascii_case("wait") {
            continue;
        }
        let value = value.trim().trim_matches('"');
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        if !digits || wait.is_some() {
            let detail = "`Prefer: wait=N` asks once to wait a whole number of seconds";
            return Err(Problem::bad_request("http.prefer", detail));
        }
        // Too many digits for a number are more than the most as well.
        let time = value.parse().map_or(WAIT_MAX, Duration::from_secs).min(WAIT_MAX);
        wait = Some(Wait { time, depth: depth(parameters)? });
    }
    Ok(wait.filter(|wait| !wait.time.is_zero()))
}

/// How many generations of emitted events are waited for.
fn depth(parameters: &str) -> Result<u8, Problem> {
    let named = |parameter: &&str| {
        let (name, _) = parameter.split_once('=').unwrap_or((parameter, ""));
        name.trim().eq_ignore_ascii_case("depth")
    };
    let mut given = parameters.split(';').filter(named);
    let Some(parameter) = given.next() else { return Ok(0) };
    let value = parameter.split_once('=').map_or("", |(_, value)| value);
    let depth = value.trim().trim_matches('"').parse().ok();
    depth.filter(|depth| *depth <= Wait::DEPTH_MAX && given.next().is_none()).ok_or_else(|| {
        let max = Wait::DEPTH_MAX;
        let detail = format!("`Prefer: wait=N; depth=D` asks once for a D from 0 to {max}");
        Problem::bad_request("http.prefer", detail)
    })
}

fn waited(waited: Waited, wait: Wait) -> Response<ResponseBody> {
    let status = if waited.results.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let json = receipts::write(&waited.receipts, waited.results.as_deref());
    let mut response = accepted(status, json);
    let mut applied = format!("wait={}", wait.time.as_secs());
    if wait.depth > 0 {
        applied.push_str(&format!("; depth={}", wait.depth));
    }
    if let Ok(applied) = HeaderValue::from_str(&applied) {
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
    response
}

fn accepted(status: StatusCode, json: Vec<u8>) -> Response<ResponseBody> {
    respond(status, "application/json", json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prefer: &str, expect: Result<Option<u64>, &str>) {
        check_deep(prefer, expect.map(|time| time.map(|time| (time, 0))));
    }

    #[track_caller]
    fn check_deep(prefer: &str, expect: Result<Option<(u64, u8)>, &str>) {
        let mut headers = HeaderMap::new();
        headers.insert("prefer", prefer.parse().unwrap());
        let found = wait(&headers);
        let found = found.map(|wait| wait.map(|wait| (wait.time.as_secs(), wait.depth)));
        assert_eq!(
            found.as_ref().map_err(Problem::code),
            expect.as_ref().map_err(|code| *code),
            "{prefer}"
        );
    }

    #[test]
    fn depths_are_bounded() {
        check_deep("wait=5; depth=3", Ok(Some((5, 3))));
        check_deep("wait=5;x=y;Depth=\"16\", z", Ok(Some((5, 16))));
        check_deep("wait=5; depth=0", Ok(Some((5, 0))));
        check_deep("depth=3", Ok(None));
        for wrong in ["depth=17", "depth=all", "depth", "depth=-1", "depth=1; depth=1"] {
            check_deep(&format!("wait=5; {wrong}"), Err("http.prefer"));
        }
    }

    #[test]
    fn waits_are_bounded() {
        check("wait=5", Ok(Some(5)));
        check("Wait = \"5\"; x=y, respond-async", Ok(Some(5)));
        check("respond-async", Ok(None));
        check("wait=0", Ok(None));
        check("wait=61", Ok(Some(60)));
        check("wait=99999999999999999999999", Ok(Some(60)));
        for wrong in ["wait", "wait=", "wait=x", "wait=-1", "wait=1.5", "wait=1, wait=2"] {
            check(wrong, Err("http.prefer"));
        }
    }
}
