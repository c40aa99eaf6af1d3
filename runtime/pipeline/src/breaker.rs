//! When a function that keeps failing stops, and when it goes on: its circuit breaker. Pure: no
//! clock, no I/O, no lock. Knows neither the queue that it closes nor how a step is recorded.
//!
//! Closed, it counts failures in a row. Enough of them open it: nothing of the function begins until
//! the time of the probe. Then it is half-open: one attempt at a time, and the first that says
//! something of the function closes it or opens it again. What is open is on record; the count of a
//! closed one is kept in memory, so a restart begins it anew.

use triphammer_journal::{Definition, OpenBreaker};
use triphammer_model::{Breaker, ErrorInfo, Timestamp};

/// What is counted since the breaker was opened or closed the last time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Streak {
    /// In a row, while it is closed.
    pub(crate) failures: u32,
    /// What began earlier says nothing of how things are now.
    since: Timestamp,
    /// A probe has begun. Where the host can't run it there are more, as fast as they fail.
    probes: bool,
}

/// An attempt that was committed, or that has failed by its own fault. Those that failed by the
/// host's, and those that are run again after a conflict, are none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended<'a> {
    pub(crate) started: Timestamp,
    pub(crate) at: Timestamp,
    /// None of a commit.
    pub(crate) error: Option<&'a ErrorInfo>,
}

/// What an attempt's end makes of the breaker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// For the first time, or once more after a probe that failed.
    Opens(OpenBreaker),
    Closes(OpenBreaker),
}

/// A breaker as it stands.
#[derive(Clone, Debug)]
pub struct BreakerInfo {
    pub state: BreakerState,
    /// Failed attempts in a row; while it is closed, since the host started at the most.
    pub failures: u32,
    /// Since when it is not closed.
    pub since: Option<Timestamp>,
    /// When the next probe may begin, or might have begun.
    pub until: Option<Timestamp>,
    /// Of the last failure, while it is not closed.
    pub error: Option<ErrorInfo>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BreakerState {
    Closed,
    /// Nothing begins.
    Open,
    /// One delivery is tried.
    HalfOpen,
}

impl BreakerState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

impl Streak {
    /// Under another definition: goes on counting where nothing has changed that counts.
    pub(crate) fn after(self, before: &Definition, definition: &Definition, at: Timestamp) -> Self {
        let same = (before.active, &before.breaker) == (definition.active, &definition.breaker);
        if same { self } else { Self { since: at, ..Self::default() } }
    }

    /// An attempt on the active revision begins. True for the first probe of a breaker that is open.
    pub(crate) fn begin(&mut self, open: Option<&OpenBreaker>, started: Timestamp) -> bool {
        let probes = open.is_some_and(|open| started >= open.probe);
        probes && !std::mem::replace(&mut self.probes, probes)
    }

    /// Counts an attempt on the active revision, whose manifest has `rule`.
    pub(crate) fn count(
        &mut self,
        rule: Option<Breaker>,
        open: Option<&OpenBreaker>,
        ended: Ended<'_>,
    ) -> Option<Step> {
        let rule = rule?;
        let Some(open) = open else { return self.count_closed(rule, ended) };
        if ended.started < open.probe {
            // It ran when the breaker opened.
            return None;
        }
        let Some(error) = ended.error else { return Some(Step::Closes(open.clone())) };
        Some(Step::Opens(OpenBreaker {
            since: open.since,
            probe: ended.at.plus(rule.probe),
            failures: open.failures.saturating_add(1),
            error: error.clone(),
        }))
    }

    fn count_closed(&mut self, rule: Breaker, ended: Ended<'_>) -> Option<Step> {
        if ended.started < self.since {
            return None;
        }
        let Some(error) = ended.error else {
            self.failures = 0;
            return None;
        };
        self.failures = self.failures.saturating_add(1);
        (self.failures >= rule.failures).then(|| {
            Step::Opens(OpenBreaker {
                since: ended.at,
                probe: ended.at.plus(rule.probe),
                failures: self.failures,
                error: error.clone(),
            })
        })
    }

