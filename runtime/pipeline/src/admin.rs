//! What operators ask of deliveries and change in them: listings, redrive, drop, removal. Knows no
//! HTTP.

use std::sync::atomic::Ordering;

use triphammer_journal::{
    Body, Definition, DeliveryRow, DropReason, Record, RowChange, RowStatus, StateUsage,
};
use triphammer_model::{DeliveryId, FunctionName, Seq, Timestamp};

use crate::core::{Core, Inner};
use crate::define::Change;
use crate::deploy::Deployer;
use crate::entry::Entry;
use crate::error::{AcceptError, ChangeError};
use crate::give_up::BATCH_MAX;
use crate::info::{DeliveryQuery, FunctionInfo, Remove, Selection, Status};
use crate::listing::Found;
use crate::slab::Slot;

impl Core {
    pub(crate) fn function_infos(&self) -> Vec<FunctionInfo> {
        let (now, inner) = (self.clock.now(), self.lock());
        let live = inner.functions.iter().filter(|(_, f)| !f.definition.deleted);
        let mut infos: Vec<_> = live.map(|(name, _)| inner.function_info(name, now)).collect();
        drop(inner);
        infos.sort_by(|a, b| a.name.cmp(&b.name));
        infos.into_iter().map(|info| self.with_state(info)).collect()
    }

    pub(crate) fn function_info(&self, name: &FunctionName) -> Option<FunctionInfo> {
        let (now, inner) = (self.clock.now(), self.lock());
        let live = inner.functions.get(name).is_some_and(|f| !f.definition.deleted);
        let info = live.then(|| inner.function_info(name, now));
        drop(inner);
        info.map(|info| self.with_state(info))
    }

    /// Counted without the lock: what expires may have to be looked up on disk.
    fn with_state(&self, info: FunctionInfo) -> FunctionInfo {
        let state = self.state.usage(&info.name, self.clock.now());
        FunctionInfo { state, ..info }
    }

    /// Reopens dead letters, at the end of their lanes. Those not dead are left alone.
    pub(crate) async fn redrive(&self, selection: &Selection) -> Result<u64, ChangeError> {
        let selected = self.selected(selection)?;
        let ids: Vec<DeliveryId> = selected.into_iter().map(|found| found.id).collect();
        let mut count = 0;
        let mut last = None;
        for ids in ids.chunks(BATCH_MAX) {
            let mut inner = self.lock();
            let due_before = inner.catch_up(self.clock.now());
            if let Some((seq, redriven)) = self.redrive_in(&mut inner, ids)? {
                count += redriven;
                last = Some(seq);
            }
            self.wake(inner, due_before);
        }
        self.settle_change(last).await?;
        Ok(count)
    }

    fn redrive_in(
        &self,
        inner: &mut Inner,
        ids: &[DeliveryId],
    ) -> Result<Option<(Seq, u64)>, ChangeError> {
        let at = self.clock.now();
        let order = inner.log.next_seq();
        let redriven = |id: &DeliveryId| {
            let queue = inner.queue.function(inner.queue.find(&id.function)?);
            let mut row = queue.dead.get(id.seq)?.row.clone();
            // A lane that stood for it goes on with it; else it goes to the end.
            if !queue.dead.halts() || row.key.is_none() {
                (row.entered, row.order) = (at, order);
            }
            (row.attempts, row.starts, row.status) = (0, 0, RowStatus::Due(at));
            Some(row)
        };
        let rows: Vec<DeliveryRow> = ids.iter().filter_map(redriven).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let record = Record::Rows { at, why: RowChange::Redriven, rows };
        let (seq, location) = inner.log.append(&Body::encode(&record))?;
        self.history.note(seq, &record, location);
        let Record::Rows { rows, .. } = record else { return Ok(None) };
        inner.reopen(&rows, at);
        inner.totals.redriven += rows.len() as u64;
        Ok(Some((seq, rows.len() as u64)))
    }

    /// Gives up deliveries: dead letters, and those that do not run at the moment.
    pub(crate) async fn drop_deliveries(&self, selection: &Selection) -> Result<u64, ChangeError> {
        let selected = self.selected(selection)?;
        let mut count = 0;
        let mut last = None;
        for some in selected.chunks(BATCH_MAX) {
            let mut inner = self.lock();
            let due_before = inner.queue.next_due();
            let found = inner.droppable(some);
            if let Some(seq) = self.give_up(&mut inner, DropReason::Operator, &found)? {
                count += found.len() as u64;
                last = Some(seq);
            }
            // What stood behind them may run now.
            self.wake(inner, due_before);
        }
        self.settle_change(last).await?;
        Ok(count)
    }

    /// What an operator means: by their ids, or what a filter finds now. Each once, in the order of
    /// the ids: it is the order in their lanes of those redriven.
    fn selected(&self, selection: &Selection) -> Result<Vec<Found>, ChangeError> {
        match selection {
            Selection::Ids(ids) => {
                let mut ids = ids.clone();
                ids.sort_unstable();
                ids.dedup();
                let slots = self.find_slots(&ids);
                let found = |id: DeliveryId| Found { slot: slots.get(&id).copied(), id };
                Ok(ids.into_iter().map(found).collect())
            }
            Selection::Filter(query) if query.is_empty() => Err(ChangeError::EmptySelection),
            Selection::Filter(query) => {
                let status = query.status.or(Some(Status::Dead));
                Ok(self.find_all(&DeliveryQuery { status, ..query.clone() }))
            }
        }
    }

    pub(crate) async fn settle_change(&self, last: Option<Seq>) -> Result<(), ChangeError> {
        if let Some(seq) = last {
            self.durable.wait(seq).await.map_err(|_| AcceptError::Journal)?;
        }
        Ok(())
    }
}

