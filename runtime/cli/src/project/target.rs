//! The Rust target that components are built for: found, or added through rustup.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Error;
use crate::output;

pub(super) const TARGET: &str = "wasm32-wasip2";

/// Adds the target to the toolchain in force in `dir`, if it is not there.
pub(super) fn ensure(dir: &Path) -> Result<(), Error> {
    if is_there(dir)? {
        return Ok(());
    }
    output::note(format_args!("adding the Rust target {TARGET} with rustup"));
    let mut command = Command::new("rustup");
    command.args(["target", "add", TARGET]).current_dir(dir).stdout(Stdio::null());
    let missing = |source| Error::NoTarget { target: TARGET, source };
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(missing(None)),
        Err(source) => Err(missing(Some(source))),
    }
}

fn is_there(dir: &Path) -> Result<bool, Error> {
    let mut command = Command::new("rustc");
    command.args(["--print", "target-libdir", "--target", TARGET]).current_dir(dir);
    let output = command.output().map_err(|source| Error::NoTool { tool: "rustc", source })?;
    // A compiler that does not know the target says so by its status; rustup will name it.
    let path = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success() && Path::new(path.trim()).is_dir())
}
