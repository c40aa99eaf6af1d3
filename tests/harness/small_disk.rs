//! A file system of a few hundred megabytes, to be filled up. Knows nothing of hosts.
//!
//! It is in memory, in a mount namespace that belongs to a process which does nothing else. Others
//! reach it through that process, and with it it is gone.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Waits for the end of its input once there is something to use.
const KEEP: &str = r#"mount -t tmpfs -o size="$0" none /mnt && echo mounted && exec cat"#;
/// Who may not mount may do so where he is root of himself alone.
const WAYS: [&[&str]; 2] = [&["unshare", "-m"], &["unshare", "-r", "-m"]];

#[derive(Debug)]
pub(crate) struct SmallDisk {
    keeper: Child,
}

impl SmallDisk {
    /// None where none can be made on this machine and none is required, which is said.
    pub(crate) fn mount(mib: u64) -> Option<Self> {
        let found = WAYS.iter().find_map(|way| Self::through(way, mib));
        if found.is_none() {
            let required = std::env::var_os("TRIPHAMMER_TMPFS").is_some_and(|v| v == "required");
            assert!(!required, "no tmpfs can be mounted, and TRIPHAMMER_TMPFS=required");
            // Standard error itself: what tests print is shown only of those that fail.
            let _ = writeln!(
                io::stderr(),
                "\nNOT TESTED: a full disk. No tmpfs can be mounted here, neither by this user nor in a \
                 user namespace.\n"
            );
        }
        found
    }

    fn through(way: &[&str], mib: u64) -> Option<Self> {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).args(["sh", "-c", KEEP, &format!("{mib}m")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = command.spawn().ok()?;
        let mut said = String::new();
        let reader = keeper.stdout.take().map(BufReader::new);
        // An error is a program that is not there, or was ended.
        let _ = reader?.read_line(&mut said);
        let disk = Self { keeper };
        // Dropped, and so ended, where nothing was mounted.
        (said == "mounted\n" && fs::read_dir(disk.path()).is_ok()).then_some(disk)
    }

    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/{}/root/mnt", self.keeper.id()).into()
    }

    /// Leaves no byte free.
    pub(crate) fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        let full = io::copy(&mut io::repeat(0).take(u64::MAX), &mut filler).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }

    pub(crate) fn make_room(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
