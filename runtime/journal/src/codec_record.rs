//! Records to bytes and back. Knows nothing of where they are kept.
//!
//! The first byte is the record's kind. DESIGN.md gives every field; the golden test pins them.

use bytes::Bytes;
use triphammer_model::{Event, Hops, LogLevel, LogLine, Reply, RevisionId, StateWrite};

use crate::codec::{Decoder, Encoder};
use crate::codec_parts::{
    decode_definition, decode_delivery, decode_delivery_id, decode_error, decode_row,
    encode_definition, encode_delivery, encode_delivery_id, encode_error, encode_row,
};
use crate::error::CodecError;
use crate::record::{
    Accept, Accepted, Body, DedupEntry, DropReason, Entrance, Outcome, Record, RowChange, Settle,
};
use crate::record_replay::{decode_replay, encode_replay};

const ACCEPT: u8 = 1;
const SETTLE: u8 = 2;
const ROWS: u8 = 3;
const DROP: u8 = 4;
const DEFINE: u8 = 5;
const WIPE_STATE: u8 = 6;
const REPLAY: u8 = 7;

/// What everything in an accepted event but the event itself usually takes.
const ACCEPTED_ROOM: usize = 64;
/// What everything in a settle record but its events, values and texts usually takes.
const SETTLE_ROOM: usize = 96;

type Decoded<T> = Result<T, CodecError>;

impl Body {
    /// Encodes and checksums: everything about a record that needs no lock.
    pub fn encode(record: &Record) -> Self {
        let mut e = Encoder::with_capacity(room(record));
        encode(&mut e, record);
        let bytes = Bytes::from(e.finish());
        let crc = crc32c::crc32c(&bytes);
        Self { bytes, crc, span: record.span() }
    }

    /// As it goes into the log.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// In bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many sequence numbers it takes.
    pub fn span(&self) -> u64 {
        self.span
    }
}

impl Record {
    /// Events and values are slices of `body`, and keep it alive.
    pub fn decode(body: &Bytes) -> Result<Self, CodecError> {
        let mut d = Decoder::new(body);
        let record = decode(&mut d)?;
        d.end()?;
        Ok(record)
    }
}

/// Enough for the usual record, so that its buffer never grows.
fn room(record: &Record) -> usize {
    let events = |events: &[Accepted]| -> usize {
        let one = |accepted: &Accepted| {
            let deliveries = &accepted.deliveries;
            let keys: usize =
                deliveries.iter().flat_map(|d| &d.key).map(|k| k.as_str().len()).sum();
            accepted.event.as_bytes().len() + ACCEPTED_ROOM * (1 + deliveries.len()) + keys
        };
        events.iter().map(one).sum()
    };
    match record {
        Record::Accept(accept) => ACCEPTED_ROOM + events(&accept.events),
        Record::Settle(settle) => {
            let logs: usize = settle.logs.iter().map(|line| line.message.len() + 8).sum();
            let key = settle.key.as_ref().map_or(0, |key| key.as_str().len());
            let outcome = match &settle.outcome {
                Outcome::Committed { writes, emitted, reply, also, cancelled } => {
                    let write =
                        |w: &StateWrite| w.name.len() + w.value.as_ref().map_or(0, Bytes::len) + 16;
                    let reply = reply.as_ref().map_or(0, |r| r.content_type.len() + r.data.len());
                    let ids = (also.len() + cancelled.len()) * 32;
                    writes.iter().map(write).sum::<usize>() + events(emitted) + reply + ids
                }
                Outcome::Retry { .. } | Outcome::Dead { .. } => 512,
            };
            SETTLE_ROOM + key + logs + outcome
        }
        Record::Rows { rows, .. } => 32 + rows.len() * 128,
        Record::Drop { ids, .. } => 32 + ids.len() * 32,
        Record::Define { raised, .. } => 4096 + events(raised),
        Record::WipeState { .. } => 96,
        Record::Replay { events: made, .. } => 512 + events(made),
    }
}