impl Inner {
    /// Dead letters are open again, as these rows say.
    fn reopen(&mut self, rows: &[DeliveryRow], at: Timestamp) {
        let mut first = Vec::new();
        for row in rows {
            let Some(function) = self.queue.find(&row.id.function) else { continue };
            let halts = self.queue.function(function).dead.halts();
            let Some(letter) = self.queue.unbury(function, row.id.seq) else { continue };
            let entry = Entry::from_row(row, function, letter.payload);
            if halts && entry.key.is_some() {
                first.push(entry);
            } else {
                self.queue.insert(entry, at, at);
            }
        }
        let lanes: Vec<_> = first.iter().map(|entry| (entry.function, entry.key.clone())).collect();
        self.queue.insert_again(first);
        for (function, key) in lanes {
            self.queue.resume_lane(function, key.as_ref());
        }
    }

    fn function_info(&self, name: &FunctionName, now: Timestamp) -> FunctionInfo {
        let function = &self.functions[name];
        let id = self.queue.find(name);
        let counts = id.map(|id| self.queue.function(id).counts);
        let active = id.zip(function.active.as_ref());
        let schedules = active.map(|(id, active)| self.schedule_infos(id, &active.manifest));
        FunctionInfo {
            name: name.clone(),
            active: function.definition.active,
            previous: function.definition.previous,
            paused: function.paused(),
            canary: function.canary_info(),
            canary_ended: function.canary_ended(),
            breaker: function.breaker_info(now),
            revisions: function.revision_infos(id.and_then(|id| self.queue.function(id).meter())),
            counts: counts.unwrap_or_default(),
            schedules: schedules.unwrap_or_default(),
            state: StateUsage::default(),
            filter_errors: function.filter_errors.load(Ordering::Relaxed),
        }
    }

    /// Of these, the ones that can be given up: dead letters, and what is open and does not run.
    fn droppable(&self, found: &[Found]) -> Vec<(DeliveryId, Option<Slot>)> {
        let can = |found: &Found| {
            let function = self.queue.find(&found.id.function)?;
            let slot = found.slot.filter(|slot| self.queue.holds(*slot, function, found.id.seq));
            let can = match slot {
                Some(slot) => self.queue.status(slot) != Status::Running,
                None => self.queue.function(function).dead.get(found.id.seq).is_some(),
            };
            can.then(|| (found.id.clone(), slot))
        };
        found.iter().filter_map(can).collect()
    }

    /// All that a function has open or dead. Running ones too.
    fn all_of(&self, name: &FunctionName) -> Vec<(DeliveryId, Option<Slot>)> {
        let Some(id) = self.queue.find(name) else { return Vec::new() };
        let dead = self.queue.function(id).dead.iter();
        let dead = dead.map(|letter| (letter.row.id.clone(), None));
        let open = self.queue.entries().filter(|(_, entry)| entry.function == id);
        dead.chain(open.map(|(slot, _)| (self.id_of(slot), Some(slot)))).collect()
    }
}

impl Deployer {
    /// Removes a function. Its revision numbers go on where they stopped if it comes back.
    pub(crate) async fn remove(
        &self,
        name: &FunctionName,
        how: Remove,
    ) -> Result<u64, ChangeError> {
        let _alone = self.changes.lock().await;
        self.core.remove(name, how).await
    }
}

impl Core {
    /// As [`Deployer::remove`], which sees to it that one change is made at a time.
    pub(crate) async fn remove(
        &self,
        name: &FunctionName,
        how: Remove,
    ) -> Result<u64, ChangeError> {
        let (last, dropped) = {
            let mut inner = self.lock();
            let function = inner.functions.get(name).filter(|f| !f.definition.deleted);
            let function = function.ok_or_else(|| ChangeError::NoFunction(name.clone()))?;
            let revision_last = function.definition.revision_last;
            let open = inner.waiting(name);
            if open > 0 && !how.discard {
                return Err(ChangeError::Waiting { function: name.clone(), waiting: open });
            }
            let gone = Definition { revision_last, deleted: true, ..Definition::default() };
            let mut last = self.define_in(&mut inner, name, gone, Change::default())?;
            let all = inner.all_of(name);
            for some in all.chunks(BATCH_MAX) {
                last = self.give_up(&mut inner, DropReason::Removed, some)?.unwrap_or(last);
            }
            if how.state {
                last = self.wipe_in(&mut inner, name)?;
            }
            (last, all.len() as u64)
        };
        self.settle_change(Some(last)).await?;
        Ok(dropped)
    }

    /// Gives up what removed functions have left: the host ended between a removal and this.
    pub(crate) fn finish_removals(&self) {
        let mut inner = self.lock();
        let gone = inner.functions.iter().filter(|(_, function)| function.definition.deleted);
        let mut gone: Vec<FunctionName> = gone.map(|(name, _)| name.clone()).collect();
        gone.sort_unstable();
        let left: Vec<_> = gone.iter().flat_map(|name| inner.all_of(name)).collect();
        for some in left.chunks(BATCH_MAX) {
            if let Err(error) = self.give_up(&mut inner, DropReason::Removed, some) {
                tracing::warn!(%error, "deliveries of removed functions could not be given up");
            }
        }
    }

    fn wipe_in(&self, inner: &mut Inner, name: &FunctionName) -> Result<Seq, ChangeError> {
        let record = Record::WipeState { at: self.clock.now(), function: name.clone() };
        let (seq, location) = inner.log.append(&Body::encode(&record))?;
        self.history.note(seq, &record, location);
        self.state.wipe(name, seq);
        Ok(seq)
    }
}
