//! `trip doctor`, completions and the manual: what helps when nothing runs yet.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Host, Ran, trip, trip_in};

/// What a check says, and whether it holds.
#[track_caller]
fn check<'a>(checks: &'a Value, name: &str) -> (&'a str, &'a str) {
    let all = checks["checks"].as_array().unwrap();
    let found = all.iter().find(|check| check["name"] == name);
    let found = found.unwrap_or_else(|| panic!("there is no check `{name}`: {checks}"));
    (found["status"].as_str().unwrap(), found["says"].as_str().unwrap())
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn a_running_host_and_its_data_are_in_order() {
    let host = Host::start();
    let before = files(host.data_dir());
    let data = host.data_dir().to_str().unwrap();
    let ran = trip(&host, &["doctor", "--data", data, "--json"]).expect(0);
    let found = json(&ran);
    assert_eq!(check(&found, "settings").0, "ok");
    assert_eq!(check(&found, "host").0, "ok");
    assert!(check(&found, "host").1.contains(env!("CARGO_PKG_VERSION")));
    assert_eq!(check(&found, "data").0, "ok");
    if cfg!(target_os = "linux") {
        assert!(check(&found, "lock").1.contains("trip holds it"), "{found}");
    }
    assert!(check(&found, "sync").1.contains("ms"));
    assert_eq!(files(host.data_dir()), before, "nothing is left behind");
    let text = trip(&host, &["doctor", "--data", data]).expect(0).stdout;
    assert!(text.contains("ok   settings") && text.contains("kernel"), "{text}");
    // Another host's data, as far as one can see.
    let elsewhere = ["doctor", "--data", data, "--url", "http://127.0.0.1:9", "--json"];
    let found = json(&trip(&host, &elsewhere).expect(0));
    let wants = if cfg!(target_os = "linux") { "warn" } else { "ok" };
    assert_eq!((check(&found, "host").0, check(&found, "lock").0), ("warn", wants));
}

/// The names of what a host does not make or remove on its own.
fn files(dir: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.starts_with('.'));
    names
}

#[test]
fn what_is_wrong_fails_and_says_what_to_do() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    fs::write(&file, "").unwrap();
    let settings = scratch.path().join("triphammer.toml");
    fs::write(&settings, "listen = \"127.0.0.1:7070\"\nwokers = 3\n").unwrap();
    let args =
        ["doctor", "--data", "file", "--config", "triphammer.toml", "--url", "http://127.0.0.1:9"];
    let ran = trip_in(scratch.path(), &args).expect(1);
    assert!(
        ran.stdout.contains("wokers") && ran.stdout.contains("config.syntax"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("no directory") && ran.stdout.contains("next: "), "{}", ran.stdout);
    assert!(ran.stderr.contains("2 of ") && ran.stderr.contains("failed"), "{}", ran.stderr);
    let found = json(&trip_in(scratch.path(), &[&args[..], &["--json"]].concat()).expect(1));
    assert_eq!((check(&found, "settings").0, check(&found, "data").0), ("fail", "fail"));
    assert_eq!(check(&found, "host").0, "warn");
}

#[test]
fn shells_learn_the_commands() {
    let scratch = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = trip_in(scratch.path(), &["completions", shell]).expect(0).stdout;
        assert!(script.contains("doctor") && script.contains("client-cert"), "{shell}: {script}");
    }
    let script = trip_in(scratch.path(), &["completions", "bash"]).expect(0).stdout;
    fs::write(scratch.path().join("trip.bash"), script).unwrap();
    // As bash itself completes: what begins with `do`, then what `doctor` takes.
    let ask = "source ./trip.bash; COMP_WORDS=(trip do); COMP_CWORD=1; _trip trip do trip; \
        echo \"${COMPREPLY[@]}\"; COMP_WORDS=(trip doctor --da); COMP_CWORD=2; \
        _trip trip --da doctor; echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["-c", ask]).current_dir(scratch.path()).stdin(Stdio::null());
    match bash.output() {
        Ok(said) => assert_eq!(String::from_utf8_lossy(&said.stdout), "doctor\n--data\n"),
        // A machine without bash completes nothing with it.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
    }
    trip_in(scratch.path(), &["completions", "tcsh"]).expect(2);
}

#[test]
fn the_manual_is_a_page_or_many() {
    let scratch = tempfile::tempdir().unwrap();
    let page = trip_in(scratch.path(), &["man"]).expect(0).stdout;
    assert!(page.contains(".TH trip 1") && page.contains("doctor"), "{page}");
    let made = trip_in(scratch.path(), &["man", "--out", "man/1", "--json"]).json();
    let pages = made["pages"].as_array().unwrap();
    assert!(pages.len() > 35, "{made}");
    for page in pages {
        let text = fs::read_to_string(scratch.path().join(page.as_str().unwrap())).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
    }
    trip_in(scratch.path(), &["man", "--out", "/proc/none"]).expect(1);
}