fn encode(e: &mut Encoder, record: &Record) {
    match record {
        Record::Accept(accept) => {
            e.byte(ACCEPT);
            e.time(accept.at);
            encode_entrance(e, &accept.entrance);
            e.list(&accept.events, encode_accepted);
        }
        Record::Settle(settle) => {
            e.byte(SETTLE);
            encode_settle(e, settle);
        }
        Record::Rows { at, why, rows } => {
            e.byte(ROWS);
            e.time(*at);
            e.byte(match why {
                RowChange::Redriven => 0,
                RowChange::Started => 1,
            });
            e.list(rows, encode_row);
        }
        Record::Drop { at, why, ids } => {
            e.byte(DROP);
            e.time(*at);
            e.byte(drop_reason_byte(*why));
            e.list(ids, encode_delivery_id);
        }
        Record::Define { at, name, definition, raised } => {
            e.byte(DEFINE);
            e.time(*at);
            e.function(name);
            encode_definition(e, definition);
            e.list(raised, encode_accepted);
        }
        Record::WipeState { at, function } => {
            e.byte(WIPE_STATE);
            e.time(*at);
            e.function(function);
        }
        Record::Replay { at, replay, events } => {
            e.byte(REPLAY);
            e.time(*at);
            encode_replay(e, replay);
            e.list(events, encode_accepted);
        }
    }
}

fn decode(d: &mut Decoder<'_>) -> Decoded<Record> {
    let kind = d.byte()?;
    Ok(match kind {
        ACCEPT => Record::Accept(Accept {
            at: d.time()?,
            entrance: decode_entrance(d)?,
            events: d.list(decode_accepted)?,
        }),
        SETTLE => Record::Settle(Box::new(decode_settle(d)?)),
        ROWS => Record::Rows {
            at: d.time()?,
            why: if d.flag()? { RowChange::Started } else { RowChange::Redriven },
            rows: d.list(decode_row)?,
        },
        DROP => Record::Drop {
            at: d.time()?,
            why: decode_drop_reason(d)?,
            ids: d.list(decode_delivery_id)?,
        },
        DEFINE => Record::Define {
            at: d.time()?,
            name: d.function()?,
            definition: decode_definition(d)?,
            raised: d.list(decode_accepted)?,
        },
        WIPE_STATE => Record::WipeState { at: d.time()?, function: d.function()? },
        REPLAY => Record::Replay {
            at: d.time()?,
            replay: Box::new(decode_replay(d)?),
            events: d.list(decode_accepted)?,
        },
        _ => return d.expected("record kind before this"),
    })
}

fn encode_entrance(e: &mut Encoder, entrance: &Entrance) {
    match entrance {
        Entrance::Ingress => e.byte(0),
        Entrance::Hook(name) => {
            e.byte(1);
            e.text(name);
        }
        Entrance::Function(name) => {
            e.byte(2);
            e.function(name);
        }
        Entrance::Host => e.byte(3),
        Entrance::Post => e.byte(4),
    }
}

fn decode_entrance(d: &mut Decoder<'_>) -> Decoded<Entrance> {
    Ok(match d.byte()? {
        0 => Entrance::Ingress,
        1 => Entrance::Hook(d.string()?),
        2 => Entrance::Function(d.function()?),
        3 => Entrance::Host,
        4 => Entrance::Post,
        _ => return d.expected("entrance before this"),
    })
}

fn encode_accepted(e: &mut Encoder, accepted: &Accepted) {
    e.bytes(accepted.event.as_bytes());
    e.varint(u64::from(accepted.hops.0));
    e.option(accepted.dedup.as_ref(), |e, dedup| {
        e.raw(&dedup.id);
        e.raw(&dedup.payload.to_le_bytes());
    });
    e.list(&accepted.deliveries, encode_delivery);
}

fn decode_accepted(d: &mut Decoder<'_>) -> Decoded<Accepted> {
    let Some(event) = Event::from_bytes(d.bytes()?) else {
        return d.expected("event before this");
    };
    Ok(Accepted {
        event,
        hops: Hops(d.number()?),
        dedup: d.option(|d| {
            Ok(DedupEntry { id: d.array()?, payload: u64::from_le_bytes(d.array()?) })
        })?,
        deliveries: d.list(decode_delivery)?,
    })
}

