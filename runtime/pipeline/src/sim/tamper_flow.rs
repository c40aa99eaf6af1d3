//! Histories in which flow, the times of events or replays were tampered with are found, each for its
//! reason.

use triphammer_journal::{Accepted, DropReason, NewDelivery, Outcome, Record, Replay, ReplayState};
use triphammer_model::{Event, Seq, Timestamp};

use super::observed::{Observed, Order};
use super::tamper::check;
use super::tamper_tools::{
    History, find, find_delivery, find_drop, find_mut, is_wrong, lease, look, rewrite,
};

#[test]
fn one_whose_place_was_taken_and_that_is_kept_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let (at, _) = find_drop(history, DropReason::Debounced)?;
        look(history, at)
    }
    check(tamper, &["too much, and not given up"]);
}

#[test]
fn one_that_is_lost_to_a_debounce_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        find_mut(history, |record| match record {
            Record::Drop { why: why @ DropReason::Operator, .. } => {
                *why = DropReason::Debounced;
                Some(())
            }
            _ => None,
        })
    }
    check(tamper, &["is given up as Debounced"]);
}

#[test]
fn a_wait_of_another_length_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let debounced = |_: &Event, new: &NewDelivery| {
            new.name.as_ref().is_some_and(|name| name.starts_with("\0debounce"))
        };
        let new = find_delivery(history, debounced)?;
        new.due = new.due.map(|due| Timestamp(due.ms() + 1));
        Some(())
    }
    check(tamper, &["is due Timestamp("]);
}

#[test]
fn one_that_is_let_in_above_the_rate_limit_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let (at, _) = find_drop(history, DropReason::RateLimited)?;
        look(history, at)
    }
    check(tamper, &["too much, and not given up"]);
}

#[test]
fn one_that_is_dropped_below_the_rate_limit_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        find_drop(history, DropReason::RateLimited)?;
        rewrite(history, "rateLimit", serde_json::json!({ "limit": 1_000_000, "period": "10ms" }))
    }
    check(tamper, &["is given up as RateLimited"]);
}

#[test]
fn attempts_above_the_throttle_are_found() {
    fn tamper(history: &mut History) -> Option<()> {
        rewrite(history, "throttle", serde_json::json!({ "limit": 1, "period": "7d" }))?;
        let leased = |o: &&Observed| matches!(o, Observed::Leased { attempt: 2, .. });
        history.iter().find(leased).map(drop)?;
        // One run of the host is enough.
        let down = history.iter().position(|o| matches!(o, Observed::Down { .. }))?;
        history.truncate(down);
        is_wrong(history)
    }
    check(tamper, &["begins, and ["]);
}

#[test]
fn attempts_right_after_a_start_are_found() {
    fn tamper(history: &mut History) -> Option<()> {
        rewrite(history, "throttle", serde_json::json!({ "limit": 1_000_000, "period": "7d" }))?;
        is_wrong(history)
    }
    check(tamper, &["begins too soon after the host"]);
}

#[test]
fn an_attempt_after_the_end_of_its_time_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let (at, id) = find_drop(history, DropReason::Expired)?;
        let died = |r: &Record| match r {
            Record::Settle(settle) => {
                settle.id == id && matches!(settle.outcome, Outcome::Dead { .. })
            }
            record => record.events().1.iter().any(|accepted| {
                accepted.deliveries.iter().any(|d| d.dead.is_some() && d.function == id.function)
            }),
        };
        if find(history, died).is_some_and(|died| died < at) {
            return None;
        }
        history[at] = lease(id);
        Some(())
    }
    check(tamper, &["has expired"]);
}

#[test]
fn what_expires_before_its_time_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        find_mut(history, |record| match record {
            Record::Drop { why: why @ DropReason::Operator, .. } => {
                *why = DropReason::Expired;
                Some(())
            }
            _ => None,
        })?;
        // It may have been old as well.
        is_wrong(history)
    }
    check(tamper, &["is given up before its time"]);
}

#[test]
fn another_time_of_expiry_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        find_delivery(history, |_, new| new.expires.is_some())?.expires = None;
        Some(())
    }
    check(tamper, &["expires None", "to expire None"]);
}

#[test]
fn an_event_that_is_not_put_off_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let delayed = |event: &Event, new: &NewDelivery| {
            new.due.is_some() && event.extension("delay").is_some()
        };
        find_delivery(history, delayed)?.due = None;
        Some(())
    }
    check(tamper, &["is due Timestamp(", "for None, not"]);
}

/// The first step that makes something, in place.
fn find_step(history: &mut History) -> Option<(&mut Replay, &mut Vec<Accepted>)> {
    find_mut(history, |record| match record {
        Record::Replay { replay, events, .. } if !events.is_empty() => {
            Some((&mut **replay, events))
        }
        _ => None,
    })
}

#[test]
fn an_event_that_a_replay_leaves_out_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let (replay, events) = find_step(history)?;
        let left_out = events.pop()?;
        replay.done -= 1;
        replay.deliveries -= left_out.deliveries.len() as u64;
        Some(())
    }
    check(tamper, &["leaves out event"]);
}

#[test]
fn an_event_that_a_replay_makes_twice_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let (replay, events) = find_step(history)?;
        let again = events.last()?.clone();
        replay.done += 1;
        replay.deliveries += again.deliveries.len() as u64;
        events.push(again);
        Some(())
    }
    check(tamper, &["that is not asked for"]);
}

#[test]
fn a_replayed_event_without_its_mark_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let (_, events) = find_step(history)?;
        let mut parts = events[0].event.to_parts();
        parts.extensions.retain(|(name, _)| name != "replayof");
        events[0].event = Event::new(&parts).ok()?;
        Some(())
    }
    check(tamper, &["leaves out event"]);
}

#[test]
fn a_replay_above_its_rate_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        for observed in history.iter_mut() {
            match observed {
                Observed::Appended { record: Record::Replay { replay, .. }, .. } => replay.rate = 1,
                Observed::Ordered { what: Order::Replay { rate, .. }, .. } => *rate = 1,
                _ => {}
            }
        }
        is_wrong(history)
    }
    check(tamper, &["in a second, at a rate of 1"]);
}

#[test]
fn a_replay_that_goes_on_after_it_was_cancelled_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let cancelled = |r: &Record| match r {
            Record::Replay { replay, .. } => {
                matches!(replay.state, ReplayState::Cancelled { .. })
            }
            _ => false,
        };
        let at = find(history, cancelled)?;
        let Observed::Appended { seq, record } = &history[at] else { return None };
        let mut record = record.clone();
        if let Record::Replay { replay, .. } = &mut record {
            replay.state = ReplayState::Running;
        }
        let seq = Seq::new(seq.get() + 1)?;
        history.insert(at + 1, Observed::Appended { seq, record });
        Some(())
    }
    check(tamper, &["goes on after its end"]);
}
