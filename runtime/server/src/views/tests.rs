//! The JSON that users see, member by member.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use triphammer_model::{
    DeliveryId, Digest, Effects, Event, EventParts, FunctionName, Limits, LogLevel, Manifest,
    NewEvent, TimerChange, TimerEvent, Timestamp,
};
use triphammer_pipeline::{
    AttemptStory, Attempts, BreakerInfo, BreakerState, CanaryEnded, CanaryInfo, Capabilities,
    Counts, DeliveryInfo, DeliveryStory, Deployed, DryRun, Entrance, EventSummary, FunctionInfo,
    RevisionInfo, ScheduleInfo, StateEntry, StateUsage, Stats, Status, Story, TimesRecent,
    WaitKind, WaitingFor,
};

use super::*;
use crate::describe::contract;
use crate::process::Usage;

const AT: Timestamp = Timestamp(1500);
const AT_TEXT: &str = "1970-01-01T00:00:01.500Z";

/// Compared as text, so that the order of members and the bytes of payloads count. What is written
/// must be what is described.
#[track_caller]
fn check<V: Serialize + JsonSchema>(view: V, expect: &str) {
    // Line ends and their indentation are there for the reader.
    let expect: String = expect.lines().map(str::trim).collect();
    let written = serde_json::to_string(&view).unwrap();
    contract::check_written::<V>(&written);
    assert_eq!(written, expect.replace("$AT", AT_TEXT));
}

fn name() -> FunctionName {
    "welcome".parse().unwrap()
}

fn revision_3() -> RevisionId {
    RevisionId::new(3).unwrap()
}

fn seq_of(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

fn manifest() -> Manifest {
    Manifest::from_json(r#"{"on":"a"}"#, &Limits::default()).unwrap()
}

fn error() -> ErrorInfo {
    ErrorInfo { code: "invoke.trap".into(), message: "no".into() }
}

fn event() -> Event {
    let parts = EventParts {
        id: "1".into(),
        source: "/s".into(),
        ty: "t".into(),
        data: Some(Bytes::from_static(b"{\"a\": 1.0}")),
        ..EventParts::default()
    };
    Event::new(&parts).unwrap()
}

fn summary() -> EventSummary {
    EventSummary { seq: seq_of(43), accepted: AT, event: event() }
}

const SUMMARY: &str =
    r#"{"seq":"43","accepted":"$AT","id":"1","source":"/s","type":"t","subject":null,"bytes":10}"#;

#[test]
fn a_function() {
    let info = FunctionInfo {
        filter_errors: 0,
        name: name(),
        active: Some(revision_3()),
        previous: None,
        paused: Some((AT, "paused by an operator".into())),
        canary: Some(CanaryInfo {
            revision: RevisionId::new(4).unwrap(),
            weight: 10,
            since: AT,
            attempts: 30,
            failures: 4,
            failures_max: 50,
        }),
        canary_ended: Some(CanaryEnded {
            revision: RevisionId::new(2).unwrap(),
            at: AT,
            reason: "promoted".into(),
        }),
        breaker: Some(BreakerInfo {
            state: BreakerState::Open,
            failures: 5,
            since: Some(AT),
            until: Some(AT),
            error: Some(error()),
        }),
        revisions: vec![RevisionInfo {
            id: revision_3(),
            digest: Digest([0xab; 32]),
            component_len: 1234,
            manifest: json!({"on": ["a"]}),
            config: BTreeMap::from([("k".into(), "v".into())]),
            created: AT,
            active: true,
            capabilities: Some(["emit".to_owned()].into()),
            measured: (
                Attempts { committed: 8, retried: 2, dead: 1 },
                TimesRecent { count: 11, mean_ms: Some(1.5), p50_ms: Some(1.25), p99_ms: None },
            ),
        }],
        counts: Counts { ready: 1, committed: 2, ..Counts::default() },
        schedules: vec![ScheduleInfo {
            name: "nightly".into(),
            cron: "0 3 * * *".into(),
            zone: "UTC".into(),
            missed: "once",
            next: Some(AT),
        }],
        state: StateUsage { entries: 3, bytes: 90 },
    };
    let digest = "ab".repeat(32);
    let expect = format!(
        r#"{{"name":"welcome","active":"r3","previous":null,
        "paused":{{"at":"$AT","reason":"paused by an operator"}},
        "canary":{{"revision":"r4","weight":10,"since":"$AT","attempts":30,"failures":4,
        "failuresMax":50}},
        "canaryEnded":{{"revision":"r2","at":"$AT","reason":"promoted"}},
        "breaker":{{"state":"open","failures":5,"since":"$AT","until":"$AT",
        "error":{{"code":"invoke.trap","message":"no"}}}},
        "revisions":[{{"revision":"r3","digest":"{digest}","bytes":1234,"active":true,
        "manifest":{{"on":["a"]}},"config":{{"k":"v"}},"created":"$AT",
        "capabilities":["emit"],"attempts":{{"committed":8,"retried":2,"dead":1}},
        "handling":{{"count":11,"meanMs":1.5,"p50Ms":1.25,"p99Ms":null}}}}],
        "counts":{{"ready":1,"running":0,"waiting":0,"blocked":0,"dead":0,"committed":2,
        "dropped":0,"retried":0}},"schedules":[{{"name":"nightly","cron":"0 3 * * *",
        "zone":"UTC","missed":"once","next":"$AT"}}],"state":{{"entries":3,"bytes":90}}}}"#
    );
    check(FunctionView::from(info), &expect);
}

