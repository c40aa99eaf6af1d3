//! The guests' components: built all together, once a run, into a target directory of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const TARGET: &str = "wasm32-wasip2";
/// Everything under `functions/` and `tests/guests/`.
pub(crate) const PACKAGES: [&str; 15] = [
    "alarm",
    "bench",
    "connect",
    "counter",
    "devices",
    "fetch",
    "misbehave",
    "orders",
    "panic-in-describe",
    "payments",
    "relay",
    "script",
    "stock",
    "tally",
    "user-registration",
];

/// The component of a package under `functions/` or `tests/guests/`.
#[track_caller]
pub(crate) fn component(package: &str) -> Vec<u8> {
    assert!(PACKAGES.contains(&package), "`{package}` is not one of the guests that are built");
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let dir = BUILT.get_or_init(build).as_ref().unwrap_or_else(|error| panic!("{error}"));
    let path = dir.join(format!("{}.wasm", package.replace('-', "_")));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.join("../..").canonicalize().unwrap()
}

/// Where cargo puts what the tests make, beside the host that they test.
pub(crate) fn target_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("guests")
}

fn build() -> Result<PathBuf, String> {
    add_target()?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["build", "--release", "--lib", "--target", TARGET]);
    cargo.arg("--target-dir").arg(target_dir());
    for package in PACKAGES {
        cargo.args(["--package", package]);
    }
    // Names of functions stay in, for traces; the rest would be ten times the component.
    cargo.env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo");
    // Settings of the tests' own build, a coverage run's for one, are not the guests'.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let output = cargo.stdin(Stdio::null()).output().map_err(|e| format!("cargo: {e}"))?;
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the guests could not be built:\n{messages}"));
    }
    Ok(target_dir().join(TARGET).join("release"))
}

/// Adds the target through rustup when it is missing.
fn add_target() -> Result<(), String> {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(root()).args(["--print", "target-libdir", "--target", TARGET]);
    let dir = rustc.output().map_err(|error| format!("rustc: {error}"))?.stdout;
    if Path::new(String::from_utf8_lossy(&dir).trim()).is_dir() {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    let added = rustup.current_dir(root()).args(["target", "add", TARGET]).status();
    if added.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err(format!("the tests need the target {TARGET}: run `rustup target add {TARGET}`"))
}
