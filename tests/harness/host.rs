//! A host: the real `trip up`, as a process of its own on a scratch data directory and a free port.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::http::{Connection, Request, Response};
use super::wait::{DEADLINE, until};

/// How a host is started.
#[derive(Debug)]
pub(crate) struct Setup {
    data: PathBuf,
    /// Kept until the last host that uses it is gone.
    _scratch: Option<TempDir>,
    settings: Vec<(String, String)>,
    config: Option<PathBuf>,
    listen: String,
    arguments: Vec<String>,
    /// Words before those of the host's own command.
    launcher: Vec<String>,
}

/// A running host; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Host {
    setup: Setup,
    child: Child,
    address: SocketAddr,
    /// Before `://`.
    scheme: &'static str,
    log: Arc<Mutex<String>>,
}

/// How a host ended by itself, what it said, and what another can be started with.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) log: String,
    pub(crate) setup: Setup,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let data = scratch.path().join("data");
        let listen = "127.0.0.1:0".to_owned();
        Self {
            data,
            _scratch: Some(scratch),
            settings: Vec::new(),
            config: None,
            listen,
            arguments: Vec::new(),
            launcher: Vec::new(),
        }
    }

    /// A setting as the environment gives it: `TRIPHAMMER_` and `name`.
    pub(crate) fn set(self, name: &str, value: &str) -> Self {
        self.env(&format!("TRIPHAMMER_{name}"), value)
    }

    /// A variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file of settings. The data directory and the address stay the test's own.
    pub(crate) fn config(self, file: impl Into<PathBuf>) -> Self {
        Self { config: Some(file.into()), ..self }
    }

    pub(crate) fn data(self, data: impl Into<PathBuf>) -> Self {
        Self { data: data.into(), ..self }
    }

    pub(crate) fn listen(self, listen: &str) -> Self {
        Self { listen: listen.to_owned(), ..self }
    }

    /// One more argument of `trip up`.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A command that becomes the host, in its own process: the host's words stand behind these.
    pub(crate) fn through(self, launcher: &[&str]) -> Self {
        Self { launcher: launcher.iter().map(ToString::to_string).collect(), ..self }
    }

    #[track_caller]
    pub(crate) fn start(self) -> Host {
        self.try_start().unwrap_or_else(|ended| panic!("the host did not start: {ended:?}"))
    }

    /// Starts it, and waits until it serves or has ended.
    pub(crate) fn try_start(self) -> Result<Host, Box<Ended>> {
        let host = self.try_serve()?;
        host.await_ready();
        Ok(host)
    }

    /// Starts one that may want no work: it only has to answer.
    #[track_caller]
    pub(crate) fn serve(self) -> Host {
        self.try_serve().unwrap_or_else(|ended| panic!("the host did not start: {ended:?}"))
    }

    fn try_serve(self) -> Result<Host, Box<Ended>> {
        let mut host = self.spawn();
        match host.await_address() {
            Some((scheme, address)) => {
                (host.scheme, host.address) = (scheme, address);
                Ok(host)
            }
            None => {
                let (status, log) = host.wait_ended();
                Err(Box::new(Ended { status, log, setup: host.take_setup() }))
            }
        }
    }

    /// Starts one that ends by itself, maybe before it serves.
    pub(crate) fn run(self) -> Ended {
        let mut host = self.spawn();
        host.await_address();
        host.ended()
    }

    /// Starts it and kills it this much later, wherever it is by then.
    pub(crate) fn start_and_kill(self, after: Duration) -> Self {
        let host = self.spawn();
        thread::sleep(after);
        host.kill_9()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.data
    }

    fn spawn(self) -> Host {
        let mut command = self.command();
        command.args(["up", "--listen", &self.listen, "--data"]).arg(&self.data);
        command.args(&self.arguments);
        command.args(self.config.iter().flat_map(|file| ["--config".as_ref(), file.as_os_str()]));
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let address = ([127, 0, 0, 1], 0).into();
        Host { setup: self, child, address, scheme: "http", log: Arc::default() }
    }

    fn command(&self) -> Command {
        let Some((program, words)) = self.launcher.split_first() else { return trip_command() };
        let mut command = Command::new(program);
        command.args(words).arg(env!("CARGO_BIN_EXE_trip"));
        remove_settings(&mut command);
        command
    }
}

