//! A deploy: the upload, and what it changes compared with the revision that was active.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use triphammer_server::ModuleKey;

use super::activate::Share;
use super::{API, show};
use crate::client::types::{Capabilities, Deployed, Function, Revision};
use crate::client::{Client, Error, Path, Request};
use crate::output::{BAD, DIM, GOOD, NAME, NOTE, bytes, paint};

/// Large components take a while to compile.
const DEPLOY_TIMEOUT: Duration = Duration::from_secs(300);

/// What to upload.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    pub(super) name: String,
    pub(super) wasm: Bytes,
    /// The active revision's when none.
    pub(super) config: Option<BTreeMap<String, String>>,
    /// Overrides the component's own.
    pub(super) manifest: Option<Value>,
    pub(super) activate: bool,
    pub(super) share: Share,
    /// What signs it.
    pub(super) key: Option<Arc<ModuleKey>>,
}

impl Deployment {
    pub(super) fn new(name: impl Into<String>, wasm: impl Into<Bytes>) -> Self {
        Self {
            name: name.into(),
            wasm: wasm.into(),
            config: None,
            manifest: None,
            activate: true,
            share: Share::default(),
            key: None,
        }
    }

    /// The host's answer, as it is.
    pub(super) fn upload(&self, client: &Client) -> Result<Value, Error> {
        let mut path = Path::new(API).segment("functions").segment(&self.name);
        if !self.activate {
            path = path.query("activate", false);
        }
        path = path.maybe("weight", self.share.weight).maybe("failures", self.share.failures);
        let mut request = Request::new(hyper::Method::PUT, path)
            .body("application/wasm", self.wasm.clone())
            .timeout(DEPLOY_TIMEOUT);
        // Headers are ASCII: what is beyond it is escaped.
        if let Some(config) = &self.config {
            request = request.header("triphammer-config", ascii(&json!(config)));
        }
        let manifest = self.manifest.as_ref().map(ascii);
        if let Some(key) = &self.key {
            let signature = key.sign(&self.wasm, manifest.as_deref());
            request = request.header("triphammer-signature", signature);
        }
        if let Some(manifest) = manifest {
            request = request.header("triphammer-manifest", manifest);
        }
        client.send(request)?.value()
    }
}

/// The function as the host has it, if it has it.
pub(super) fn function(client: &Client, name: &str) -> Result<Option<Function>, Error> {
    match client.get(Path::new(API).segment("functions").segment(name)) {
        Ok(answer) => answer.json().map(Some),
        Err(error) if error.code() == Some("function.not_found") => Ok(None),
        Err(error) => Err(error),
    }
}

