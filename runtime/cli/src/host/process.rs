//! A host as a child process: started, killed, started again on the same data.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::Error;
use crate::client::{Base, Client};
use crate::output::one_line;

const READY_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(20);
/// Between two looks at a process that starts or ends.
const LOOK: Duration = Duration::from_millis(10);

/// Runs until it is stopped, killed or dropped; it ends too when this process does.
pub(crate) struct HostProcess {
    child: Child,
    data: PathBuf,
    address: SocketAddr,
}

impl HostProcess {
    /// Starts a host on a port that is free.
    pub(crate) fn start(data: &Path) -> Result<Self, Error> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::Start)?;
        let address = free.local_addr().map_err(Error::Start)?;
        drop(free);
        let child = spawn(data, address)?;
        let mut host = Self { child, data: data.to_owned(), address };
        host.wait_until_ready()?;
        Ok(host)
    }

    /// Starts the host again, after it was killed, with the same data and address.
    pub(crate) fn restart(&mut self) -> Result<(), Error> {
        self.child = spawn(&self.data, self.address)?;
        self.wait_until_ready()
    }

    /// As `kill -9`: the host gets no chance to do anything more.
    pub(crate) fn kill(&mut self) -> Result<(), Error> {
        self.child.kill().and_then(|()| self.child.wait()).map(drop).map_err(Error::Start)
    }

    /// Asks the host to drain and end.
    pub(crate) fn stop(mut self) -> Result<(), Error> {
        drop(self.child.stdin.take());
        let began = Instant::now();
        while began.elapsed() < STOP_MAX {
            if let Some(status) = self.child.try_wait().map_err(Error::Start)? {
                let last = self.last_words();
                let ended = || Err(Error::Ended { status, last });
                return if status.success() { Ok(()) } else { ended() };
            }
            std::thread::sleep(LOOK);
        }
        // Dropped, and so killed.
        Err(Error::NotReady { seconds: STOP_MAX.as_secs(), last: self.last_words() })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn client(&self) -> Result<Client, crate::client::Error> {
        let base: Base = self.url().parse()?;
        Client::with(base, None)
    }

    /// The status of a host that has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    fn wait_until_ready(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        while began.elapsed() < READY_MAX {
            if let Some(status) = self.ended() {
                return Err(Error::Ended { status, last: self.last_words() });
            }
            if self.client().is_ok_and(|client| client.get("/readyz").is_ok()) {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        Err(Error::NotReady { seconds: READY_MAX.as_secs(), last: self.last_words() })
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let text = fs::read_to_string(log_file(&self.data)).unwrap_or_default();
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        last.map_or_else(|| "it said nothing".to_owned(), one_line)
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Beside the data directory, which belongs to the host.
fn log_file(data: &Path) -> PathBuf {
    data.with_extension("log")
}

fn spawn(data: &Path, address: SocketAddr) -> Result<Child, Error> {
    let program = std::env::current_exe().map_err(Error::Start)?;
    let log = File::options().create(true).append(true).open(log_file(data));
    let mut command = Command::new(program);
    command
        .args(["up", "--stop-with-stdin", "--listen", &address.to_string(), "--data"])
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log.map_err(Error::Start)?);
    // Settings for the user's own host are not for this one.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TRIPHAMMER_") {
            command.env_remove(name);
        }
    }
    own_group(&mut command);
    command.spawn().map_err(Error::Start)
}

/// Ctrl-C on the terminal is for this process, which then stops the host.
#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_command: &mut Command) {}
