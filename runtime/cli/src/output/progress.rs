//! Progress where a person waits. Drawn on standard error, and only on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

pub(crate) type Bar = ProgressBar;

/// For work of unknown length.
pub(crate) fn spinner(message: impl Into<String>) -> Bar {
    let bar = ProgressBar::new_spinner().with_message(message.into());
    bar.set_style(style("{spinner} {msg} {elapsed:.dim}"));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// For `len` steps.
pub(crate) fn bar(len: u64, message: impl Into<String>) -> Bar {
    let bar = ProgressBar::new(len).with_message(message.into());
    bar.set_style(style("{bar:24.green/dim} {human_pos}/{human_len} {msg}"));
    bar
}

/// For load that goes on until a number or a time is reached: the message has the figures.
pub(crate) fn counter(len: u64) -> Bar {
    let bar = ProgressBar::new(len);
    bar.set_style(style("{bar:24.green/dim} {msg} {elapsed:.dim}"));
    bar
}

fn style(template: &str) -> ProgressStyle {
    let plain = ProgressStyle::default_bar();
    // The templates are constants; with a mistake in one, the default look is the better failure.
    plain.template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━─")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_sound() {
        for template in [
            "{spinner} {msg} {elapsed:.dim}",
            "{bar:24.green/dim} {human_pos}/{human_len} {msg}",
            "{bar:24.green/dim} {msg} {elapsed:.dim}",
        ] {
            assert!(ProgressStyle::default_bar().template(template).is_ok(), "{template}");
        }
    }
}
