//! `trip` on a terminal: a pseudo-terminal whose other end the test holds, and what a person would
//! see there.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use super::host::trip_command;
use super::wait::until;

/// A command on a terminal of its own, ended when it is dropped.
pub(crate) struct Terminal {
    child: Child,
    /// Where the person sits.
    keys: File,
    /// Kept open, so that the terminal is there when the command is not.
    line: File,
    before: Termios,
    screen: Arc<Mutex<vt100::Parser>>,
}

const ROWS: NonZero<u16> = NonZero::new(24).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(110).unwrap();
/// Written by the test after everything else.
const MARK: &str = "--end--";

impl Terminal {
    /// Runs `trip` with these arguments against the host at this URL.
    pub(crate) fn start(url: &str, args: &[&str]) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let path = std::ffi::OsStr::from_bytes(name.to_bytes());
        let line = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let size =
            Winsize { ws_row: ROWS.get(), ws_col: COLUMNS.get(), ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&line, size).unwrap();
        let before = tcgetattr(&line).unwrap();
        let end = || Stdio::from(line.try_clone().unwrap());
        let mut command = trip_command();
        command.args(args).env("TRIPHAMMER_URL", url).env("TERM", "xterm-256color");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let keys = File::from(ours);
        let screen = keep(keys.try_clone().unwrap());
        Self { child, keys, line, before, screen }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until this text is to be seen.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        let pause = || thread::sleep(Duration::from_millis(5));
        let what = format!("`{text}` on the terminal");
        until(&what, pause, || self.text().contains(text).then_some(()));
    }

    /// Waits until this text is no longer to be seen.
    #[track_caller]
    pub(crate) fn hides(&self, text: &str) {
        let pause = || thread::sleep(Duration::from_millis(5));
        let what = format!("no `{text}` on the terminal");
        until(&what, pause, || (!self.text().contains(text)).then_some(()));
    }

    /// What is to be seen, line by line.
    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until it has ended by itself, and returns how, with what is to be seen then.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let pause = || thread::sleep(Duration::from_millis(5));
        let status = until("the command to end", pause, || self.child.try_wait().unwrap());
        self.line.write_all(MARK.as_bytes()).unwrap();
        self.shows(MARK);
        (status, self.text())
    }

    /// It has ended, with this status, and the terminal is as it was.
    #[track_caller]
    pub(crate) fn gives_back(mut self, status: i32) {
        let (ended, last) = self.ended();
        assert_eq!(ended.code(), Some(status), "{last}");
        assert_eq!(last.trim(), MARK, "the screen is the one from before");
        let after = tcgetattr(&self.line).unwrap();
        let modes = |termios: &Termios| {
            let Termios { input_modes, output_modes, control_modes, local_modes, .. } = termios;
            (*input_modes, *output_modes, *control_modes, *local_modes)
        };
        assert_eq!(modes(&after), modes(&self.before), "the terminal's modes");
        let parser = self.screen.lock().unwrap();
        assert!(!parser.screen().alternate_screen() && !parser.screen().hide_cursor());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Draws what comes, so that whoever writes it never waits.
fn keep(mut output: File) -> Arc<Mutex<vt100::Parser>> {
    let screen = Arc::new(Mutex::new(vt100::Parser::new(ROWS, COLUMNS, 0)));
    let drawn = Arc::clone(&screen);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        // The other end is closed when the test is over.
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            drawn.lock().unwrap().process(&buffer[..count]);
        }
    });
    screen
}
