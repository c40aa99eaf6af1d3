//! A definition comes into force: one record, and what serves is swapped with it, under the lock. Knows no
//! module, and nothing of why the definition is what it is.

use std::sync::Arc;

use triphammer_journal::{Accepted, Body, Definition, Record};
use triphammer_model::{FunctionName, Seq, Timestamp};

use crate::breaker::close_for;
use crate::breaker_steps::count_closed;
use crate::core::{Core, Inner};
use crate::error::{AcceptError, ChangeError};
use crate::feed::FeedItem;
use crate::registry::{Function, Revision, routes};
use crate::rollout::keep_host_changes;

/// What a new definition brings with it.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// A revision that did not serve before.
    pub(crate) loaded: Option<Arc<Revision>>,
    /// The host's events about it.
    pub(crate) raised: Vec<Accepted>,
    /// It is nothing of what runs, so the feed tells of no deploy.
    pub(crate) keeps_revisions: bool,
}

impl Core {
    /// Records what an operator has made of the definition `before`, and makes it true. `loaded` is
    /// the revision that it brings in. A deploy that would change the ordering key under deliveries
    /// that wait is refused here, where none can come in between.
    pub(crate) async fn define(
        &self,
        name: &FunctionName,
        before: &Definition,
        mut definition: Definition,
        loaded: Option<Arc<Revision>>,
    ) -> Result<(), ChangeError> {
        let last = {
            let mut inner = self.lock();
            let due_before = inner.queue.next_due();
            let (mut closes, mut raised) = (false, Vec::new());
            if let Some(current) = inner.functions.get(name) {
                keep_host_changes(before, &mut definition, &current.definition);
                if let Some(reason) = close_for(&mut definition, &current.definition) {
                    closes = true;
                    raised.extend(self.tell_closed(&inner, name, &current.definition, &reason));
                }
            }
            let active = loaded.as_deref().filter(|new| definition.active == Some(new.id));
            self.check_key_change(&inner, name, active)?;
            let change = Change { loaded, raised, keeps_revisions: false };
            let last = self.define_in(&mut inner, name, definition, change)?;
            if closes {
                count_closed(&mut inner);
            }
            // Its dead letters may be kept for a shorter time than before, or its gates open sooner.
            self.wake(inner, due_before);
            last
        };
        self.durable.wait(last).await.map_err(|_| AcceptError::Journal)?;
        Ok(())
    }

    fn check_key_change(
        &self,
        inner: &Inner,
        name: &FunctionName,
        active: Option<&Revision>,
    ) -> Result<(), ChangeError> {
        let before = inner.functions.get(name).and_then(|f| f.active.as_ref());
        let (Some(before), Some(active)) = (before, active) else { return Ok(()) };
        let waiting = inner.waiting(name);
        if waiting > 0 && before.manifest.key != active.manifest.key {
            return Err(ChangeError::KeyChange { function: name.clone(), waiting });
        }
        Ok(())
    }

    /// Appends the record of a definition and swaps what it changes, under the lock. What serves
    /// already stays loaded.
    pub(crate) fn define_in(
        &self,
        inner: &mut Inner,
        name: &FunctionName,
        definition: Definition,
        Change { loaded, mut raised, keeps_revisions }: Change,
    ) -> Result<Seq, ChangeError> {
        let at = self.clock.now();
        raised.extend(self.tell_paused(inner, name, &definition));
        let recorded = definition.clone();
        let mut record = Record::Define { at, name: name.clone(), definition: recorded, raised };
        inner.bound_waits(&mut record);
        let (seq, location) = inner.log.append(&Body::encode(&record))?;
        self.history.note(seq, &record, location);
        let since = inner.out_of_order_since(name);
        self.swap(inner, name, definition, loaded);
        if !keeps_revisions {
            self.announce_deployed(inner, name, seq, at);
        }
        inner.admit_all(&record, (seq, location), at);
        let runs = inner.functions.get(name).is_some_and(Function::is_runnable);
        self.plan(inner, name, since.filter(|_| runs));
        // What its events are too many for is given up with it.
        self.raise(inner);
        // With it goes what became of its schedules.
        Ok(Seq::new(inner.log.next_seq().get() - 1).unwrap_or(seq))
    }

    fn swap(
        &self,
        inner: &mut Inner,
        name: &FunctionName,
        definition: Definition,
        loaded: Option<Arc<Revision>>,
    ) {
        let before = inner.functions.get(name);
        let active_before = before.and_then(|before| before.definition.active);
        let function = Function::after(before, definition, loaded, self.clock.now());
        let (rules, active) = (function.rules(), function.definition.active);
        inner.functions.insert(name.clone(), function);
        let id = inner.queue.function_id(name);
        inner.queue.configure(id, rules);
        if active == active_before {
            // Events go where they went: routes are the active revisions' alone.
            return;
        }
        let version = inner.routes_version + 1;
        let table = routes(&inner.functions, version, &self.limits);
        self.set_routes(inner, table);
    }

    fn announce_deployed(&self, inner: &mut Inner, name: &FunctionName, seq: Seq, at: Timestamp) {
        let Some(function) = inner.functions.get(name) else { return };
        let canary = function.definition.canary.map(|canary| (canary.revision, canary.weight));
        if let Some(revision) = function.definition.active {
            let function = name.clone();
            inner.feed.push(seq.get(), || FeedItem::Deployed { function, revision, canary, at });
            self.news.notify_one();
        }
    }
}
