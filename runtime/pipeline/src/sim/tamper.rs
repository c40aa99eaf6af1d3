//! The checker can fail: histories that were tampered with are found, each for its reason.

#![expect(clippy::ptr_arg, reason = "some cut the history or add to it, and all have one type")]

use std::sync::LazyLock;

use triphammer_journal::{Outcome, Record, RowChange, RowStatus};
use triphammer_model::Seq;

use super::checker::Checker;
use super::observed::Observed;
use super::world::run;
use crate::info::Status;

/// Changes a history; none where it holds nothing to change.
pub(super) type Tamper = fn(&mut Vec<Observed>) -> Option<()>;

/// Seeds that are looked through for a history that can be tampered with.
const SEEDS: u64 = 150;
/// Of those, how many must be found out.
const FOUND_MIN: usize = 3;

static HISTORIES: LazyLock<Vec<Vec<Observed>>> = LazyLock::new(|| {
    let history = |seed| run(seed).expect("it keeps the promises").history;
    (0..SEEDS).map(history).collect()
});

fn verdict(history: &[Observed]) -> Result<(), String> {
    let mut checker = Checker::default();
    history.iter().try_for_each(|observed| checker.take(observed))
}

/// Every history that this can be done to is found out, by one of these sentences.
#[track_caller]
pub(super) fn check(tamper: Tamper, because: &[&str]) {
    let mut found = 0;
    for (seed, history) in HISTORIES.iter().enumerate() {
        let mut history = history.clone();
        if tamper(&mut history).is_none() {
            continue;
        }
        let message = verdict(&history).expect_err("it was tampered with");
        let expected = because.iter().any(|part| message.contains(part));
        assert!(expected, "seed {seed}: {message}");
        found += 1;
        if found == FOUND_MIN {
            return;
        }
    }
    panic!("only {found} histories could be tampered with");
}

fn committed(observed: &Observed) -> bool {
    match observed {
        Observed::Appended { record: Record::Settle(settle), .. } => {
            matches!(settle.outcome, Outcome::Committed { .. })
        }
        _ => false,
    }
}

fn lose(history: &mut Vec<Observed>, which: fn(&Observed) -> bool) -> Option<()> {
    let at = history.iter().position(which)?;
    history.remove(at);
    Some(())
}

#[test]
fn histories_that_were_not_tampered_with_pass_again() {
    for seed in 0..10 {
        let history = run(seed).expect("it keeps the promises").history;
        assert_eq!(verdict(&history), Ok(()), "seed {seed}");
    }
}

#[test]
fn a_lost_commit_is_found() {
    check(|history| lose(history, committed), &["let go with nothing decided", "follows"]);
}

#[test]
fn an_acknowledged_event_that_is_not_on_disk_is_found() {
    fn tamper(history: &mut Vec<Observed>) -> Option<()> {
        let at = history.iter().position(|o| match o {
            Observed::Answered { answers: Some(answers), .. } => !answers[0].duplicate,
            _ => false,
        })?;
        let durable = history[..at].iter().rposition(|o| matches!(o, Observed::Durable(_)))?;
        history[durable] = Observed::Durable(0);
        Some(())
    }
    check(tamper, &["is acknowledged and not on disk", "no record on disk says so"]);
}

#[test]
fn what_a_crash_takes_from_the_disk_is_found() {
    fn tamper(history: &mut Vec<Observed>) -> Option<()> {
        let mut durable = 0;
        for observed in history {
            match observed {
                Observed::Durable(position) => durable = *position,
                Observed::Up { last, .. } if durable > 0 && *last == durable => {
                    *last -= 1;
                    return Some(());
                }
                Observed::Up { last, .. } => durable = *last,
                _ => {}
            }
        }
        None
    }
    check(tamper, &["was on disk, and only"]);
}

