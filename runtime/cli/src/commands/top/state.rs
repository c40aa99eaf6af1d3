//! What the view shows and what its keys do. Pure: it is told how things are, and drawn elsewhere.

use std::cmp::Ordering;
use std::collections::VecDeque;

use ratatui::crossterm::event::KeyCode;

use super::overview::{Load, Overview};
use crate::screen::Change;

/// Seconds of the curve that are kept.
const HISTORY_MAX: usize = 600;
const PAGE: usize = 10;

#[derive(Debug)]
pub(super) struct State {
    /// Where from.
    pub(super) title: String,
    /// None until the host has told.
    pub(super) overview: Option<Overview>,
    /// Committed per second, the newest last.
    pub(super) history: VecDeque<u64>,
    pub(super) order: Order,
    pub(super) is_reversed: bool,
    /// Functions above the first one that is shown.
    pub(super) top: usize,
    pub(super) is_stopped: bool,
    pub(super) is_lost: bool,
    pub(super) has_help: bool,
}

/// By what the functions are sorted; numbers from the greatest down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    Name,
    Committed,
    Retried,
    Dead,
    Open,
    Latency,
    Handling,
}

/// The key of each, and its column.
pub(super) const ORDERS: [(char, Order, &str); 7] = [
    ('n', Order::Name, "FUNCTION"),
    ('c', Order::Committed, "COMMIT/S"),
    ('e', Order::Retried, "RETRY/S"),
    ('d', Order::Dead, "DEAD"),
    ('o', Order::Open, "READY"),
    ('l', Order::Latency, "P99"),
    ('h', Order::Handling, "HANDLING"),
];

impl State {
    pub(super) fn new(title: String) -> Self {
        Self {
            title,
            overview: None,
            history: VecDeque::new(),
            order: Order::Committed,
            is_reversed: false,
            top: 0,
            is_stopped: false,
            is_lost: false,
            has_help: false,
        }
    }

    /// The curve goes on while the figures are stopped.
    pub(super) fn take(&mut self, overview: Overview) -> Change {
        if self.history.len() == HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(overview.rates.committed.round() as u64);
        if !self.is_stopped {
            self.overview = Some(overview);
        }
        Change::Picture
    }

    pub(super) fn set_lost(&mut self, is_lost: bool) -> Change {
        self.is_lost = is_lost;
        Change::Picture
    }

    pub(super) fn key(&mut self, key: KeyCode) -> Change {
        let last = self.overview.as_ref().map_or(0, |all| all.functions.len().saturating_sub(1));
        match key {
            KeyCode::Char('q') => return Change::End,
            _ if std::mem::take(&mut self.has_help) => {}
            KeyCode::Char('?') => self.has_help = true,
            KeyCode::Char(' ') => self.is_stopped = !self.is_stopped,
            KeyCode::Up | KeyCode::Char('k') => self.top = self.top.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.top = (self.top + 1).min(last),
            KeyCode::PageUp => self.top = self.top.saturating_sub(PAGE),
            KeyCode::PageDown => self.top = (self.top + PAGE).min(last),
            KeyCode::Home => self.top = 0,
            KeyCode::End => self.top = last,
            KeyCode::Char(pressed) => {
                let order = ORDERS.iter().find(|(key, ..)| *key == pressed);
                let Some((_, order, _)) = order else { return Change::Nothing };
                self.is_reversed = *order == self.order && !self.is_reversed;
                self.order = *order;
            }
            _ => return Change::Nothing,
        }
        Change::Picture
    }

    /// The functions in the order that was chosen.
    pub(super) fn functions(&self) -> Vec<&Load> {
        let mut all: Vec<&Load> = self.overview.iter().flat_map(|all| &all.functions).collect();
        all.sort_by(|a, b| {
            let order = self.compare(a, b);
            let order = if self.is_reversed { order.reverse() } else { order };
            // Functions with the same figures do not change places.
            order.then_with(|| a.name.cmp(&b.name))
        });
        all
    }

    fn compare(&self, a: &Load, b: &Load) -> Ordering {
        let greatest = |of: fn(&Load) -> f64| of(b).total_cmp(&of(a));
        match self.order {
            Order::Name => a.name.cmp(&b.name),
            Order::Committed => greatest(|load| load.rates.committed),
            Order::Retried => greatest(|load| load.rates.retried),
            Order::Dead => b.queue.dead_now.cmp(&a.queue.dead_now),
            Order::Open => open(b).cmp(&open(a)),
            Order::Latency => greatest(|load| load.latency.p99_ms.unwrap_or(-1.0)),
            Order::Handling => greatest(|load| load.handling.mean_ms.unwrap_or(-1.0)),
        }
    }
}

/// Everything that has not been settled.
fn open(load: &Load) -> u64 {
    let queue = load.queue;
    [queue.ready, queue.running, queue.waiting, queue.blocked]
        .iter()
        .fold(0, |sum, part| u64::saturating_add(sum, *part))
}

#[cfg(test)]
mod tests {
    use super::super::overview::testing::overview;
    use super::*;

    fn state() -> State {
        let mut state = State::new("host".to_owned());
        state.take(overview());
        state
    }

    #[track_caller]
    fn check(state: &mut State, key: char, expect: &str) {
        state.key(KeyCode::Char(key));
        let names: Vec<&str> = state.functions().iter().map(|load| load.name.as_str()).collect();
        assert_eq!(names.join(" "), expect, "{key}");
    }

    #[test]
    fn functions_are_sorted_by_what_is_chosen() {
        let mut state = state();
        check(&mut state, 'n', "mail orders");
        check(&mut state, 'n', "orders mail");
        for key in ['c', 'e', 'd', 'o', 'l', 'h'] {
            check(&mut state, key, "orders mail");
        }
        check(&mut state, 'h', "mail orders");
        check(&mut state, 'x', "mail orders");
    }

    #[test]
    fn what_is_stopped_stays_and_the_curve_goes_on() {
        let mut state = state();
        state.key(KeyCode::Char(' '));
        for _ in 0..HISTORY_MAX {
            state.take(Overview::default());
        }
        assert_eq!(state.history.len(), HISTORY_MAX);
        assert_eq!(state.functions().len(), 2);
        state.key(KeyCode::Char(' '));
        state.take(Overview::default());
        assert_eq!(state.functions().len(), 0);
    }

    #[test]
    fn the_list_is_scrolled_no_further_than_its_end() {
        let mut state = state();
        for (key, top) in [
            (KeyCode::Up, 0),
            (KeyCode::Down, 1),
            (KeyCode::PageDown, 1),
            (KeyCode::Home, 0),
            (KeyCode::End, 1),
        ] {
            state.key(key);
            assert_eq!(state.top, top, "{key:?}");
        }
        state.key(KeyCode::Char('?'));
        assert_eq!((state.key(KeyCode::Home), state.top), (Change::Picture, 1), "closes the help");
        assert_eq!(state.key(KeyCode::Char('q')), Change::End);
    }
}