impl Host {
    #[track_caller]
    pub(crate) fn start() -> Self {
        Setup::new().start()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.setup.data_dir()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn send(&self, request: Request) -> Response {
        let sent = Connection::open(self.address).and_then(|mut open| open.send(&request));
        sent.unwrap_or_else(|error| panic!("{error}; the host says:\n{}", self.log()))
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill_9(mut self) -> Setup {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.take_setup()
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn terminate(mut self) -> Ended {
        kill_process(self.pid(), Signal::TERM).unwrap();
        let (status, log) = self.wait_ended();
        Ended { status, log, setup: self.take_setup() }
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(mut self) -> Ended {
        let (status, log) = self.wait_ended();
        Ended { status, log, setup: self.take_setup() }
    }

    /// Kills it, and starts another on the same data.
    #[track_caller]
    pub(crate) fn crash_and_restart(self) -> Self {
        self.kill_9().start()
    }

    fn wait_ended(&mut self) -> (ExitStatus, String) {
        let pause = || thread::sleep(Duration::from_millis(5));
        let status = until("the host to end", pause, || self.child.try_wait().unwrap());
        // What it said last may still be in the pipes.
        let silent = || (Arc::strong_count(&self.log) == 1).then_some(());
        until("the last words", pause, silent);
        (status, self.log())
    }

    fn take_setup(&mut self) -> Setup {
        let none = Setup {
            data: PathBuf::new(),
            _scratch: None,
            settings: Vec::new(),
            config: None,
            listen: String::new(),
            arguments: Vec::new(),
            launcher: Vec::new(),
        };
        std::mem::replace(&mut self.setup, none)
    }

    /// The address in the first URL that it prints; none when it ends without one.
    fn await_address(&mut self) -> Option<(&'static str, SocketAddr)> {
        let (sender, lines) = channel();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            self.child.stdout.take().map(|pipe| Box::new(pipe) as _),
            self.child.stderr.take().map(|pipe| Box::new(pipe) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let (log, sender) = (Arc::clone(&self.log), sender.clone());
            thread::spawn(move || keep(output, &log, &sender));
        }
        drop(sender);
        loop {
            match lines.recv_timeout(DEADLINE) {
                Ok(line) => {
                    if let Some(address) = find_address(&line) {
                        return Some(address);
                    }
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!("the host names no URL:\n{}", self.log());
                }
            }
        }
    }

    fn await_ready(&self) {
        if self.scheme != "http" {
            // It names its address when it has recovered, and connections wait for it.
            return;
        }
        let pause = || thread::sleep(Duration::from_millis(2));
        until("the host to be ready", pause, || {
            let mut open = Connection::open(self.address).ok()?;
            open.send(&Request::get("/readyz")).ok().filter(|response| response.status == 200)
        });
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(4000);
            eprintln!("the host said:\n{}", log.get(from..).unwrap_or(&log));
        }
    }
}

/// `trip`, with nothing of the environment that is a setting of hosts.
pub(super) fn trip_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trip"));
    remove_settings(&mut command);
    command
}

/// Takes what is a setting of hosts out of a command's environment.
pub(super) fn remove_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TRIPHAMMER_") {
            command.env_remove(name);
        }
    }
}

/// Keeps what comes, line by line, until the process ends.
fn keep(output: impl Read, log: &Mutex<String>, lines: &Sender<String>) {
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        {
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
        // Nobody listens once the address is known.
        let _ = lines.send(line);
    }
}

fn find_address(line: &str) -> Option<(&'static str, SocketAddr)> {
    let scheme = if line.contains("https://") { "https" } else { "http" };
    let rest = line.split(&format!("{scheme}://")).nth(1)?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && !".:[]".contains(c));
    Some((scheme, rest[..end.unwrap_or(rest.len())].parse().ok()?))
}
