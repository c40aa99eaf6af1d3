//! Functions: deployed, shown, switched, paused, removed, tried, and what they have remembered.

use serde_json::{Value, json};

use super::{
    BODY, DISK, EVENT, FILTER, FUNCTION, HEADER, JSON_BODY, MODULE, NAME, PAGE, QUERY, SHARE,
};
use crate::describe::manifest::Manifest;
use crate::describe::operation::{DEPLOY, OPERATE, Operation, READ, json_of};
use crate::describe::parameter::{
    flag, function, in_header, in_query, json_header, paging, paging_if_asked, share,
};
use crate::describe::schemas::Schemas;
use crate::describe::words::{self, CloudEvent};
use crate::views::{
    Activate, DeployedView, DryRunView, FunctionView, RemovedView, StateChangeView, StateEntryView,
};

const TAG: &str = "functions";
const PATH: &str = "/api/v1/functions/{name}";

pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        list(schemas),
        show(schemas),
        deploy(schemas),
        remove(schemas),
        activate(schemas),
        rollback(schemas),
        pause(schemas),
        resume(schemas),
        state(schemas),
        state_history(schemas),
        test(schemas),
        test_component(schemas),
    ]
}

fn list(schemas: &mut Schemas) -> Operation {
    let first = json!({ "name": "$response.body#/functions/0/name" });
    let functions = schemas.page::<FunctionView>("functions");
    let part = |name, about| in_query(name, json!({ "type": "string" }), about);
    Operation::new(("get", "/api/v1/functions"), "listFunctions", TAG, READ, "Functions")
        .about("All of them, where no `limit` is given.")
        .with([
            part("prefix", "Names that begin so."),
            part("contains", "Names that have this anywhere."),
        ])
        .with(paging_if_asked())
        .answers("200", "By name.", json_of(functions))
        .leads_to("getFunction", &first)
        .leads_to("getState", &first)
        .refuses(&[QUERY, PAGE, DISK])
}

fn show(schemas: &mut Schemas) -> Operation {
    one(schemas, ("get", PATH), "getFunction", "A function").leads_to_with(
        "activateRevision",
        &same(),
        &json!({ "revision": "{$response.body#/revisions/0/revision}" }),
    )
}

/// An operation on a function that answers the function.
fn one(
    schemas: &mut Schemas,
    path: (&'static str, &'static str),
    id: &'static str,
    summary: &'static str,
) -> Operation {
    let scope = match id {
        "getFunction" => READ,
        "activateRevision" | "rollBack" => DEPLOY,
        _ => OPERATE,
    };
    Operation::new(path, id, TAG, scope, summary)
        .with([function(schemas)])
        .answers("200", "The function.", json_of(schemas.answer::<FunctionView>()))
        .refuses(&[QUERY, NAME, FUNCTION, DISK])
}

fn deploy(schemas: &mut Schemas) -> Operation {
    let manifest = json_header(
        "Triphammer-Manifest",
        schemas.body::<Manifest>(),
        "Takes the place of the manifest in the component.",
    );
    let deployed = schemas.answer::<DeployedView>();
    let revision = json!({ "revision": "{$response.body#/revision}" });
    Operation::new(("put", PATH), "deployFunction", TAG, DEPLOY, "Deploys a component")
        .with([
            function(schemas),
            flag("activate", true, "Whether it serves from now on."),
            manifest,
            config(),
            signature(),
        ])
        .with(share())
        .takes("A WebAssembly component.", &component())
        .answers("201", "A new revision.", json_of(deployed.clone()))
        .answers("200", "This component and config are a revision already.", json_of(deployed))
        .leads_to("getFunction", &same())
        .leads_to("getState", &same())
        .leads_to("pauseFunction", &same())
        .leads_to("resumeFunction", &same())
        .leads_to("rollBack", &same())
        .leads_to_with("activateRevision", &same(), &revision)
        .leads_to("removeFunction", &same())
        .refuses(&[QUERY, NAME, HEADER, BODY, MODULE, FILTER, SHARE, TRUST, DISK])
        .refuses(&[&[(422, "function.load"), (409, "function.subscription")]])
}

/// Whose name is in the path.
fn same() -> Value {
    json!({ "name": "$request.path.name" })
}

fn component() -> Value {
    json!({ "application/wasm": { "schema": true } })
}

fn config() -> Value {
    let schema = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    json_header("Triphammer-Config", schema, "Left out: that of the active revision.")
}

fn signature() -> Value {
    let schema = json!({ "type": "string", "pattern": "^[A-Za-z0-9+/]{86}==$" });
    in_header("Triphammer-Signature", schema, "Of the component, where the host asks for one.")
}

/// A host may take signed components only.
const TRUST: &[(u16, &str)] =
    &[(400, "trust.malformed"), (403, "trust.unsigned"), (403, "trust.untrusted")];

