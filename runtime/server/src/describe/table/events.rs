//! The past, and the live feed.

use serde_json::{Value, json};
use triphammer_pipeline::EventOutcome;

use super::{DISK, NAME, PAGE, QUERY};
use crate::describe::operation::{Operation, READ, header, json_of};
use crate::describe::parameter::{in_query, paging, seq};
use crate::describe::schemas::Schemas;
use crate::describe::served::FeedItem;
use crate::describe::words::{CloudEvent, FunctionName, Seq, Time, TypePattern};
use crate::views::{EventSummaryView, StoryView, TreeView};

const TAG: &str = "events";

pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![list(schemas), show(schemas), tree(schemas), stream(schemas)]
}

fn list(schemas: &mut Schemas) -> Operation {
    let first = json!({ "seq": "$response.body#/events/0/seq" });
    let mut events = schemas.page::<EventSummaryView>("events");
    events["properties"]["damaged"] = json!({
        "type": "array",
        "items": schemas.answer::<Seq>(),
        "description": "Events that may be among those asked for, and whose records are damaged \
                        on disk. Absent where there are none.",
    });
    Operation::new(("get", "/api/v1/events"), "listEvents", TAG, READ, "Events that came in")
        .about("Those whose records are damaged on disk are left out, and named in `damaged`.")
        .with(chosen(schemas))
        .with(paging())
        .answers("200", "The newest first.", json_of(events))
        .leads_to("getEvent", &first)
        .refuses(&[QUERY, PAGE, DISK])
        .refuses(&[&[(400, "event.outcome")]])
}

fn chosen(schemas: &mut Schemas) -> [Value; 7] {
    let text = || json!({ "type": "string" });
    [
        in_query("type", schemas.body::<TypePattern>(), "Of types that match."),
        in_query("source", text(), "Of this source."),
        in_query("subject", text(), "Of this subject."),
        in_query("id", text(), "With this id."),
        in_query("after", schemas.body::<Time>(), "Accepted at this time or later."),
        in_query("before", schemas.body::<Time>(), "Accepted before this time."),
        in_query(
            "outcome",
            json!({ "enum": EventOutcome::ALL }),
            "With a delivery that is so now.",
        ),
    ]
}

fn show(schemas: &mut Schemas) -> Operation {
    let content = json!({
        "application/json": { "schema": schemas.answer::<StoryView>() },
        "application/cloudevents+json": { "schema": schemas.answer::<CloudEvent>() },
    });
    let path = ("get", "/api/v1/events/{seq}");
    Operation::new(path, "getEvent", TAG, READ, "An event and all that came of it")
        .about("With `Accept: application/cloudevents+json` the event alone, as it was stored.")
        .with([seq(schemas)])
        .answers("200", "Its story, or the event.", content)
        .leads_to_with(
            "replayEvent",
            &json!({ "seq": "$response.body#/seq" }),
            &json!({ "function": "{$response.body#/deliveries/0/function}" }),
        )
        .refuses(&[QUERY, NAME, DISK])
        .refuses(&[&[(404, "event.not_found")]])
}

fn tree(schemas: &mut Schemas) -> Operation {
    let path = ("get", "/api/v1/events/{seq}/tree");
    Operation::new(path, "getEventTree", TAG, READ, "All that came of an event's first cause")
        .about("At most 200 events, the first, its children, theirs, and so on.")
        .with([seq(schemas)])
        .answers("200", "The stories of all.", json_of(schemas.answer::<TreeView>()))
        .leads_to("getEvent", &json!({ "seq": "$response.body#/root" }))
        .refuses(&[QUERY, NAME, DISK])
        .refuses(&[&[(404, "event.not_found")]])
}

fn stream(schemas: &mut Schemas) -> Operation {
    let item = schemas.answer::<FeedItem>();
    let content = json!({
        "text/event-stream": { "schema": { "type": "string" }, "x-event-data": item },
    });
    Operation::new(("get", "/api/v1/stream"), "openStream", TAG, READ, "What happens, as it happens")
        .about(
            "Server-sent events without end, of what is on disk: `event` is the kind, `data` one \
             line of JSON as `x-event-data` describes it. Whoever is too slow loses the oldest, and \
             is told how many (`lagged`).",
        )
        .with([
            in_query("type", schemas.body::<TypePattern>(), "Events that match, and their deliveries."),
            in_query("function", schemas.body::<FunctionName>(), "What concerns this function."),
        ])
        .answers("200", "The feed.", content)
        .headers(header("Cache-Control", &json!({ "type": "string", "const": "no-store" })))
        .refuses(&[QUERY])
        .refuses(&[&[(503, "http.streams")]])
}