/// JSON with everything beyond ASCII as `\u` escapes, which stand only inside of strings.
pub(super) fn ascii(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

/// What a deploy did, in lines.
pub(super) fn report(deployed: &Deployed, before: Option<&Function>, after: &Function) -> String {
    let find = |function: &Function| {
        let is_it = |revision: &&Revision| revision.revision == deployed.revision;
        function.revisions.iter().find(is_it).cloned()
    };
    let Some(revision) = find(after) else {
        // Removed again meanwhile.
        return format!("{} {}\n", deployed.name, deployed.revision);
    };
    let mut text = headline(deployed, (before, after), &revision);
    if before.is_some_and(|before| find(before).is_some()) {
        text.push_str("  this component with this config was a revision already\n");
    }
    let new = merged(&revision.manifest, &json!(revision.config));
    match before.and_then(Function::active_revision) {
        None => {
            new.iter().for_each(|(name, value)| text.push_str(&format!("  {name} = {value}\n")))
        }
        Some(active) => {
            let old = merged(&active.manifest, &json!(active.config));
            text.push_str(&difference(&old, &new));
        }
    }
    text.push_str(&reach(&deployed.capabilities, before.is_some()));
    if !deployed.imports.is_empty() {
        let imports = format!("imports {}", packages(&deployed.imports));
        text.push_str(&format!("  {}\n", paint(DIM, imports)));
    }
    for warning in &deployed.warnings {
        text.push_str(&format!("{}: {warning}\n", paint(NOTE, "warning")));
    }
    text
}

fn headline(
    deployed: &Deployed,
    (before, after): (Option<&Function>, &Function),
    revision: &Revision,
) -> String {
    let Deployed { name, revision: id, .. } = deployed;
    let canary = after.canary.as_ref().filter(|canary| canary.revision == *id);
    let active = after.active.as_deref().unwrap_or_default();
    let state = match before.and_then(|function| function.active.as_ref()) {
        _ if let Some(canary) = canary => show::canary(canary, active),
        _ if !deployed.active => format!("waits for `trip activate {name} {id}`"),
        Some(was) if was == id => "stays active".to_owned(),
        Some(was) => format!("is active, {was} was"),
        None => "is active".to_owned(),
    };
    let digest = revision.digest.get(..12).unwrap_or(&revision.digest);
    let about = paint(DIM, format!("{} · {digest}", bytes(revision.bytes)));
    format!("{} {} {state} · {about}\n", paint(NAME, name), paint(GOOD, id))
}

/// What the revision may reach; beside another one, only what is different.
fn reach(capabilities: &Capabilities, has_before: bool) -> String {
    let Capabilities { all, added, removed } = capabilities;
    if !has_before {
        return if all.is_empty() { String::new() } else { format!("  may {}\n", all.join(", ")) };
    }
    let lines = |sign: String, names: &[String], verb: &str| {
        names.iter().map(|name| format!("  {sign} {verb} {name}\n")).collect::<String>()
    };
    let more = lines(paint(NOTE, "+").to_string(), added, "may now");
    more + &lines(paint(GOOD, "-").to_string(), removed, "may no longer")
}

/// The packages that a component imports from. `package:name/interface@version` is one of many.
fn packages(imports: &[String]) -> String {
    let package = |import: &String| import.split('/').next().unwrap_or(import).to_owned();
    let packages: BTreeSet<_> = imports.iter().map(package).collect();
    packages.into_iter().collect::<Vec<_>>().join(", ")
}

fn merged(manifest: &Value, config: &Value) -> BTreeMap<String, String> {
    let config =
        show::flat(config).into_iter().map(|(name, value)| (format!("config.{name}"), value));
    show::flat(manifest).into_iter().chain(config).collect()
}

fn difference(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (name, value) in old {
        match new.get(name) {
            None => text.push_str(&format!("  {} {name} = {value}\n", paint(BAD, "-"))),
            Some(now) if now != value => {
                text.push_str(&format!("  {} {name} = {value} → {now}\n", paint(NOTE, "~")));
            }
            Some(_) => {}
        }
    }
    for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        text.push_str(&format!("  {} {name} = {value}\n", paint(GOOD, "+")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_stay_ascii() {
        assert_eq!(ascii(&json!({"a": "é😀"})), r#"{"a":"\u00e9\ud83d\ude00"}"#);
        let read: Value = serde_json::from_str(&ascii(&json!("é😀"))).unwrap();
        assert_eq!(read, "é😀");
    }

    fn function(revisions: Value, active: &str) -> Function {
        let function = json!({"name": "f", "active": active, "revisions": revisions});
        serde_json::from_value(function).unwrap()
    }

    #[track_caller]
    fn check(before: Option<&Function>, after: &Function, expect: &str) {
        let deployed = json!({
            "name": "f", "revision": "r2", "digest": "d", "active": true, "manifest": {},
            "warnings": ["look"], "imports": ["triphammer:function/state@1.0.0"],
            "capabilities": {"all": ["emit", "state"], "added": ["state"], "removed": ["timers"]},
        });
        let deployed = serde_json::from_value(deployed).unwrap();
        let text = report(&deployed, before, after);
        assert_eq!(anstream::adapter::strip_str(&text).to_string(), expect);
    }

    #[test]
    fn the_difference_from_the_active_revision_is_shown() {
        let r1 = json!({
            "revision": "r1", "digest": "d1", "bytes": 1, "active": true,
            "manifest": {"on": ["a"], "timeout": "1s", "key": "subject"}, "config": {"x": "1"},
        });
        let r2 = json!({
            "revision": "r2", "digest": "0123456789abcdef", "bytes": 131_000, "active": true,
            "manifest": {"on": ["a", "b"], "timeout": "1s"}, "config": {"x": "1", "y": "2"},
        });
        let before = function(json!([r1]), "r1");
        let after = function(json!([r1, r2]), "r2");
        let tail = "  imports triphammer:function\nwarning: look\n";
        let head = "f r2 is active, r1 was · 131 KB · 0123456789ab\n";
        let changes = "  - key = subject\n  ~ on = a → a, b\n  + config.y = 2\n  + may now state\n  - may no longer timers\n";
        check(Some(&before), &after, &format!("{head}{changes}{tail}"));
        let head = "f r2 is active · 131 KB · 0123456789ab\n";
        let all =
            "  config.x = 1\n  config.y = 2\n  on = a, b\n  timeout = 1s\n  may emit, state\n";
        check(None, &after, &format!("{head}{all}{tail}"));
    }
}
