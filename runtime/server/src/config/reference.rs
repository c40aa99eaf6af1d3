//! The reference of the settings, `docs/reference/configuration.md`. Names, types and defaults
//! are those of the settings themselves; the bounds that it tells are tried.

use std::fmt::Write;
use std::path::Path;

use toml::{Table, Value};

use super::raw::RawConfig;
use super::{Config, Overrides};

mod settings;

use settings::{Bounds, SETTINGS};

const HEAD: &str = "# Configuration

`trip up --config FILE` reads a file of settings in TOML. `deploy/triphammer.toml` is one with all of them and their
defaults. A setting that does not exist, or is wrong, is refused by its name, and the host does not start.

Each setting but those of hooks, secrets and `otlp.headers` can be given by the environment as well, which wins over the file: `listen` is
`TRIPHAMMER_LISTEN`, `dedup.window` is `TRIPHAMMER_DEDUP_WINDOW`, and lists are separated by commas. The flags `--listen` and
`--data` win over both. All are read once, at start; files that settings name for tokens and certificates are looked at again
while the host runs.

A duration is a number with `ms`, `s`, `m`, `h` or `d`, at most 3650 days. A size is a whole number with `B`, `KiB`, `MiB` or `GiB`.
";

const TAIL: &str = "
## `[otlp.headers]`

Headers of the requests to the collector, each under its name. A value is where it is, `env:NAME` or `file:PATH`: it may be a key. Without
any, those of `OTEL_EXPORTER_OTLP_HEADERS` are sent.

## `[hooks.NAME]`

A webhook each. Providers and settings are in [the page on webhooks](../hooks.md#settings-of-a-hook).

## `[secrets.NAME]`

A secret each, which requests of functions and subscriptions may carry: where its value is (`env`, `file` or `value`), the `hosts`
that it may go to, and the `functions` that may use it. Rules are in [the page on requests](../outbound.md#secrets).
";

/// Every setting with its default, by its whole name, in the order in which they are written here.
fn defaults() -> Vec<(String, Value)> {
    fn collect(prefix: &str, table: &Table, found: &mut Vec<(String, Value)>) {
        for (name, value) in table {
            match value {
                // Its members are the operator's. Those of the whole file have parts of their own.
                Value::Table(table) if table.is_empty() && !prefix.is_empty() => {
                    found.push((format!("{prefix}{name}"), value.clone()));
                }
                Value::Table(table) => collect(&format!("{prefix}{name}."), table, found),
                _ => found.push((format!("{prefix}{name}"), value.clone())),
            }
        }
    }
    let mut found = Vec::new();
    collect("", &Table::try_from(RawConfig::default()).unwrap(), &mut found);
    found
}

fn document() -> String {
    let defaults = defaults();
    let mut out = HEAD.to_owned();
    let mut section = None;
    for setting in SETTINGS {
        let (table, name) = setting.name.rsplit_once('.').unwrap_or(("", setting.name));
        if section != Some(table) {
            section = Some(table);
            let title = if table.is_empty() { "The host".into() } else { format!("`[{table}]`") };
            write!(out, "\n## {title}\n\n").unwrap();
            out.push_str("| setting | type | default | bounds | is |\n|---|---|---|---|---|\n");
        }
        let (_, default) = defaults.iter().find(|(known, _)| known == setting.name).unwrap();
        let (kind, bounds) = (setting.bounds.kind(default), setting.bounds.text());
        let default = shown(default);
        writeln!(out, "| `{name}` | {kind} | {default} | {bounds} | {} |", setting.is).unwrap();
    }
    out + TAIL
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "none".into(),
        Value::Array(_) | Value::Table(_) => "none".into(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// The code and the words of a refusal of one setting alone; none when the host takes it.
fn tried(name: &str, value: &str) -> Option<String> {
    let text = match name.rsplit_once('.') {
        Some((table, name)) => format!("[{table}]\n{name} = {value}"),
        None => format!("{name} = {value}"),
    };
    let loaded = Config::from_parts(Path::new("t.toml"), &text, |_| None, &Overrides::default());
    loaded.err().map(|error| format!("{} {error}", error.code()))
}

#[test]
fn the_reference_is_that_of_the_settings() {
    crate::page::agrees("docs/reference/configuration.md", &document());
}

#[test]
fn every_setting_has_a_row() {
    let mut known: Vec<String> = defaults().into_iter().map(|(name, _)| name).collect();
    let mut rows: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    known.sort();
    rows.sort_unstable();
    assert_eq!(rows, known);
}

#[test]
fn the_bounds_are_those_of_the_host() {
    for setting in SETTINGS {
        let (name, Bounds { taken, refused, .. }) = (setting.name, &setting.bounds);
        for value in *refused {
            let told = tried(name, value).unwrap_or_else(|| panic!("{name} = {value} is taken"));
            assert!(told.starts_with("config."), "{name} = {value}: {told}");
            let own = told.starts_with("config.syntax") || told.contains(&format!("`{name}`"));
            assert!(own, "{name} = {value}: {told}");
        }
        for value in *taken {
            // What another setting then says is that one's bound.
            let told = tried(name, value).unwrap_or_default();
            assert!(!told.contains(&format!("the setting `{name}`")), "{name} = {value}: {told}");
        }
    }
}
