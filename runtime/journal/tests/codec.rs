//! Records as bytes: every kind comes back as it was, bent bytes are refused without harm, and
//! the bytes themselves are pinned.

#![expect(clippy::unwrap_used, reason = "a test that has not got what it needs ends there")]

mod generate;

use bytes::Bytes;
use triphammer_journal::sim::Rng;
use triphammer_journal::{
    Accept, Accepted, Body, Canary, CanaryEnd, DedupEntry, Definition, DeliveryRow, DropReason,
    Entrance, NewDelivery, OpenBreaker, Outcome, Pause, Record, Replay, ReplayFilter, ReplayState,
    RevisionDef, RowChange, RowStatus, Settle,
};
use triphammer_model::{
    DeliveryId, Digest, ErrorInfo, Event, EventParts, Hops, LogLevel, LogLine, OrderingKey,
    Priority, Reply, RevisionId, Seq, StateWrite, Timestamp,
};

#[test]
fn records_come_back_as_they_were() {
    for seed in 0..3000 {
        let record = generate::record(&mut Rng::new(seed));
        let body = Body::encode(&record);
        assert_eq!(Record::decode(body.bytes()).as_ref(), Ok(&record), "seed {seed}");
        assert_eq!(body.span(), record.span());
    }
}

#[test]
fn a_record_that_is_cut_or_lengthened_is_none() {
    for seed in 0..300 {
        let bytes = Body::encode(&generate::record(&mut Rng::new(seed))).bytes().clone();
        for len in 0..bytes.len().min(400) {
            assert!(Record::decode(&bytes.slice(..len)).is_err(), "seed {seed}, {len} bytes");
        }
        let longer = Bytes::from([&bytes[..], &[0]].concat());
        assert!(Record::decode(&longer).is_err(), "seed {seed}");
    }
}

#[test]
fn bent_bytes_do_no_harm_and_have_one_spelling() {
    for seed in 0..20_000 {
        let mut rng = Rng::new(seed);
        let mut bytes = Body::encode(&generate::record(&mut rng)).bytes().to_vec();
        for _ in 0..=rng.below(3) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = if rng.chance(30) { 0xff } else { rng.next() as u8 };
        }
        // It may still be a record. Then it is the only way to write that record.
        if let Ok(record) = Record::decode(&bytes.clone().into()) {
            assert_eq!(Body::encode(&record).bytes(), &bytes, "seed {seed}");
        }
    }
}

#[test]
fn events_and_values_are_slices_of_the_body() {
    let body = Body::encode(&settle());
    let Ok(Record::Settle(settle)) = Record::decode(body.bytes()) else { panic!() };
    let Outcome::Committed { writes, emitted, .. } = settle.outcome else { panic!() };
    let range = body.bytes().as_ptr_range();
    assert!(range.contains(&writes[0].value.as_ref().unwrap().as_ptr()));
    assert!(range.contains(&emitted[0].event.as_bytes().as_ptr()));
}

fn name(text: &str) -> triphammer_model::FunctionName {
    text.parse().unwrap()
}

fn id() -> DeliveryId {
    DeliveryId { seq: Seq::new(300).unwrap(), function: name("f") }
}

fn error() -> ErrorInfo {
    ErrorInfo { code: "e".into(), message: "m".into() }
}

fn accepted() -> Accepted {
    let parts = EventParts {
        id: "1".into(),
        source: "/s".into(),
        ty: "t".into(),
        data: Some(Bytes::from_static(b"{}")),
        ..EventParts::default()
    };
    Accepted {
        event: Event::new(&parts).unwrap(),
        hops: Hops(2),
        dedup: Some(DedupEntry { id: [0xdd; 16], payload: 0x0102_0304_0506_0708 }),
        deliveries: vec![NewDelivery {
            function: name("f"),
            key: Some(OrderingKey::new("k").unwrap()),
            priority: Priority::of(7),
            due: Some(Timestamp(5)),
            expires: Some(Timestamp(6)),
            name: Some("n".into()),
            dead: Some(error()),
        }],
    }
}

fn row(status: RowStatus) -> DeliveryRow {
    DeliveryRow {
        id: id(),
        key: None,
        hops: Hops(1),
        accepted: Timestamp(2),
        entered: Timestamp(3),
        order: Seq::new(4).unwrap(),
        attempts: 5,
        starts: 6,
        priority: Priority::of(9),
        expires: Some(Timestamp(7)),
        name: None,
        status,
    }
}

fn settle() -> Record {
    settled(Outcome::Committed {
        writes: vec![
            StateWrite { name: "a".into(), value: Some(Bytes::from_static(b"v")), ttl_ms: None },
            StateWrite { name: "b".into(), value: None, ttl_ms: None },
            StateWrite { name: "c".into(), value: Some(Bytes::new()), ttl_ms: Some(3) },
        ],
        emitted: vec![accepted()],
        reply: Some(Reply { content_type: "c".into(), data: Bytes::from_static(b"r") }),
        also: vec![(id(), 2)],
        cancelled: vec![id()],
    })
}

fn settled(outcome: Outcome) -> Record {
    Record::Settle(Box::new(Settle {
        id: id(),
        key: Some(OrderingKey::new("k").unwrap()),
        attempt: 1,
        revision: RevisionId::new(7).unwrap(),
        started: Timestamp(128),
        at: Timestamp(129),
        logs: vec![LogLine { level: LogLevel::Warn, message: "l".into() }],
        logs_left_out: 9,
        outcome,
    }))
}

