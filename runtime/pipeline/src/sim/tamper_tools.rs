//! Finds in a history what can be tampered with.

use triphammer_journal::NewDelivery;
use triphammer_journal::{Accepted, DropReason, Record};
use triphammer_model::{DeliveryId, Event, RevisionId};

use super::checker::Checker;
use super::observed::{Observed, Order};

/// All that was observed.
pub(super) type History = Vec<Observed>;

pub(super) fn record(observed: &Observed) -> Option<&Record> {
    match observed {
        Observed::Appended { record, .. } => Some(record),
        _ => None,
    }
}

/// Where the first record is of which this holds.
pub(super) fn find(history: &History, is_it: impl Fn(&Record) -> bool) -> Option<usize> {
    history.iter().position(|observed| record(observed).is_some_and(&is_it))
}

/// The first record, in place, of which something is found.
pub(super) fn find_mut<'a, T>(
    history: &'a mut History,
    of: impl Fn(&'a mut Record) -> Option<T>,
) -> Option<T> {
    history.iter_mut().find_map(|observed| match observed {
        Observed::Appended { record, .. } => of(record),
        _ => None,
    })
}

/// Where deliveries are given up for a reason, and the first of them.
pub(super) fn find_drop(history: &History, reason: DropReason) -> Option<(usize, DeliveryId)> {
    let at = find(history, |r| matches!(r, Record::Drop { why, .. } if *why == reason))?;
    match record(&history[at])? {
        Record::Drop { ids, .. } => Some((at, ids[0].clone())),
        _ => None,
    }
}

pub(super) fn lease(id: DeliveryId) -> Observed {
    let revision = RevisionId::new(1).unwrap();
    Observed::Leased { run: u32::MAX, id, attempt: 1, revision, along: Vec::new() }
}

/// Ends the history here, and somebody looks.
pub(super) fn look(history: &mut History, at: usize) -> Option<()> {
    let shown = history.iter().find(|o| matches!(o, Observed::Shown { .. }))?.clone();
    history.truncate(at);
    history.push(shown);
    Some(())
}

/// The first delivery that is taken in of which this holds, in place.
pub(super) fn find_delivery(
    history: &mut History,
    is_it: impl Fn(&Event, &NewDelivery) -> bool,
) -> Option<&mut NewDelivery> {
    find_mut(history, |record| {
        record.events_mut().iter_mut().find_map(|accepted| {
            let Accepted { event, deliveries, .. } = accepted;
            deliveries.iter_mut().find(|new| new.dead.is_none() && is_it(event, new))
        })
    })
}

/// Puts something else into every manifest.
pub(super) fn rewrite(history: &mut History, member: &str, value: serde_json::Value) -> Option<()> {
    let mut found = None;
    for observed in history {
        let definition = match observed {
            Observed::Appended { record: Record::Define { definition, .. }, .. } => definition,
            Observed::Ordered { what: Order::Define { definition, .. }, .. } => definition,
            _ => continue,
        };
        for def in &mut definition.revisions {
            let mut manifest: serde_json::Value = serde_json::from_str(&def.manifest).unwrap();
            if manifest.get(member).is_some() {
                manifest[member] = value.clone();
                def.manifest = manifest.to_string();
                found = Some(());
            }
        }
    }
    found
}

/// Whether it is found out already, for some seeds hold nothing that is.
pub(super) fn is_wrong(history: &History) -> Option<()> {
    let mut checker = Checker::default();
    history.iter().any(|observed| checker.take(observed).is_err()).then_some(())
}
