//! What the compiler does not check: which crate may depend on which, that every file says what
//! it is for, that every error code is documented, and that nothing is left for later.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use triphammer_model::codes;

use crate::harness::{PACKAGES, root};

/// The crates of the runtime, and what each may depend on of them.
const LAYERS: [(&str, &[&str]); 11] = [
    ("model", &[]),
    ("access", &["triphammer-model"]),
    ("filter", &["triphammer-model"]),
    ("hooks", &["triphammer-model"]),
    ("journal", &["triphammer-model"]),
    ("outbound", &["triphammer-model"]),
    ("sandbox", &["triphammer-model", "triphammer-outbound"]),
    (
        "pipeline",
        &[
            "triphammer-model",
            "triphammer-filter",
            "triphammer-journal",
            "triphammer-outbound",
            "triphammer-sandbox",
        ],
    ),
    (
        "server",
        &[
            "triphammer-access",
            "triphammer-model",
            "triphammer-filter",
            "triphammer-hooks",
            "triphammer-outbound",
            "triphammer-pipeline",
            "triphammer-sandbox",
            "triphammer-telemetry",
        ],
    ),
    ("telemetry", &["triphammer-model"]),
    ("cli", &["triphammer-access", "triphammer-model", "triphammer-server"]),
];

/// What only one crate may depend on, by the beginning of its name.
const ONLY: [(&str, &[&str]); 4] = [
    ("wasmtime", &["sandbox"]),
    ("redb", &["journal"]),
    ("crc32c", &["journal"]),
    ("hyper", &["outbound", "server", "telemetry", "cli"]),
];

/// The names of a crate's dependencies, those of its tests left out.
fn dependencies(manifest: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(manifest).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let of = |section: &str| table.get(section).and_then(toml::Value::as_table).cloned();
    of("dependencies").unwrap_or_default().keys().cloned().collect()
}

#[test]
fn crates_depend_on_what_is_below_them() {
    let runtime = root().join("runtime");
    let found: BTreeSet<String> = fs::read_dir(&runtime)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let known: BTreeSet<String> = LAYERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, known, "a new crate needs a place in this picture");
    for (name, allowed) in LAYERS {
        let depends = dependencies(&runtime.join(name).join("Cargo.toml"));
        for other in depends.iter().filter(|other| other.starts_with("triphammer-")) {
            assert!(allowed.contains(&other.as_str()), "{name} depends on {other}");
        }
        for (dependency, crates) in ONLY {
            let has = depends.iter().any(|other| other.starts_with(dependency));
            assert!(!has || crates.contains(&name), "{name} depends on {dependency}");
        }
    }
}

#[test]
fn functions_and_guests_depend_on_the_sdk_alone() {
    for folder in ["functions", "tests/guests"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let manifest = entry.unwrap().path().join("Cargo.toml");
            let mut depends = dependencies(&manifest);
            assert!(depends.remove("triphammer-sdk"), "{}", manifest.display());
            let rest: Vec<&String> =
                depends.iter().filter(|name| !name.starts_with("serde")).collect();
            assert!(rest.is_empty(), "{} depends on {rest:?}", manifest.display());
        }
    }
}

#[test]
fn every_guest_is_deployed_by_a_test() {
    let tests = root().join("tests/integration");
    let mut sources = Vec::new();
    collect(&tests, &mut sources);
    let all: String =
        sources.iter().map(|path| fs::read_to_string(path).unwrap()).collect::<Vec<_>>().concat();
    let mut found = BTreeSet::new();
    for folder in ["functions", "tests/guests"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            found.insert(entry.unwrap().file_name().into_string().unwrap());
        }
    }
    assert_eq!(found, PACKAGES.map(str::to_owned).into());
    for package in PACKAGES {
        assert!(all.contains(&format!("\"{package}\"")), "no test has `{package}`");
    }
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let without: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|path| !fs::read_to_string(path).unwrap().starts_with("//! "))
        .collect();
    assert!(without.is_empty(), "these begin without module docs: {without:#?}");
}

