//! At most so many in any period: a log of the times of the last ones, which slides. Pure: knows no
//! clock, and not what is counted.

use std::collections::VecDeque;

use triphammer_model::{Rate, Timestamp};

#[derive(Debug)]
pub(crate) struct Window {
    rate: Rate,
    /// At most as many as the limit, the oldest first.
    times: VecDeque<Timestamp>,
    /// Counts as used up until then, for what was before is not known.
    unknown_until: Option<Timestamp>,
}

impl Window {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, times: VecDeque::new(), unknown_until: None }
    }

    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// Another rate: what has been counted still counts.
    pub(crate) fn set(&mut self, rate: Rate) {
        self.rate = rate;
        self.trim();
    }

    /// What there was before `now` is not known, so it may have been the limit.
    pub(crate) fn use_up(&mut self, now: Timestamp) {
        self.unknown_until = Some(now.plus(self.rate.period));
    }

    /// The first time at which there is room for one more; none when there is room at any time.
    pub(crate) fn free_at(&self) -> Option<Timestamp> {
        let oldest = self.times.front().filter(|_| self.times.len() >= self.limit());
        let slides = oldest.map(|oldest| oldest.plus(self.rate.period));
        slides.max(self.unknown_until)
    }

    pub(crate) fn has_room(&self, now: Timestamp) -> bool {
        self.free_at().is_none_or(|free| free <= now)
    }

    /// Counts one more, at the time of the last one if that is later.
    pub(crate) fn take(&mut self, at: Timestamp) {
        let at = self.times.back().map_or(at, |last| at.max(*last));
        while self.times.front().is_some_and(|old| old.plus(self.rate.period) <= at) {
            self.times.pop_front();
        }
        self.times.push_back(at);
        self.trim();
    }

    fn limit(&self) -> usize {
        self.rate.limit as usize
    }

    fn trim(&mut self) {
        let over = self.times.len().saturating_sub(self.limit());
        self.times.drain(..over);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rate(limit: u32, period_ms: u64) -> Rate {
        Rate { limit, period: Duration::from_millis(period_ms) }
    }

    /// Takes at each of the times at which there is room.
    fn taken(window: &mut Window, times: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let times = times.into_iter().filter(|ms| {
            let room = window.has_room(Timestamp(*ms));
            if room {
                window.take(Timestamp(*ms));
            }
            room
        });
        times.collect()
    }

    #[test]
    fn no_window_has_more_than_the_limit() {
        let mut window = Window::new(rate(3, 100));
        // Bursts at the seam of two fixed windows would be six within a moment.
        let taken = taken(&mut window, (1..2000).filter(|ms| ms % 7 < 3));
        assert!(taken.len() > 50, "{taken:?}");
        for first in &taken {
            let within = taken.iter().filter(|ms| (*first..first + 100).contains(ms));
            assert!(within.count() <= 3, "from {first}: {taken:?}");
        }
    }

    #[test]
    fn a_window_opens_when_its_oldest_has_left_it() {
        let mut window = Window::new(rate(2, 100));
        assert_eq!(taken(&mut window, [10, 20, 30, 109, 110, 119, 120]), [10, 20, 110, 120]);
        assert_eq!(window.free_at(), Some(Timestamp(210)));
    }

    #[test]
    fn what_is_not_known_counts_as_the_limit() {
        let mut window = Window::new(rate(2, 100));
        window.use_up(Timestamp(1000));
        assert_eq!(taken(&mut window, [1000, 1099, 1100, 1100, 1100]), [1100, 1100]);
    }

    #[test]
    fn another_rate_knows_what_was_before() {
        let mut window = Window::new(rate(4, 100));
        assert_eq!(taken(&mut window, [1, 2, 3, 4, 5]), [1, 2, 3, 4]);
        window.set(rate(2, 100));
        assert_eq!(window.free_at(), Some(Timestamp(103)));
        window.set(rate(3, 1000));
        assert_eq!(taken(&mut window, [5, 6]), [5]);
    }

    #[test]
    fn time_that_seems_to_go_back_gains_nothing() {
        let mut window = Window::new(rate(2, 100));
        window.take(Timestamp(50));
        window.take(Timestamp(10));
        assert_eq!(window.free_at(), Some(Timestamp(150)));
    }
}
