//! The data directory: whether it is there, whose it is, and what it is on.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::disk::{self, Speed};
use super::finding::Finding;
use super::host::Answers;
use super::proc;
use crate::output::{bytes, millis, one_line};

/// With less than this free no event is taken in.
const FREE_MIN: u64 = 256 << 20;
/// With less than this free there is soon too little.
const FREE_LITTLE: u64 = 4 << 30;
/// File systems on which a sync is not what it is on a disk.
const NETWORK: [&str; 8] =
    ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph", "fuse.glusterfs"];
const MEMORY: [&str; 2] = ["tmpfs", "ramfs"];
const OVERLAY: [&str; 2] = ["overlay", "aufs"];
/// Milliseconds of a sync, in the middle and at worst. Every acknowledgement waits for one, and an
/// event that passes through three functions for four.
const SYNC_MEDIAN_MAX_MS: f64 = 10.0;
const SYNC_P99_MAX_MS: f64 = 100.0;
/// No disk is as fast: it only says that it has written.
const SYNC_MEDIAN_MIN_MS: f64 = 0.01;
/// MiB each second, below which a restart and a checkpoint take long.
const WRITE_MIN: f64 = 50.0;

pub(super) fn look(data: &Path, answers: Answers, findings: &mut Vec<Finding>) {
    let shown = one_line(&data.display().to_string());
    let (place, is_there) = match fs::metadata(data) {
        Ok(found) if found.is_dir() => (data.to_owned(), true),
        Ok(_) => {
            let next = "give another with --data";
            return findings.push(Finding::fail("data", format!("{shown} is no directory"), next));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => (nearest(data), false),
        Err(error) => {
            let next = "give this user the right to read it, or run as the host's user";
            return findings.push(Finding::fail("data", format!("{shown}: {error}"), next));
        }
    };
    let speed = disk::measure(&place);
    findings.push(directory(&shown, is_there, &place, &speed));
    if is_there {
        findings.push(lock(data, answers));
    }
    findings.extend(free(&place));
    findings.extend(file_system(&place));
    if let Ok(speed) = speed {
        findings.extend([sync(&speed), write(&speed)]);
    }
}

/// The directory that there is, above one that is to be made.
fn nearest(data: &Path) -> PathBuf {
    let absolute = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let found = absolute.ancestors().find(|dir| dir.is_dir());
    found.map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

fn directory(
    shown: &str,
    is_there: bool,
    place: &Path,
    speed: &Result<Speed, disk::Error>,
) -> Finding {
    match speed {
        Err(error) => Finding::fail(
            "data",
            format!("{} can't be written to: {error}", one_line(&place.display().to_string())),
            "give the host's user the right to write there, or give another directory with --data",
        ),
        Ok(_) if is_there => {
            Finding::ok("data", format!("{shown} is there, and can be written to"))
        }
        Ok(_) => Finding::ok("data", format!("{shown} is not there yet: `trip up` makes it")),
    }
}

fn lock(data: &Path, answers: Answers) -> Finding {
    let lock = fs::metadata(data.join("LOCK")).map(|found| found.ino());
    let locks = proc::text("/proc/locks");
    let holder = match (lock, &locks) {
        (Err(_), _) => return Finding::ok("lock", "no host has used it yet"),
        (Ok(_), None) => return Finding::ok("lock", "who holds it is not to be seen here"),
        (Ok(inode), Some(locks)) => proc::lock_holder(locks, inode),
    };
    match holder {
        None => Finding::ok("lock", "nobody holds it"),
        Some(pid) => {
            let name = proc::text(format!("/proc/{pid}/comm")).unwrap_or_default();
            let says = match pid {
                0 => "a process that is not to be seen from here holds it".to_owned(),
                pid => format!("process {pid} {} holds it", one_line(&name)).replace("  ", " "),
            };
            match answers {
                Answers::Yes => Finding::ok("lock", says),
                Answers::No => Finding::warn(
                    "lock",
                    format!("{says}, and no host answers at --url"),
                    "name that host with --url, or see what it logs",
                ),
            }
        }
    }
}

fn free(place: &Path) -> Option<Finding> {
    let stat = rustix::fs::statvfs(place).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let says = format!("{} free", bytes(free));
    Some(match free {
        free if free < FREE_MIN => {
            let says = format!("{says}: below {} no event is taken in", bytes(FREE_MIN));
            Finding::fail("space", says, "make room, or move the data to a larger disk")
        }
        free if free < FREE_LITTLE => Finding::warn(
            "space",
            format!("{says}: the default retention alone takes {}", bytes(FREE_LITTLE)),
            "make room, or set `retention.bytes`",
        ),
        _ => Finding::ok("space", says),
    })
}

fn file_system(place: &Path) -> Option<Finding> {
    let place = place.canonicalize().ok()?;
    let kind = proc::file_system(&proc::text("/proc/self/mountinfo")?, &place)?;
    let is = |kinds: &[&str]| kinds.contains(&kind.as_str());
    let next = "keep the data on a disk of this machine";
    Some(if is(&MEMORY) {
        let says = format!("{kind}: everything is lost when the machine stops");
        Finding::warn("files", says, next)
    } else if is(&NETWORK) {
        let says = format!("{kind}: locks and syncs are the server's, and slow");
        Finding::warn("files", says, next)
    } else if is(&OVERLAY) {
        let says = format!("{kind}: everything is lost with the container");
        Finding::warn("files", says, "mount a volume for the data")
    } else {
        Finding::ok("files", kind)
    })
}

fn sync(speed: &Speed) -> Finding {
    let Speed { sync_median_ms: median, sync_p99_ms: p99, .. } = *speed;
    let says =
        format!("4 KiB are written and synced in {}, at worst in {}", millis(median), millis(p99));
    if median > SYNC_MEDIAN_MAX_MS || p99 > SYNC_P99_MAX_MS {
        let why = "every acknowledgement waits for one";
        let next = "use a faster disk, or one that nothing else writes to";
        Finding::warn("sync", format!("{says}: {why}"), next)
    } else if median < SYNC_MEDIAN_MIN_MS {
        let why = "too fast for a disk, which may only say that it has written";
        let next = "see whether it keeps what it has when the power fails";
        Finding::warn("sync", format!("{says}: {why}"), next)
    } else {
        Finding::ok("sync", says)
    }
}

fn write(speed: &Speed) -> Finding {
    let rate = speed.write_mib_per_second;
    let says = format!("{rate:.0} MiB/s one after the other");
    if rate < WRITE_MIN {
        let next = "use a faster disk: checkpoints and restarts read and write much";
        Finding::warn("write", says, next)
    } else {
        Finding::ok("write", says)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn speed(median: f64, p99: f64, rate: f64) -> Speed {
        Speed { sync_median_ms: median, sync_p99_ms: p99, write_mib_per_second: rate }
    }

    #[test]
    fn slow_disks_and_those_that_are_too_fast_are_told() {
        let sync = |median, p99| sync(&speed(median, p99, 100.0)).verdict;
        assert_eq!(sync(0.5, 5.0), Verdict::Ok);
        assert_eq!(sync(12.0, 15.0), Verdict::Warn);
        assert_eq!(sync(0.5, 150.0), Verdict::Warn);
        assert_eq!(sync(0.001, 0.002), Verdict::Warn);
        assert_eq!(write(&speed(1.0, 1.0, 20.0)).verdict, Verdict::Warn);
        assert_eq!(write(&speed(1.0, 1.0, 200.0)).verdict, Verdict::Ok);
    }

    fn names(data: &Path) -> Vec<(&'static str, Verdict)> {
        let mut findings = Vec::new();
        look(data, Answers::No, &mut findings);
        findings.iter().map(|found| (found.name, found.verdict)).collect()
    }

    #[test]
    fn a_directory_that_is_there_or_not_is_looked_at_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let found = names(dir.path());
        assert_eq!(found[..2], [("data", Verdict::Ok), ("lock", Verdict::Ok)]);
        let found = names(&dir.path().join("new/deep"));
        assert_eq!(found[0], ("data", Verdict::Ok));
        assert!(!found.iter().any(|(name, _)| *name == "lock"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(names(&file), [("data", Verdict::Fail)]);
    }

    #[test]
    fn who_holds_the_directory_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let lock = fs::File::create(dir.path().join("LOCK")).unwrap();
        assert_eq!(super::lock(dir.path(), Answers::No).verdict, Verdict::Ok);
        lock.lock().unwrap();
        if cfg!(target_os = "linux") {
            let found = super::lock(dir.path(), Answers::No);
            assert_eq!(found.verdict, Verdict::Warn);
            assert!(found.says.contains(&std::process::id().to_string()), "{}", found.says);
            assert_eq!(super::lock(dir.path(), Answers::Yes).verdict, Verdict::Ok);
        }
    }
}
