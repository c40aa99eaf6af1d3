//! Events of the past, handled again. Each becomes a new event, so its effects happen again.

use triphammer_journal::{Accept, Accepted, Body, Entrance, NewDelivery, Record};
use triphammer_model::{ErrorInfo, Event, ExtensionValue, FunctionName, Hops, KeySource, Seq};

use crate::core::Core;
use crate::error::ChangeError;
use crate::info::EventQuery;
use crate::intake::{may_accept, nth};
use crate::route::find_key;

/// Events that one replay makes at the most.
const REPLAY_MAX: usize = 100_000;

impl Core {
    /// Events of the past for one function again: each as a new event, marked with the number of
    /// the old one, and for this function only.
    pub(crate) async fn replay(
        &self,
        mut query: EventQuery,
        only: Option<Seq>,
        name: &FunctionName,
    ) -> Result<u64, ChangeError> {
        let key = {
            let inner = self.lock();
            let function = inner.functions.get(name).filter(|f| !f.definition.deleted);
            let function = function.ok_or_else(|| ChangeError::NoFunction(name.clone()))?;
            let active = function.active.as_ref();
            active.ok_or_else(|| ChangeError::NotActive(name.clone()))?.manifest.key.clone()
        };
        let mut found: Vec<(Seq, Event)> = Vec::new();
        if let Some(seq) = only {
            let story = self.story(seq)?;
            found.extend(story.map(|story| (seq, story.event)));
        } else {
            query.limit = 1000;
            while found.len() < REPLAY_MAX {
                let page = self.find_events(&query)?;
                found.extend(page.events.into_iter().map(|e| (e.seq, e.event)));
                query.cursor = page.cursor;
                if query.cursor.is_none() {
                    break;
                }
            }
            // In the order in which they were accepted.
            found.reverse();
        }
        let mut last = None;
        for chunk in found.chunks(100) {
            last = Some(self.replay_chunk(chunk, name, key.as_ref())?);
        }
        self.settle_change(last).await?;
        Ok(found.len() as u64)
    }

    fn replay_chunk(
        &self,
        chunk: &[(Seq, Event)],
        name: &FunctionName,
        key: Option<&KeySource>,
    ) -> Result<Seq, ChangeError> {
        let at = self.clock.now();
        let events = chunk.iter().map(|(seq, event)| replayed(*seq, event, name, key)).collect();
        let record = Record::Accept(Accept { at, entrance: Entrance::Host, events });
        let body = Body::encode(&record);
        let mut inner = self.lock();
        may_accept(&inner)?;
        let due_before = inner.catch_up(at);
        let (first, location) = inner.log.append(&body)?;
        self.history.note(first, &record, location);
        inner.admit_all(&record, (first, location), at);
        self.raise(&mut inner);
        self.wake(inner, due_before);
        Ok(nth(first, chunk.len().saturating_sub(1)))
    }
}

fn replayed(seq: Seq, event: &Event, name: &FunctionName, key: Option<&KeySource>) -> Accepted {
    let mut parts = event.to_parts();
    parts.extensions.retain(|(name, _)| name != "replayof");
    parts.extensions.push(("replayof".into(), ExtensionValue::Text(seq.to_string())));
    // An event with as many extensions as there may be is replayed without the mark.
    let event = Event::new(&parts).unwrap_or_else(|_| event.clone());
    let found = key.map(|key| find_key(key, &event)).transpose();
    let (key, dead) = match found {
        Ok(key) => (key, None),
        Err(message) => {
            let code = "route.key_missing".to_owned();
            (None, Some(ErrorInfo { code, message }))
        }
    };
    let function = name.clone();
    let delivery = NewDelivery { dead, ..NewDelivery::new(function, key) };
    Accepted { event, hops: Hops(0), dedup: None, deliveries: vec![delivery] }
}