fn remove(schemas: &mut Schemas) -> Operation {
    Operation::new(("delete", PATH), "removeFunction", TAG, OPERATE, "Removes a function")
        .with([
            function(schemas),
            flag("discard", false, "Whether deliveries that wait are dropped."),
            flag("state", false, "Whether its state goes too."),
        ])
        .answers("200", "It is gone.", json_of(schemas.answer::<RemovedView>()))
        .leads_to("getFunction", &same())
        .refuses(&[QUERY, NAME, FUNCTION, DISK])
        .refuses(&[&[(409, "function.deliveries_wait")]])
}

fn activate(schemas: &mut Schemas) -> Operation {
    let path = ("post", "/api/v1/functions/{name}/activate");
    let body = json_of(schemas.body::<Activate>());
    one(schemas, path, "activateRevision", "Lets a revision serve")
        .takes("Which one, and how much of the work it gets.", &body)
        .refuses(&[JSON_BODY, SHARE])
        .refuses(&[&[(404, "function.no_revision"), (422, "function.load")]])
}

fn rollback(schemas: &mut Schemas) -> Operation {
    let path = ("post", "/api/v1/functions/{name}/rollback");
    one(schemas, path, "rollBack", "Ends the canary, or lets the revision before serve").refuses(&[
        &[(409, "function.no_previous"), (409, "function.key_change")],
        &[(404, "function.no_revision"), (422, "function.load")],
    ])
}

fn pause(schemas: &mut Schemas) -> Operation {
    let path = ("post", "/api/v1/functions/{name}/pause");
    one(schemas, path, "pauseFunction", "Begins no more attempts")
        .leads_to("resumeFunction", &same())
}

fn resume(schemas: &mut Schemas) -> Operation {
    one(schemas, ("post", "/api/v1/functions/{name}/resume"), "resumeFunction", "Goes on")
}

fn state(schemas: &mut Schemas) -> Operation {
    let path = ("get", "/api/v1/functions/{name}/state");
    let key = json!({ "type": "string", "maxLength": 512 });
    let entries = schemas.page::<StateEntryView>("entries");
    Operation::new(path, "getState", TAG, READ, "What a function has remembered")
        .with([
            function(schemas),
            in_query("key", key, "Of this ordering key only."),
            in_query("prefix", json!({ "type": "string" }), "Names that begin so."),
        ])
        .with(paging())
        .answers("200", "Committed state.", json_of(entries))
        .refuses(&[QUERY, NAME, PAGE, FUNCTION, DISK])
}

fn state_history(schemas: &mut Schemas) -> Operation {
    let path = ("get", "/api/v1/functions/{name}/state/history");
    let text = |length: usize| json!({ "type": "string", "maxLength": length });
    let mut name = in_query("name", text(512), "The name of the entry.");
    name["required"] = true.into();
    let writes = schemas.page::<StateChangeView>("writes");
    Operation::new(path, "getStateHistory", TAG, READ, "Which events wrote an entry")
        .about("Read back from the journal. A page may be short, and still have a cursor.")
        .with([function(schemas), in_query("key", text(512), "Its ordering key, if any."), name])
        .with(paging())
        .answers("200", "The newest first.", json_of(writes))
        .leads_to("getEvent", &json!({ "seq": "$response.body#/writes/0/event" }))
        .refuses(&[QUERY, NAME, PAGE, FUNCTION, DISK])
}

fn test(schemas: &mut Schemas) -> Operation {
    let path = ("post", "/api/v1/functions/{name}/test");
    let event = schemas.body::<CloudEvent>();
    let content = json!({
        "application/cloudevents+json": {
            "schema": event, "example": words::example("order.placed"),
        },
    });
    Operation::new(path, "testFunction", TAG, DEPLOY, "Runs an event and keeps nothing")
        .about("With `ce-…` headers and another media type, the event may be binary.")
        .with([
            function(schemas),
            in_query("revision", schemas.body::<words::Revision>(), "Not the active one."),
        ])
        .takes("The event.", &content)
        .answers("200", "What it would have done.", json_of(schemas.answer::<DryRunView>()))
        .refuses(&[QUERY, NAME, BODY, EVENT, FUNCTION, DISK])
        .refuses(&[&[(409, "function.not_active"), (409, "function.subscription")]])
        .refuses(&[&[(404, "function.no_revision")]])
        .refuses(&[&[(422, "function.load"), (500, "module.host")]])
}

fn test_component(schemas: &mut Schemas) -> Operation {
    let path = ("post", "/api/v1/test");
    let event = json!({
        "type": "string", "contentEncoding": "base64",
        "contentMediaType": "application/cloudevents+json",
    });
    let about = "The event: structured JSON, in Base64.";
    let mut event = in_header("Triphammer-Event", event, about);
    event["required"] = true.into();
    Operation::new(path, "testComponent", TAG, DEPLOY, "Runs an event by what is not deployed")
        .with([event, config(), signature()])
        .takes("A WebAssembly component.", &component())
        .answers("200", "What it would have done.", json_of(schemas.answer::<DryRunView>()))
        .refuses(&[QUERY, HEADER, BODY, EVENT, MODULE, FILTER, TRUST, DISK])
}
