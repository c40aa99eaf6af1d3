//! What cargo knows of a package: its name, and what its workspace says of the release profile.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::Error;

/// The package of one directory.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) manifest: PathBuf,
    /// Keys of `[profile.release]` that the workspace sets itself.
    pub(super) release_keys: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<RawPackage>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct RawPackage {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<RawTarget>,
}

#[derive(Deserialize)]
struct RawTarget {
    crate_types: Vec<String>,
}

/// The name of the package in `dir`, if it can be built to a component.
pub(crate) fn name(dir: &Path) -> Result<String, Error> {
    Ok(package(dir)?.name)
}

pub(super) fn package(dir: &Path) -> Result<Package, Error> {
    let no_manifest = || Error::NoManifest { dir: dir.to_owned() };
    // Cargo names files by their real paths.
    let manifest = dir.join("Cargo.toml").canonicalize().map_err(|_| no_manifest())?;
    let metadata = metadata(&manifest)?;
    let same = |package: &RawPackage| {
        package.manifest_path.canonicalize().is_ok_and(|path| path == manifest)
    };
    let package = metadata.packages.into_iter().find(same);
    let package = package.ok_or_else(|| Error::Workspace { dir: dir.to_owned() })?;
    let is_component = |target: &RawTarget| target.crate_types.iter().any(|ty| ty == "cdylib");
    if !package.targets.iter().any(is_component) {
        return Err(Error::NoComponent { package: package.name });
    }
    let release_keys = release_keys(&metadata.workspace_root.join("Cargo.toml"))?;
    Ok(Package { name: package.name, manifest, release_keys })
}

fn metadata(manifest: &Path) -> Result<Metadata, Error> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]);
    let output = command.arg(manifest).output();
    let output = output.map_err(|source| Error::NoTool { tool: "cargo", source })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::Metadata { message });
    }
    serde_json::from_slice(&output.stdout).map_err(Error::Answer)
}

fn release_keys(root: &Path) -> Result<Vec<String>, Error> {
    let text = std::fs::read_to_string(root)
        .map_err(|source| Error::Read { path: root.to_owned(), source })?;
    // Cargo has just read the same file.
    let table: toml::Table = text.parse().unwrap_or_default();
    let release = table.get("profile").and_then(|profile| profile.get("release"));
    let keys = release.and_then(toml::Value::as_table).map(|table| table.keys().cloned().collect());
    Ok(keys.unwrap_or_default())
}
