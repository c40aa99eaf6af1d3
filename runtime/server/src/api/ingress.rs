//! `POST /events`: the way in. What is answered with a 2xx is on disk.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use triphammer_model::Event;
use triphammer_pipeline::{Entrance, Waited};

use crate::body::{Allowance, ResponseBody};
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

pub(crate) async fn answer(server: &Server, request: Request<Incoming>) -> Answer {
    if request.method() != Method::POST {
        return Err(Problem::method_not_allowed("POST"));
    }
    if let Some(query) = request.uri().query() {
        Query::parse(Some(query))?.done()?;
    }
    let wait = wait(request.headers())?;
    let events = read(server, request).await?;
    match wait {
        None => {
            let receipts = server.pipeline.accept(Entrance::Ingress, events).await?;
            Ok(accepted(StatusCode::ACCEPTED, receipts::write(&receipts, None)))
        }
        Some(wait) => {
            let waiting = server.pipeline.accept_and_wait(Entrance::Ingress, events, wait);
            Ok(waited(Box::pin(waiting).await?, wait))
        }
    }
}

async fn read(server: &Server, request: Request<Incoming>) -> Result<Vec<Event>, Problem> {
    let (parts, body) = request.into_parts();
    let mode = codec::mode(&parts.headers)?;
    let received = server.bodies.read(&parts.headers, body, allowance(server, mode)).await?;
    let events = codec::decode(mode, &parts.headers, received.bytes, &server.bounds)?;
    for (index, event) in events.iter().enumerate() {
        if event.ty().starts_with(HOST_TYPES) {
            let detail = format!("types that begin with `{HOST_TYPES}` are the host's own");
            let problem = Problem::new(StatusCode::FORBIDDEN, "event.reserved_type", detail);
            return Err(match mode {
                Mode::Batch => problem.number_member("index", index as u64),
                Mode::Binary | Mode::Structured => problem,
            });
        }
    }
    Ok(events)
}

fn allowance(server: &Server, mode: Mode) -> Allowance {
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

/// The time that the sender asks to wait by `Prefer: wait=SECONDS`; more than the most is the
/// most. Other preferences are none of ours.
fn wait(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    if !headers.contains_key("prefer") {
        return Ok(None);
    }
    let mut wait = None;
    for preference in header(headers, "prefer")?.unwrap_or_default().split(',') {
        let (token, _) = preference.split_once(';').unwrap_or((preference, ""));
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
        wait = Some(value.parse().map_or(WAIT_MAX, Duration::from_secs).min(WAIT_MAX));
    }
    Ok(wait.filter(|wait| !wait.is_zero()))
}

fn waited(waited: Waited, wait: Duration) -> Response<ResponseBody> {
    let status = if waited.results.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let json = receipts::write(&waited.receipts, waited.results.as_deref());
    let mut response = accepted(status, json);
    if let Ok(applied) = HeaderValue::from_str(&format!("wait={}", wait.as_secs())) {
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
        let mut headers = HeaderMap::new();
        headers.insert("prefer", prefer.parse().unwrap());
        let found = wait(&headers);
        let found = found.map(|wait| wait.map(|wait| wait.as_secs()));
        assert_eq!(
            found.as_ref().map_err(Problem::code),
            expect.as_ref().map_err(|code| *code),
            "{prefer}"
        );
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
