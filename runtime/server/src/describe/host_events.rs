//! The events that the host makes itself, and the shapes of their payloads. Knows not when.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::schemas::Schemas;
use super::served::nullable;
use super::words::{
    Attribute, DeliveryId, EventSource, FunctionName, Revision, Seq, Time, by_hand,
};
use crate::views::ErrorView;

/// One type of event that the host makes.
#[derive(Debug)]
pub(super) struct HostEvent {
    pub(super) ty: &'static str,
    pub(super) about: &'static str,
    /// Of the payload.
    pub(super) data: Schema,
}

/// All of them.
pub(super) fn host_events(schemas: &mut Schemas) -> Vec<HostEvent> {
    let breaker = schemas.answer::<BreakerStep>();
    let event = |ty, about, data: &Schema| HostEvent { ty, about, data: data.clone() };
    vec![
        event("triphammer.breaker.closed", "A circuit breaker has closed.", &breaker),
        event("triphammer.breaker.opened", "A circuit breaker has opened.", &breaker),
        event("triphammer.breaker.probing", "One delivery is tried.", &breaker),
        event(
            "triphammer.delivery.dead",
            "A delivery has become a dead letter; that of an event like this raises none.",
            &schemas.answer::<DeadLetter>(),
        ),
        event(
            "triphammer.disk.low",
            "There is less room on the disk than `alerts.disk_free`.",
            &schemas.answer::<DiskAlert>(),
        ),
        event(
            "triphammer.disk.over",
            "There is a tenth more room than that again.",
            &schemas.answer::<DiskAlert>(),
        ),
        event(
            "triphammer.function.paused",
            "A function was paused, by an operator or the host.",
            &schemas.answer::<PauseStep>(),
        ),
        event(
            "triphammer.function.resumed",
            "A function that was paused goes on; `reason` is why it was.",
            &schemas.answer::<PauseStep>(),
        ),
        event(
            "triphammer.journal.failed",
            "The journal could not write or sync, and the host ended; told at its next start.",
            &schemas.answer::<JournalFailure>(),
        ),
        event(
            "triphammer.lag.high",
            "A delivery that could run waits for longer than `alerts.lag`.",
            &schemas.answer::<LagAlert>(),
        ),
        event(
            "triphammer.lag.over",
            "None waits for longer than half of that any more.",
            &schemas.answer::<LagAlert>(),
        ),
        event(
            "triphammer.revision.rolledback",
            "A canary failed too often, and is one no longer.",
            &schemas.answer::<RolledBack>(),
        ),
        event(
            "triphammer.schedule",
            "A slot of a schedule has come; it goes to the function with the schedule alone.",
            &schemas.answer::<Slot>(),
        ),
    ]
}

by_hand! {
    DeadLetter |generator| {
        "type": "object",
        "properties": {
            "delivery": generator.subschema_for::<DeliveryId>(),
            "function": generator.subschema_for::<FunctionName>(),
            "revision": nullable(&generator.subschema_for::<Revision>()),
            "key": { "type": ["string", "null"] },
            "attempts": { "type": "integer", "minimum": 0 },
            "error": generator.subschema_for::<ErrorView>(),
            "event": letter(generator),
        },
        "required": ["delivery", "function", "revision", "key", "attempts", "error", "event"],
    }
    BreakerStep |generator| {
        "type": "object",
        "properties": {
            "function": generator.subschema_for::<FunctionName>(),
            "revision": nullable(&generator.subschema_for::<Revision>()),
            "failures": { "type": "integer", "minimum": 0 },
            "error": generator.subschema_for::<ErrorView>(),
            "since": generator.subschema_for::<Time>(),
            "until": nullable(&generator.subschema_for::<Time>()),
            "reason": { "type": "string" },
            "delivery": nullable(&generator.subschema_for::<DeliveryId>()),
        },
        "required": ["function", "revision", "failures", "error", "since", "until", "reason",
            "delivery"],
    }
    PauseStep |generator| {
        "type": "object",
        "properties": {
            "function": generator.subschema_for::<FunctionName>(),
            "since": generator.subschema_for::<Time>(),
            "reason": { "type": "string" },
        },
        "required": ["function", "since", "reason"],
    }
    LagAlert |generator| {
        "type": "object",
        "properties": {
            "function": generator.subschema_for::<FunctionName>(),
            "lagMs": { "type": "integer", "minimum": 0 },
            "boundMs": { "type": "integer", "minimum": 1 },
            "since": generator.subschema_for::<Time>(),
            "open": { "type": "integer", "minimum": 0 },
        },
        "required": ["function", "lagMs", "boundMs", "since", "open"],
    }
    DiskAlert |generator| {
        "type": "object",
        "properties": {
            "freeBytes": { "type": "integer", "minimum": 0 },
            "boundBytes": { "type": "integer", "minimum": 1 },
            "since": generator.subschema_for::<Time>(),
        },
        "required": ["freeBytes", "boundBytes", "since"],
    }
    JournalFailure |_| {
        "type": "object",
        "properties": { "reason": { "type": "string" } },
        "required": ["reason"],
    }
    RolledBack |generator| {
        "type": "object",
        "properties": {
            "function": generator.subschema_for::<FunctionName>(),
            "revision": generator.subschema_for::<Revision>(),
            "attempts": { "type": "integer", "minimum": 0 },
            "failures": { "type": "integer", "minimum": 0 },
            "bound": { "type": "integer", "minimum": 0, "maximum": 100 },
            "reason": { "type": "string" },
        },
        "required": ["function", "revision", "attempts", "failures", "bound", "reason"],
    }
    Slot |generator| {
        "type": "object",
        "properties": {
            "schedule": { "type": "string" },
            "slot": generator.subschema_for::<Time>(),
            "zone": { "type": "string" },
            "missed": {
                "type": "integer", "minimum": 1, "description": "Slots before this one.",
            },
        },
        "required": ["schedule", "slot", "zone"],
    }
}

/// The event that was not handled.
fn letter(generator: &mut SchemaGenerator) -> Value {
    let text = generator.subschema_for::<Attribute>();
    json!({
        "type": "object",
        "properties": {
            "seq": generator.subschema_for::<Seq>(),
            "id": text,
            "source": generator.subschema_for::<EventSource>(),
            "type": text,
            "subject": nullable(&text),
        },
        "required": ["seq", "id", "source", "type", "subject"],
    })
}
