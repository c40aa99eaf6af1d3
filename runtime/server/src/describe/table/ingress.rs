//! Events in.

use serde_json::{Value, json};

use super::{BODY, DISK, EVENT, HEADER, NAME, QUERY};
use crate::describe::operation::{Access, Operation, SEND, header, json_of};
use crate::describe::parameter::{in_header, in_path, in_query};
use crate::describe::schemas::Schemas;
use crate::describe::served::Receipts;
use crate::describe::words::{self, Attribute, CloudEvent, EventSource};

const TAG: &str = "ingress";

pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    let ty = in_path("type", schemas.body::<Attribute>(), "order.placed");
    // It is not looked up.
    let hook_name = in_path("hook", json!({ "type": "string", "minLength": 1 }), "github");
    vec![
        send(schemas),
        post(schemas),
        hook(schemas),
        handshake("/events", "askToSend", Access::Open),
        handshake("/events/{type}", "askToPost", Access::Open).with([ty]),
        handshake("/hooks/{hook}", "askForHook", Access::Open).with([hook_name]),
    ]
}

fn handshake(path: &'static str, id: &'static str, access: Access) -> Operation {
    let origin = json!({
        "type": "string", "pattern": "^[A-Za-z0-9._:-]{1,255}$", "examples": ["example.com"],
    });
    let rate = json!({ "type": "string", "pattern": "^([1-9][0-9]{0,8}|\\*)$" });
    let text = json!({ "schema": { "type": "string" } });
    Operation::new(("options", path), id, TAG, access, "Whether a sender may deliver here")
        .about("Section 4 of CloudEvents' HTTP 1.1 Web Hooks 1.0.2, without callbacks.")
        .with([
            in_header("WebHook-Request-Origin", origin, "The sender's DNS name."),
            in_header("WebHook-Request-Rate", rate, "Requests a minute that it wants to send."),
        ])
        .answers("200", "It may, or it did not say who it is.", Value::Null)
        .headers(json!({
            "Allow": text, "WebHook-Allowed-Origin": text, "WebHook-Allowed-Rate": text,
        }))
        .refuses(&[HEADER, &[(403, "http.webhook_origin")]])
}

fn send(schemas: &mut Schemas) -> Operation {
    let event = schemas.body::<CloudEvent>();
    let batch = json!([words::example("order.placed")]);
    let structured = json!({
        "application/cloudevents+json": {
            "schema": event, "example": words::example("order.placed"),
        },
        "application/cloudevents-batch+json": {
            "schema": { "type": "array", "items": event }, "example": batch,
        },
        "application/json": { "schema": true },
        "application/octet-stream": { "schema": true },
    });
    Operation::new(("post", "/events"), "sendEvents", TAG, SEND, "Takes in one event, or a batch")
        .about(
            "CloudEvents 1.0.2. Structured and batched by their media types; with any other it is \
             binary: the attributes are the headers `ce-…`, extensions among them, and the payload \
             is the body. A batch is taken whole or not at all. What is answered with 2xx is on \
             disk. Types that begin with `triphammer.` are the host's own.",
        )
        .with(attributes(schemas, ["specversion", "id", "type"]))
        .with(optional_attributes(schemas))
        .with([prefer(), idempotency_key(), query_token()])
        .takes("An event, or a batch of them.", &structured)
        .answers("202", "On disk. Not waited for, or waited in vain.", receipts(schemas))
        .answers("200", "Waited for: every delivery has settled.", receipts(schemas))
        .headers(preference_applied())
        .leads_to("getEvent", &first_event())
        .leads_to_with("replayEvent", &first_event(), &first_function())
        .refuses(&[QUERY, HEADER, BODY, EVENT, DISK])
        .refuses(&[&[
            (400, "http.prefer"),
            (400, "event.idempotency_key"),
            (403, "event.reserved_type"),
            (413, "event.batch_too_large"),
            (413, "event.batch_too_long"),
            (415, "event.unsupported_format"),
        ]])
}

fn post(schemas: &mut Schemas) -> Operation {
    let ty = in_path("type", schemas.body::<Attribute>(), "order.placed");
    let source = schemas.body::<EventSource>();
    let subject = schemas.body::<Attribute>();
    let body = json!({
        "application/json": { "schema": true, "example": { "amount": 12 } },
        "application/octet-stream": { "schema": true },
        "text/plain": { "schema": true },
    });
    let path = ("post", "/events/{type}");
    Operation::new(path, "postEvent", TAG, SEND, "Takes in any body as an event of this type")
        .about(
            "The body is the payload, of any media type but those of CloudEvents. Further attributes \
             come as headers `ce-…`, but for `ce-type` and `ce-specversion`; none comes both ways.",
        )
        .with([
            ty,
            in_query("source", source, "`/http`, unless it is said."),
            in_query("subject", subject, "None, unless it is said."),
        ])
        .with(attributes(schemas, ["id"]))
        .with([prefer(), idempotency_key()])
        .takes("The payload.", &body)
        .answers("202", "On disk. Not waited for, or waited in vain.", receipts(schemas))
        .answers("200", "Waited for: every delivery has settled.", receipts(schemas))
        .headers(preference_applied())
        .leads_to("getEvent", &first_event())
        .leads_to_with("replayEvent", &first_event(), &first_function())
        .refuses(&[QUERY, NAME, HEADER, BODY, EVENT, DISK])
        .refuses(&[&[
            (400, "http.prefer"),
            (400, "event.idempotency_key"),
            (403, "event.reserved_type"),
            (415, "event.unsupported_format"),
            (422, "event.key_reused"),
        ]])
}