    pub(crate) fn info(self, open: Option<&OpenBreaker>, now: Timestamp) -> BreakerInfo {
        let Some(OpenBreaker { since, probe, failures, error }) = open.cloned() else {
            let (state, failures) = (BreakerState::Closed, self.failures);
            return BreakerInfo { state, failures, since: None, until: None, error: None };
        };
        let state = if now < probe { BreakerState::Open } else { BreakerState::HalfOpen };
        let (since, until, error) = (Some(since), Some(probe), Some(error));
        BreakerInfo { state, failures, since, until, error }
    }
}

/// What an operator's change makes of a breaker that is open: another revision begins with a closed
/// one. Why, as a sentence, if it closes.
pub(crate) fn close_for(change: &mut Definition, current: &Definition) -> Option<String> {
    let another = change.active.filter(|active| current.active != Some(*active));
    if change.active != current.active {
        change.breaker = None;
    }
    let closes = current.breaker.is_some() && change.breaker.is_none();
    closes.then(|| match another {
        Some(active) => format!("{active} was given everything"),
        None => "an operator resumed the function".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use triphammer_model::RevisionId;

    use super::*;

    const RULE: Breaker = Breaker { failures: 3, probe: Duration::from_millis(500) };

    /// A breaker, and what its function's definition says of it.
    #[derive(Default)]
    struct Fixture {
        streak: Streak,
        definition: Definition,
    }

    impl Fixture {
        /// An attempt ends, with the code of its error or none. What becomes of the breaker, as text.
        fn end(&mut self, started: u64, at: u64, code: Option<&str>) -> String {
            let error = code.map(|code| ErrorInfo { code: code.into(), message: String::new() });
            let (started, at) = (Timestamp(started), Timestamp(at));
            let ended = Ended { started, at, error: error.as_ref() };
            let step = self.streak.count(Some(RULE), self.definition.breaker.as_ref(), ended);
            let (text, breaker) = match step {
                None => return "-".into(),
                Some(Step::Closes(_)) => ("closes".into(), None),
                Some(Step::Opens(open)) => {
                    let OpenBreaker { since, probe, failures, error } = &open;
                    let until = format!("{} until {}", since.0, probe.0);
                    (format!("opens at {until} after {failures}: {}", error.code), Some(open))
                }
            };
            self.define(Definition { breaker, ..self.definition.clone() }, at.0);
            text
        }

        fn define(&mut self, definition: Definition, at: u64) {
            self.streak = self.streak.after(&self.definition, &definition, Timestamp(at));
            self.definition = definition;
        }

        #[track_caller]
        fn all(&mut self, steps: &[(u64, u64, Option<&str>, &str)]) {
            for (started, at, code, expect) in steps {
                assert_eq!(self.end(*started, *at, *code), *expect, "at {at}");
            }
        }
    }

    #[test]
    fn so_many_failures_in_a_row_open_it_and_a_commit_begins_the_count_anew() {
        Fixture::default().all(&[
            (1, 2, Some("a"), "-"),
            (2, 3, Some("a"), "-"),
            (3, 4, None, "-"),
            (4, 5, Some("a"), "-"),
            (5, 6, Some("b"), "-"),
            (6, 7, Some("c"), "opens at 7 until 507 after 3: c"),
        ]);
    }

    #[test]
    fn the_probe_alone_decides() {
        let mut f = Fixture::default();
        f.all(&[
            (1, 7, Some("a"), "-"),
            (1, 7, Some("a"), "-"),
            (1, 7, Some("a"), "opens at 7 until 507 after 3: a"),
            // These ran when it opened.
            (1, 8, None, "-"),
            (2, 600, Some("b"), "-"),
            (510, 620, Some("p"), "opens at 7 until 1120 after 4: p"),
            (509, 1200, None, "-"),
            (1120, 1300, None, "closes"),
            (3, 1301, Some("b"), "-"),
            (4, 1302, Some("b"), "-"),
            (5, 1303, Some("b"), "-"),
        ]);
        assert_eq!(f.streak.failures, 0, "what began before it closed is not counted");
        f.all(&[(1299, 1400, Some("a"), "-"), (1300, 1400, Some("a"), "-")]);
        assert_eq!(f.streak.failures, 1);
    }

    #[test]
    fn the_first_probe_is_one_each_time_that_it_opens() {
        let mut f = Fixture::default();
        let begin = |f: &mut Fixture, started| {
            f.streak.begin(f.definition.breaker.as_ref(), Timestamp(started))
        };
        assert!(!begin(&mut f, 1), "it is closed");
        (0..3).for_each(|_| _ = f.end(1, 7, Some("a")));
        assert_eq!([6, 507, 507, 508].map(|at| begin(&mut f, at)), [false, true, false, false]);
        f.end(508, 600, Some("a"));
        assert_eq!([508, 1100, 1101].map(|at| begin(&mut f, at)), [false, true, false]);
    }

    #[test]
    fn without_a_rule_nothing_is_counted() {
        let mut streak = Streak::default();
        let error = ErrorInfo { code: "a".into(), message: String::new() };
        let ended = Ended { started: Timestamp(1), at: Timestamp(2), error: Some(&error) };
        assert!((0..100).all(|_| streak.count(None, None, ended).is_none()));
        assert_eq!(streak, Streak::default());
    }

    #[test]
    fn another_revision_begins_the_count_anew_and_a_pause_does_not() {
        let mut f = Fixture::default();
        f.all(&[(1, 2, Some("a"), "-"), (1, 2, Some("a"), "-")]);
        f.define(Definition { revision_last: 9, ..Definition::default() }, 3);
        assert_eq!(f.streak.failures, 2);
        f.define(Definition { active: RevisionId::new(2), ..Definition::default() }, 4);
        assert_eq!(f.streak, Streak { since: Timestamp(4), ..Streak::default() });
    }

    #[test]
    fn an_operator_closes_it_by_another_revision_or_by_resuming() {
        let error = ErrorInfo { code: "a".into(), message: String::new() };
        let (since, probe) = (Timestamp(1), Timestamp(2));
        let open = Some(OpenBreaker { since, probe, failures: 3, error });
        let of = |active: u32, breaker: &Option<OpenBreaker>| Definition {
            active: RevisionId::new(active),
            breaker: breaker.clone(),
            ..Definition::default()
        };
        let check = |mut change: Definition, current: Definition, expect: Option<&str>, stays| {
            assert_eq!(close_for(&mut change, &current).as_deref(), expect);
            assert_eq!(change.breaker.is_some(), stays);
        };
        check(of(2, &open), of(1, &open), Some("r2 was given everything"), false);
        check(of(1, &None), of(1, &open), Some("an operator resumed the function"), false);
        check(of(1, &open), of(1, &open), None, true);
        check(of(2, &None), of(1, &None), None, false);
    }

    #[test]
    fn it_is_half_open_from_the_time_of_its_probe() {
        let mut f = Fixture::default();
        (0..3).for_each(|_| _ = f.end(1, 7, Some("a")));
        let state = |now| {
            let info = f.streak.info(f.definition.breaker.as_ref(), Timestamp(now));
            (info.state.as_str(), info.failures, info.until)
        };
        assert_eq!(state(506), ("open", 3, Some(Timestamp(507))));
        assert_eq!(state(507), ("half-open", 3, Some(Timestamp(507))));
        let closed = Streak { failures: 2, ..Streak::default() }.info(None, Timestamp(1));
        assert_eq!((closed.state, closed.failures, closed.until), (BreakerState::Closed, 2, None));
    }
}
