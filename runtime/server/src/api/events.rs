//! The past: events that came in, and what became of them.

use hyper::StatusCode;
use hyper::header::ACCEPT;
use triphammer_model::Seq;
use triphammer_pipeline::{EventOutcome, EventQuery};

use super::parse;
use crate::codec;
use crate::problem::Problem;
use crate::query::Query;
use crate::route::{self, Answer, Call, json, respond};
use crate::views::{EventSummaryView, StoryView, TreeView};

const CLOUDEVENT: &str = "application/cloudevents+json";

pub(crate) async fn list(mut call: Call<'_>) -> Answer {
    let query = filters(&mut call.query)?;
    call.query.done()?;
    let page = call.server.pipeline.events(query).await?;
    let events: Vec<_> = page.events.into_iter().map(EventSummaryView::from).collect();
    let damaged: Vec<_> = page.damaged.iter().map(Seq::to_string).collect();
    route::list_but("events", &events, page.cursor.as_deref(), &damaged)
}

fn filters(query: &mut Query) -> Result<EventQuery, Problem> {
    Ok(EventQuery {
        ty: query.parsed("type")?,
        source: query.filled("source"),
        subject: query.filled("subject"),
        id: query.filled("id"),
        after: query.time("after")?,
        before: query.time("before")?,
        outcome: query.filled("outcome").as_deref().map(outcome).transpose()?,
        limit: query.limit()?,
        cursor: query.filled("cursor"),
    })
}

fn outcome(text: &str) -> Result<EventOutcome, Problem> {
    EventOutcome::parse(text).ok_or_else(|| {
        let detail = format!("an outcome is one of {}", EventOutcome::ALL.join(", "));
        Problem::bad_request("event.outcome", detail)
    })
}

/// All that came of the first event that led to this one.
pub(crate) async fn tree(call: Call<'_>, seq: &str) -> Answer {
    call.query.done()?;
    let seq: Seq = parse(seq)?;
    let tree = call.server.pipeline.tree(seq).await?.ok_or_else(|| not_kept(seq))?;
    json(StatusCode::OK, &TreeView::from(tree))
}

pub(crate) fn not_kept(seq: Seq) -> Problem {
    let detail = format!("there is no event {seq}, or it is kept no longer");
    Problem::not_found("event.not_found", detail)
}

pub(crate) async fn show(call: Call<'_>, seq: &str) -> Answer {
    call.query.done()?;
    let seq: Seq = parse(seq)?;
    let story = call.server.pipeline.event(seq).await?;
    let story = story.ok_or_else(|| not_kept(seq))?;
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
