//! The parts that records and checkpoints share: delivery rows, errors, definitions. Knows
//! neither of them.

use std::collections::BTreeMap;

use triphammer_model::{DeliveryId, Digest, ErrorInfo, Hops, Priority};

use crate::codec::{Decoder, Encoder};
use crate::codec_record::decode_revision;
use crate::error::CodecError;
use crate::record::{
    Canary, CanaryEnd, Definition, DeliveryRow, NewDelivery, OpenBreaker, Pause, RevisionDef,
    RowStatus,
};

type Decoded<T> = Result<T, CodecError>;

pub(crate) fn encode_delivery_id(e: &mut Encoder, id: &DeliveryId) {
    e.seq(id.seq);
    e.function(&id.function);
}

pub(crate) fn decode_delivery_id(d: &mut Decoder<'_>) -> Decoded<DeliveryId> {
    Ok(DeliveryId { seq: d.seq()?, function: d.function()? })
}

pub(crate) fn encode_error(e: &mut Encoder, error: &ErrorInfo) {
    e.text(&error.code);
    e.text(&error.message);
}

pub(crate) fn decode_error(d: &mut Decoder<'_>) -> Decoded<ErrorInfo> {
    Ok(ErrorInfo { code: d.string()?, message: d.string()? })
}

const HAS_DUE: u8 = 1;
const HAS_EXPIRY: u8 = 1 << 1;
const HAS_NAME: u8 = 1 << 2;
const IS_DEAD: u8 = 1 << 3;
/// The priority, in the four bits above.
const PRIORITY_SHIFT: u8 = 4;

pub(crate) fn encode_delivery(e: &mut Encoder, delivery: &NewDelivery) {
    e.function(&delivery.function);
    e.key(delivery.key.as_ref());
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    e.byte(
        flag(delivery.due.is_some(), HAS_DUE)
            | flag(delivery.expires.is_some(), HAS_EXPIRY)
            | flag(delivery.name.is_some(), HAS_NAME)
            | flag(delivery.dead.is_some(), IS_DEAD)
            | delivery.priority.get() << PRIORITY_SHIFT,
    );
    delivery.due.into_iter().for_each(|due| e.time(due));
    delivery.expires.into_iter().for_each(|expires| e.time(expires));
    delivery.name.iter().for_each(|name| e.text(name));
    delivery.dead.iter().for_each(|error| encode_error(e, error));
}

pub(crate) fn decode_delivery(d: &mut Decoder<'_>) -> Decoded<NewDelivery> {
    let (function, key) = (d.function()?, d.key()?);
    let flags = d.byte()?;
    let has = |flag: u8| flags & flag != 0;
    Ok(NewDelivery {
        function,
        key,
        priority: priority(d, flags >> PRIORITY_SHIFT)?,
        due: if has(HAS_DUE) { Some(d.time()?) } else { None },
        expires: if has(HAS_EXPIRY) { Some(d.time()?) } else { None },
        name: if has(HAS_NAME) { Some(d.string()?) } else { None },
        dead: if has(IS_DEAD) { Some(decode_error(d)?) } else { None },
    })
}

fn priority(d: &Decoder<'_>, number: u8) -> Decoded<Priority> {
    let number = u32::from(number);
    if number > Priority::MAX {
        d.expected("priority before this")
    } else {
        Ok(Priority::of(number))
    }
}

pub(crate) fn encode_row(e: &mut Encoder, row: &DeliveryRow) {
    encode_delivery_id(e, &row.id);
    e.key(row.key.as_ref());
    e.varint(u64::from(row.hops.0));
    e.time(row.accepted);
    e.time(row.entered);
    e.seq(row.order);
    e.varint(u64::from(row.attempts));
    e.byte(row.starts);
    e.byte(row.priority.get());
    e.option(row.expires, Encoder::time);
    e.option(row.name.as_ref(), |e, name| e.text(name));
    match &row.status {
        RowStatus::Due(time) => {
            e.byte(0);
            e.time(*time);
        }
        RowStatus::Dead { at, error } => {
            e.byte(1);
            e.time(*at);
            encode_error(e, error);
        }
    }
}

