//! The parts that records and checkpoints share: delivery rows, errors, definitions. Knows
//! neither of them.

use std::collections::BTreeMap;

use triphammer_model::{DeliveryId, Digest, ErrorInfo, Hops};

use crate::codec::{Decoder, Encoder};
use crate::codec_record::decode_revision;
use crate::error::CodecError;
use crate::record::{Definition, DeliveryRow, Pause, RevisionDef, RowStatus};

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

pub(crate) fn encode_row(e: &mut Encoder, row: &DeliveryRow) {
    encode_delivery_id(e, &row.id);
    e.key(row.key.as_ref());
    e.varint(u64::from(row.hops.0));
    e.time(row.accepted);
    e.time(row.entered);
    e.seq(row.order);
    e.varint(u64::from(row.attempts));
    e.byte(row.starts);
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
    e.byte(u8::from(definition.deleted));
}

pub(crate) fn decode_definition(d: &mut Decoder<'_>) -> Decoded<Definition> {
    Ok(Definition {
        revisions: d.list(decode_revision_def)?,
        active: d.option(decode_revision)?,
        previous: d.option(decode_revision)?,
        revision_last: d.number()?,
        paused: d.option(|d| Ok(Pause { at: d.time()?, reason: d.string()? }))?,
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
