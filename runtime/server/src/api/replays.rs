//! The past again: one event at once, or much of it as a replay that goes on by itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use triphammer_model::{FunctionName, Seq, Timestamp};
use triphammer_pipeline::{EventQuery, NewReplay, Replayed};

use super::events::not_kept;
use super::parse;
use crate::body::Allowance;
use crate::problem::Problem;
use crate::route::{Answer, Call, json, noted};
use crate::views::{OneReplay, RawReplay, ReplayOne, ReplayView, ReplayedView};

pub(crate) async fn one(call: Call<'_>, seq: &str) -> Answer {
    let seq: Seq = parse(seq)?;
    let Call { server, parts, body, query, .. } = call;
    query.done()?;
    // The payload may be as large as an event, and Base64.
    let allowed = Allowance {
        bytes: server.http.event_bytes_max.saturating_mul(2),
        what: "the event",
        code: "event.too_large",
    };
    let received = server.bodies.read(&parts.headers, body, allowed).await?;
    let raw: ReplayOne = serde_json::from_slice(&received.bytes).map_err(|error| {
        Problem::bad_request("http.body_malformed", format!("the body is wrong: {error}"))
    })?;
    let function: FunctionName = parse(&raw.function)?;
    let changed = raw.data.is_some() || raw.data_base64.is_some();
    let data = payload(raw)?;
    let replayed = server.pipeline.replay_one(seq, &function, data).await?;
    let Replayed { seq } = replayed.ok_or_else(|| not_kept(seq))?;
    let detail = serde_json::json!({ "function": function.as_str(), "changed": changed });
    noted(json(StatusCode::OK, &ReplayedView { events: 1, seq: seq.to_string() }), detail)
}

/// What takes the place of the event's own.
fn payload(raw: ReplayOne) -> Result<Option<Bytes>, Problem> {
    let wrong = |rule: &str| Problem::bad_request("http.body_malformed", rule);
    match (raw.data, raw.data_base64) {
        (Some(_), Some(_)) => {
            Err(wrong("the payload is in `data` or in `dataBase64`, not in both"))
        }
        (Some(data), None) => Ok(Some(data.get().to_owned().into())),
        (None, Some(text)) => {
            let bytes = STANDARD.decode(text).map_err(|_| wrong("`dataBase64` is not Base64"))?;
            Ok(Some(bytes.into()))
        }
        (None, None) => Ok(None),
    }
}

pub(crate) async fn start(call: Call<'_>) -> Answer {
    let pipeline = &call.server.pipeline;
    let raw: RawReplay = call.json().await?;
    let new = NewReplay {
        function: raw.function.as_deref().map(parse).transpose()?,
        rate: raw.rate.unwrap_or(NewReplay::RATE),
        events: EventQuery {
            ty: raw.r#type.as_deref().map(parse).transpose()?,
            source: raw.source,
            subject: raw.subject,
            id: raw.id,
            after: raw.after.as_deref().map(time).transpose()?,
            before: raw.before.as_deref().map(time).transpose()?,
            ..EventQuery::default()
        },
    };
    let function = new.function.as_ref().map(|name| name.to_string());
    let replay: ReplayView = pipeline.replay(new).await?.into();
    let detail = serde_json::json!({ "id": replay.id, "function": function });
    noted(answer(StatusCode::ACCEPTED, replay), detail)
}

fn time(text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| {
        let detail = "a time is written such as 2026-01-02T03:04:05Z";
        Problem::bad_request("http.body_malformed", detail)
    })
}

pub(crate) async fn list(call: Call<'_>) -> Answer {
    call.query.done()?;
    let replays = call.server.pipeline.replays().await?;
    let replays: Vec<_> = replays.into_iter().map(ReplayView::from).collect();
    crate::route::list("replays", &replays, None)
}

pub(crate) async fn show(call: Call<'_>, id: &str) -> Answer {
    call.query.done()?;
    answer(StatusCode::OK, call.server.pipeline.replay_info(number(id)?).await?.into())
}

pub(crate) async fn cancel(call: Call<'_>, id: &str) -> Answer {
    call.query.done()?;
    answer(StatusCode::OK, call.server.pipeline.cancel_replay(number(id)?).await?.into())
}

fn number(id: &str) -> Result<u64, Problem> {
    let digits = id.bytes().all(|byte| byte.is_ascii_digit());
    let number = id.parse().ok().filter(|_| digits);
    number.ok_or_else(|| Problem::bad_request("http.name", "a replay's id is a number"))
}

fn answer(status: StatusCode, replay: ReplayView) -> Answer {
    json(status, &OneReplay { replay })
}
