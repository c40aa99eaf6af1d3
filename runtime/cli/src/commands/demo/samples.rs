//! The sample functions of the repository: found, and built.

use std::path::{Path, PathBuf};

use crate::commands::outgoing;
use crate::error::Error;
use crate::output::{bar, bytes, elapsed_ms};
use crate::project::{self, Messages};

/// In the order in which they are shown.
const NAMES: [&str; 5] = ["user-registration", "orders", "stock", "devices", "payments"];

pub(super) struct Samples {
    pub(super) all: Vec<Sample>,
    /// Where things may be written that can be thrown away.
    pub(super) target: PathBuf,
}

pub(super) struct Sample {
    pub(super) name: String,
    pub(super) wasm: Vec<u8>,
    built: std::time::Duration,
}

impl Samples {
    pub(super) fn build(given: Option<&Path>) -> Result<Self, Error> {
        let functions = match given {
            Some(functions) => functions.to_owned(),
            None => find().ok_or_else(|| {
                Error::Failed(
                    "the demo builds the sample functions of the repository, and there is no \
                     checkout around here: run it in one, or give --functions DIR"
                        .to_owned(),
                )
            })?,
        };
        let target = functions.parent().unwrap_or_else(|| Path::new(".")).join("target");
        let progress = bar(NAMES.len() as u64, "");
        let mut all = Vec::new();
        for name in NAMES {
            progress.set_message(format!("building {name}"));
            let guests = target.join("guests");
            let built = project::build(&functions.join(name), Some(&guests), Messages::Kept)?;
            let wasm = outgoing::read(&built.wasm)?;
            all.push(Sample { name: name.to_owned(), wasm, built: built.elapsed });
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok(Self { all, target })
    }

    /// Sizes and times.
    pub(super) fn summary(&self) -> String {
        let total = self.all.iter().map(|sample| sample.built).sum();
        let size = |sample: &Sample| format!("{} {}", sample.name, bytes(sample.wasm.len() as u64));
        let sizes: Vec<_> = self.all.iter().map(size).collect();
        format!("{} · in {}", sizes.join(" · "), elapsed_ms(total))
    }

    pub(super) fn wasm(&self, name: &str) -> Vec<u8> {
        let sample = self.all.iter().find(|sample| sample.name == name);
        sample.map(|sample| sample.wasm.clone()).unwrap_or_default()
    }
}

/// The checkout that this directory, or this program, is in.
fn find() -> Option<PathBuf> {
    let here = std::env::current_dir().ok();
    let program = std::env::current_exe().ok();
    let starts = [here, program];
    let mut dirs = starts.iter().flatten().flat_map(|start| start.ancestors());
    let is_checkout = |dir: &&Path| {
        NAMES.iter().all(|name| dir.join("functions").join(name).join("Cargo.toml").is_file())
    };
    dirs.find(is_checkout).map(|dir| dir.join("functions"))
}
