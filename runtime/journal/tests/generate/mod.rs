//! Records of every kind and shape, from a seed.

use bytes::Bytes;
use triphammer_journal::sim::Rng;
use triphammer_journal::{
    Accept, Accepted, Canary, CanaryEnd, DedupEntry, Definition, DeliveryRow, DropReason, Entrance,
    NewDelivery, OpenBreaker, Outcome, Pause, Record, Replay, ReplayFilter, ReplayState,
    RevisionDef, RowChange, RowStatus, Settle,
};
use triphammer_model::{
    DeliveryId, Digest, ErrorInfo, Event, EventParts, ExtensionValue, FunctionName, Hops, LogLevel,
    LogLine, OrderingKey, Priority, Reply, RevisionId, Seq, StateWrite, Timestamp,
};

pub(crate) fn record(rng: &mut Rng) -> Record {
    let at = time(rng);
    match rng.below(11) {
        0..=3 => {
            Record::Accept(Accept { at, entrance: entrance(rng), events: list(rng, 3, accepted) })
        }
        4..=5 => Record::Settle(Box::new(settle(rng))),
        6 => {
            let why = if rng.chance(50) { RowChange::Redriven } else { RowChange::Started };
            Record::Rows { at, why, rows: list(rng, 3, row) }
        }
        7 => Record::Drop { at, why: drop_reason(rng), ids: list(rng, 3, delivery_id) },
        8 => Record::Define {
            at,
            name: function(rng),
            definition: definition(rng),
            raised: list(rng, 2, accepted),
        },
        9 => Record::Replay { at, replay: replay(rng).into(), events: list(rng, 2, accepted) },
        _ => Record::WipeState { at, function: function(rng) },
    }
}

fn list<T>(rng: &mut Rng, most: u64, mut one: impl FnMut(&mut Rng) -> T) -> Vec<T> {
    (0..rng.below(most + 1)).map(|_| one(rng)).collect()
}

fn option<T>(rng: &mut Rng, one: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    rng.chance(50).then(|| one(rng))
}

/// Small and large numbers alike.
fn number(rng: &mut Rng) -> u64 {
    let bits = rng.below(64);
    rng.next() >> bits
}

fn time(rng: &mut Rng) -> Timestamp {
    Timestamp(number(rng))
}

fn bytes(rng: &mut Rng) -> Bytes {
    let len = rng.below(200);
    (0..len).map(|_| rng.next() as u8).collect()
}

fn text(rng: &mut Rng) -> String {
    let len = rng.below(40);
    (0..len).map(|_| *[&'a', &'é', &'\n', &'日'][rng.below(4) as usize]).collect()
}

fn function(rng: &mut Rng) -> FunctionName {
    let len = 1 + rng.below(63);
    let name: String = (0..len).map(|_| char::from(b'a' + rng.below(26) as u8)).collect();
    name.parse().unwrap()
}

fn key(rng: &mut Rng) -> Option<OrderingKey> {
    option(rng, |rng| OrderingKey::new(&text(rng)).unwrap())
}

fn seq(rng: &mut Rng) -> Seq {
    Seq::new(number(rng).max(1)).unwrap()
}

fn revision(rng: &mut Rng) -> RevisionId {
    RevisionId::new((number(rng) as u32).max(1)).unwrap()
}

fn error(rng: &mut Rng) -> ErrorInfo {
    ErrorInfo { code: text(rng), message: text(rng) }
}

fn delivery_id(rng: &mut Rng) -> DeliveryId {
    DeliveryId { seq: seq(rng), function: function(rng) }
}

fn entrance(rng: &mut Rng) -> Entrance {
    match rng.below(5) {
        0 => Entrance::Ingress,
        1 => Entrance::Hook(text(rng)),
        2 => Entrance::Function(function(rng)),
        3 => Entrance::Post,
        _ => Entrance::Host,
    }
}

fn accepted(rng: &mut Rng) -> Accepted {
    let parts = EventParts {
        id: rng.next().to_string(),
        source: "/source".into(),
        ty: "some.type".into(),
        subject: option(rng, |_| "subject".into()),
        extensions: vec![("n".into(), ExtensionValue::Integer(rng.next() as i32))],
        data: option(rng, bytes),
        ..EventParts::default()
    };
    Accepted {
        event: Event::new(&parts).unwrap(),
        hops: Hops(rng.next() as u16),
        dedup: option(rng, |rng| DedupEntry { id: [rng.next() as u8; 16], payload: rng.next() }),
        deliveries: list(rng, 3, |rng| NewDelivery {
            function: function(rng),
            key: key(rng),
            priority: priority(rng),
            due: option(rng, time),
            expires: option(rng, time),
            name: option(rng, text),
            dead: option(rng, error),
        }),
    }
}