#[test]
fn a_commit_twice_is_found() {
    fn tamper(history: &mut Vec<Observed>) -> Option<()> {
        let at = history.iter().position(committed)?;
        let Observed::Appended { seq, record } = &history[at] else { return None };
        let seq = Seq::new(seq.get() + record.span())?;
        let again = Observed::Appended { seq, record: record.clone() };
        history.insert(at + 1, again);
        Some(())
    }
    check(tamper, &["is settled and was Committed"]);
}

#[test]
fn half_an_effect_is_found() {
    fn tamper(history: &mut Vec<Observed>) -> Option<()> {
        let emits = |o: &Observed| match o {
            Observed::Appended { record: Record::Settle(settle), .. } => matches!(
                &settle.outcome,
                Outcome::Committed { emitted, .. } if !emitted.is_empty()
            ),
            _ => false,
        };
        let at = history.iter().position(emits)?;
        let Observed::Appended { record: Record::Settle(settle), .. } = &mut history[at] else {
            return None;
        };
        let Outcome::Committed { emitted, .. } = &mut settle.outcome else { return None };
        emitted.pop();
        Some(())
    }
    check(tamper, &["emits 0 events", "emits 1 events", "emits 2 events"]);
}

#[test]
fn a_doubled_effect_is_found() {
    fn tamper(history: &mut Vec<Observed>) -> Option<()> {
        // The state has been written twice: the next handler finds one more than was committed.
        for observed in history {
            let Observed::Read { read, .. } = observed else { continue };
            let super::observed::Read::Name { name, value: Some(value) } = read else { continue };
            if name == "count" {
                *value = format!("{}1", String::from_utf8_lossy(value)).into();
                return Some(());
            }
        }
        None
    }
    check(tamper, &["settles on"]);
}

#[test]
fn an_early_timer_is_found() {
    /// Takes a waiting delivery at once.
    fn tamper(history: &mut Vec<Observed>) -> Option<()> {
        let at = history.iter().position(|o| match o {
            Observed::Appended { record: Record::Settle(settle), .. } => match &settle.outcome {
                Outcome::Retry { row, .. } => {
                    matches!(&row.status, RowStatus::Due(due) if *due > settle.at)
                }
                _ => false,
            },
            _ => false,
        })?;
        let Observed::Appended { record: Record::Settle(settle), .. } = &history[at] else {
            return None;
        };
        let leased = Observed::Leased {
            run: u32::MAX,
            id: settle.id.clone(),
            attempt: settle.attempt + 1,
            revision: settle.revision,
            along: Vec::new(),
        };
        // After the worker has let go of it.
        history.insert(at + 2, leased);
        Some(())
    }
    check(tamper, &["runs early"]);
}

/// The first record that tells of this.
fn told<'a>(history: &'a mut [Observed], ty: &str) -> Option<(usize, &'a mut Record)> {
    history.iter_mut().enumerate().find_map(|(at, observed)| {
        let Observed::Appended { record, .. } = observed else { return None };
        let tells = record.events().1.iter().any(|accepted| accepted.event.ty() == ty);
        tells.then_some((at, record))
    })
}

/// A record of nothing takes the place of the first that tells of this.
fn silence(history: &mut [Observed], ty: &str) -> Option<()> {
    let (_, record) = told(history, ty)?;
    let at = record.at();
    *record = Record::Rows { at, why: RowChange::Redriven, rows: Vec::new() };
    Some(())
}

#[test]
fn a_step_of_a_breaker_that_is_not_taken_is_found() {
    let because = ["nothing comes of it", "follows", "and nobody is told", "is half-open"];
    check(|history| silence(history, "triphammer.breaker.opened"), &because);
    check(|history| silence(history, "triphammer.breaker.closed"), &because);
    check(|history| silence(history, "triphammer.breaker.probing"), &["and nobody is told"]);
}

#[test]
fn a_breaker_that_opens_after_another_count_is_found() {
    fn tamper(history: &mut Vec<Observed>) -> Option<()> {
        let (_, record) = told(history, "triphammer.breaker.opened")?;
        let Record::Define { definition, .. } = record else { return None };
        definition.breaker.as_mut()?.failures += 1;
        Some(())
    }
    check(tamper, &["makes of"]);
}

