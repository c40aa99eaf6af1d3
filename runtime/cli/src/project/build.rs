//! A source directory to a component, by cargo.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Error;
use super::metadata::{self, Package};
use super::target::{self, TARGET};

/// A component that was built.
#[derive(Debug)]
pub(crate) struct Built {
    /// The package's name.
    pub(crate) name: String,
    pub(crate) wasm: PathBuf,
    pub(crate) elapsed: Duration,
}

/// Where cargo's own messages go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Messages {
    /// To standard error, as cargo writes them.
    Shown,
    /// Nowhere, but for the end of them when the build fails.
    Kept,
}

/// Settings of the release profile that make components smaller without making them slower. Each
/// gives way to the project's own. The names of functions stay in, for traces of traps.
const PROFILE: [(&str, &str, &str); 3] = [
    ("lto", "CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("codegen-units", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("strip", "CARGO_PROFILE_RELEASE_STRIP", "debuginfo"),
];

/// Builds the package in `dir`, in its workspace's target directory unless another is given.
pub(crate) fn build(
    dir: &Path,
    target_dir: Option<&Path>,
    messages: Messages,
) -> Result<Built, Error> {
    let began = Instant::now();
    let package = metadata::package(dir)?;
    target::ensure(dir)?;
    let mut child = command(&package, dir, target_dir, messages)
        .spawn()
        .map_err(|source| Error::NoTool { tool: "cargo", source })?;
    let (wasm, message) = follow(&mut child, &package, messages);
    let status = child.wait();
    if !status.is_ok_and(|status| status.success()) {
        return Err(Error::Build { package: package.name, message });
    }
    let wasm = wasm.ok_or_else(|| Error::NoComponent { package: package.name.clone() })?;
    Ok(Built { name: package.name, wasm, elapsed: began.elapsed() })
}

fn command(
    package: &Package,
    dir: &Path,
    target_dir: Option<&Path>,
    messages: Messages,
) -> Command {
    let mut command = Command::new("cargo");
    command
        // The toolchain file and cargo's configuration are those of the project.
        .current_dir(dir)
        .args(["build", "--release", "--lib", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics", "--manifest-path"])
        .arg(&package.manifest)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if let Some(target_dir) = target_dir {
        // Made absolute, because cargo runs elsewhere.
        let absolute = std::path::absolute(target_dir);
        command.arg("--target-dir").arg(absolute.unwrap_or_else(|_| target_dir.to_owned()));
    }
    for (key, variable, value) in PROFILE {
        if !package.release_keys.iter().any(|known| known == key) {
            command.env(variable, value);
        }
    }
    if messages == Messages::Kept {
        command.stderr(Stdio::piped());
    }
    command
}

/// Reads what cargo says until it ends: the component's path, and the first error.
fn follow(
    child: &mut Child,
    package: &Package,
    messages: Messages,
) -> (Option<PathBuf>, Option<String>) {
    // Read beside standard output, so that cargo never waits for a full pipe.
    let errors = child.stderr.take().filter(|_| messages == Messages::Kept).map(|mut stderr| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            // What could not be read is not shown.
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    });
    let lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
    let lines = lines.into_iter().flatten().map_while(Result::ok);
    let wasm = lines.filter_map(|line| component(&line, &package.manifest)).last();
    let text = errors.and_then(|thread| thread.join().ok()).unwrap_or_default();
    (wasm, first_error(&text))
}

#[derive(Deserialize)]
struct Artifact {
    manifest_path: PathBuf,
    filenames: Vec<PathBuf>,
}

/// The component in a message of cargo, if it is about one of this package.
fn component(line: &str, manifest: &Path) -> Option<PathBuf> {
    let artifact: Artifact = serde_json::from_str(line).ok()?;
    let is_ours = artifact.manifest_path.canonicalize().is_ok_and(|path| path == manifest);
    let is_wasm = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
    artifact.filenames.into_iter().find(is_wasm).filter(|_| is_ours)
}

/// The first error and where it is.
fn first_error(text: &str) -> Option<String> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("error"));
    let error = lines.next()?;
    let place = lines.next().filter(|line| line.trim_start().starts_with("-->"));
    Some(format!("{error} {}", place.unwrap_or_default().trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_kept() {
        let text = "   Compiling a\nerror[E0425]: not found\n --> src/lib.rs:3:5\n  |\nerror: could not compile\n";
        assert_eq!(first_error(text).unwrap(), "error[E0425]: not found --> src/lib.rs:3:5");
        assert_eq!(first_error("Compiling a\n"), None);
    }

    #[test]
    fn the_component_is_the_packages_own() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = dir.path().join("Cargo.toml").canonicalize();
        assert!(manifest.is_err(), "there is no file yet");
        std::fs::write(dir.path().join("Cargo.toml"), "").unwrap();
        let manifest = dir.path().join("Cargo.toml").canonicalize().unwrap();
        let line = |file: &str| {
            serde_json::json!({"reason": "compiler-artifact", "manifest_path": manifest, "filenames": [file]})
                .to_string()
        };
        assert_eq!(component(&line("/t/a.wasm"), &manifest), Some("/t/a.wasm".into()));
        assert_eq!(component(&line("/t/a.rlib"), &manifest), None);
        assert_eq!(component(&line("/t/a.wasm"), Path::new("/other/Cargo.toml")), None);
        assert_eq!(component(r#"{"reason":"build-finished","success":true}"#, &manifest), None);
    }
}
