//! What the documents show is what happens: their commands are run by a shell against a real
//! host, their functions are compiled, their settings are read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use triphammer_model::{Limits, Manifest};

use crate::guides;
use crate::harness::{
    Authority, Block, Host, Kind, Script, Setup, blocks, blocks_of, documents, root, target_dir,
    trip, trip_in,
};

/// The documents whose commands the tests below run, each on a host of its own.
const WALKED: [&str; 5] = [
    "README.md",
    "functions/devices/README.md",
    "functions/orders/README.md",
    "functions/payments/README.md",
    "functions/user-registration/README.md",
];

/// How many blocks of commands are not run: the demo, which CI runs, the tests themselves, and
/// measurements.
const NOT_RUN: [(&str, usize); 12] = [
    ("README.md", 2),
    ("SECURITY.md", 1),
    ("docs/access.md", 2),
    ("docs/api.md", 1),
    ("docs/delivery.md", 1),
    ("docs/filters.md", 1),
    ("docs/subscriptions.md", 1),
    ("docs/telemetry.md", 2),
    ("docs/terminal.md", 5),
    ("docs/trust.md", 1),
    ("tests/BENCHMARKS.md", 1),
    ("tests/README.md", 2),
];

/// The document whose functions and manifests of cargo are compiled.
const SDK: &str = "sdk/rust/README.md";

/// Shared with the test of new projects, whose dependencies are the same.
pub(crate) fn cargo_target() -> PathBuf {
    target_dir().with_file_name("new-project")
}

#[test]
fn no_block_goes_unchecked() {
    let mut not_run = BTreeMap::new();
    let mut walked = BTreeSet::new();
    for block in documents().iter().flat_map(|document| blocks_of(document)) {
        let (place, document) = (block.place(), block.document.as_str());
        let kind = block.kind().unwrap_or_else(|| {
            panic!("{place}: nothing checks a block of `{}`: see `Block::kind`", block.info)
        });
        match kind {
            Kind::Shell | Kind::ShellFails => {
                let is_walked = WALKED.contains(&document) || guides::PAGES.contains(&document);
                assert!(is_walked, "{place} is not run: `sh norun`, or a test");
                walked.insert(block.document);
            }
            Kind::ShellNotRun => *not_run.entry(block.document).or_default() += 1,
            Kind::Rust => {
                let is_compiled = ["README.md", SDK].contains(&document);
                assert!(
                    is_compiled || guides::PAGES.contains(&document),
                    "{place} is not compiled"
                );
            }
            Kind::Toml if document == SDK => {}
            Kind::Toml => read_settings(&block),
            Kind::Json => read_json(&block),
            Kind::Text => {}
        }
    }
    let expect: BTreeSet<String> =
        WALKED.into_iter().chain(guides::PAGES).map(str::to_owned).collect();
    assert_eq!(walked, expect);
    assert_eq!(not_run, NOT_RUN.map(|(document, count)| (document.to_owned(), count)).into());
}

/// A host starts with them.
fn read_settings(block: &Block) {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("triphammer.toml");
    // Secrets are elsewhere, as they should be.
    let secret = scratch.path().join("secret");
    fs::write(&secret, "a secret").unwrap();
    let authority = Authority::new();
    authority.write(&scratch.path().join("clients.crt"));
    authority.sign("host").write(scratch.path(), "tls");
    let text = block.text.replace("/run/secrets/stripe-old", secret.to_str().unwrap());
    let text = text.replace("/etc/triphammer", scratch.path().to_str().unwrap());
    fs::write(&file, text).unwrap();
    let setup = Setup::new().config(file).env("GITHUB_WEBHOOK_SECRET", "a secret");
    let setup = setup
        .env("STRIPE_SECRET_NEW", "a secret")
        .env("ACME_SECRET", "00ff00ff")
        .env("PAYMENT_KEY", "a secret");
    let started = setup.try_start();
    assert!(started.is_ok(), "{}: {started:?}", block.place());
}

/// It is JSON, and a manifest that the host would take if it says what it is `on`.
#[track_caller]
fn read_json(block: &Block) {
    let value: Result<Value, _> = serde_json::from_str(&block.text);
    let value = value.unwrap_or_else(|error| panic!("{}: {error}", block.place()));
    if value.get("on").is_some() {
        let manifest = Manifest::from_json(&block.text, &Limits::default());
        manifest.unwrap_or_else(|error| panic!("{}: {error}", block.place()));
    }
}

/// Replaces what a test can't do as it is written. What is no longer there is no longer needed.
#[track_caller]
fn substitute(document: &str, text: &str, substitutions: &[(&str, &str)]) -> String {
    substitutions.iter().fold(text.to_owned(), |text, (written, done)| {
        assert!(text.contains(written), "{document} no longer has `{written}`");
        text.replace(written, done)
    })
}

/// The commands of a document, its blocks one after the other.
fn commands(document: &str, host: &Host, substitutions: &[(&str, &str)]) -> Script {
    let mut script = Script::new();
    let address = host.address().to_string();
    for block in blocks_of(document) {
        match block.kind() {
            Some(Kind::Shell) => {
                let text = block.text.replace("127.0.0.1:7070", &address);
                script.run(&block.place(), &text.replace("localhost:7070", &address));
            }
            Some(Kind::Rust) => {
                script.run(&block.place(), "test -f src/lib.rs");
                script.write(&block, "src/lib.rs");
            }
            _ => {}
        }
    }
    script.substituted(|text| substitute(document, text, substitutions))
}

