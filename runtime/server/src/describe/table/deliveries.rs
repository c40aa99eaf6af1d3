//! Deliveries: where they are, and what an operator does about it.

use serde_json::{Value, json};

use super::{DISK, FUNCTION, JSON_BODY, NAME, PAGE, QUERY};
use crate::describe::operation::{OPERATE, Operation, READ, json_of};
use crate::describe::parameter::{in_query, paging};
use crate::describe::schemas::Schemas;
use crate::describe::words::{FunctionName, OpenStatus, Time};
use crate::views::{CausesView, Counted, DeliveryView, LanesView, RawSelection};

const TAG: &str = "deliveries";

pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    let redrive = change(
        schemas,
        ("post", "/api/v1/deliveries/redrive"),
        "redriveDeliveries",
        "Reopens dead letters",
    );
    let give_up = change(
        schemas,
        ("post", "/api/v1/deliveries/drop"),
        "dropDeliveries",
        "Gives deliveries up",
    );
    vec![list(schemas), causes(schemas), lanes(schemas), redrive, give_up]
}

fn list(schemas: &mut Schemas) -> Operation {
    let deliveries = schemas.page::<DeliveryView>("deliveries");
    let first = json!({ "ids": ["{$response.body#/deliveries/0/id}"] });
    let path = ("get", "/api/v1/deliveries");
    Operation::new(path, "listDeliveries", TAG, READ, "Deliveries that are open or dead")
        .about("Those that were committed or given up are shown with their events.")
        .with(chosen(schemas))
        .with(paging())
        .answers("200", "Each with the reason why it is where it is.", json_of(deliveries))
        .leads_to("getEvent", &json!({ "seq": "$response.body#/deliveries/0/seq" }))
        .leads_to_with("redriveDeliveries", &json!({}), &first)
        .leads_to_with("dropDeliveries", &json!({}), &first)
        .refuses(&[QUERY, PAGE, DISK])
        .refuses(&[&[(400, "delivery.status"), (400, "delivery.settled")]])
}

fn causes(schemas: &mut Schemas) -> Operation {
    let path = ("get", "/api/v1/deliveries/causes");
    let cause = json!({
        "function": "{$response.body#/causes/0/function}",
        "status": "dead",
        "code": "{$response.body#/causes/0/code}",
    });
    Operation::new(path, "listCauses", TAG, READ, "Dead letters by function and error code")
        .with([in_query("function", schemas.body::<FunctionName>(), "Of this function.")])
        .answers("200", "The most first.", json_of(schemas.answer::<CausesView>()))
        .leads_to_with("redriveDeliveries", &json!({}), &cause)
        .refuses(&[QUERY, DISK])
}

fn lanes(schemas: &mut Schemas) -> Operation {
    let [limit, _] = paging();
    let path = ("get", "/api/v1/lanes");
    Operation::new(path, "listLanes", TAG, READ, "Lanes, and what each of them waits for")
        .with([in_query("function", schemas.body::<FunctionName>(), "Of this function."), limit])
        .answers("200", "The longest first.", json_of(schemas.answer::<LanesView>()))
        .leads_to("getEvent", &json!({ "seq": "$response.body#/lanes/0/head/seq" }))
        .refuses(&[QUERY, DISK])
}

fn chosen(schemas: &mut Schemas) -> [Value; 5] {
    [
        in_query("status", schemas.body::<OpenStatus>(), "Of this status."),
        in_query("function", schemas.body::<FunctionName>(), "Of this function."),
        in_query("code", json!({ "type": "string" }), "Whose error has this code."),
        in_query("diedAfter", schemas.body::<Time>(), "Dead since this time or later."),
        in_query("diedBefore", schemas.body::<Time>(), "Dead before this time."),
    ]
}

fn change(
    schemas: &mut Schemas,
    path: (&'static str, &'static str),
    id: &'static str,
    summary: &'static str,
) -> Operation {
    let body = json_of(schemas.body::<RawSelection>());
    Operation::new(path, id, TAG, OPERATE, summary)
        .takes("Ids, or what the deliveries have in common; not both.", &body)
        .answers("200", "How many there were.", json_of(schemas.answer::<Counted>()))
        .refuses(&[NAME, QUERY, JSON_BODY, FUNCTION, DISK])
        .refuses(&[&[
            (400, "delivery.no_selection"),
            (400, "delivery.selection"),
            (400, "delivery.status"),
            (400, "delivery.settled"),
        ]])
}
