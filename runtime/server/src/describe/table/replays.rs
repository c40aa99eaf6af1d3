//! The past again.

use serde_json::{Value, json};

use super::{BODY, DISK, FUNCTION, JSON_BODY, NAME, QUERY};
use crate::describe::operation::{OPERATE, Operation, READ, json_of};
use crate::describe::parameter::{in_path, seq};
use crate::describe::schemas::Schemas;
use crate::describe::words::ReplayId;
use crate::views::{OneReplay, RawReplay, ReplayOne, ReplayView, ReplayedView};

const TAG: &str = "replays";
const PATH: &str = "/api/v1/replays/{id}";

pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![one(schemas), start(schemas), list(schemas), show(schemas), cancel(schemas)]
}

fn one(schemas: &mut Schemas) -> Operation {
    let path = ("post", "/api/v1/events/{seq}/replay");
    let body = json_of(schemas.body::<ReplayOne>());
    Operation::new(path, "replayEvent", TAG, OPERATE, "Gives an event to a function again")
        .with([seq(schemas)])
        .takes("To which function, and with which payload if not its own.", &body)
        .answers("200", "A new event.", json_of(schemas.answer::<ReplayedView>()))
        .leads_to("getEvent", &json!({ "seq": "$response.body#/seq" }))
        .refuses(&[NAME, QUERY, BODY, FUNCTION, DISK])
        .refuses(&[&[(404, "event.not_found"), (409, "function.not_active")]])
        .refuses(&[&[(400, "http.body_malformed"), (413, "event.too_large")]])
}

fn start(schemas: &mut Schemas) -> Operation {
    let body = json_of(schemas.body::<RawReplay>());
    let id = json!({ "id": "$response.body#/replay/id" });
    Operation::new(("post", "/api/v1/replay"), "startReplay", TAG, OPERATE, "Begins a replay")
        .about("It goes on by itself, over restarts too.")
        .takes("What is replayed.", &body)
        .answers("202", "It has begun.", replay(schemas))
        .leads_to("getReplay", &id)
        .leads_to("cancelReplay", &id)
        .refuses(&[NAME, QUERY, JSON_BODY, FUNCTION, DISK])
        .refuses(&[&[(400, "replay.rate"), (409, "replay.too_many"), (409, "function.not_active")]])
}

fn replay(schemas: &mut Schemas) -> Value {
    json_of(schemas.answer::<OneReplay>())
}

fn list(schemas: &mut Schemas) -> Operation {
    let replays = schemas.page::<ReplayView>("replays");
    let first = json!({ "id": "$response.body#/replays/0/id" });
    Operation::new(("get", "/api/v1/replays"), "listReplays", TAG, READ, "Replays")
        .answers("200", "Those that run, and the last that have ended.", json_of(replays))
        .leads_to("getReplay", &first)
        .refuses(&[QUERY, DISK])
}

fn show(schemas: &mut Schemas) -> Operation {
    Operation::new(("get", PATH), "getReplay", TAG, READ, "A replay")
        .with([in_path("id", schemas.body::<ReplayId>(), "1")])
        .answers("200", "How far it is.", replay(schemas))
        .refuses(&[QUERY, NAME, DISK])
        .refuses(&[&[(404, "replay.not_found")]])
}

fn cancel(schemas: &mut Schemas) -> Operation {
    Operation::new(("delete", PATH), "cancelReplay", TAG, OPERATE, "Ends a replay")
        .with([in_path("id", schemas.body::<ReplayId>(), "1")])
        .answers("200", "How far it came.", replay(schemas))
        .leads_to("getReplay", &json!({ "id": "$request.path.id" }))
        .refuses(&[QUERY, NAME, DISK])
        .refuses(&[&[(404, "replay.not_found")]])
}
