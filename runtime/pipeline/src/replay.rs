//! Events of the past, handled again. Each becomes a new event, so its effects happen again.

use bytes::Bytes;
use triphammer_journal::{Accept, Accepted, Body, Entrance, NewDelivery, Record};
use triphammer_model::{
    ErrorInfo, Event, EventParts, ExtensionValue, FunctionName, Hops, KeySource, Priority, Seq,
    Timestamp,
};

use crate::core::Core;
use crate::error::ChangeError;
use crate::history::read_error;
use crate::intake::may_accept;
use crate::route::{RouteTable, find_key, find_priority};

/// Who gets an event that is replayed.
pub(crate) enum To<'a> {
    /// Whoever asks for it now.
    Routed(&'a RouteTable),
    /// This function alone, with its ordering key.
    Function(&'a FunctionName, Option<&'a KeySource>),
}

impl Core {
    /// One event of the past for one function again, now, with another payload where one is given. None
    /// when it is kept no longer.
    pub(crate) async fn replay_one(
        &self,
        seq: Seq,
        name: &FunctionName,
        data: Option<Bytes>,
    ) -> Result<Option<Seq>, ChangeError> {
        let key = self.key_of(name)?;
        let found = self.history.event(seq).map_err(read_error)?;
        let Some(mut event) = found.map(|found| found.accepted.event) else { return Ok(None) };
        if let Some(data) = data {
            event = self.with_data(&event, data)?;
        }
        let at = self.clock.now();
        let accepted = replayed(seq, &event, &To::Function(name, key.as_ref()), at);
        let record =
            Record::Accept(Accept { at, entrance: Entrance::Host, events: vec![accepted] });
        let body = Body::encode(&record);
        let (first, last) = {
            let mut inner = self.lock();
            may_accept(&inner)?;
            let due_before = inner.catch_up(at);
            let (first, location) = inner.log.append(&body)?;
            self.history.note(first, &record, location);
            inner.admit_all(&record, (first, location), at);
            let raised = self.raise(&mut inner);
            self.wake(inner, due_before);
            (first, raised.map_or(first, |raised| raised.max(first)))
        };
        self.settle_change(Some(last)).await?;
        Ok(Some(first))
    }

    fn with_data(&self, event: &Event, data: Bytes) -> Result<Event, ChangeError> {
        let parts = EventParts { data: Some(data), ..event.to_parts() };
        let changed = Event::new(&parts).ok();
        let max = self.event_bytes_max;
        let fits = |event: &Event| event.as_bytes().len() <= max;
        changed.filter(fits).ok_or(ChangeError::ReplayTooLarge { max })
    }

    /// Where a function's active revision finds the ordering key.
    pub(crate) fn key_of(&self, name: &FunctionName) -> Result<Option<KeySource>, ChangeError> {
        let inner = self.lock();
        let function = inner.functions.get(name).filter(|f| !f.definition.deleted);
        let function = function.ok_or_else(|| ChangeError::NoFunction(name.clone()))?;
        let active = function.active.as_ref();
        let active = active.ok_or_else(|| ChangeError::NotActive(name.clone()))?;
        Ok(active.manifest.key.clone())
    }
}

/// An event as a new one, marked with the number of the old one. Its deliveries are behind those
/// of what comes in meanwhile, unless it says itself how urgent it is.
pub(crate) fn replayed(seq: Seq, event: &Event, to: &To<'_>, at: Timestamp) -> Accepted {
    let mut parts = event.to_parts();
    parts.extensions.retain(|(name, _)| name != "replayof");
    parts.extensions.push(("replayof".into(), ExtensionValue::Text(seq.to_string())));
    // An event with as many extensions as there may be is replayed without the mark.
    let event = Event::new(&parts).unwrap_or_else(|_| event.clone());
    let mut deliveries = match to {
        To::Routed(table) => table.route(&event, at, None),
        To::Function(name, key) => vec![deliver(name, *key, &event)],
    };
    let priority = find_priority(&event).unwrap_or_else(|| Priority::of(0));
    for delivery in &mut deliveries {
        // Each was asked for, now: neither delayed nor debounced again.
        (delivery.priority, delivery.due, delivery.name) = (priority, None, None);
        delivery.expires = None;
    }
    Accepted { event, hops: Hops(0), dedup: None, deliveries }
}

fn deliver(name: &FunctionName, key: Option<&KeySource>, event: &Event) -> NewDelivery {
    match key.map(|key| find_key(key, event)).transpose() {
        Ok(key) => NewDelivery::new(name.clone(), key),
        Err(message) => {
            let dead = Some(ErrorInfo { code: "route.key_missing".into(), message });
            NewDelivery { dead, ..NewDelivery::new(name.clone(), None) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(extensions: &[(&str, ExtensionValue)]) -> Event {
        let extension = |(name, value): &(&str, ExtensionValue)| ((*name).into(), value.clone());
        Event::new(&EventParts {
            id: "1".into(),
            source: "/s".into(),
            ty: "t".into(),
            subject: Some("a".into()),
            extensions: extensions.iter().map(extension).collect(),
            ..EventParts::default()
        })
        .unwrap()
    }

    #[track_caller]
    fn check(extensions: &[(&str, ExtensionValue)], priority: u32) {
        let name = "f".parse().unwrap();
        let seq = Seq::new(7).unwrap();
        let to = To::Function(&name, Some(&KeySource::Subject));
        let accepted = replayed(seq, &event(extensions), &to, Timestamp(1));
        let mark = accepted.event.extension("replayof").unwrap();
        assert_eq!(mark, ExtensionValue::Text("7".into()));
        let [delivery] = accepted.deliveries.as_slice() else { panic!("not one delivery") };
        assert_eq!(delivery.priority, Priority::of(priority));
        assert_eq!(delivery.key.as_ref().map(|key| key.as_str()), Some("a"));
    }

    #[test]
    fn replays_go_behind_unless_the_event_says_how_urgent_it_is() {
        check(&[], 0);
        check(&[("priority", ExtensionValue::Integer(7))], 7);
        check(&[("replayof", ExtensionValue::Text("3".into()))], 0);
    }
}