#[test]
fn a_deploy() {
    let deployed = Deployed {
        name: name(),
        revision: revision_3(),
        digest: Digest([1; 32]),
        active: true,
        canary: false,
        created: true,
        manifest: manifest(),
        warnings: vec!["careful".into()],
        imports: vec!["wasi:clocks/wall-clock".into()],
        capabilities: Capabilities {
            all: ["clock".to_owned()].into(),
            added: ["clock".to_owned()].into(),
            removed: ["state".to_owned()].into(),
        },
    };
    let (digest, manifest) = ("01".repeat(32), manifest().to_json());
    let expect = format!(
        r#"{{"name":"welcome","revision":"r3","digest":"{digest}","active":true,
        "canary":false,"manifest":{manifest},"warnings":["careful"],"imports":["wasi:clocks/wall-clock"],
        "capabilities":{{"all":["clock"],"added":["clock"],"removed":["state"]}}}}"#
    );
    check(DeployedView::from(deployed), &expect);
}

fn write(value: Option<&'static [u8]>) -> StateWrite {
    StateWrite { name: "seen".into(), value: value.map(Bytes::from_static), ttl_ms: None }
}

#[test]
fn a_dry_run_that_committed() {
    let emitted = NewEvent {
        parts: EventParts {
            ty: "email.requested".into(),
            data: Some(Bytes::from_static(b"{\"a\": 1.0}")),
            ..EventParts::default()
        },
        delay_ms: Some(500),
    };
    let reply = Reply { content_type: "text/plain".into(), data: Bytes::from_static(b"hi") };
    let set = TimerChange {
        name: "remind".into(),
        set: Some(TimerEvent {
            parts: EventParts { ty: "order.unpaid".into(), ..EventParts::default() },
            after_ms: 60_000,
        }),
    };
    let effects = Effects {
        timers: vec![set, TimerChange { name: "unpaid".into(), set: None }],
        writes: vec![write(Some(b"{\"n\": 1.0}")), write(Some(b"\xff")), write(None)],
        emits: vec![emitted],
        reply: Some(reply),
    };
    let run = DryRun {
        revision: None,
        manifest: manifest(),
        result: Ok(effects),
        logs: vec![LogLine { level: LogLevel::Info, message: "a line".into() }],
        logs_left_out: 2,
        elapsed: Duration::from_micros(1250),
    };
    let manifest = manifest().to_json();
    let expect = format!(
        r#"{{"revision":null,"manifest":{manifest},"status":"committed",
        "effects":{{"state":[{{"name":"seen","value":{{"n": 1.0}}}},
        {{"name":"seen","valueBase64":"/w=="}},{{"name":"seen","deleted":true}}],
        "emitted":[{{"specversion":"1.0","type":"email.requested","data":{{"a": 1.0}},"delayMs":500}}],
        "timers":[{{"name":"remind","afterMs":60000,"event":{{"specversion":"1.0","type":"order.unpaid"}}}},
        {{"name":"unpaid","cancelled":true}}],
        "reply":{{"contentType":"text/plain","dataBase64":"aGk="}}}},
        "logs":[{{"level":"info","message":"a line"}}],"logsLeftOut":2,"elapsedMs":1.25}}"#
    );
    check(DryRunView::from(run), &expect);
}

