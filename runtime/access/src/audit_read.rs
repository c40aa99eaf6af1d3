//! Reading the log of changes backwards, in bounded memory. Knows its files, not who writes them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Lines of the log, the newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuditPage {
    pub entries: Vec<Value>,
    /// The lines before these have smaller numbers; none when there are no more.
    pub cursor: Option<u64>,
}

/// What is read at a time.
const BLOCK: usize = 64 << 10;
/// A longer line is none of ours.
const LINE_BYTES_MAX: usize = 1 << 20;

/// The newest lines numbered below `before`. `files` are the newest first.
pub(crate) fn page(files: &[PathBuf], before: Option<u64>, limit: usize) -> io::Result<AuditPage> {
    let before = before.unwrap_or(u64::MAX);
    let mut page = AuditPage::default();
    for path in files {
        let Some(file) = open(path)? else { continue };
        // A file whose first line is not old enough has none that is.
        if first_number(&file)?.is_none_or(|first| first >= before) {
            continue;
        }
        let mut lines = Backwards::new(file)?;
        while let Some(line) = lines.next()? {
            let Some((number, entry)) = numbered(&line).filter(|(n, _)| *n < before) else {
                continue;
            };
            if page.entries.len() == limit {
                page.cursor = Some(number + 1);
                return Ok(page);
            }
            page.entries.push(entry);
        }
    }
    Ok(page)
}

/// The number of the newest line; 0 when there is none.
pub(crate) fn last_number(files: &[PathBuf]) -> io::Result<u64> {
    let newest = page(files, None, 1)?;
    Ok(newest.entries.first().and_then(|entry| entry["n"].as_u64()).unwrap_or(0))
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Of the first line that has one.
fn first_number(file: &File) -> io::Result<Option<u64>> {
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
        match numbered(&line) {
            Some((number, _)) => return Ok(Some(number)),
            None if read == 0 => return Ok(None),
            None => {}
        }
    }
}

/// None for a line that a crash has cut off, or that somebody else has written.
fn numbered(line: &[u8]) -> Option<(u64, Value)> {
    let entry: Value = serde_json::from_slice(line).ok()?;
    Some((entry["n"].as_u64()?, entry))
}

/// The lines of a file from its end.
struct Backwards {
    file: File,
    /// What comes before this was not read yet.
    position: u64,
    /// What was read and not given out: ends with the line that is next.
    buffer: Vec<u8>,
}

impl Backwards {
    fn new(file: File) -> io::Result<Self> {
        let position = file.metadata()?.len();
        Ok(Self { file, position, buffer: Vec::new() })
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            // The last byte ends the line itself.
            let body = self.buffer.len().saturating_sub(1);
            if let Some(end) = self.buffer[..body].iter().rposition(|b| *b == b'\n') {
                return Ok(Some(self.buffer.split_off(end + 1)));
            }
            if self.position == 0 {
                let line = std::mem::take(&mut self.buffer);
                return Ok((!line.is_empty()).then_some(line));
            }
            if self.buffer.len() > LINE_BYTES_MAX {
                self.buffer.clear();
            }
            let len = self.position.min(BLOCK as u64);
            self.position -= len;
            let mut block = vec![0; len as usize];
            self.file.read_exact_at(&mut block, self.position)?;
            block.append(&mut self.buffer);
            self.buffer = block;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("x");
        fs::write(&path, text).unwrap();
        let mut lines = Backwards::new(File::open(&path).unwrap()).unwrap();
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push(String::from_utf8(line).unwrap().trim_end().to_owned());
        }
        assert_eq!(found, expect);
    }

    #[test]
    fn lines_come_from_the_end() {
        check("", &[]);
        check("a\n", &["a"]);
        check("a\nb\nc", &["c", "b", "a"]);
        check("a\n\nb\n", &["b", "", "a"]);
        let long = "x".repeat(BLOCK + 5);
        check(&format!("a\n{long}\nb\n"), &["b", &long, "a"]);
    }

    #[test]
    fn a_file_without_line_ends_takes_no_more_memory_than_a_line() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("x");
        fs::write(&path, vec![b'x'; 3 * LINE_BYTES_MAX]).unwrap();
        let mut lines = Backwards::new(File::open(&path).unwrap()).unwrap();
        assert!(lines.next().unwrap().unwrap().len() <= LINE_BYTES_MAX + BLOCK);
        assert_eq!(page(&[path], None, 5).unwrap(), AuditPage::default());
    }
}
