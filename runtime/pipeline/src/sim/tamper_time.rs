//! Histories in which timers or schedules were tampered with are found, each for its reason.

use triphammer_journal::{DropReason, NewDelivery, Outcome, Record};
use triphammer_model::{DeliveryId, Event, Seq, Timestamp};

use super::facts::FIRING;
use super::observed::Observed;
use super::tamper::check;
use super::tamper_tools::{History, find, find_delivery, find_drop, find_mut, lease, look, record};

fn is_timer(event: &Event, new: &NewDelivery) -> bool {
    event.ty() != FIRING && new.name.as_ref().is_some_and(|name| !name.starts_with('\0'))
}

#[test]
fn a_timer_that_is_not_set_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        find_mut(history, |record| {
            let Record::Settle(settle) = record else { return None };
            let Outcome::Committed { emitted, .. } = &mut settle.outcome else { return None };
            let last =
                emitted.last().filter(|a| a.deliveries.iter().any(|d| is_timer(&a.event, d)));
            last.is_some().then(|| drop(emitted.pop()))
        })
    }
    check(tamper, &["timers among them"]);
}

#[test]
fn a_timer_for_another_time_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let timer = find_delivery(history, is_timer)?;
        timer.due = timer.due.map(|due| Timestamp(due.ms() + 1));
        Some(())
    }
    check(tamper, &["for Some(Timestamp("]);
}

#[test]
fn a_timer_that_is_not_given_up_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        find_mut(history, |record| {
            let Record::Settle(settle) = record else { return None };
            let Outcome::Committed { cancelled, .. } = &mut settle.outcome else { return None };
            cancelled.pop().map(drop)
        })
    }
    check(tamper, &["gives up the timers"]);
}

#[test]
fn a_timer_that_runs_after_it_was_given_up_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let (at, id) = history.iter().enumerate().find_map(|(at, observed)| {
            let Record::Settle(settle) = record(observed)? else { return None };
            let Outcome::Committed { cancelled, .. } = &settle.outcome else { return None };
            Some((at, cancelled.first()?.clone()))
        })?;
        history.insert(at + 1, lease(id));
        Some(())
    }
    check(tamper, &["runs and is Dropped"]);
}

fn is_firing(record: &Record) -> bool {
    matches!(record, Record::Accept(accept) if accept.events[0].event.ty() == FIRING)
}

#[test]
fn two_firings_of_a_slot_are_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let at = find(history, is_firing)?;
        let Observed::Appended { seq, record } = &history[at] else { return None };
        let seq = Seq::new(seq.get() + record.span())?;
        let again = Observed::Appended { seq, record: record.clone() };
        history.insert(at + 1, again);
        Some(())
    }
    check(tamper, &["a second firing for the slot"]);
}

#[test]
fn a_firing_before_its_slot_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let at = find(history, is_firing)?;
        let Observed::Appended { seq, record: Record::Accept(accept) } = &history[at] else {
            return None;
        };
        let function = accept.events[0].deliveries[0].function.clone();
        let early = lease(DeliveryId { seq: *seq, function });
        history.insert(at + 1, early);
        Some(())
    }
    check(tamper, &["runs early"]);
}

#[test]
fn missed_slots_that_are_not_as_the_schedule_says_are_found() {
    fn tamper(history: &mut History) -> Option<()> {
        find_mut(history, |record| {
            let Record::Accept(accept) = record else { return None };
            let merged = accept.events.iter_mut().find(|made| {
                let data = made.event.data().unwrap_or_default();
                made.event.ty() == FIRING && String::from_utf8_lossy(data).contains("missed")
            })?;
            let mut parts = merged.event.to_parts();
            let mut data: serde_json::Value = serde_json::from_slice(parts.data.as_ref()?).ok()?;
            data["missed"] = (data["missed"].as_u64()? + 1).into();
            parts.data = Some(data.to_string().into());
            merged.event = Event::new(&parts).ok()?;
            Some(())
        })
    }
    check(tamper, &["fires next at"]);
}

#[test]
fn a_schedule_that_fires_no_more_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let at = find(history, is_firing)?;
        look(history, at)
    }
    check(tamper, &["fires no more"]);
}

#[test]
fn a_missed_firing_that_is_kept_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let (at, _) = find_drop(history, DropReason::Missed)?;
        look(history, at)
    }
    check(tamper, &["not taken back"]);
}

#[test]
fn a_missed_firing_that_runs_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let (at, id) = find_drop(history, DropReason::Missed)?;
        let revision = history.iter().find_map(|observed| match observed {
            Observed::Leased { id: other, revision, .. } if other.function == id.function => {
                Some(*revision)
            }
            _ => None,
        });
        let Observed::Leased { run, id, attempt, .. } = lease(id) else { return None };
        let revision = revision?;
        history[at] = Observed::Leased { run, id, attempt, revision, along: Vec::new() };
        Some(())
    }
    check(tamper, &["another stands for it", "runs on r", "begins too soon", "before it in its"]);
}

#[test]
fn a_firing_that_nobody_took_back_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        find_mut(history, |record| match record {
            Record::Drop { why: why @ DropReason::Operator, .. } => {
                *why = DropReason::Cancelled;
                Some(())
            }
            _ => None,
        })
    }
    check(tamper, &["is taken back as Cancelled"]);
}
