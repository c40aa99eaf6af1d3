//! The unit and the container file under `deploy/`: what they name is there, and what they tell
//! `trip` it knows. Neither systemd nor a container engine is needed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::harness::{Kind, blocks_of, documents, root, trip_in};

const UNIT: &str = "deploy/triphammer.service";
const CONTAINER: &str = "deploy/Containerfile";
const SETTINGS: &str = "deploy/triphammer.toml";
const INSTALLED: &str = "/usr/local/bin/trip";

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The flags that a command says it knows, those that all commands know included.
fn known_flags(command: &[&str]) -> BTreeSet<String> {
    let help = trip_in(&root(), &[command, &["--help"]].concat()).expect(0).stdout;
    let words = help.split(|c: char| c.is_whitespace() || "[]=,".contains(c));
    words.filter(|word| word.starts_with('-')).map(str::to_owned).collect()
}

/// Checks the arguments that follow `trip`, up to the end of the command.
#[track_caller]
fn check_arguments(place: &str, arguments: &[&str]) {
    let end = arguments.iter().position(|word| ["&", "&&", "|", ";"].contains(word));
    let arguments = &arguments[..end.unwrap_or(arguments.len())];
    let [command, rest @ ..] = arguments else { panic!("{place}: `trip` is told nothing") };
    // Some commands have commands of their own.
    let command = match (*command, rest.first()) {
        ("token" | "dead" | "replays", Some(own)) if !own.starts_with('-') => &arguments[..2],
        _ => &arguments[..1],
    };
    let known = known_flags(command);
    let flags = rest.iter().filter(|word| word.starts_with('-')).map(|word| {
        let name = word.split('=').next();
        name.unwrap_or(word)
    });
    for flag in flags {
        assert!(known.contains(flag), "{place}: `trip {command:?}` knows no {flag}, but {known:?}");
    }
}

/// The directives of a file of `NAME value` or `Name=value` lines.
fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.strip_prefix(name)).map(str::trim).collect()
}

#[track_caller]
fn only<'a>(text: &'a str, name: &str) -> &'a str {
    let [value] = values(text, name)[..] else { panic!("there is not one `{name}`") };
    value
}

/// The words of a list as `["a", "b"]`.
fn list(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_unit_starts_what_its_head_says_to_install() {
    let unit = read(UNIT);
    let words: Vec<&str> = only(&unit, "ExecStart=").split(' ').collect();
    assert_eq!(words[0], INSTALLED);
    check_arguments(UNIT, &words[1..]);
    let after = |flag: &str| words[words.iter().position(|word| *word == flag).unwrap() + 1];
    let config = Path::new(after("--config"));
    assert_eq!(config.file_name(), Path::new(SETTINGS).file_name());
    let state = format!("/var/lib/{}", only(&unit, "StateDirectory="));
    assert_eq!(after("--data"), state, "what the unit may write to");
    let head: String = unit.lines().take_while(|line| line.starts_with('#')).collect();
    let installed = [Path::new(INSTALLED).parent().unwrap(), config.parent().unwrap()];
    for dir in installed {
        assert!(head.contains(dir.to_str().unwrap()), "{} is not in: {head}", dir.display());
    }
    known_variables(UNIT, &unit);
}

#[test]
fn the_container_file_copies_what_is_there() {
    let file = read(CONTAINER);
    let [own, built] = values(&file, "COPY ")[..] else { panic!("there are not two COPY") };
    for path in own.split(' ').filter(|word| !word.starts_with("--")).rev().skip(1) {
        assert!(root().join(path).exists(), "{path} is not there to be copied");
    }
    assert_eq!(built, format!("--from=build {INSTALLED} {INSTALLED}"));
    let base = values(&file, "FROM ");
    let toolchain: toml::Table = read("rust-toolchain.toml").parse().unwrap();
    let channel = toolchain["toolchain"]["channel"].as_str().unwrap();
    let pinned = format!("/rust:{channel}-");
    assert!(base[0].contains(&pinned), "{} has not the pinned toolchain {channel}", base[0]);
    assert!(file.contains(&format!("RUSTUP_TOOLCHAIN={channel}\n")));
    for comment in values(&file, "# Build:") {
        let path = comment.split(' ').skip_while(|word| *word != "-f").nth(1);
        assert_eq!(path, Some(CONTAINER));
    }
    known_variables(CONTAINER, &file);
}

#[test]
fn the_container_file_builds_the_binary_that_it_starts() {
    let file = read(CONTAINER);
    let build = values(&file, "RUN ")[0];
    let (cargo, copy) = build.split_once(" && ").unwrap();
    assert_eq!(copy, format!("cp target/release/trip {INSTALLED}"));
    let package = cargo.split(' ').skip_while(|word| *word != "-p").nth(1).unwrap();
    let manifest: toml::Table = read("runtime/cli/Cargo.toml").parse().unwrap();
    assert_eq!(manifest["package"]["name"].as_str(), Some(package));
    assert_eq!(manifest["bin"][0]["name"].as_str(), Some("trip"));
    for flag in ["--release", "--locked"] {
        assert!(cargo.split(' ').any(|word| word == flag), "{cargo}");
    }
    let words = [list(only(&file, "ENTRYPOINT ")), list(only(&file, "CMD "))].concat();
    assert_eq!(words[0], INSTALLED);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    check_arguments(CONTAINER, &words[1..]);
}

/// Every `TRIPHAMMER_…` in the text is a setting, which the example configuration has all of.
#[track_caller]
fn known_variables(place: &str, text: &str) {
    let settings = read(SETTINGS);
    let mut table = String::new();
    let mut known = BTreeSet::new();
    for line in settings.lines().map(|line| line.trim_start_matches("# ")) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = format!("{}_", name.replace('.', "_"));
        } else if let Some((name, _)) = line.split_once(" =") {
            known.insert(format!("{table}{name}"));
        }
    }
    let found: Vec<&str> = text.split("TRIPHAMMER_").skip(1).collect();
    assert!(!found.is_empty(), "{place} sets nothing");
    for rest in found {
        let end = rest.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        let name = rest[..end.unwrap_or(rest.len())].to_ascii_lowercase();
        assert!(known.contains(&name), "{place} sets `{name}`, which is no setting");
    }
}

#[test]
fn commands_that_are_not_run_are_ones_that_trip_knows() {
    let blocks = documents().into_iter().flat_map(|document| blocks_of(&document));
    for block in blocks.filter(|block| block.kind() == Some(Kind::ShellNotRun)) {
        for line in block.text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let trip = words.iter().position(|word| *word == "trip" || word.ends_with("/trip"));
            if let Some(at) = trip {
                check_arguments(&block.place(), &words[at + 1..]);
            }
        }
    }
}
