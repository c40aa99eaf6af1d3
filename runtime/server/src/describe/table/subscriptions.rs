//! Subscriptions of HTTP sinks, as the CloudEvents Subscriptions API has them.

use serde_json::{Value, json};

use super::{DISK, FILTER, JSON_BODY, NAME, QUERY};
use crate::describe::operation::{DEPLOY, OPERATE, Operation, READ, header, json_of};
use crate::describe::parameter::{flag, in_path};
use crate::describe::schemas::Schemas;
use crate::describe::words::FunctionName;
use crate::views::{RawSubscription, SubscriptionView};

const TAG: &str = "subscriptions";
const ALL: &str = "/subscriptions";
const ONE: &str = "/subscriptions/{id}";

/// What a proposal is refused for.
const PROPOSAL: &[(u16, &str)] = &[
    (409, "subscription.function"),
    (409, "subscription.too_many"),
    (409, "function.key_change"),
    (422, "subscription.invalid"),
];
const MISSING: &[(u16, &str)] = &[(404, "subscription.not_found")];

pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        list(schemas),
        create(schemas),
        options(ALL, "askSubscriptions"),
        show(schemas),
        update(schemas),
        remove(schemas),
        options(ONE, "askSubscription").with([any_id()]),
    ]
}

fn id(schemas: &mut Schemas) -> Value {
    in_path("id", schemas.body::<FunctionName>(), "shop")
}

/// It is not looked up.
fn any_id() -> Value {
    in_path("id", json!({ "type": "string", "minLength": 1 }), "shop")
}

fn list(schemas: &mut Schemas) -> Operation {
    let subscription = schemas.answer::<SubscriptionView>();
    let all = json!({ "type": "array", "items": subscription });
    Operation::new(("get", ALL), "listSubscriptions", TAG, READ, "All subscriptions")
        .about("Each is a function too, by its id: it is paused, shown and rolled back there.")
        .answers("200", "By id.", json_of(all))
        .leads_to("getSubscription", &json!({ "id": "$response.body#/0/id" }))
        .refuses(&[QUERY, DISK])
}

fn create(schemas: &mut Schemas) -> Operation {
    let body = json_of(schemas.body::<RawSubscription>());
    let made = json!({ "id": "$response.body#/id" });
    Operation::new(("post", ALL), "createSubscription", TAG, DEPLOY, "Sends events to a sink")
        .about("Under an id that the host makes; one in the body is not used.")
        .takes("As the subscriber proposes it.", &body)
        .answers("201", "As it stands.", one(schemas))
        .headers(header("Location", &json!({ "type": "string" })))
        .answers("200", "As it stands.", one(schemas))
        .leads_to("getSubscription", &made)
        .leads_to("removeSubscription", &made)
        .refuses(&[QUERY, NAME, JSON_BODY, FILTER, PROPOSAL, DISK])
}

fn one(schemas: &mut Schemas) -> Value {
    json_of(schemas.answer::<SubscriptionView>())
}

fn show(schemas: &mut Schemas) -> Operation {
    let name = json!({ "name": "$request.path.id" });
    Operation::new(("get", ONE), "getSubscription", TAG, READ, "A subscription")
        .with([id(schemas)])
        .answers("200", "As it stands.", one(schemas))
        .leads_to("getFunction", &name)
        .leads_to("pauseFunction", &name)
        .refuses(&[QUERY, NAME, MISSING, DISK])
}

fn update(schemas: &mut Schemas) -> Operation {
    let body = json_of(schemas.body::<RawSubscription>());
    let same = json!({ "id": "$request.path.id" });
    Operation::new(("put", ONE), "setSubscription", TAG, DEPLOY, "Makes or changes a subscription")
        .with([id(schemas)])
        .takes("As the subscriber proposes it.", &body)
        .answers("201", "It is new.", one(schemas))
        .headers(header("Location", &json!({ "type": "string" })))
        .answers("200", "As it stands.", one(schemas))
        .leads_to("getSubscription", &same)
        .leads_to("removeSubscription", &same)
        .refuses(&[QUERY, NAME, JSON_BODY, FILTER, PROPOSAL, DISK])
}

fn remove(schemas: &mut Schemas) -> Operation {
    Operation::new(("delete", ONE), "removeSubscription", TAG, OPERATE, "Ends a subscription")
        .with([id(schemas), flag("discard", false, "Whether deliveries that wait are dropped.")])
        .answers("200", "As it was.", one(schemas))
        .leads_to("getSubscription", &json!({ "id": "$request.path.id" }))
        .refuses(&[QUERY, NAME, MISSING, DISK])
        .refuses(&[&[(404, "function.not_found"), (409, "function.deliveries_wait")]])
}

fn options(path: &'static str, id: &'static str) -> Operation {
    Operation::new(("options", path), id, TAG, READ, "Which methods there are")
        .answers("204", "`Allow` names them.", Value::Null)
        .headers(header("Allow", &json!({ "type": "string" })))
}