fn encode_settle(e: &mut Encoder, settle: &Settle) {
    encode_delivery_id(e, &settle.id);
    e.key(settle.key.as_ref());
    e.varint(u64::from(settle.attempt));
    e.varint(u64::from(settle.revision.get()));
    e.time(settle.started);
    e.time(settle.at);
    e.list(&settle.logs, |e, line| {
        e.byte(match line.level {
            LogLevel::Trace => 0,
            LogLevel::Debug => 1,
            LogLevel::Info => 2,
            LogLevel::Warn => 3,
            LogLevel::Error => 4,
        });
        e.text(&line.message);
    });
    e.varint(u64::from(settle.logs_left_out));
    match &settle.outcome {
        Outcome::Committed { writes, emitted, reply, also, cancelled } => {
            e.byte(0);
            e.list(writes, encode_write);
            e.list(emitted, encode_accepted);
            e.option(reply.as_ref(), |e, reply| {
                e.text(&reply.content_type);
                e.bytes(&reply.data);
            });
            e.list(also, |e, (id, attempt)| {
                encode_delivery_id(e, id);
                e.varint(u64::from(*attempt));
            });
            e.list(cancelled, encode_delivery_id);
        }
        Outcome::Retry { error, row } => {
            e.byte(1);
            encode_error(e, error);
            encode_row(e, row);
        }
        Outcome::Dead { row, raised } => {
            e.byte(2);
            encode_row(e, row);
            e.list(raised, encode_accepted);
        }
    }
}

fn decode_settle(d: &mut Decoder<'_>) -> Decoded<Settle> {
    Ok(Settle {
        id: decode_delivery_id(d)?,
        key: d.key()?,
        attempt: d.number()?,
        revision: decode_revision(d)?,
        started: d.time()?,
        at: d.time()?,
        logs: d.list(decode_log_line)?,
        logs_left_out: d.number()?,
        outcome: decode_outcome(d)?,
    })
}

fn decode_outcome(d: &mut Decoder<'_>) -> Decoded<Outcome> {
    Ok(match d.byte()? {
        0 => Outcome::Committed {
            writes: d.list(decode_write)?,
            emitted: d.list(decode_accepted)?,
            reply: d.option(|d| Ok(Reply { content_type: d.string()?, data: d.bytes()? }))?,
            also: d.list(|d| Ok((decode_delivery_id(d)?, d.number()?)))?,
            cancelled: d.list(decode_delivery_id)?,
        },
        1 => Outcome::Retry { error: decode_error(d)?, row: decode_row(d)? },
        2 => Outcome::Dead { row: decode_row(d)?, raised: d.list(decode_accepted)? },
        _ => return d.expected("outcome before this"),
    })
}

fn encode_write(e: &mut Encoder, write: &StateWrite) {
    e.text(&write.name);
    match (&write.value, write.ttl_ms) {
        (None, _) => e.byte(0),
        (Some(value), None) => {
            e.byte(1);
            e.bytes(value);
        }
        (Some(value), Some(ttl_ms)) => {
            e.byte(2);
            e.bytes(value);
            e.varint(ttl_ms);
        }
    }
}

fn decode_write(d: &mut Decoder<'_>) -> Decoded<StateWrite> {
    let name = d.string()?;
    let kind = d.byte()?;
    if kind > 2 {
        return d.expected("kind of write before this");
    }
    Ok(StateWrite {
        name,
        value: if kind > 0 { Some(d.bytes()?) } else { None },
        ttl_ms: if kind == 2 { Some(d.varint()?) } else { None },
    })
}

fn drop_reason_byte(why: DropReason) -> u8 {
    match why {
        DropReason::Operator => 0,
        DropReason::Removed => 1,
        DropReason::Expired => 2,
        DropReason::Debounced => 3,
        DropReason::RateLimited => 4,
        DropReason::Cancelled => 5,
        DropReason::Missed => 6,
    }
}

fn decode_drop_reason(d: &mut Decoder<'_>) -> Decoded<DropReason> {
    Ok(match d.byte()? {
        0 => DropReason::Operator,
        1 => DropReason::Removed,
        2 => DropReason::Expired,
        3 => DropReason::Debounced,
        4 => DropReason::RateLimited,
        5 => DropReason::Cancelled,
        6 => DropReason::Missed,
        _ => return d.expected("reason of a drop before this"),
    })
}

fn decode_log_line(d: &mut Decoder<'_>) -> Decoded<LogLine> {
    let level = match d.byte()? {
        0 => LogLevel::Trace,
        1 => LogLevel::Debug,
        2 => LogLevel::Info,
        3 => LogLevel::Warn,
        4 => LogLevel::Error,
        _ => return d.expected("log level before this"),
    };
    Ok(LogLine { level, message: d.string()? })
}

pub(crate) fn decode_revision(d: &mut Decoder<'_>) -> Decoded<RevisionId> {
    match RevisionId::new(d.number()?) {
        Some(revision) => Ok(revision),
        None => d.expected("revision before this"),
    }
}
