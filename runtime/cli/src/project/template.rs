//! `trip new`: a project that builds, tests and deploys as it stands.
//!
//! The binary carries the SDK and writes it into the project, so that a project needs neither a
//! checkout nor a registry that has it.

use std::fs;
use std::path::Path;

use triphammer_model::FunctionName;

use super::{Error, lock};

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/sdk.rs"));
}

/// Written as the Cargo.toml of the SDK's directory, it lets the crates build as they are.
const SDK_WORKSPACE: &str = include_str!("../../../../sdk/rust/standalone.toml");
const LOCK: &str = include_str!("../../../../Cargo.lock");
/// What only the SDK's own tests need.
const SDK_TESTS_NEED: [&str; 1] = ["trybuild"];

/// Where the SDK is in a project.
const SDK_DIR: &str = "triphammer-sdk";

const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.txt")),
    ("README.md", include_str!("template/README.md.txt")),
    ("event.json", include_str!("template/event.json.txt")),
    ("src/lib.rs", include_str!("template/lib.rs.txt")),
    (".gitignore", "/target\n"),
];

/// Writes a project into `dir`, which must not exist, and returns its name: that of the directory.
pub(crate) fn create(dir: &Path) -> Result<String, Error> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    check_name(&name)?;
    if dir.exists() {
        return Err(Error::Exists { path: dir.to_owned() });
    }
    let handler = name.replace('-', "_");
    for (path, text) in FILES {
        write(&dir.join(path), &text.replace("NAME", &name).replace("HANDLER", &handler))?;
    }
    let sdk = dir.join(SDK_DIR);
    write(&sdk.join("Cargo.toml"), SDK_WORKSPACE)?;
    for (path, text) in embedded::SDK {
        write(&sdk.join(path), text)?;
    }
    // The versions that this SDK was tested with; cargo adds the project itself.
    let versions = lock::pruned(LOCK, "triphammer-sdk", &SDK_TESTS_NEED).ok_or(Error::Embedded)?;
    write(&dir.join("Cargo.lock"), &versions)?;
    Ok(name)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}

/// The name is a function's, a package's and a Rust function's.
fn check_name(name: &str) -> Result<(), Error> {
    let invalid = |rule| Error::Name { name: name.to_owned(), rule };
    if name.parse::<FunctionName>().is_err() {
        return Err(invalid("1 to 63 of a-z, 0-9 and -, not beginning or ending with -"));
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(invalid("a Rust package begins with a letter"));
    }
    if RESERVED.contains(&name) {
        return Err(invalid("it means something else to Rust"));
    }
    Ok(())
}

/// Keywords, and crates that a project can't be called.
const RESERVED: [&str; 56] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "event",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "tests",
    "trait",
    "triphammer-sdk",
    "triphammer-sdk-macro",
    "true",
    "try",
    "type",
    "unsafe",
    "use",
    "where",
    "while",
    "yield",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, valid: bool) {
        assert_eq!(check_name(name).is_ok(), valid, "{name}");
    }

    #[test]
    fn a_name_is_one_to_cargo_and_to_the_host() {
        check("welcome", true);
        check("welcome-2", true);
        check("2-welcome", false);
        check("match", false);
        check("Welcome", false);
        check("", false);
        check("triphammer-sdk", false);
    }

    #[test]
    fn a_project_has_the_sdk_beside_it() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("my-first");
        assert_eq!(create(&dir).unwrap(), "my-first");
        let read = |path: &str| fs::read_to_string(dir.join(path)).unwrap();
        assert!(read("src/lib.rs").contains("fn my_first("));
        assert!(read("Cargo.toml").contains("name = \"my-first\""));
        assert!(read("triphammer-sdk/wit/function.wit").contains("package triphammer:function"));
        assert!(read("triphammer-sdk/Cargo.toml").contains("[workspace]"));
        assert!(read("triphammer-sdk/rust/Cargo.toml").contains("name = \"triphammer-sdk\""));
        assert!(read("Cargo.lock").contains("name = \"wit-bindgen\""));
        assert!(!read("Cargo.lock").contains("wasmtime"));
    }

    #[test]
    fn nothing_is_overwritten() {
        let parent = tempfile::tempdir().unwrap();
        assert!(matches!(create(parent.path()), Err(Error::Name { .. } | Error::Exists { .. })));
        let dir = parent.path().join("twice");
        create(&dir).unwrap();
        assert!(matches!(create(&dir), Err(Error::Exists { .. })));
    }
}
