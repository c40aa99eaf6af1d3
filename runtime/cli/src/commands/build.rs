//! `trip build [DIR]`: a source directory to a component.

use std::path::PathBuf;

use serde_json::json;

use super::outgoing;
use crate::error::Error;
use crate::output::{NAME, Output, bytes, elapsed_ms, paint};
use crate::project::{self, Messages};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The function's source directory
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where cargo puts what it builds, instead of the project's own target directory
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
}

pub(crate) fn run(args: Args, output: &mut Output) -> Result<(), Error> {
    let built = project::build(&args.dir, args.target_dir.as_deref(), Messages::Shown)?;
    let size = outgoing::read(&built.wasm)?.len() as u64;
    if output.is_json() {
        return output.json(&json!({"name": built.name, "wasm": built.wasm, "bytes": size}));
    }
    output.line(format_args!(
        "{} {} · {} · {}",
        paint(NAME, &built.name),
        built.wasm.display(),
        bytes(size),
        elapsed_ms(built.elapsed)
    ))
}
