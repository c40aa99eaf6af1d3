//! The terminal as one picture: taken over, drawn again when something changed, and given back
//! however the view ends. Knows nothing of what is shown.

mod ansi;
mod paint;

use std::io::{self, IsTerminal, stdin, stdout};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::{DefaultTerminal, Frame};

pub(crate) use self::ansi::lines;
pub(crate) use self::paint::{bar, bold, colour, dim, popup};
use crate::error::Error;
use crate::host;

/// What a key or a piece of news leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    Nothing,
    /// The picture is another one now.
    Picture,
    End,
}

/// What is shown, and what its keys do.
pub(crate) trait View {
    fn draw(&mut self, frame: &mut Frame<'_>);

    fn key(&mut self, key: KeyEvent) -> Change;

    /// Takes in what has come since the last time; must not wait.
    fn take_in(&mut self) -> Result<Change, Error>;
}

/// Between two pictures: twenty a second at most.
const FRAME: Duration = Duration::from_millis(50);

/// Whether a person looks at standard output and can press keys.
pub(crate) fn is_there() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    stdout().is_terminal() && stdin().is_terminal() && !is_dumb
}

/// Shows the view until it ends, Ctrl-C is pressed, or the process is asked to stop.
pub(crate) fn show(view: &mut impl View) -> Result<(), Error> {
    let stop = host::stop_flag()?;
    let mut screen = Screen::take()?;
    let mut change = Change::Picture;
    while change != Change::End && !stop.load(Ordering::Relaxed) {
        if change == Change::Picture {
            screen.terminal.draw(|frame| view.draw(frame)).map_err(Error::Terminal)?;
        }
        change = keys(view).map_err(Error::Terminal)?;
        if change != Change::End {
            change = change.and(view.take_in()?);
        }
    }
    Ok(())
}

/// Hands on the keys that are pressed until the next picture is due.
fn keys(view: &mut impl View) -> io::Result<Change> {
    let due = Instant::now() + FRAME;
    let mut change = Change::Nothing;
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() || !event::poll(left)? {
            return Ok(change);
        }
        change = change.and(match event::read()? {
            Event::Key(key) if key.kind == KeyEventKind::Release => Change::Nothing,
            Event::Key(key) if is_interrupt(key) => Change::End,
            Event::Key(key) => view.key(key),
            Event::Resize(..) => Change::Picture,
            _ => Change::Nothing,
        });
        if change == Change::End {
            return Ok(change);
        }
    }
}

/// Ctrl-C, which is a key like others while the terminal is taken over.
fn is_interrupt(key: KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c')
}

impl Change {
    /// Both: the greater one.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::End, _) | (_, Self::End) => Self::End,
            (Self::Picture, _) | (_, Self::Picture) => Self::Picture,
            (Self::Nothing, Self::Nothing) => Self::Nothing,
        }
    }
}

/// The terminal, taken over; given back when it is dropped, and before a panic is told.
struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    fn take() -> Result<Self, Error> {
        let taken = ratatui::try_init().map(|terminal| Self { terminal });
        taken.map_err(|source| {
            // Half taken over is worse than not at all.
            let _ = ratatui::try_restore();
            Error::Terminal(source)
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = self.terminal.show_cursor();
        let _ = ratatui::try_restore();
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Views as text, for tests.

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    /// The picture without its colours, lines without the blanks at their ends.
    pub(crate) fn picture(width: u16, height: u16, draw: impl FnOnce(&mut Frame<'_>)) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(draw).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let row = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(|y| format!("{}\n", row(y).trim_end())).collect()
    }

    #[test]
    fn of_two_changes_the_greater_counts() {
        use Change::{End, Nothing, Picture};
        assert_eq!(Nothing.and(Nothing), Nothing);
        assert_eq!([Nothing.and(Picture), Picture.and(Nothing)], [Picture, Picture]);
        assert_eq!([End.and(Picture), Nothing.and(End)], [End, End]);
    }

    #[test]
    fn control_c_ends_any_view() {
        let key = |code, modifiers| is_interrupt(KeyEvent::new(code, modifiers));
        assert!(key(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert!(!key(KeyCode::Char('c'), KeyModifiers::NONE));
    }
}
