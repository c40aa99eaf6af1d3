//! The log of changes: one line of JSON each, synced before anybody is told that it was made.
//! Knows nothing of what the changes are.
//!
//! Bounded by rotation: a full file becomes `….1`, the one before `….2`, and the last is removed.
//! Lines are numbered through all of them, over restarts too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;
use triphammer_model::Timestamp;

use crate::audit_read::{AuditPage, last_number, page};
use crate::error::Error;

/// A change, whether or not it could be made.
#[derive(Clone, Debug)]
pub struct Entry {
    pub time: Timestamp,
    pub actor: Actor,
    /// The address that it came from; none for the host's own.
    pub remote: Option<String>,
    pub action: &'static str,
    pub target: Option<String>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// What else there is to say. No secrets.
    pub detail: Option<Value>,
}

/// Who made a change, as far as it was proven.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Actor {
    /// `token`, `certificate`, `open` for a host that asks for neither, or `host`.
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The subject and the names of the client's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    /// The one that is written included.
    files: u32,
    file_bytes: u64,
    writing: Mutex<Writing>,
}

#[derive(Debug)]
struct Writing {
    file: File,
    len: u64,
    next: u64,
}

#[derive(Serialize)]
struct Line<'e> {
    n: u64,
    time: String,
    actor: &'e Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<&'e str>,
    action: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'e Value>,
}

impl AuditLog {
    /// Makes the file, and its directory, when there is none. Blocks.
    pub fn open(path: impl Into<PathBuf>, files: u32, file_bytes: u64) -> Result<Self, Error> {
        let path = path.into();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(dir) = parent {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map_err(Error::io("make", dir))?;
        }
        let files = files.max(1);
        let last = last_number(&names(&path, files)).map_err(Error::io("read", &path))?;
        let mut writing = Writing::open(&path, last + 1).map_err(Error::io("open", &path))?;
        writing.end_torn_line(&path).map_err(Error::io("write", &path))?;
        Ok(Self { path, files, file_bytes, writing: Mutex::new(writing) })
    }

