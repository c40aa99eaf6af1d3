//! What Linux tells as text under `/proc` and `/sys`: read, and taken apart. Where there is no such
//! file, nothing is known.

use std::fs;
use std::path::{Path, PathBuf};

/// A file's text without the blanks around it; none when it can't be read.
pub(super) fn text(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

pub(super) fn number(path: impl AsRef<Path>) -> Option<u64> {
    text(path)?.parse().ok()
}

/// The kind of the file system that a path is on, by the mounts in `/proc/self/mountinfo`.
pub(super) fn file_system(mounts: &str, path: &Path) -> Option<String> {
    let mut found: Option<(PathBuf, &str)> = None;
    for line in mounts.lines() {
        let Some((mount, kind)) = line.split_once(" - ") else { continue };
        let Some(point) = mount.split(' ').nth(4) else { continue };
        let point = PathBuf::from(unescaped(point));
        let is_longer = found.as_ref().is_none_or(|(other, _)| point.starts_with(other));
        // Of two mounts on one place the later one is seen.
        if path.starts_with(&point) && is_longer {
            found = kind.split(' ').next().map(|kind| (point, kind));
        }
    }
    found.map(|(_, kind)| kind.to_owned())
}

/// Blanks are written as `\040`.
fn unescaped(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

/// The process that holds a lock of `flock` on an inode, by `/proc/locks`. Zero is one that this
/// process can't see, such as one outside of its container.
pub(super) fn lock_holder(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let is_flock = words.next() == Some("FLOCK");
        let pid = words.nth(2)?.parse::<i64>().ok()?;
        let of: u64 = words.next()?.rsplit(':').next()?.parse().ok()?;
        (is_flock && of == inode).then(|| u32::try_from(pid).unwrap_or(0))
    })
}

/// Where this process is among the control groups of version 2, or of version 1 for memory.
pub(super) fn memory_group(groups: &str) -> Option<(PathBuf, &'static str)> {
    let of = |line: &str, wanted: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let is_it = controllers.split(',').any(|controller| controller == wanted);
        is_it.then(|| path.trim_start_matches('/').to_owned())
    };
    let find = |wanted: &str| groups.lines().find_map(|line| of(line, wanted));
    if let Some(path) = find("memory") {
        let root = Path::new("/sys/fs/cgroup/memory");
        return Some((root.join(path), "memory.limit_in_bytes"));
    }
    find("").map(|path| (Path::new("/sys/fs/cgroup").join(path), "memory.max"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_on_the_innermost_mount() {
        let mounts = "22 1 254:0 / / rw - ext4 /dev/vda rw\n\
            23 22 0:21 / /data rw - nfs4 server:/ rw\n\
            24 22 0:22 / /data/my\\040disk rw shared:1 - xfs /dev/vdb rw\n\
            25 22 0:23 / /da rw - tmpfs none rw\n\
            nonsense\n";
        let kind = |path: &str| file_system(mounts, Path::new(path)).unwrap();
        assert_eq!(kind("/home/x"), "ext4");
        assert_eq!(kind("/data/x"), "nfs4");
        assert_eq!(kind("/data/my disk/x"), "xfs");
        assert_eq!(file_system("", Path::new("/")), None);
    }

    #[test]
    fn the_holder_of_a_lock_is_found() {
        let locks = "1: FLOCK  ADVISORY  WRITE 7660 fe:00:10018842 0 EOF\n\
            2: POSIX  ADVISORY  WRITE 20241 fe:00:12 0 9\n\
            2: -> FLOCK  ADVISORY  WRITE 9 fe:00:14 0 EOF\n\
            3: FLOCK  ADVISORY  WRITE -1 fe:00:13 0 EOF\nx\n";
        assert_eq!(lock_holder(locks, 10_018_842), Some(7660));
        assert_eq!([lock_holder(locks, 12), lock_holder(locks, 14)], [None, None]);
        assert_eq!(lock_holder(locks, 13), Some(0));
    }

    #[test]
    fn the_control_group_of_memory_is_found() {
        let find = |groups| memory_group(groups).map(|(path, file)| path.join(file));
        let two = "0::/user.slice/x\n";
        assert_eq!(find(two), Some("/sys/fs/cgroup/user.slice/x/memory.max".into()));
        let one = "4:memory:/a/b\n0::/\n";
        assert_eq!(find(one), Some("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes".into()));
        assert_eq!(find("x"), None);
    }
}
