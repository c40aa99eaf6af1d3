//! When events are handled: put off, expired, and that neither is lost with the host.

use serde_json::{Value, json};

use crate::harness::{Feed, Host, Request, component, event, trip};

const PAST: &str = "2001-01-01T00:00:00Z";
const FUTURE: &str = "2031-01-01T00:00:00Z";

fn host_with_counter() -> Host {
    let host = Host::start();
    host.deploy("counter", "counter");
    host
}

fn delivery(host: &Host, receipt: &Value) -> Value {
    host.story(&receipt["seq"])["deliveries"][0].clone()
}

#[test]
fn an_event_put_off_by_its_sender_is_handled_in_time_and_once() {
    let host = host_with_counter();
    let late = event("counter.add").subject("a").with("delay", "1500ms");
    let receipt = host.accept(&late);
    let before = delivery(&host, &receipt);
    assert_eq!(before["status"], "waiting", "{before}");
    let host = host.crash_and_restart();
    assert_eq!(delivery(&host, &receipt)["due"], before["due"]);
    assert_eq!(host.accept(&late)["duplicate"], true);
    host.settled();
    let after = delivery(&host, &receipt);
    let started = after["history"][0]["started"].as_str().unwrap();
    assert!(started >= before["due"].as_str().unwrap(), "{before} {after}");
    assert_eq!(host.state("counter", Some("a"))["n"], 1);
}

#[test]
fn a_time_that_has_passed_puts_nothing_off() {
    let host = host_with_counter();
    let receipt = host.settle(&event("counter.add").subject("a").with("notbefore", PAST));
    assert_eq!(receipt["results"][0]["status"], "committed");
}

#[test]
fn the_command_line_puts_events_off() {
    let host = host_with_counter();
    let send = ["--json", "send", "counter.add", "-s", "a"];
    for (option, value) in [("--delay", "2d"), ("--not-before", FUTURE)] {
        let sent = trip(&host, &[&send[..], &[option, value]].concat()).expect(0).json();
        let waiting = delivery(&host, &sent["events"][0]);
        assert_eq!(waiting["status"], "waiting", "{option}: {waiting}");
        trip(&host, &[&send[..], &[option, "soon"]].concat()).expect(2);
    }
}

#[test]
fn what_has_expired_is_not_handled() {
    let host = host_with_counter();
    let expired = event("counter.add").subject("a").with("expirytime", PAST);
    let receipt = host.settle(&expired);
    assert_eq!(receipt["results"][0]["status"], "expired", "{receipt}");
    let alive = event("counter.add").subject("a").with("expirytime", FUTURE);
    assert_eq!(host.settle(&alive)["results"][0]["status"], "committed");
    assert_eq!(host.state("counter", Some("a"))["n"], 1);
    let gone = delivery(&host, &receipt);
    assert_eq!(gone["history"], json!([]));
    assert_eq!(gone["error"]["code"], "drop.expired");
}

#[test]
fn what_has_expired_while_its_function_was_paused_is_given_up_at_its_turn() {
    let host = host_with_counter();
    host.post("/api/v1/functions/counter/pause", json!({}));
    let receipt = host.accept(&event("counter.add").subject("a").with("expirytime", PAST));
    let reason = delivery(&host, &receipt)["reason"].clone();
    assert_eq!(reason, "expired, given up at its turn");
    let host = host.crash_and_restart();
    let feed = Feed::open(host.address(), "?function=counter");
    host.post("/api/v1/functions/counter/resume", json!({}));
    drop(feed);
    host.settled();
    assert_eq!(delivery(&host, &receipt)["status"], "expired");
}

#[test]
fn malformed_times_are_refused_with_their_attribute() {
    let host = host_with_counter();
    let far = "2999-01-01T00:00:00Z";
    for (name, value) in [
        ("expirytime", json!("soon")),
        ("expirytime", json!(1500)),
        ("notbefore", json!("2026-01-01")),
        ("notbefore", json!(far)),
        ("delay", json!("4000d")),
        ("delay", json!(-1)),
        ("delay", json!(true)),
    ] {
        let wrong = event("counter.add").subject("a").with(name, value.clone());
        let problem = host.send(wrong.request()).expect(400);
        assert_eq!(problem["code"], "event.malformed", "{name} {value}");
        assert_eq!(problem["attribute"], name, "{problem}");
    }
    let good = event("counter.add").subject("a");
    let both = crate::harness::batch(&[good.clone(), good.id("2").with("notbefore", far)]);
    assert_eq!(host.send(both).expect(400)["index"], 1);
    assert_eq!(host.send(Request::get("/api/v1/events")).expect(200)["events"], json!([]));
}

#[test]
fn a_schedule_is_shown_with_its_next_slot() {
    let host = Host::start();
    let yearly = json!({"name": "yearly", "cron": "0 0 1 jan *", "zone": "Europe/Berlin"});
    let manifest = json!({"on": ["counter.add"], "key": "subject", "schedule": yearly});
    host.deploy_with("counter", "counter", json!({}), manifest);
    let shown = host.function("counter")["schedules"].clone();
    assert_eq!(shown[0]["name"], "yearly");
    assert_eq!(shown[0]["missed"], "once");
    let next = shown[0]["next"].as_str().unwrap();
    assert!(next.ends_with("-12-31T23:00:00.000Z"), "{shown}");
    assert_eq!(host.counts("counter")["waiting"], 1);
    let host = host.crash_and_restart();
    assert_eq!(host.function("counter")["schedules"], shown);
    assert_eq!(host.counts("counter")["waiting"], 1);
    let told = trip(&host, &["function", "counter"]).expect(0);
    let line = told.stdout.lines().find(|line| line.contains("yearly ")).unwrap();
    for part in ["Europe/Berlin", "-12-31 23:00:00Z", "-01-01 00:00:00+01:00"] {
        assert!(line.contains(part), "`{part}` is not in: {}", told.stdout);
    }
    // It is no work that waits.
    let removed = host.send(Request::new("DELETE", "/api/v1/functions/counter"));
    assert_eq!(removed.status, 200, "{}", removed.text());
}

#[test]
fn wrong_schedules_are_refused_by_their_members() {
    let host = Host::start();
    for (member, schedule) in [
        ("schedule.cron", json!({"cron": "61 * * * *"})),
        ("schedule.zone", json!({"cron": "0 * * * *", "zone": "Mars/Base"})),
        ("schedule.name", json!([{"cron": "0 * * * *"}, {"cron": "0 * * * *"}])),
    ] {
        let manifest = json!({"on": ["counter.add"], "schedule": schedule});
        let request = Request::new("PUT", "/api/v1/functions/counter")
            .body("application/wasm", component("counter"))
            .header("triphammer-manifest", manifest.to_string());
        let problem = host.send(request).expect(422);
        assert_eq!(
            (&problem["code"], &problem["member"]),
            (&json!("manifest.invalid"), &json!(member))
        );
    }
}
