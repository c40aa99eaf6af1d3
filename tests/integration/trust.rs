//! Signed modules, and what an upload says of what it may reach.

use serde_json::{Value, json};

use crate::harness::{Host, Request, Response, Setup, component, event, trip, trip_in, upload};

/// A host that takes what this key signs, and nothing else.
fn host(key: &str, dir: &std::path::Path) -> Host {
    let public = trip_in(dir, &["key", key]).expect(0).stdout.trim().to_owned();
    let file = dir.join("triphammer.toml");
    std::fs::write(&file, format!("[trust]\nkeys = [\"{public}\"]\nrequired = true\n")).unwrap();
    Setup::new().config(file).start()
}

#[test]
fn only_what_a_trusted_key_signed_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (key, other, wasm) = (path("key.pem"), path("other.pem"), path("counter.wasm"));
    std::fs::write(&wasm, component("counter")).unwrap();
    let host = host(&key, dir.path());
    trip_in(dir.path(), &["key", &other]).expect(0);

    let refused = |args: &[&str]| {
        let args: Vec<&str> = ["deploy", &wasm].iter().chain(args).copied().collect();
        trip(&host, &args).expect(1).stderr
    };
    assert!(refused(&[]).contains("takes signed modules only"));
    assert!(refused(&["--sign", &other]).contains("is not by a key of `trust.keys`"));
    trip(&host, &["deploy", &wasm, "--sign", &key]).expect(0);
    trip(&host, &["deploy", &wasm, "--sign", &key, "--manifest", r#"{"on":"ü"}"#]).expect(0);
    assert_eq!(host.function("counter")["active"], "r2");

    let send = |request: Request| -> Response { host.send(request) };
    let bare = || upload("counter", component("counter"));
    send(bare()).problem(403, "trust.unsigned");
    send(bare().header("triphammer-signature", "AAAA")).problem(400, "trust.malformed");
    let zeros = format!("{}==", "A".repeat(86));
    send(bare().header("Triphammer-SIGNATURE", zeros.clone())).problem(403, "trust.untrusted");
    let twice = bare().header("triphammer-signature", zeros.clone());
    send(twice.header("triphammer-signature", zeros)).problem(400, "http.header");
    // A dry run of a component is a run of it, too.
    let event = base64_of(&event("count.up").json());
    let dry = Request::post("/api/v1/test").header("triphammer-event", event);
    send(dry.body("application/wasm", component("counter"))).problem(403, "trust.unsigned");
}

fn base64_of(value: &Value) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, value.to_string())
}

#[test]
fn a_key_is_made_once_and_for_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key.pem");
    let name = file.to_str().unwrap();
    let first = trip_in(dir.path(), &["key", name, "--json"]).expect(0).json();
    let again = trip_in(dir.path(), &["key", name, "--json"]).expect(0).json();
    assert_eq!((&first["new"], &again["new"]), (&json!(true), &json!(false)));
    assert_eq!(first["public"], again["public"]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&file, "no key").unwrap();
    trip_in(dir.path(), &["key", name]).expect(2);
}

#[test]
fn settings_that_refuse_everything_stop_the_start() {
    for settings in ["[trust]\nrequired = true\n", "[trust]\nkeys = [\"ed25519:AAAA\"]\n"] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("triphammer.toml");
        std::fs::write(&file, settings).unwrap();
        let ended = Setup::new().config(file).try_start().expect_err("it starts");
        assert!(ended.log.contains("trust.keys"), "{}", ended.log);
    }
}

#[test]
fn an_upload_says_what_it_may_reach_and_what_is_new() {
    let host = Host::start();
    let first = host.deploy("reach", "counter");
    let names = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    let all = names(&first["capabilities"]["all"]);
    assert!(all.contains(&"state".to_owned()), "{first}");
    assert_eq!(names(&first["capabilities"]["added"]), all);
    let manifest = json!({"on": "fetch.run", "http": {"allow": ["https://api.example.com"]}});
    let second = host.deploy_with("reach", "fetch", json!({"key": "secret:KEY"}), manifest);
    let capabilities = &second["capabilities"];
    let added = names(&capabilities["added"]);
    for new in ["http api.example.com", "secret KEY"] {
        assert!(added.contains(&new.to_owned()), "{second}");
    }
    let again = host.deploy_with(
        "reach",
        "fetch",
        json!({"key": "secret:KEY"}),
        json!({
            "on": "fetch.run", "http": {"allow": ["https://other.example.com"]},
        }),
    );
    assert_eq!(names(&again["capabilities"]["added"]), ["http other.example.com"]);
    assert_eq!(names(&again["capabilities"]["removed"]), ["http api.example.com"]);
}
