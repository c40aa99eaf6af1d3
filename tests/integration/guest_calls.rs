//! What the SDK asks the host for beyond state and emits, as a dry run shows it: timers, times to
//! live, batches.

use serde_json::{Value, json};

use crate::harness::{Host, Request, component, event, upload};

/// The would-be effects of the guest `alarm`.
fn alarmed(host: &Host, what: &str, data: Value) -> Value {
    let event = event(&format!("alarm.{what}")).subject("s").data(data).json().to_string();
    let test = Request::post("/api/v1/functions/alarm/test");
    let run = host.send(test.body("application/cloudevents+json", event)).expect(200);
    assert_eq!(run["status"], "committed", "{run}");
    run["effects"].clone()
}

#[test]
fn a_dry_run_shows_timers_and_times_to_live() {
    let host = Host::start();
    host.deploy("alarm", "alarm");
    let asked = json!({"name": "a", "after_ms": 1500, "n": 7});
    let effects = alarmed(&host, "set", asked.clone());
    let timer = &effects["timers"][0];
    assert_eq!((&timer["name"], &timer["afterMs"]), (&json!("a"), &json!(1500)));
    assert_eq!((&timer["event"]["type"], &timer["event"]["data"]), (&json!("rang"), &asked));
    let effects = alarmed(&host, "cancel", json!({"name": "a"}));
    assert_eq!(effects["timers"], json!([{"name": "a", "cancelled": true}]));
    let effects = alarmed(&host, "keep", json!({"name": "k", "after_ms": 60_000, "n": 1}));
    assert_eq!(effects["state"], json!([{"name": "k", "value": 1, "ttlMs": 60_000}]));
}

#[test]
fn a_component_of_batches_needs_a_manifest_with_batch() {
    let host = Host::start();
    let upload = upload("tally", component("tally"));
    let without = upload.header("triphammer-manifest", r#"{"on": "tally.*"}"#);
    let problem = host.send(without).problem(422, "manifest.invalid");
    assert!(problem.contains("`batch` is missing"), "{problem}");
}