#[test]
fn the_readme_is_a_walk_that_ends_well() {
    let scratch = tempfile::tempdir().unwrap();
    let host = Host::start();
    let substitutions = [
        // `trip` is on the path, and the host is up.
        ("cargo install --path runtime/cli ", "true "),
        ("trip up &", "trip functions"),
        ("@target/", "@\"$CARGO_TARGET_DIR\"/"),
    ];
    let script = commands("README.md", &host, &substitutions);
    let said = script.finish(scratch.path(), &host, &cargo_target());
    // What the event was, where it went, and what came of it.
    for part in ["user.registered", "welcome", "committed", "email.requested"] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    host.settled();
    assert_eq!(host.counts("welcome")["committed"], 6, "three, and three replayed");
    let welcome = host.function("welcome");
    assert_eq!((&welcome["active"], &welcome["previous"]), (&json!("r1"), &json!("r2")));
    assert_eq!(welcome["canaryEnded"]["reason"], "promoted");
    assert_eq!(host.events("email.requested").len(), 2, "both or neither, and once for each");
}

#[test]
fn a_new_projects_readme_does_what_it_says() {
    let scratch = tempfile::tempdir().unwrap();
    let host = Host::start();
    trip_in(scratch.path(), &["new", "greeter"]).expect(0);
    let text = fs::read_to_string(scratch.path().join("greeter/README.md")).unwrap();
    let mut script = Script::new();
    for block in blocks("greeter/README.md", &text) {
        assert_eq!(block.kind(), Some(Kind::Shell), "{}", block.place());
        script.run(&block.place(), &block.text);
    }
    script.finish(&scratch.path().join("greeter"), &host, &cargo_target());
    host.settled();
    assert_eq!(host.counts("greeter")["committed"], 1);
    assert_eq!(host.events("email.requested").len(), 1);
}

/// Runs a sample's commands in the root of the workspace, and returns what they said.
fn walk_sample(host: &Host, name: &str, substitutions: &[(&str, &str)]) -> String {
    let document = format!("functions/{name}/README.md");
    let said = commands(&document, host, substitutions).finish(&root(), host, &cargo_target());
    host.settled();
    assert!(said.contains("committed"), "{said}");
    said
}

#[test]
fn the_samples_readmes_do_what_they_say() {
    let host = Host::start();
    walk_sample(&host, "user-registration", &[]);
    assert_eq!(host.events("email.requested").len(), 1);
    walk_sample(&host, "devices", &[]);
    assert_eq!(host.events("device.alarm").len(), 1);
    walk_sample(&host, "orders", &[]);
    assert_eq!(host.events("shipment.requested")[0]["subject"], "o-1");
    assert_eq!(host.events("order.cancelled")[0]["subject"], "o-2");
    let said = walk_sample(&host, "payments", &[]);
    assert!(said.contains("account/customer/ada"), "{said}");
}

#[test]
fn the_sdks_readme_makes_a_function() {
    let scratch = tempfile::tempdir().unwrap();
    let project = scratch.path().join("welcome");
    let write = |path: &str, text: &str| {
        let path = project.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let of = |kind| blocks_of(SDK).into_iter().filter(move |block| block.kind() == Some(kind));
    let [cargo, settings] = &of(Kind::Toml).collect::<Vec<_>>()[..] else {
        panic!("{SDK} has not one manifest of cargo and one file of its settings")
    };
    let sdk = root().join("sdk/rust").display().to_string();
    let cargo = substitute(SDK, &cargo.text, &[("…/sdk/rust", &sdk)]);
    let package = "[package]\nname = \"welcome\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    write("Cargo.toml", &format!("{package}{cargo}"));
    let path = settings.text.lines().next().and_then(|line| line.strip_prefix("# "));
    write(path.unwrap(), &settings.text);
    fs::copy(root().join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    write("src/lib.rs", &of(Kind::Rust).next().unwrap().text);

    let target = target_dir().with_file_name("documents");
    let args = ["deploy", project.to_str().unwrap(), "--target-dir", target.to_str().unwrap()];
    let host = Host::start();
    trip(&host, &args).expect(0);
    let data = r#"{"email": "ann@example.com"}"#;
    let send = ["send", "user.registered", "--subject", "u1", "--data", data, "--wait", "30"];
    trip(&host, &send).expect(0);
    // The others are run as tests of the SDK's documentation.
    let lib = fs::read_to_string(root().join("sdk/rust/src/lib.rs")).unwrap();
    assert!(lib.contains("#[doc = include_str!(\"../README.md\")]"));
}

#[test]
fn a_host_starts_with_the_example_configuration() {
    let host = Setup::new().config(root().join("deploy/triphammer.toml")).start();
    assert_eq!(host.get("/api/v1/functions")["functions"].as_array().unwrap().len(), 0);
}

#[test]
fn blocks_are_found_with_their_kind() {
    let text = "a\n```sh norun\nb\n\nc\n```\n  ```dance\n  ```\n```\nd\n```\n";
    let found = blocks("x.md", text);
    let seen: Vec<_> = found.iter().map(|b| (b.line, b.kind(), b.text.as_str())).collect();
    let expect = [(2, Some(Kind::ShellNotRun), "b\n\nc\n"), (7, None, ""), (9, None, "d\n")];
    assert_eq!(seen, expect);
}

#[test]
#[should_panic(expected = "x.md:1: manifest member `keys`")]
fn a_manifest_in_a_document_is_read_as_the_host_reads_it() {
    let text = "```json\n{\"on\": [\"a.b\"], \"keys\": \"subject\"}\n```\n";
    read_json(&blocks("x.md", text)[0]);
}

#[test]
#[should_panic(expected = "failed: x.md:7")]
fn a_document_whose_command_fails_is_wrong() {
    let mut script = Script::new();
    script.run("x.md:7", "false && true\ntrue");
    script.finish(&root(), &Host::start(), &cargo_target());
}