    /// Writes a line, and waits until it is on disk. Blocks.
    pub fn append(&self, entry: &Entry) -> Result<(), Error> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let append = writing.append(entry).and_then(|()| {
            if writing.len >= self.file_bytes { self.rotate(&mut writing) } else { Ok(()) }
        });
        append.map_err(Error::io("write", &self.path))
    }

    /// The newest lines with a number below `before`, the newest first. Blocks.
    pub fn list(&self, before: Option<u64>, limit: usize) -> Result<AuditPage, Error> {
        // While nothing is written, and by one reader at a time: it may be much to read.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let page = page(&names(&self.path, self.files), before, limit);
        page.map_err(Error::io("read", &self.path))
    }

    fn rotate(&self, writing: &mut Writing) -> io::Result<()> {
        let names = names(&self.path, self.files);
        for pair in names.windows(2).rev() {
            let [from, to] = pair else { continue };
            match fs::rename(from, to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.files == 1 {
            fs::remove_file(&self.path)?;
        }
        *writing = Writing::open(&self.path, writing.next)?;
        Ok(())
    }
}

/// The newest first.
fn names(path: &Path, files: u32) -> Vec<PathBuf> {
    let rotated = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    std::iter::once(path.to_owned()).chain((1..files).map(rotated)).collect()
}

impl Writing {
    fn open(path: &Path, next: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let len = file.metadata()?.len();
        Ok(Self { file, len, next })
    }

    /// A crash may have cut the last line off: the next one begins on its own.
    fn end_torn_line(&mut self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        let mut last = [b'\n'];
        if self.len > 0 {
            File::open(path)?.read_exact_at(&mut last, self.len - 1)?;
        }
        if last == [b'\n'] { Ok(()) } else { self.write(b"\n") }
    }

    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let line = Line {
            n: self.next,
            time: entry.time.to_rfc3339(),
            actor: &entry.actor,
            remote: entry.remote.as_deref(),
            action: entry.action,
            target: entry.target.as_deref(),
            status: entry.status,
            detail: entry.detail.as_ref(),
        };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        self.write(&text)?;
        self.next += 1;
        self.file.sync_data()
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self.file.write_all(text) {
            Ok(()) => self.len += text.len() as u64,
            Err(error) => {
                // Half a line, on a full disk: taken back, so that the next one stands alone.
                let _ = self.file.set_len(self.len);
                return Err(error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(target: &str) -> Entry {
        Entry {
            time: Timestamp(1500),
            actor: Actor { kind: "token", id: Some("ab".into()), ..Actor::default() },
            remote: Some("127.0.0.1:5".into()),
            action: "deploy",
            target: Some(target.into()),
            status: Some(201),
            detail: None,
        }
    }

    fn log(dir: &Path, files: u32, bytes: u64) -> AuditLog {
        AuditLog::open(dir.join("deep/audit.jsonl"), files, bytes).unwrap()
    }

    /// The targets of a page, and its cursor.
    fn targets(log: &AuditLog, before: Option<u64>, limit: usize) -> (Vec<String>, Option<u64>) {
        let page = log.list(before, limit).unwrap();
        let target = |entry: &Value| entry["target"].as_str().unwrap().to_owned();
        (page.entries.iter().map(target).collect(), page.cursor)
    }

    #[test]
    fn a_change_is_a_line() {
        let scratch = tempfile::tempdir().unwrap();
        let log = log(scratch.path(), 2, 1 << 20);
        log.append(&entry("welcome")).unwrap();
        let page = log.list(None, 10).unwrap();
        let expect = json!({
            "n": 1, "time": "1970-01-01T00:00:01.500Z", "actor": {"kind": "token", "id": "ab"},
            "remote": "127.0.0.1:5", "action": "deploy", "target": "welcome", "status": 201,
        });
        assert_eq!((page.entries, page.cursor), (vec![expect], None));
    }

    #[test]
    fn pages_go_back_through_all_files() {
        let scratch = tempfile::tempdir().unwrap();
        // Each line is longer than a file may be.
        let log = log(scratch.path(), 4, 10);
        for n in 1..=6 {
            log.append(&entry(&format!("t{n}"))).unwrap();
        }
        assert_eq!(targets(&log, None, 2), (vec!["t6".into(), "t5".into()], Some(5)));
        assert_eq!(targets(&log, Some(5), 2), (vec!["t4".into()], None));
        assert_eq!(targets(&log, Some(1), 2), (vec![], None));
        let count = fs::read_dir(scratch.path().join("deep")).unwrap().count();
        assert_eq!(count, 4, "the one that is written, and three before it");
    }

    #[test]
    fn numbers_go_on_over_a_restart_and_a_torn_line() {
        let scratch = tempfile::tempdir().unwrap();
        log(scratch.path(), 2, 1 << 20).append(&entry("a")).unwrap();
        let path = scratch.path().join("deep/audit.jsonl");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"n\":2,\"ti").unwrap();
        let again = log(scratch.path(), 2, 1 << 20);
        again.append(&entry("b")).unwrap();
        assert_eq!(targets(&again, None, 10), (vec!["b".into(), "a".into()], None));
        assert_eq!(again.list(None, 1).unwrap().entries[0]["n"], 2);
        // A file that was just rotated away leaves an empty one.
        let small = log(scratch.path(), 2, 1);
        small.append(&entry("c")).unwrap();
        let last = log(scratch.path(), 2, 1);
        last.append(&entry("d")).unwrap();
        assert_eq!(last.list(None, 1).unwrap().entries[0]["n"], 4);
    }

    #[test]
    fn one_file_alone_is_bounded_too() {
        let scratch = tempfile::tempdir().unwrap();
        let log = log(scratch.path(), 1, 10);
        log.append(&entry("a")).unwrap();
        assert_eq!(targets(&log, None, 10), (vec![], None));
        log.append(&entry("b")).unwrap();
        assert_eq!(fs::metadata(scratch.path().join("deep/audit.jsonl")).unwrap().len(), 0);
    }
}
