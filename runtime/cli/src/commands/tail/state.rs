//! What the view shows and what its keys do. Pure: it is told what happens, and drawn elsewhere.

use ratatui::crossterm::event::KeyCode;
use ratatui::text::Line;
use triphammer_model::Seq;

use super::groups::{Groups, Place};
use crate::commands::feed::Happened;
use crate::screen::{self, Change};

/// Events that Page Up and Page Down pass over.
const PAGE: isize = 10;
/// Characters of what is looked for.
const WANTED_MAX: usize = 60;

#[derive(Debug)]
pub(super) struct State {
    /// Where from, and of what.
    pub(super) title: String,
    groups: Groups,
    /// What was there when the picture was stopped.
    stopped: Option<Groups>,
    /// Events that came in since then.
    pub(super) since: u64,
    pub(super) wanted: String,
    pub(super) mode: Mode,
    /// None for the last event, whichever that is.
    pub(super) cursor: Option<Seq>,
    /// Lines between the first one of the list on the screen and the cursor.
    pub(super) above: usize,
    pub(super) missed: u64,
    pub(super) is_lost: bool,
    pub(super) per_second: u64,
    asked: Option<Seq>,
}

#[derive(Debug)]
pub(super) enum Mode {
    List,
    /// Typing what to look for.
    Find,
    Help,
    Story(Story),
}

/// An event's whole tree over the list.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) seq: Seq,
    /// None while it is being read.
    pub(super) lines: Option<Vec<Line<'static>>>,
    pub(super) top: usize,
}

impl State {
    pub(super) fn new(title: String) -> Self {
        Self {
            title,
            groups: Groups::default(),
            stopped: None,
            since: 0,
            wanted: String::new(),
            mode: Mode::List,
            cursor: None,
            above: 0,
            missed: 0,
            is_lost: false,
            per_second: 0,
            asked: None,
        }
    }

    pub(super) fn take(&mut self, item: &Happened) {
        self.missed = self.missed.saturating_add(item.missed);
        self.since += u64::from(self.stopped.is_some() && item.kind == "accepted");
        self.groups.take(item);
    }

    pub(super) fn set_lost(&mut self, is_lost: bool) {
        self.is_lost = is_lost;
    }

    pub(super) fn set_rate(&mut self, per_second: u64) -> Change {
        let before = std::mem::replace(&mut self.per_second, per_second);
        if before == per_second { Change::Nothing } else { Change::Picture }
    }

