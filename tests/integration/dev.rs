//! `trip dev`: what changes is built, deployed and watched; what does not build changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Host, Running, event, target_dir, trip_in};

/// A new project, built once: what is waited for below is a small build. The name is this test's
/// own, since all builds share a target directory.
fn project(dir: &Path, name: &str) -> (PathBuf, String) {
    trip_in(dir, &["new", name]).expect(0);
    let target = target_dir().with_file_name("new-project").to_str().unwrap().to_owned();
    let project = dir.join(name);
    trip_in(&project, &["build", "--target-dir", &target]).expect(0);
    (project, target)
}

fn registered(subject: &str) -> crate::harness::Event {
    event("user.registered").subject(subject).data(json!({"email": "ada@example.com"}))
}

#[test]
fn a_change_is_built_and_deployed_and_what_does_not_build_changes_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let (project, target) = project(scratch.path(), "watched");
    let try_it = scratch.path().join("event.json");
    fs::write(&try_it, registered("tried").json().to_string()).unwrap();
    let host = Host::start();
    let dir = project.to_str().unwrap();
    let event_file = try_it.to_str().unwrap();
    let args = ["dev", dir, "--target-dir", &target, "--event", event_file];
    let mut dev = Running::start(&host, &args);
    dev.line("r1 is active");
    dev.line("would commit");
    let receipt = host.settle(&registered("a"));
    let line = dev.line("committed");
    assert!(line.contains(receipt["seq"].as_str().unwrap()), "{line}");

    let lib = project.join("src/lib.rs");
    let source = fs::read_to_string(&lib).unwrap();
    fs::write(&lib, format!("{source}\nfn broken( {{\n")).unwrap();
    dev.error_line("src/lib.rs");
    dev.error_line("does not build");
    dev.error_line("next: ");
    dev.error_line("r1 goes on");
    assert_eq!(host.function("watched")["active"], "r1");
    host.settle(&registered("b"));
    dev.line("committed");

    let changed = source.replace("email.requested", "mail.requested");
    assert_ne!(changed, source, "the template emits another type now");
    fs::write(&lib, &changed).unwrap();
    let line = dev.line("is active");
    assert!(line.contains("r2") && line.contains("r1 was"), "{line}");
    host.settle(&registered("c"));
    dev.line("committed");
    assert_eq!(host.events("mail.requested").len(), 1);
    // A change that makes no other component is no deploy.
    fs::write(project.join("README.md"), "# Watched\n").unwrap();
    dev.error_line("r2 stays");
    assert_eq!(host.function("watched")["revisions"].as_array().unwrap().len(), 2);
    assert_eq!(dev.terminate(), 0);
}

#[test]
fn without_a_host_there_is_one_for_the_time() {
    let scratch = tempfile::tempdir().unwrap();
    let (project, target) = project(scratch.path(), "alone");
    let temporary = scratch.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let dir = project.to_str().unwrap();
    let args = ["dev", dir, "--target-dir", &target, "--name", "other", "--json"];
    let nobody = ("TRIPHAMMER_URL", "http://127.0.0.1:9");
    let mut dev = Running::with(&args, &[nobody, ("TMPDIR", temporary.to_str().unwrap())]);
    dev.error_line("no host answers at http://127.0.0.1:9");
    let url = dev.error_line("--url").split_whitespace().nth(2).unwrap().to_owned();
    let step = |line: String| serde_json::from_str::<Value>(&line).unwrap();
    assert_eq!(step(dev.line("\"built\""))["name"], "alone");
    let deployed = step(dev.line("\"step\":\"deployed\""));
    assert_eq!(
        (&deployed["answer"]["name"], &deployed["answer"]["revision"]),
        (&json!("other"), &json!("r1"))
    );
    let data = r#"{"email": "ada@example.com"}"#;
    let send = ["send", "user.registered", "--subject", "u", "--data", data, "--url", &url];
    trip_in(&project, &send).expect(0);
    assert_eq!(step(dev.line("\"committed\""))["function"], "other");
    assert_eq!(dev.terminate(), 0);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "its data is gone");
    trip_in(&project, &["functions", "--url", &url]).expect(1);
}

#[test]
fn what_can_not_be_watched_says_why() {
    let scratch = tempfile::tempdir().unwrap();
    let dev = |args: &[&str]| trip_in(scratch.path(), &[&["dev"], args].concat());
    let nothing = dev(&[]).expect(1);
    assert!(nothing.stderr.contains("Cargo.toml") && nothing.stderr.contains("next: "));
    let elsewhere = ["--url", "http://192.0.2.1:9", "nowhere"];
    assert!(dev(&elsewhere).expect(1).stderr.contains("nowhere"));
    dev(&["--config", "x"]).expect(1);
}
