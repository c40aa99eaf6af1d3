//! Builds the guests with cargo, once for the whole binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use bytes::Bytes;

const TARGET: &str = "wasm32-wasip2";
const PACKAGES: [&str; 7] =
    ["alarm", "bench", "connect", "fetch", "misbehave", "panic-in-describe", "tally"];

static BUILT: LazyLock<PathBuf> = LazyLock::new(build);

/// The component of a package of `functions` or `tests/guests`.
pub(crate) fn guest(package: &str) -> Bytes {
    let path = BUILT.join(format!("{}.wasm", package.replace('-', "_")));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).into()
}

pub(crate) fn workspace() -> &'static Path {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    found.expect("this crate is two directories below the workspace")
}

fn build() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), |dir| workspace().join(dir))
        .join("guests");
    add_target();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace()).args(["build", "--quiet", "--release", "--target", TARGET]);
    cargo.arg("--target-dir").arg(&target);
    PACKAGES.iter().for_each(|package| {
        cargo.args(["--package", package]);
    });
    // Flags meant for the host, such as those for coverage, don't fit the guests.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(name);
    }
    assert!(cargo.status().expect("cargo runs").success(), "the guests could not be built");
    target.join(TARGET).join("release")
}

fn add_target() {
    let rustc =
        Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let libdir = rustc.map(|out| PathBuf::from(String::from_utf8_lossy(&out.stdout).trim()));
    if libdir.is_ok_and(|dir| dir.exists()) {
        return;
    }
    let added = Command::new("rustup").args(["target", "add", TARGET]).status();
    assert!(
        added.is_ok_and(|status| status.success()),
        "the tests need the target {TARGET}: run `rustup target add {TARGET}`"
    );
}
