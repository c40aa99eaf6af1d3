//! `trip key FILE`: a key that signs modules, made where there is none, and its public half, which
//! hosts that trust it have in `trust.keys`. Sends nothing anywhere.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use triphammer_server::ModuleKey;

use crate::error::Error;
use crate::output::Output;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The file with the private key; made, for its owner alone, if it is not there
    file: PathBuf,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<(), Error> {
    let is_new = !args.file.exists();
    let key = if is_new { make(&args.file)? } else { read(&args.file)? };
    let public = key.public().to_string();
    if output.is_json() {
        return output.json(&json!({ "public": public, "new": is_new }));
    }
    output.text(&format!("{public}\n"))
}

/// The key in a file.
pub(super) fn read(file: &Path) -> Result<ModuleKey, Error> {
    let text = super::outgoing::read(file)?;
    let key = ModuleKey::from_pem(&String::from_utf8_lossy(&text));
    key.map_err(|error| Error::Usage(format!("{}: {error}", file.display())))
}

fn make(file: &Path) -> Result<ModuleKey, Error> {
    let wrong =
        |error: &dyn std::fmt::Display| Error::Failed(format!("{}: {error}", file.display()));
    let (key, pem) = ModuleKey::generate().map_err(|error| wrong(&error))?;
    // Never over another key: what that has signed could be signed by nobody any more.
    let mut made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(|error| wrong(&error))?;
    made.write_all(pem.as_bytes()).and_then(|()| made.sync_all()).map_err(|error| wrong(&error))?;
    Ok(key)
}