#[test]
fn an_attempt_while_a_breaker_is_open_is_found() {
    /// Takes a delivery that is ready, as soon as the breaker of its function is open.
    fn tamper(history: &mut Vec<Observed>) -> Option<()> {
        let (opened, record) = told(history, "triphammer.breaker.opened")?;
        let Record::Define { name, definition, .. } = record else { return None };
        let (name, revision) = (name.clone(), definition.active?);
        let shown = history[opened..].iter().find_map(|o| match o {
            Observed::Shown { exact: true, deliveries, .. } => Some(deliveries),
            _ => None,
        })?;
        let ready = |(id, status, _): &&(_, Status, _)| {
            let id: &triphammer_model::DeliveryId = id;
            id.function == name && *status == Status::Ready
        };
        let (id, _, attempts) = shown.iter().find(ready)?.clone();
        let attempt = attempts + 1;
        let (run, along) = (u32::MAX, Vec::new());
        history.insert(opened + 1, Observed::Leased { run, id, attempt, revision, along });
        Some(())
    }
    let because = ["breaker is open", "runs early", "is unknown", "runs on r", "one more than"];
    check(tamper, &[&because[..], &["has expired"]].concat());
}

#[test]
fn a_lane_out_of_order_is_found() {
    fn tamper(history: &mut Vec<Observed>) -> Option<()> {
        // A delivery that is shown as blocked is taken.
        let (at, id) = history.iter().enumerate().find_map(|(at, o)| match o {
            Observed::Shown { exact: true, deliveries, counts } => {
                let free =
                    |name| counts.get(name).is_some_and(|c: &crate::info::Counts| c.running == 0);
                let blocked = deliveries.iter().find(|(id, status, attempts)| {
                    *status == Status::Blocked && *attempts == 0 && free(&id.function)
                });
                blocked.map(|(id, ..)| (at, id.clone()))
            }
            _ => None,
        })?;
        let revision = history[..at].iter().rev().find_map(|o| match o {
            Observed::Leased { id: other, revision, .. } if other.function == id.function => {
                Some(*revision)
            }
            _ => None,
        })?;
        let (run, along) = (u32::MAX, Vec::new());
        history.insert(at + 1, Observed::Leased { run, id, attempt: 1, revision, along });
        Some(())
    }
    check(tamper, &["is before it in its lane", "while its function is paused", "runs on r"]);
}

#[test]
fn a_delivery_that_is_forgotten_is_found() {
    fn tamper(history: &mut Vec<Observed>) -> Option<()> {
        let shown = history.iter_mut().find_map(|o| match o {
            Observed::Shown { deliveries, .. } if !deliveries.is_empty() => Some(deliveries),
            _ => None,
        });
        shown?.pop();
        Some(())
    }
    check(tamper, &["is lost"]);
}

#[test]
fn a_wrong_count_is_found() {
    fn tamper(history: &mut Vec<Observed>) -> Option<()> {
        let counts = history.iter_mut().find_map(|o| match o {
            Observed::Shown { counts, .. } => counts.values_mut().find(|c| c.committed > 0),
            _ => None,
        });
        counts?.committed += 1;
        Some(())
    }
    check(tamper, &["counts Counts"]);
}

#[test]
fn a_lost_timer_is_found() {
    fn tamper(history: &mut Vec<Observed>) -> Option<()> {
        // The world comes to rest right after a delivery was told to wait.
        let at = history.iter().position(|o| match o {
            Observed::Appended { record: Record::Settle(settle), .. } => {
                matches!(settle.outcome, Outcome::Retry { .. })
            }
            _ => false,
        })?;
        history.truncate(at + 2);
        history.push(Observed::Quiet);
        Some(())
    }
    check(tamper, &["waits for ever", "is kept for longer"]);
}