    /// What is on the screen: what there is, or what there was when it was stopped.
    pub(super) fn groups(&self) -> &Groups {
        self.stopped.as_ref().unwrap_or(&self.groups)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    pub(super) fn places(&self) -> Vec<Place> {
        self.groups().places(&self.wanted)
    }

    /// The event whose story has been asked for, once.
    pub(super) fn wanted_story(&mut self) -> Option<Seq> {
        self.asked.take()
    }

    /// An event's tree as text, or why there is none. What was left meanwhile is not shown.
    pub(super) fn show_story(&mut self, seq: Seq, story: Result<String, String>) -> Change {
        match &mut self.mode {
            Mode::Story(shown) if shown.seq == seq => {
                let text = story.unwrap_or_else(|error| format!("error: {error}"));
                shown.lines = Some(screen::lines(&text));
                Change::Picture
            }
            _ => Change::Nothing,
        }
    }

    pub(super) fn key(&mut self, key: KeyCode) -> Change {
        match self.mode {
            Mode::Find => self.find_key(key),
            Mode::List => self.list_key(key),
            Mode::Story(_) => self.story_key(key),
            Mode::Help if key == KeyCode::Char('q') => Change::End,
            Mode::Help => self.enter(Mode::List),
        }
    }

    fn enter(&mut self, mode: Mode) -> Change {
        self.mode = mode;
        Change::Picture
    }

    fn list_key(&mut self, key: KeyCode) -> Change {
        match key {
            KeyCode::Char('q') => Change::End,
            KeyCode::Char('?') => self.enter(Mode::Help),
            KeyCode::Char('/') => self.enter(Mode::Find),
            KeyCode::Char(' ') => self.stop_or_go_on(),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageUp => self.step(-PAGE),
            KeyCode::PageDown => self.step(PAGE),
            KeyCode::Home | KeyCode::Char('g') => self.step(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.step(isize::MAX),
            KeyCode::Esc => self.look_for(String::new()),
            KeyCode::Enter => self.open(),
            _ => Change::Nothing,
        }
    }

    fn find_key(&mut self, key: KeyCode) -> Change {
        let mut wanted = std::mem::take(&mut self.wanted);
        match key {
            KeyCode::Enter => self.mode = Mode::List,
            KeyCode::Esc => {
                self.mode = Mode::List;
                wanted.clear();
            }
            KeyCode::Backspace => drop(wanted.pop()),
            KeyCode::Char(c) if wanted.chars().count() < WANTED_MAX => wanted.push(c),
            _ => {}
        }
        self.look_for(wanted)
    }

    fn story_key(&mut self, key: KeyCode) -> Change {
        let Mode::Story(story) = &mut self.mode else { return Change::Nothing };
        let last = story.lines.as_ref().map_or(0, |lines| lines.len().saturating_sub(1));
        let top = match key {
            KeyCode::Char('q') => return Change::End,
            KeyCode::Esc | KeyCode::Enter | KeyCode::Left | KeyCode::Backspace => {
                return self.enter(Mode::List);
            }
            KeyCode::Char('r') => {
                self.asked = Some(story.seq);
                return Change::Nothing;
            }
            KeyCode::Up | KeyCode::Char('k') => story.top.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => story.top + 1,
            KeyCode::PageUp => story.top.saturating_sub(PAGE.unsigned_abs()),
            KeyCode::PageDown | KeyCode::Char(' ') => story.top + PAGE.unsigned_abs(),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            _ => return Change::Nothing,
        };
        story.top = top.min(last);
        Change::Picture
    }

    fn look_for(&mut self, wanted: String) -> Change {
        self.wanted = wanted;
        self.cursor = None;
        Change::Picture
    }

    fn stop_or_go_on(&mut self) -> Change {
        self.stopped = match self.stopped {
            Some(_) => None,
            None => Some(self.groups.clone()),
        };
        self.since = 0;
        Change::Picture
    }

    /// Moves the cursor over so many events. At the end it stays with the last one.
    fn step(&mut self, by: isize) -> Change {
        let places = self.places();
        let last = places.len().saturating_sub(1);
        let at = self.cursor_in(&places).unwrap_or(last);
        let to = at.saturating_add_signed(by).min(last);
        self.cursor = places.get(to).filter(|_| to < last).map(|place| place.seq);
        Change::Picture
    }

    /// Where the cursor is; none when there is nothing.
    pub(super) fn cursor_in(&self, places: &[Place]) -> Option<usize> {
        let last = places.len().checked_sub(1)?;
        let Some(cursor) = self.cursor else { return Some(last) };
        // Where an event is that has been forgotten, now the first one is.
        Some(places.iter().position(|place| place.seq == cursor).unwrap_or(0))
    }

    fn open(&mut self) -> Change {
        let places = self.places();
        let Some(place) = self.cursor_in(&places).and_then(|at| places.get(at)) else {
            return Change::Nothing;
        };
        let seq = place.seq;
        // The list must not move away from it meanwhile.
        self.cursor = Some(seq);
        self.asked = Some(seq);
        self.enter(Mode::Story(Story { seq, lines: None, top: 0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::groups::tests::{accepted, committed, dead};
    use super::*;

    fn state(events: u64) -> State {
        let mut state = State::new("host".to_owned());
        for seq in 1..=events {
            state.take(&serde_json::from_value(accepted(seq, "a", &[])).unwrap());
        }
        state
    }

    fn cursor(state: &State) -> String {
        state.cursor.map_or_else(|| "last".to_owned(), |seq| seq.to_string())
    }

    #[test]
    fn the_cursor_follows_until_it_is_moved() {
        let mut state = state(30);
        let mut press = |key| {
            state.key(key);
            cursor(&state)
        };
        assert_eq!(press(KeyCode::Down), "last");
        assert_eq!(press(KeyCode::Up), "29");
        assert_eq!(press(KeyCode::Char('k')), "28");
        assert_eq!(press(KeyCode::PageUp), "18");
        assert_eq!(press(KeyCode::Home), "1");
        assert_eq!(press(KeyCode::Up), "1");
        assert_eq!(press(KeyCode::Char('j')), "2");
        assert_eq!(press(KeyCode::End), "last");
    }

    #[test]
    fn a_stopped_picture_stays_as_it_is_and_counts_the_rest() {
        let mut state = state(2);
        state.key(KeyCode::Char(' '));
        state.take(&serde_json::from_value(accepted(3, "a", &[])).unwrap());
        state.take(&serde_json::from_value(dead(1, "f")).unwrap());
        assert_eq!((state.places().len(), state.since, state.is_stopped()), (2, 1, true));
        state.key(KeyCode::Char(' '));
        assert_eq!((state.places().len(), state.since, state.is_stopped()), (3, 0, false));
    }

    #[test]
    fn what_is_typed_is_looked_for() {
        let mut state = state(2);
        state.take(&serde_json::from_value(committed(2, "orders", &[])).unwrap());
        let mut keys = |text: &str| {
            for c in text.chars() {
                state.key(KeyCode::Char(c));
            }
            (state.wanted.clone(), state.places().len())
        };
        assert_eq!(keys("/ord q"), ("ord q".to_owned(), 0), "q and space are typed too");
        state.key(KeyCode::Backspace);
        state.key(KeyCode::Backspace);
        state.key(KeyCode::Enter);
        assert_eq!((state.places().len(), state.key(KeyCode::Char('q'))), (1, Change::End));
        state.key(KeyCode::Esc);
        assert_eq!((state.wanted.as_str(), state.places().len()), ("", 2));
    }

    #[test]
    fn a_story_is_asked_for_once_and_shown_if_it_still_is_wanted() {
        let mut state = state(2);
        state.key(KeyCode::Enter);
        let seq = state.wanted_story().unwrap();
        assert_eq!((seq.to_string().as_str(), state.wanted_story()), ("2", None));
        assert_eq!(state.show_story(seq, Ok("one\ntwo".to_owned())), Change::Picture);
        state.key(KeyCode::Down);
        state.key(KeyCode::Down);
        assert!(matches!(&state.mode, Mode::Story(story) if story.top == 1));
        state.key(KeyCode::Esc);
        assert_eq!(state.show_story(seq, Ok(String::new())), Change::Nothing);
        let mut empty = self::state(0);
        assert_eq!((empty.key(KeyCode::Enter), empty.wanted_story()), (Change::Nothing, None));
    }

    #[test]
    fn help_goes_with_any_key() {
        let mut state = state(0);
        state.key(KeyCode::Char('?'));
        assert!(matches!(state.mode, Mode::Help));
        assert_eq!(state.key(KeyCode::Char('x')), Change::Picture);
        assert!(matches!(state.mode, Mode::List));
    }
}