pub(crate) fn decode_row(d: &mut Decoder<'_>) -> Decoded<DeliveryRow> {
    Ok(DeliveryRow {
        id: decode_delivery_id(d)?,
        key: d.key()?,
        hops: Hops(d.number()?),
        accepted: d.time()?,
        entered: d.time()?,
        order: d.seq()?,
        attempts: d.number()?,
        starts: d.byte()?,
        priority: {
            let number = d.byte()?;
            priority(d, number)?
        },
        expires: d.option(Decoder::time)?,
        name: d.option(Decoder::string)?,
        status: if d.flag()? {
            RowStatus::Dead { at: d.time()?, error: decode_error(d)? }
        } else {
            RowStatus::Due(d.time()?)
        },
    })
}

pub(crate) fn encode_definition(e: &mut Encoder, definition: &Definition) {
    e.list(&definition.revisions, encode_revision_def);
    e.option(definition.active, |e, id| e.varint(u64::from(id.get())));
    e.option(definition.previous, |e, id| e.varint(u64::from(id.get())));
    e.varint(u64::from(definition.revision_last));
    e.option(definition.paused.as_ref(), |e, pause| {
        e.time(pause.at);
        e.text(&pause.reason);
    });
    e.option(definition.canary, |e, canary| {
        e.varint(u64::from(canary.revision.get()));
        e.byte(canary.weight);
        e.time(canary.since);
        e.byte(canary.failures_max);
    });
    e.option(definition.canary_ended.as_ref(), |e, ended| {
        e.varint(u64::from(ended.revision.get()));
        e.time(ended.at);
        e.text(&ended.reason);
    });
    e.option(definition.breaker.as_ref(), |e, breaker| {
        e.time(breaker.since);
        e.time(breaker.probe);
        e.varint(u64::from(breaker.failures));
        encode_error(e, &breaker.error);
    });
    e.byte(u8::from(definition.deleted));
}

pub(crate) fn decode_definition(d: &mut Decoder<'_>) -> Decoded<Definition> {
    Ok(Definition {
        revisions: d.list(decode_revision_def)?,
        active: d.option(decode_revision)?,
        previous: d.option(decode_revision)?,
        revision_last: d.number()?,
        paused: d.option(|d| Ok(Pause { at: d.time()?, reason: d.string()? }))?,
        canary: d.option(|d| {
            Ok(Canary {
                revision: decode_revision(d)?,
                weight: d.byte()?,
                since: d.time()?,
                failures_max: d.byte()?,
            })
        })?,
        canary_ended: d.option(|d| {
            Ok(CanaryEnd { revision: decode_revision(d)?, at: d.time()?, reason: d.string()? })
        })?,
        breaker: d.option(|d| {
            Ok(OpenBreaker {
                since: d.time()?,
                probe: d.time()?,
                failures: d.number()?,
                error: decode_error(d)?,
            })
        })?,
        deleted: d.flag()?,
    })
}

fn encode_revision_def(e: &mut Encoder, revision: &RevisionDef) {
    e.varint(u64::from(revision.id.get()));
    e.raw(&revision.digest.0);
    e.varint(revision.component_len);
    e.text(&revision.manifest);
    e.len(revision.config.len());
    for (name, value) in &revision.config {
        e.text(name);
        e.text(value);
    }
    e.time(revision.created);
}

fn decode_revision_def(d: &mut Decoder<'_>) -> Decoded<RevisionDef> {
    Ok(RevisionDef {
        id: decode_revision(d)?,
        digest: Digest(d.array()?),
        component_len: d.varint()?,
        manifest: d.string()?,
        config: decode_config(d)?,
        created: d.time()?,
    })
}

fn decode_config(d: &mut Decoder<'_>) -> Decoded<BTreeMap<String, String>> {
    let mut config = BTreeMap::<String, String>::new();
    for (name, value) in d.list(|d| Ok((d.string()?, d.string()?)))? {
        if config.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return d.expected("list of names in order before this");
        }
        config.insert(name, value);
    }
    Ok(config)
}
