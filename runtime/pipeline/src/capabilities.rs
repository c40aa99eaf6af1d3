//! What a revision may reach, in words that can be compared with those of another one. Grants nothing:
//! that is done by the sandbox, the manifest and the operator.

use std::collections::BTreeSet;

use crate::registry::Revision;

/// What an upload may reach, and how that differs from what the active revision may.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Capabilities {
    /// Such as `emit`, `state`, `http api.example.com` and `secret KEY`.
    pub all: BTreeSet<String>,
    pub added: BTreeSet<String>,
    pub removed: BTreeSet<String>,
}

/// Interfaces that reach something, by what their names begin with.
const INTERFACES: [(&str, &str); 6] = [
    ("triphammer:function/outbox", "emit"),
    ("triphammer:function/state", "state"),
    ("triphammer:function/timers", "timers"),
    ("triphammer:function/config", "config"),
    ("wasi:clocks/", "clock"),
    ("wasi:random/", "random"),
];
const HTTP: &str = "wasi:http/outgoing-handler";

impl Capabilities {
    /// `before` is the active revision, if there is one.
    pub(crate) fn new(now: &Revision, before: Option<&Revision>) -> Self {
        let all = of(now);
        let old = before.map(of).unwrap_or_default();
        let added = all.difference(&old).cloned().collect();
        let removed = old.difference(&all).cloned().collect();
        Self { all, added, removed }
    }
}

/// All that a revision may reach.
pub(crate) fn of(revision: &Revision) -> BTreeSet<String> {
    let imports = revision.module.as_ref().map_or(&[][..], |module| module.imports());
    let imports: Vec<&str> = imports.iter().map(String::as_str).collect();
    let http = revision.manifest.http.iter().flat_map(|http| &http.allow).map(ToString::to_string);
    let config = revision.config.values().map(String::as_str);
    named(&imports, http, config)
}

fn named<'a>(
    imports: &[&str],
    http: impl Iterator<Item = String>,
    config: impl Iterator<Item = &'a str>,
) -> BTreeSet<String> {
    let imported = |prefix: &str| imports.iter().any(|import| import.starts_with(prefix));
    let interfaces = INTERFACES.into_iter().filter(|(prefix, _)| imported(prefix));
    let mut all: BTreeSet<String> = interfaces.map(|(_, name)| name.to_owned()).collect();
    if imported(HTTP) {
        all.extend(http.map(|pattern| format!("http {pattern}")));
        let secrets = config.filter_map(|value| value.strip_prefix("secret:"));
        all.extend(secrets.map(|name| format!("secret {name}")));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(imports: &[&str], http: &[&str], config: &[&str], expect: &[&str]) {
        let http = http.iter().map(ToString::to_string);
        let found = named(imports, http, config.iter().copied());
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn what_is_imported_and_allowed_is_named() {
        let all = ["triphammer:function/outbox@1.0.0", "triphammer:function/log@1.0.0"];
        check(&all, &[], &["secret:KEY"], &["emit"]);
        let http = ["wasi:http/outgoing-handler@0.2.6", "wasi:clocks/wall-clock@0.2.6"];
        let allowed = ["https://api.example.com"];
        let named = ["clock", "http https://api.example.com", "secret KEY"];
        check(&http, &allowed, &["secret:KEY", "plain"], &named);
        check(&["wasi:http/types@0.2.6"], &allowed, &["secret:KEY"], &[]);
        check(&[], &allowed, &[], &[]);
    }
}
