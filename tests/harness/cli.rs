//! `trip` as a user runs it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::host::{Host, trip_command};
use super::wait::{DEADLINE, until};

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
    Ran::of(&mut command)
}

impl Ran {
    /// Runs a command to its end.
    pub(super) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

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

/// A command that goes on until it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
}

impl Running {
    pub(crate) fn start(host: &Host, args: &[&str]) -> Self {
        Self::with(args, &[("TRIPHAMMER_URL", &host.url())])
    }

    /// With these variables of the environment.
    pub(crate) fn with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = trip_command();
        command.args(args).envs(variables.iter().copied()).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = lines(child.stdout.take().unwrap());
        let errors = lines(child.stderr.take().unwrap());
        Self { child, lines: output, errors }
    }

    /// The next line on standard output with this text in it.
    #[track_caller]
    pub(crate) fn line(&mut self, part: &str) -> String {
        find(&self.lines, part)
    }

    /// The next line on standard error with this text in it.
    #[track_caller]
    pub(crate) fn error_line(&mut self, part: &str) -> String {
        find(&self.errors, part)
    }
}

impl Running {
    /// Asks it to end, and returns the status with which it has.
    pub(crate) fn terminate(mut self) -> i32 {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let pause = || thread::sleep(Duration::from_millis(5));
        let ended = until("the command to end", pause, || self.child.try_wait().unwrap());
        ended.code().unwrap_or(-1)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn find(lines: &Receiver<String>, part: &str) -> String {
    loop {
        match lines.recv_timeout(DEADLINE) {
            Ok(line) if line.contains(part) => return line,
            Ok(_) => {}
            Err(error) => panic!("no line with `{part}`: {error}"),
        }
    }
}

fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