fn hook(schemas: &mut Schemas) -> Operation {
    let hook = in_path("hook", schemas.body::<words::FunctionName>(), "github");
    let any = json!({ "*/*": { "schema": true } });
    let path = ("post", "/hooks/{hook}");
    Operation::new(path, "receiveWebhook", TAG, Access::Signed, "Takes in a webhook as an event")
        .about(
            "The request proves itself by what its provider signs. Which headers and media types \
             those are is the provider's, and so is what is answered instead of a receipt: \
             docs/hooks.md.",
        )
        .with([hook])
        .takes("As the provider sends it.", &any)
        .answers("202", "On disk.", receipts(schemas))
        .leads_to("getEvent", &first_event())
        .answers("2XX", "What the provider expects.", any)
        .refuses(&[BODY, EVENT, DISK, REFUSED])
}

/// What a webhook is refused for.
const REFUSED: &[(u16, &str)] = &[
    (400, "hook.header_twice"),
    (400, "hook.header_malformed"),
    (400, "hook.id_missing"),
    (400, "hook.id_malformed"),
    (400, "hook.type_missing"),
    (400, "hook.type_malformed"),
    (400, "hook.body_malformed"),
    (400, "hook.fields_too_many"),
    (400, "hook.url_malformed"),
    (401, "hook.signature_missing"),
    (401, "hook.signature_malformed"),
    (401, "hook.signature_wrong"),
    (401, "hook.timestamp_missing"),
    (401, "hook.timestamp_malformed"),
    (401, "hook.timestamp_stale"),
    (403, "hook.type_reserved"),
    (403, "event.reserved_type"),
    (404, "hook.unknown"),
    (410, "hook.gone"),
    (405, "hook.method"),
    (413, "hook.too_large"),
    (415, "hook.content_type"),
];

fn receipts(schemas: &mut Schemas) -> Value {
    json_of(schemas.answer::<Receipts>())
}

fn first_event() -> Value {
    json!({ "seq": "$response.body#/events/0/seq" })
}

fn first_function() -> Value {
    json!({ "function": "{$response.body#/events/0/functions/0}" })
}

fn attributes<const N: usize>(schemas: &mut Schemas, names: [&str; N]) -> Vec<Value> {
    let attribute = |name: &str| {
        let schema: Value = match name {
            "specversion" => json!({ "type": "string", "const": "1.0" }),
            _ => schemas.body::<Attribute>().into(),
        };
        in_header(&format!("ce-{name}"), schema, "In binary mode; percent-encoded.")
    };
    names.into_iter().map(attribute).collect()
}

fn optional_attributes(schemas: &mut Schemas) -> [Value; 5] {
    let about = "In binary mode; percent-encoded.";
    [
        in_header("ce-source", schemas.body::<EventSource>(), about),
        in_header("ce-subject", schemas.body::<Attribute>(), about),
        in_header("ce-time", schemas.body::<words::Time>(), about),
        in_header("ce-dataschema", schemas.body::<Attribute>(), about),
        in_header("ce-notbefore", schemas.body::<words::Time>(), about),
    ]
}

fn prefer() -> Value {
    let schema = json!({
        "type": "string",
        "pattern": "^wait=[0-9]{1,9}(; ?depth=(1[0-6]|[0-9]))?$",
        "examples": ["wait=5", "wait=5; depth=3"],
    });
    in_header(
        "Prefer",
        schema,
        "Waits so many seconds, 60 at most, for all deliveries to settle, and with a depth for \
         those of so many generations of emitted events.",
    )
}

fn idempotency_key() -> Value {
    let schema = json!({
        "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-+\\--:<-\\[\\]-~]+$",
    });
    in_header(
        "Idempotency-Key",
        schema,
        "Names one event: a request sent again is no second one. Of a CloudEvent it is the `id`.",
    )
}

fn query_token() -> Value {
    in_query("access_token", json!({ "type": "string" }), "The token, where no header can be sent.")
}

fn preference_applied() -> Value {
    header("Preference-Applied", &json!({ "type": "string" }))
}