#[test]
fn a_dry_run_that_failed() {
    let run = DryRun {
        revision: Some(revision_3()),
        manifest: manifest(),
        result: Err(error()),
        logs: Vec::new(),
        logs_left_out: 0,
        elapsed: Duration::from_millis(2),
    };
    let manifest = manifest().to_json();
    let expect = format!(
        r#"{{"revision":"r3","manifest":{manifest},"status":"failed",
        "error":{{"code":"invoke.trap","message":"no"}},
        "effects":{{"state":[],"emitted":[],"timers":[],"reply":null}},
        "logs":[],"logsLeftOut":0,"elapsedMs":2.0}}"#
    );
    check(DryRunView::from(run), &expect);
}

#[test]
fn a_state_entry() {
    let entry = |key: Option<&str>, value: &'static [u8]| StateEntry {
        key: key.map(|key| OrderingKey::new(key).unwrap()),
        name: "seen".into(),
        value: Bytes::from_static(value),
        seq: seq_of(42),
        expires: None,
    };
    check(
        StateEntryView::from(entry(Some("k"), b"[1.0]")),
        r#"{"key":"k","name":"seen","value":[1.0],"seq":"42"}"#,
    );
    check(
        StateEntryView::from(entry(None, b"{")),
        r#"{"key":null,"name":"seen","valueBase64":"ew==","seq":"42"}"#,
    );
    check(
        StateEntryView::from(StateEntry { expires: Some(AT), ..entry(None, b"1") }),
        r#"{"key":null,"name":"seen","value":1,"seq":"42","expires":"$AT"}"#,
    );
}

#[test]
fn an_event_in_a_list() {
    check(EventSummaryView::from(summary()), SUMMARY);
}

fn delivery(error: Option<ErrorInfo>) -> DeliveryInfo {
    DeliveryInfo {
        id: DeliveryId { seq: seq_of(42), function: name() },
        key: Some(OrderingKey::new("k").unwrap()),
        timer: None,
        status: Status::Waiting,
        attempts: 1,
        accepted: AT,
        due: Some(AT),
        died: None,
        reason: "waits for its retry".into(),
        waiting_for: Some(WaitingFor {
            kind: WaitKind::Lane,
            delivery: Some(DeliveryId { seq: seq_of(41), function: name() }),
            until: None,
            ahead: Some(2),
            limit: None,
        }),
        error,
    }
}

const DELIVERY: &str = r#""id":"42/welcome","seq":"42","function":"welcome","key":"k",
    "status":"waiting","attempts":1,"accepted":"$AT","due":"$AT","died":null,"reason":"waits for its retry",
    "waitingFor":{"kind":"lane","delivery":"41/welcome","ahead":2}"#;

