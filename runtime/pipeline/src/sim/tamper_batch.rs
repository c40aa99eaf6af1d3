//! Histories whose batches were tampered with are found, each for its reason.

use triphammer_journal::{Outcome, Record, Settle};
use triphammer_model::{DeliveryId, Seq};

use super::observed::Observed;
use super::tamper::check;
use super::tamper_tools::{History, find_mut, is_wrong, rewrite};

/// The first lease of a batch of so many or more, in place.
fn leased(history: &mut History, size: usize) -> Option<&mut Vec<DeliveryId>> {
    history.iter_mut().find_map(|observed| match observed {
        Observed::Leased { along, .. } if along.len() + 1 >= size => Some(along),
        _ => None,
    })
}

/// The first record of a batch that was settled like this, in place.
fn settled(history: &mut History, is_it: impl Fn(&Settle) -> bool) -> Option<&mut Settle> {
    find_mut(history, |record| match record {
        Record::Settle(settle) if is_it(settle) => Some(&mut **settle),
        _ => None,
    })
}

/// The others that are committed with the first, of the first batch.
fn also(history: &mut History) -> Option<&mut Vec<(DeliveryId, u32)>> {
    let is_it = |settle: &Settle| match &settle.outcome {
        Outcome::Committed { also, .. } => !also.is_empty(),
        _ => false,
    };
    match &mut settled(history, is_it)?.outcome {
        Outcome::Committed { also, .. } => Some(also),
        _ => None,
    }
}

#[test]
fn a_batch_out_of_order_is_found() {
    fn swapped(history: &mut History) -> Option<()> {
        leased(history, 3)?.swap(0, 1);
        is_wrong(history)
    }
    check(swapped, &["is out of order", "is given"]);
    fn left_out(history: &mut History) -> Option<()> {
        leased(history, 3)?.remove(0);
        is_wrong(history)
    }
    check(left_out, &["is out of order", "is given"]);
}

#[test]
fn a_batch_that_is_committed_in_part_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        also(history)?.pop().map(drop)
    }
    check(tamper, &["commits"]);
}

#[test]
fn a_batch_that_is_committed_with_others_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let also = also(history)?;
        let (mut id, attempt) = also[0].clone();
        id.seq = Seq::new(id.seq.get() + 1)?;
        also.push((id, attempt));
        Some(())
    }
    check(tamper, &["commits"]);
}

#[test]
fn one_that_is_in_two_batches_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let along = leased(history, 2)?;
        let first = along[0].clone();
        along.push(first);
        Some(())
    }
    check(tamper, &["is out of order", "and runs", "and 2 may", "and 3 may"]);
}

#[test]
fn a_batch_of_too_many_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        rewrite(history, "batch", serde_json::json!({ "max": 1 }))?;
        leased(history, 2).map(drop)?;
        is_wrong(history)
    }
    check(tamper, &["and 1 may", "is Waiting and shown as Ready", "shown as Waiting"]);
}

#[test]
fn a_batch_that_does_not_wait_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        rewrite(history, "batch", serde_json::json!({ "max": 1000, "wait": "1h" }))?;
        is_wrong(history)
    }
    check(tamper, &["has not waited", "is Waiting and shown as Ready"]);
}

#[test]
fn a_batch_that_waits_for_too_long_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        rewrite(history, "batch", serde_json::json!({ "max": 1000 }))?;
        is_wrong(history)
    }
    check(tamper, &["is Ready and shown as Waiting", "has not waited"]);
}

#[test]
fn a_batch_that_failed_and_counts_is_found() {
    fn tamper(history: &mut History) -> Option<()> {
        let failed = |settle: &Settle| match &settle.outcome {
            Outcome::Retry { error, .. } => error.message.starts_with("in a batch of"),
            _ => false,
        };
        match &mut settled(history, failed)?.outcome {
            Outcome::Retry { row, .. } => row.attempts += 1,
            _ => return None,
        }
        Some(())
    }
    check(tamper, &["and its batch failed"]);
}

#[test]
fn deliveries_that_are_not_parted_after_their_batch_has_failed_are_found() {
    /// The first of them takes along the next once more.
    fn tamper(history: &mut History) -> Option<()> {
        let (run, ids) = history.iter().enumerate().find_map(|(at, observed)| {
            let Observed::Appended { record: Record::Settle(settle), .. } = observed else {
                return None;
            };
            let Outcome::Retry { error, .. } = &settle.outcome else { return None };
            let parted = error.message.starts_with("in a batch of") && error.code != "invoke.host";
            let ids = history[..at].iter().rev().find_map(|observed| match observed {
                Observed::Leased { id, along, .. } if *id == settle.id => Some(along.clone()),
                _ => None,
            })?;
            parted.then_some((at, ids))
        })?;
        let again = history[run..].iter_mut().find_map(|observed| match observed {
            Observed::Leased { along, .. } if !along.is_empty() => Some(along),
            _ => None,
        })?;
        again[0] = ids[0].clone();
        is_wrong(history)
    }
    let because =
        ["not alone", "and runs", "is out of order", "of another lane", "is given", "is unknown"];
    check(tamper, &because);
}
