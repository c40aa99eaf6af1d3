//! What an attempt logs, and what it writes to stdout and stderr, line by line. The first lines
//! are kept, the rest are counted; of stderr the end is kept too, where a panic's message is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use triphammer_model::{Limits, LogLevel, LogLine};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::error::{Limit, Stop};

/// A longer message is cut, a longer line of stdout or stderr is broken.
const LINE_LEN_MAX: usize = 8 << 10;
/// How much of the end of stderr is kept.
const STDERR_LINES: usize = 8;
/// What a guest may write to stdout or stderr at a time.
const WRITE_LEN_MAX: usize = 64 << 10;

/// Shared by the attempt and its streams.
#[derive(Clone)]
pub(crate) struct Logs(Arc<Mutex<Kept>>);

struct Kept {
    lines: Vec<LogLine>,
    bytes: usize,
    /// All lines, kept or not.
    seen: usize,
    left_out: u32,
    stderr: VecDeque<String>,
    limits: Arc<Limits>,
    /// Lines begun and not ended, of stdout and stderr.
    begun: [Vec<u8>; 2],
}

/// What is left of the logs when the attempt has ended.
pub(crate) struct Written {
    pub(crate) lines: Vec<LogLine>,
    pub(crate) left_out: u32,
    /// The last lines of stderr.
    pub(crate) stderr: VecDeque<String>,
}

impl Logs {
    pub(crate) fn new(limits: Arc<Limits>) -> Self {
        Self(Arc::new(Mutex::new(Kept {
            lines: Vec::new(),
            bytes: 0,
            seen: 0,
            left_out: 0,
            stderr: VecDeque::new(),
            limits,
            begun: [Vec::new(), Vec::new()],
        })))
    }

    pub(crate) fn write(&self, level: LogLevel, message: &str) -> Result<(), Stop> {
        self.with(|kept| kept.push(level, message))
    }

    pub(crate) fn stdout(&self) -> Stdio {
        Stdio { logs: self.clone(), stream: Stream::Stdout }
    }

    pub(crate) fn stderr(&self) -> Stdio {
        Stdio { logs: self.clone(), stream: Stream::Stderr }
    }

    /// Ends lines that were begun and takes everything out.
    pub(crate) fn finish(&self) -> Written {
        self.with(|kept| {
            for stream in [Stream::Stdout, Stream::Stderr] {
                // A limit passed here no longer matters: the attempt has ended.
                let _ = kept.end_line(stream);
            }
            Written {
                lines: std::mem::take(&mut kept.lines),
                left_out: kept.left_out,
                stderr: std::mem::take(&mut kept.stderr),
            }
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        // Nothing panics while it holds the lock, and lines of a panicked attempt are still lines.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn push(&mut self, level: LogLevel, message: &str) -> Result<(), Stop> {
        self.seen += 1;
        if self.seen > self.limits.log_lines_max {
            return Err(Limit::Logs.exceeded(self.limits.log_lines_max).into());
        }
        let message = cut(message, LINE_LEN_MAX);
        let fits = self.bytes + message.len() <= self.limits.log_bytes_kept;
        if fits && self.lines.len() < self.limits.log_lines_kept {
            self.bytes += message.len();
            self.lines.push(LogLine { level, message: message.to_owned() });
        } else {
            self.left_out += 1;
        }
        Ok(())
    }

    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Stop> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut text = piece.strip_suffix(b"\n").unwrap_or(piece);
            loop {
                let begun = &mut self.begun[stream as usize];
                let (fits, rest) = text.split_at(text.len().min(LINE_LEN_MAX - begun.len()));
                begun.extend_from_slice(fits);
                text = rest;
                if text.is_empty() {
                    break;
                }
                self.end_line(stream)?;
            }
            if piece.ends_with(b"\n") {
                self.end_line(stream)?;
            }
        }
        Ok(())
    }

    fn end_line(&mut self, stream: Stream) -> Result<(), Stop> {
        let bytes = std::mem::take(&mut self.begun[stream as usize]);
        if bytes.is_empty() {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end_matches('\r');
        if stream == Stream::Stderr {
            if self.stderr.len() == STDERR_LINES {
                self.stderr.pop_front();
            }
            self.stderr.push_back(cut(line, 1 << 10).to_owned());
        }
        self.push(stream.level(), line)
    }
}

/// The beginning of `text` that fits, ending between characters.
pub(crate) fn cut(text: &str, len_max: usize) -> &str {
    &text[..text.floor_char_boundary(len_max)]
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn level(self) -> LogLevel {
        match self {
            Self::Stdout => LogLevel::Info,
            Self::Stderr => LogLevel::Warn,
        }
    }
}

/// The guest's end of stdout or stderr.
#[derive(Clone)]
pub(crate) struct Stdio {
    logs: Logs,
    stream: Stream,
}

impl IsTerminal for Stdio {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stdio {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.1 and 0.3 ask for this one, and neither is linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Stdio {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let written = self.logs.with(|kept| kept.write(self.stream, &bytes));
        written.map_err(|stop| StreamError::Trap(stop.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_LEN_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stdio {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pieces: &[&[u8]]) -> Written {
        let logs = Logs::new(Arc::new(Limits::default()));
        let mut stderr = logs.stderr();
        pieces.iter().for_each(|piece| stderr.write(Bytes::copy_from_slice(piece)).unwrap());
        logs.finish()
    }

    #[track_caller]
    fn check(pieces: &[&[u8]], expect: &[&str]) {
        let lines = written(pieces).lines;
        assert_eq!(lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn pieces_become_lines() {
        check(&[b"a\nb\n"], &["a", "b"]);
        check(&[b"a", b"b", b"\nc"], &["ab", "c"]);
        check(&[b"a\r\n\n\nb"], &["a", "b"]);
        check(&[b"\xff\n"], &["\u{fffd}"]);
        check(&[], &[]);
    }

    #[test]
    fn a_line_without_an_end_is_broken() {
        let long = vec![b'x'; LINE_LEN_MAX - 1];
        let lines = written(&[&long, b"xx", b"y"]).lines;
        assert_eq!(lines[0].message.len(), LINE_LEN_MAX);
        assert_eq!(lines[1].message, "xy");
    }

    #[test]
    fn the_first_lines_are_kept_and_the_end_of_stderr() {
        let lines: Vec<_> = (0..1000).map(|n| format!("{n}\n")).collect();
        let pieces: Vec<_> = lines.iter().map(String::as_bytes).collect();
        let written = written(&pieces);
        assert_eq!((written.lines.len(), written.left_out), (200, 800));
        assert_eq!(
            written.stderr.iter().map(String::as_str).collect::<Vec<_>>()[..2],
            ["992", "993"]
        );
    }

    #[test]
    fn kept_bytes_are_bounded() {
        let logs = Logs::new(Arc::new(Limits { log_bytes_kept: 10, ..Limits::default() }));
        for text in ["12345678", "123", "12"] {
            logs.write(LogLevel::Info, text).unwrap();
        }
        let written = logs.finish();
        assert_eq!((written.lines.len(), written.left_out), (2, 1));
        let long = Logs::new(Arc::new(Limits::default()));
        long.write(LogLevel::Info, &"ü".repeat(LINE_LEN_MAX)).unwrap();
        assert!(long.finish().lines[0].message.len() <= LINE_LEN_MAX);
    }
}
