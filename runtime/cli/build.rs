//! Lists the SDK's files, so that the binary carries them for `trip new`.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a project needs of `sdk`; tests stay behind.
const PARTS: [&str; 6] = [
    "rust/Cargo.toml",
    "rust/README.md",
    "rust/src",
    "rust-macro/Cargo.toml",
    "rust-macro/src",
    "wit",
];

fn main() -> io::Result<()> {
    let sdk = fs::canonicalize("../../sdk")?;
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    for part in PARTS {
        println!("cargo::rerun-if-changed={}", sdk.join(part).display());
        collect(&sdk.join(part), &mut files)?;
    }
    files.sort();
    let mut code = String::from("pub(super) const SDK: &[(&str, &str)] = &[\n");
    for file in files {
        let name = file.strip_prefix(&sdk).map_err(io::Error::other)?;
        let name = name.to_string_lossy().replace('\\', "/");
        writeln!(code, "    ({name:?}, include_str!({file:?})),").map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("sdk.rs"), code)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if path.is_file() {
        files.push(path.to_owned());
    }
    Ok(())
}