fn row(rng: &mut Rng) -> DeliveryRow {
    DeliveryRow {
        id: delivery_id(rng),
        key: key(rng),
        hops: Hops(rng.next() as u16),
        accepted: time(rng),
        entered: time(rng),
        order: seq(rng),
        attempts: number(rng) as u32,
        starts: rng.next() as u8,
        priority: priority(rng),
        expires: option(rng, time),
        name: option(rng, text),
        status: if rng.chance(50) {
            RowStatus::Due(time(rng))
        } else {
            RowStatus::Dead { at: time(rng), error: error(rng) }
        },
    }
}

fn settle(rng: &mut Rng) -> Settle {
    let levels =
        [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];
    Settle {
        id: delivery_id(rng),
        key: key(rng),
        attempt: number(rng) as u32,
        revision: revision(rng),
        started: time(rng),
        at: time(rng),
        logs: list(rng, 4, |rng| LogLine {
            level: levels[rng.below(5) as usize],
            message: text(rng),
        }),
        logs_left_out: number(rng) as u32,
        outcome: outcome(rng),
    }
}

fn outcome(rng: &mut Rng) -> Outcome {
    match rng.below(4) {
        0 => Outcome::Retry { error: error(rng), row: row(rng) },
        1 => Outcome::Dead { row: row(rng), raised: list(rng, 1, accepted) },
        _ => Outcome::Committed {
            writes: list(rng, 3, write),
            emitted: list(rng, 3, accepted),
            reply: option(rng, |rng| Reply { content_type: text(rng), data: bytes(rng) }),
            also: list(rng, 2, |rng| (delivery_id(rng), number(rng) as u32)),
            cancelled: list(rng, 2, delivery_id),
        },
    }
}

fn replay(rng: &mut Rng) -> Replay {
    Replay {
        id: number(rng),
        created: time(rng),
        filter: ReplayFilter {
            ty: option(rng, text),
            source: option(rng, text),
            subject: option(rng, text),
            id: option(rng, text),
            after: option(rng, time),
            before: option(rng, time),
        },
        function: option(rng, function),
        rate: number(rng) as u32,
        next: seq(rng),
        end: seq(rng),
        done: number(rng),
        deliveries: number(rng),
        state: match rng.below(4) {
            0 => ReplayState::Running,
            1 => ReplayState::Done { at: time(rng) },
            2 => ReplayState::Cancelled { at: time(rng) },
            _ => ReplayState::Failed { at: time(rng), error: error(rng) },
        },
    }
}

fn write(rng: &mut Rng) -> StateWrite {
    let value = option(rng, bytes);
    let ttl_ms = value.as_ref().and_then(|_| option(rng, number));
    StateWrite { name: text(rng), value, ttl_ms }
}

fn priority(rng: &mut Rng) -> Priority {
    Priority::of(rng.below(10) as u32)
}

fn drop_reason(rng: &mut Rng) -> DropReason {
    [
        DropReason::Operator,
        DropReason::Removed,
        DropReason::Expired,
        DropReason::Debounced,
        DropReason::RateLimited,
        DropReason::Cancelled,
        DropReason::Missed,
    ][rng.below(7) as usize]
}

fn definition(rng: &mut Rng) -> Definition {
    Definition {
        revisions: list(rng, 3, |rng| RevisionDef {
            id: revision(rng),
            digest: Digest([rng.next() as u8; 32]),
            component_len: number(rng),
            manifest: text(rng),
            config: list(rng, 3, |rng| (text(rng), text(rng))).into_iter().collect(),
            created: time(rng),
        }),
        active: option(rng, revision),
        previous: option(rng, revision),
        revision_last: number(rng) as u32,
        paused: option(rng, |rng| Pause { at: time(rng), reason: text(rng) }),
        canary: option(rng, |rng| Canary {
            revision: revision(rng),
            weight: rng.next() as u8,
            since: time(rng),
            failures_max: rng.next() as u8,
        }),
        canary_ended: option(rng, |rng| CanaryEnd {
            revision: revision(rng),
            at: time(rng),
            reason: text(rng),
        }),
        breaker: option(rng, |rng| OpenBreaker {
            since: time(rng),
            probe: time(rng),
            failures: number(rng) as u32,
            error: error(rng),
        }),
        deleted: rng.chance(50),
    }
}
