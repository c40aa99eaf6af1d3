//! What a person or a script reads: lines, tables, trees, JSON. Colour only on a terminal.

mod progress;
mod style;
mod table;
mod text;

use std::fmt::Display;
use std::io::{self, Write as _};

use anstream::AutoStream;
use serde_json::Value;

pub(crate) use self::progress::{Bar, bar, counter, spinner};
pub(crate) use self::style::{BAD, DIM, GOOD, NAME, NOTE, paint};
pub(crate) use self::table::{Cell, Table};
pub(crate) use self::text::{
    bytes, clip, count, data, data_base64, elapsed_ms, millis, one_line, short_time, when,
};
use crate::error::{Error, chain};
use crate::hints;

/// Standard output. Colours are taken out when nobody sees them, or `NO_COLOR` is set.
pub(crate) struct Output {
    stream: AutoStream<io::Stdout>,
    json: bool,
}

impl Output {
    pub(crate) fn stdout(json: bool) -> Self {
        Self { stream: AutoStream::auto(io::stdout()), json }
    }

    /// Whether the user asked for JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), Error> {
        // Flushed, so that a reader behind a pipe sees each line when it happens.
        writeln!(self.stream, "{line}").and_then(|()| self.stream.flush()).map_err(Error::Output)
    }

    /// Several lines; nothing for an empty text.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Error> {
        let text = text.trim_end_matches('\n');
        if text.is_empty() { Ok(()) } else { self.line(text) }
    }

    pub(crate) fn json(&mut self, value: &Value) -> Result<(), Error> {
        self.line(format_args!("{value:#}"))
    }

    /// A value as one line, for listings that go on.
    pub(crate) fn json_line(&mut self, value: &Value) -> Result<(), Error> {
        self.line(value)
    }
}

/// A remark that is no part of the output.
pub(crate) fn note(text: impl Display) {
    let mut stream = AutoStream::auto(io::stderr());
    // Without standard error there is nobody to tell.
    let _ = writeln!(stream, "{}", paint(DIM, text));
}

/// What failed, and on a line of its own what to do next.
pub(crate) fn print_error(error: &Error) {
    let mut stream = AutoStream::auto(io::stderr());
    // As above.
    let _ = writeln!(stream, "{}: {}", paint(BAD, "error"), chain(error));
    if let Some(next) = hints::next(error) {
        print_next(&next);
    }
}

pub(crate) fn print_next(next: &str) {
    let mut stream = AutoStream::auto(io::stderr());
    // As above.
    let _ = writeln!(stream, "{}: {next}", paint(NOTE, "next"));
}