#[test]
fn nothing_is_left_for_later() {
    // In two parts, so that this file does not find itself.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("un", "implemented!(")];
    let mut found = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_error_code_is_in_the_table_and_every_row_of_it_is_a_code() {
    let found = error_codes();
    let codes: BTreeSet<String> = codes::all().map(|code| code.code.to_owned()).collect();
    assert!(found.len() > 30, "the codes are no longer found: {found:?}");
    let missing: Vec<&String> = found.difference(&codes).collect();
    assert!(missing.is_empty(), "runtime/model/src/codes has not {missing:#?}");
    // Some stand in JSON that is written out.
    let is_told = |text: &str, code: &str| {
        text.contains(&format!("\"{code}\"")) || text.contains(&format!("\"{code}\\\""))
    };
    let texts: Vec<String> = telling().iter().map(|path| read(path)).collect();
    let told = |code: &&String| texts.iter().any(|text| is_told(text, code));
    let idle: Vec<&String> = codes.iter().filter(|code| !told(code)).collect();
    assert!(idle.is_empty(), "runtime/model/src/codes has what nothing tells: {idle:#?}");
}

#[test]
fn the_documented_statuses_are_the_tested_ones() {
    let mut tested = BTreeSet::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices(", \"") {
            let status = text.get(at.saturating_sub(3)..at).unwrap_or_default();
            let code = text[at + 3..].split('"').next().unwrap_or_default();
            let documented = codes::find(code).and_then(|code| code.status);
            if let (Ok(status), Some(documented)) = (status.parse::<u16>(), documented) {
                assert_eq!(status, documented, "{code} in {}", path.display());
                tested.insert(code.to_owned());
            }
        }
    }
    assert!(tested.len() > 20, "the tests of statuses are no longer found: {tested:?}");
}

/// The sources that can tell a code: not the tests, and not the table itself.
fn telling() -> Vec<PathBuf> {
    let folders = [root().join("runtime"), root().join("sdk/rust/src")];
    let is_test =
        |path: &Path| path.file_stem().is_some_and(|stem| stem.to_string_lossy().contains("test"));
    let table = root().join("runtime/model/src/codes");
    let mut found = sources();
    found.retain(|path| {
        folders.iter().any(|folder| path.starts_with(folder))
            && !path.starts_with(&table)
            && !is_test(path)
    });
    found
}

/// What tests say is not what users see.
fn read(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// Every dotted lower-case string literal of the runtime and the SDK that can reach a user as a
/// code: what functions called `code` return, and what errors are made with.
fn error_codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for path in telling() {
        let text = read(&path);
        for family in FAMILIES {
            for (at, _) in text.match_indices(&format!("\"{family}.")) {
                let literal = text[at + 1..].split('"').next().unwrap_or_default();
                if is_code(literal, &path) {
                    codes.insert(literal.to_owned());
                }
            }
        }
    }
    codes
}

/// What codes begin with.
const FAMILIES: [&str; 31] = [
    "access",
    "canary",
    "config",
    "delivery",
    "deploy",
    "drop",
    "event",
    "filter",
    "function",
    "hook",
    "host",
    "http",
    "invoke",
    "journal",
    "json",
    "limit",
    "manifest",
    "module",
    "otlp",
    "outbound",
    "query",
    "replay",
    "route",
    "sandbox",
    "sign",
    "sink",
    "state",
    "subscription",
    "timer",
    "tls",
    "trust",
];

fn is_code(literal: &str, path: &Path) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c == '_' || c == '.';
    // The names of settings look the same.
    let in_settings = path.ancestors().any(|dir| dir.ends_with("server/src/config"));
    let in_settings = in_settings || path.ends_with("hooks/src/provider.rs");
    // So do the names of OpenTelemetry.
    let in_settings = in_settings || path.ends_with("telemetry/src/semconv.rs");
    let is_setting = in_settings && !["config.", "hook."].iter().any(|f| literal.starts_with(f));
    let is_file = [".js", ".json"].iter().any(|end| literal.ends_with(end));
    !is_setting && !is_file && literal.chars().all(plain) && !literal.ends_with('.')
}

/// All of the project's own Rust files; not those that are meant not to compile.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["runtime", "sdk", "functions", "tests"] {
        collect(&root().join(folder), &mut found);
    }
    found.sort();
    found
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("tests/attribute") {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
