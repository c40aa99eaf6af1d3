//! What an attempt logs, and what it writes to stdout and stderr, line by line. The first lines
//! are kept, the rest are counted; of stderr the end is kept too, where a panic's message is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use triphammer_model::{Limits, LogLevel, LogLine};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::error::{Limit, Stop};

/// A longer line is cut, or broken in two where it comes in pieces.
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
            let (text, ended) = match piece {
                [text @ .., b'\n'] => (text, true),
                text => (text, false),
            };
            let begun = &mut self.begun[stream as usize];
            let room = LINE_LEN_MAX.saturating_sub(begun.len());
            begun.extend_from_slice(&text[..text.len().min(room)]);
            if ended || begun.len() == LINE_LEN_MAX {
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
