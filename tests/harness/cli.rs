//! `trip` as a user runs it.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::host::{Host, trip_command};

/// A command that has run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `trip` with these arguments against this host.
pub(crate) fn trip(host: &Host, args: &[&str]) -> Ran {
    run(Some(&host.url()), None, args)
}

/// Runs `trip` in this directory, with no host that it knows of.
pub(crate) fn trip_in(dir: &Path, args: &[&str]) -> Ran {
    run(None, Some(dir), args)
}

fn run(url: Option<&str>, dir: Option<&Path>, args: &[&str]) -> Ran {
    let mut command = trip_command();
    command.args(args).stdin(Stdio::null());
    if let Some(url) = url {
        command.env("TRIPHAMMER_URL", url);
    }
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    let output = command.output().unwrap();
    Ran {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// It ended with this status.
    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{}{}", self.stdout, self.stderr);
        self
    }

    /// It succeeded, and what it wrote is one JSON value.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let ran = self.expect(0);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.stdout))
    }
}