fn definition() -> Definition {
    Definition {
        revisions: vec![RevisionDef {
            id: RevisionId::new(1).unwrap(),
            digest: Digest([0xbb; 32]),
            component_len: 200,
            manifest: "{}".into(),
            config: [("n".to_owned(), "v".to_owned())].into(),
            created: Timestamp(1),
        }],
        active: RevisionId::new(1),
        previous: None,
        revision_last: 3,
        paused: Some(Pause { at: Timestamp(4), reason: "p".into() }),
        canary: Some(Canary {
            revision: RevisionId::new(2).unwrap(),
            weight: 10,
            since: Timestamp(5),
            failures_max: 20,
        }),
        canary_ended: Some(CanaryEnd {
            revision: RevisionId::new(1).unwrap(),
            at: Timestamp(9),
            reason: "r".into(),
        }),
        breaker: Some(OpenBreaker {
            since: Timestamp(6),
            probe: Timestamp(7),
            failures: 8,
            error: error(),
        }),
        deleted: false,
    }
}

#[track_caller]
fn pinned(record: &Record, expect: &str) {
    let bytes = Body::encode(record).bytes().clone();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let expect: String = expect.split_whitespace().collect();
    assert_eq!(hex, expect, "the format on disk has changed: old data would be unreadable");
    assert_eq!(Record::decode(&bytes).as_ref(), Ok(record));
}

const ACCEPTED: &str = "
    2e 01000000 03000000 04000000 04000000 04000000 04000000 04000000 04000000 06000000
    07010000 31 2f73 74 7b7d
    02 01 dddddddddddddddddddddddddddddddd 0807060504030201
    01 0166 01016b 7f 05 06 016e 0165 016d";
const SETTLED: &str = "02 ac02 0166 01016b 01 07 8001 8101 01 03016c 09";
const ROW: &str = "ac02 0166 00 01 02 03 04 05 06 09 0107 00";

#[test]
fn the_format_is_pinned() {
    let accept = |entrance, events| Record::Accept(Accept { at: Timestamp(1), entrance, events });
    pinned(&accept(Entrance::Ingress, vec![accepted()]), &format!("01 01 00 01 {ACCEPTED}"));
    pinned(&accept(Entrance::Hook("h".into()), vec![]), "01 01 01 0168 00");
    pinned(&accept(Entrance::Function(name("f")), vec![]), "01 01 02 0166 00");
    pinned(&accept(Entrance::Host, vec![]), "01 01 03 00");
    pinned(&accept(Entrance::Post, vec![]), "01 01 04 00");
    let committed = format!(
        "{SETTLED} 00 03 0161 01 0176 0162 00 0163 02 00 03 01 {ACCEPTED} 01 0163 0172
        01 ac02 0166 02 01 ac02 0166"
    );
    pinned(&settle(), &committed);
    let due = row(RowStatus::Due(Timestamp(8)));
    let dead = row(RowStatus::Dead { at: Timestamp(8), error: error() });
    let retry = Outcome::Retry { error: error(), row: due.clone() };
    pinned(&settled(retry), &format!("{SETTLED} 01 0165 016d {ROW} 00 08"));
    let gave_up = Outcome::Dead { row: dead.clone(), raised: vec![accepted()] };
    pinned(&settled(gave_up), &format!("{SETTLED} 02 {ROW} 01 08 0165 016d 01 {ACCEPTED}"));
    let at = Timestamp(1);
    let rows = Record::Rows { at, why: RowChange::Redriven, rows: vec![due, dead] };
    pinned(&rows, &format!("03 01 00 02 {ROW} 00 08 {ROW} 01 08 0165 016d"));
    let started = Record::Rows { at, why: RowChange::Started, rows: vec![] };
    pinned(&started, "03 01 01 00");
    let why = DropReason::Debounced;
    pinned(&Record::Drop { at, why, ids: vec![id()] }, "04 01 03 01 ac02 0166");
    let digest = "bb".repeat(32);
    pinned(
        &Record::Define { at, name: name("f"), definition: definition(), raised: vec![accepted()] },
        &format!(
            "05 01 0166 01 01 {digest} c801 027b7d 01 016e 0176 01 0101 00 03 01 04 0170
            01 02 0a 05 14 01 01 09 0172 01 06 07 08 0165 016d 00 01 {ACCEPTED}"
        ),
    );
    pinned(&Record::WipeState { at, function: name("f") }, "06 01 0166");
    let mut replay = Replay {
        id: 1,
        created: Timestamp(2),
        filter: ReplayFilter {
            ty: Some("t".into()),
            source: Some("s".into()),
            subject: None,
            id: Some("i".into()),
            after: Some(Timestamp(3)),
            before: Some(Timestamp(4)),
        },
        function: Some(name("f")),
        rate: 1000,
        next: Seq::new(5).unwrap(),
        end: Seq::new(6).unwrap(),
        done: 7,
        deliveries: 8,
        state: ReplayState::Running,
    };
    const REPLAY: &str = "01 02 010174 010173 00 010169 0103 0104 010166 e807 05 06 07 08";
    let record =
        |replay: &Replay, events| Record::Replay { at, replay: replay.clone().into(), events };
    pinned(&record(&replay, vec![accepted()]), &format!("07 01 {REPLAY} 00 01 {ACCEPTED}"));
    for (state, expect) in [
        (ReplayState::Done { at }, "01 01"),
        (ReplayState::Cancelled { at }, "02 01"),
        (ReplayState::Failed { at, error: error() }, "03 01 0165 016d"),
    ] {
        replay.state = state;
        pinned(&record(&replay, vec![]), &format!("07 01 {REPLAY} {expect} 00"));
    }
}
