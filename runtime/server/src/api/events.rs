//! The past: events that came in, what became of them, and doing it again.

use hyper::StatusCode;
use hyper::header::ACCEPT;
use serde::{Deserialize, Serialize};
use triphammer_model::{FunctionName, Seq, Timestamp};
use triphammer_pipeline::{EventQuery, Replayed};

use super::parse;
use crate::codec;
use crate::problem::Problem;
use crate::query::Query;
use crate::route::{self, Answer, Call, json, respond};
use crate::views::{EventSummaryView, StoryView};

const CLOUDEVENT: &str = "application/cloudevents+json";

pub(crate) async fn list(mut call: Call<'_>) -> Answer {
    let query = filters(&mut call.query)?;
    call.query.done()?;
    let page = call.server.pipeline.events(query).await?;
    let events: Vec<_> = page.events.into_iter().map(EventSummaryView::from).collect();
    route::list("events", &events, page.cursor.as_deref())
}

fn filters(query: &mut Query) -> Result<EventQuery, Problem> {
    Ok(EventQuery {
        ty: query.parsed("type")?,
        source: query.filled("source"),
        subject: query.filled("subject"),
        id: query.filled("id"),
        after: query.time("after")?,
        before: query.time("before")?,
        limit: query.limit()?,
        cursor: query.filled("cursor"),
    })
}

pub(crate) async fn show(call: Call<'_>, seq: &str) -> Answer {
    call.query.done()?;
    let seq: Seq = parse(seq)?;
    let story = call.server.pipeline.event(seq).await?;
    let story = story.ok_or_else(|| {
        let detail = format!("there is no event {seq}, or it is kept no longer");
        Problem::not_found("event.not_found", detail)
    })?;
    if wants_cloudevent(&call) {
        let mut out = Vec::with_capacity(story.event.as_bytes().len() + 256);
        codec::write_event(&mut out, &story.event);
        return Ok(respond(StatusCode::OK, CLOUDEVENT, out));
    }
    json(StatusCode::OK, &StoryView::from(story))
}

/// Whether the event itself is asked for, and not its story.
fn wants_cloudevent(call: &Call<'_>) -> bool {
    let accepted = call.parts.headers.get_all(ACCEPT).iter();
    accepted.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).any(|media| {
        let (essence, _) = media.split_once(';').unwrap_or((media, ""));
        essence.trim().eq_ignore_ascii_case(CLOUDEVENT)
    })
}

pub(crate) async fn replay_one(call: Call<'_>, seq: &str) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct ReplayOne {
        function: String,
    }
    let seq: Seq = parse(seq)?;
    let pipeline = &call.server.pipeline;
    let ReplayOne { function } = call.json().await?;
    let function: FunctionName = parse(&function)?;
    let replayed = pipeline.replay_one(seq, &function).await?;
    if replayed.events == 0 {
        let detail = format!("there is no event {seq}, or it is kept no longer");
        return Err(Problem::not_found("event.not_found", detail));
    }
    answer(replayed)
}

pub(crate) async fn replay(call: Call<'_>) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Replay {
        function: String,
        r#type: Option<String>,
        source: Option<String>,
        subject: Option<String>,
        id: Option<String>,
        after: Option<String>,
        before: Option<String>,
    }
    let pipeline = &call.server.pipeline;
    let replay: Replay = call.json().await?;
    let function: FunctionName = parse(&replay.function)?;
    let query = EventQuery {
        ty: replay.r#type.as_deref().map(parse).transpose()?,
        source: replay.source,
        subject: replay.subject,
        id: replay.id,
        after: replay.after.as_deref().map(time).transpose()?,
        before: replay.before.as_deref().map(time).transpose()?,
        ..EventQuery::default()
    };
    answer(pipeline.replay(query, &function).await?)
}

fn time(text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| {
        let detail = "a time is written such as 2026-01-02T03:04:05Z";
        Problem::bad_request("http.body_malformed", detail)
    })
}

fn answer(replayed: Replayed) -> Answer {
    #[derive(Serialize)]
    struct ReplayedView {
        events: u64,
    }
    json(StatusCode::OK, &ReplayedView { events: replayed.events })
}