#[test]
fn a_delivery() {
    check(DeliveryView::from(delivery(None)), &format!(r#"{{{DELIVERY},"error":null}}"#));
    check(
        DeliveryView::from(delivery(Some(error()))),
        &format!(r#"{{{DELIVERY},"error":{{"code":"invoke.trap","message":"no"}}}}"#),
    );
}

#[test]
fn a_timer() {
    let timer = DeliveryInfo { timer: Some("reminder".into()), ..delivery(None) };
    let expect = DELIVERY.replacen(r#""key":"k","#, r#""key":"k","timer":"reminder","#, 1);
    check(DeliveryView::from(timer), &format!(r#"{{{expect},"error":null}}"#));
}

#[test]
fn a_story() {
    let attempt = AttemptStory {
        attempt: 1,
        revision: revision_3(),
        started: AT,
        ended: AT,
        outcome: "committed",
        error: None,
        logs: vec![LogLine { level: LogLevel::Warn, message: "a line".into() }],
        logs_left_out: 0,
        writes: vec![write(Some(b"1"))],
        emitted: vec![seq_of(43)],
        reply: Some(Reply {
            content_type: "application/json".into(),
            data: Bytes::from_static(b"{\"a\": 1.0}"),
        }),
    };
    let story = Story {
        seq: seq_of(42),
        accepted: AT,
        entrance: Entrance::Function(name()),
        hops: 1,
        event: event(),
        parent: Some(DeliveryId { seq: seq_of(41), function: name() }),
        deliveries: vec![DeliveryStory { info: delivery(None), attempts: vec![attempt] }],
        children: vec![summary()],
    };
    let expect = format!(
        r#"{{"seq":"42","accepted":"$AT","entrance":"function:welcome","hops":1,
        "parent":"41/welcome",
        "event":{{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{{"a": 1.0}}}},
        "deliveries":[{{{DELIVERY},"error":null,
        "history":[{{"attempt":1,"revision":"r3","started":"$AT","ended":"$AT",
        "outcome":"committed","error":null,"logs":[{{"level":"warn","message":"a line"}}],
        "logsLeftOut":0,"state":[{{"name":"seen","value":1}}],"emitted":["43"],
        "reply":{{"contentType":"application/json","data":{{"a": 1.0}}}}}}]}}],
        "children":[{SUMMARY}]}}"#
    );
    check(StoryView::from(story), &expect);
}

#[test]
fn entrances_are_named() {
    let shown = |entrance| {
        let story = Story {
            seq: seq_of(42),
            accepted: AT,
            entrance,
            hops: 0,
            event: event(),
            parent: None,
            deliveries: Vec::new(),
            children: Vec::new(),
        };
        serde_json::to_value(StoryView::from(story)).unwrap()["entrance"].clone()
    };
    assert_eq!(shown(Entrance::Ingress), "ingress");
    assert_eq!(shown(Entrance::Hook("stripe".into())), "hook:stripe");
    assert_eq!(shown(Entrance::Host), "host");
    assert_eq!(shown(Entrance::Post), "post");
}

#[test]
fn the_counters() {
    let stats = Stats {
        accepted: 7,
        durable_seq: 9,
        dedup_window: Duration::from_secs(1),
        ..Stats::default()
    };
    check(
        StatsView::new(stats.clone(), None),
        r#"{"accepted":7,"duplicates":0,"committed":0,"retried":0,"dead":0,"dropped":0,
        "redriven":0,"conflicts":0,"canariesRolledBack":0,"breakersOpened":0,"breakersProbed":0,
        "breakersClosed":0,"readyNow":0,"runningNow":0,"waitingNow":0,"blockedNow":0,"deadNow":0,
        "journalSyncs":0,"journalBytes":0,"journalBatches":0,"durableSeq":"9",
        "diskFreeBytes":0,"payloadBytes":0,"dedupWindowMs":1000,"dedupEntries":0}"#,
    );
    let told = StatsView::new(stats, Some(Usage { cpu_ms: 1250, rss_bytes: 4096 }));
    let told = serde_json::to_value(told).unwrap();
    assert_eq!((&told["cpuMs"], &told["rssBytes"]), (&1250.into(), &4096.into()));
}
