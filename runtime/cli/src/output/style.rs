//! The few colours of `trip`, by meaning.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

/// Names that users gave.
pub(crate) const NAME: Style = Style::new().bold();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Wants attention and is no error.
pub(crate) const NOTE: Style = AnsiColor::Yellow.on_default();
/// What can be skipped in reading.
pub(crate) const DIM: Style = Style::new().dimmed();

pub(crate) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}
