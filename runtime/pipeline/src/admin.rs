//! What operators ask of deliveries and change in them: listings, redrive, drop, removal. Knows no
//! HTTP.

use std::collections::BTreeMap;

use triphammer_journal::{
    Body, Definition, DeliveryRow, DropReason, Record, RowChange, RowStatus, StateUsage,
};
use triphammer_model::{DeliveryId, FunctionName, Seq, Timestamp};

use crate::core::{Core, Inner};
use crate::deploy::{Change, Deployer};
use crate::entry::{DeadLetter, Entry};
use crate::error::{AcceptError, ChangeError, QueryError};
use crate::give_up::BATCH_MAX;
use crate::info::{DeliveryPage, DeliveryQuery, FunctionInfo, Remove, Selection, Status};
use crate::slab::Slot;

impl Core {
    pub(crate) fn function_infos(&self) -> Vec<FunctionInfo> {
        let inner = self.lock();
        let live = inner.functions.iter().filter(|(_, f)| !f.definition.deleted);
        let mut infos: Vec<_> = live.map(|(name, _)| inner.function_info(name)).collect();
        drop(inner);
        infos.sort_by(|a, b| a.name.cmp(&b.name));
        infos.into_iter().map(|info| self.with_state(info)).collect()
    }

    pub(crate) fn function_info(&self, name: &FunctionName) -> Option<FunctionInfo> {
        let inner = self.lock();
        let live = inner.functions.get(name).is_some_and(|f| !f.definition.deleted);
        let info = live.then(|| inner.function_info(name));
        drop(inner);
        info.map(|info| self.with_state(info))
    }

    /// Counted without the lock: what expires may have to be looked up on disk.
    fn with_state(&self, info: FunctionInfo) -> FunctionInfo {
        let state = self.state.usage(&info.name, self.clock.now());
        FunctionInfo { state, ..info }
    }

    pub(crate) fn find_deliveries(
        &self,
        query: &DeliveryQuery,
    ) -> Result<DeliveryPage, QueryError> {
        let after: Option<DeliveryId> = match &query.cursor {
            Some(cursor) => Some(cursor.parse().map_err(|_| QueryError::Cursor(cursor.clone()))?),
            None => None,
        };
        let now = self.clock.now();
        let inner = self.lock();
        let mut found: Vec<DeliveryId> = inner.select(query, after.as_ref());
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let deliveries: Vec<_> = inner.describe_all(&found, now);
        let cursor = deliveries.last().filter(|_| more).map(|info| info.id.to_string());
        Ok(DeliveryPage { deliveries, cursor })
    }

    /// Reopens dead letters, at the end of their lanes. Those not dead are left alone.
    pub(crate) async fn redrive(&self, selection: &Selection) -> Result<u64, ChangeError> {
        let ids = self.selected(selection)?;
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
        Ok(Some((seq, rows.len() as u64)))
    }

    /// Gives up deliveries: dead letters, and those that do not run at the moment.
    pub(crate) async fn drop_deliveries(&self, selection: &Selection) -> Result<u64, ChangeError> {
        let ids = self.selected(selection)?;
        let mut count = 0;
        let mut last = None;
        for ids in ids.chunks(BATCH_MAX) {
            let mut inner = self.lock();
            let found = inner.droppable(ids);
            if let Some(seq) = self.drop_in(&mut inner, DropReason::Operator, &found)? {
                count += found.len() as u64;
                last = Some(seq);
            }
        }
        self.settle_change(last).await?;
        Ok(count)
    }

    /// `ids` are dead or open. Running ones are given up too: what they do is thrown away.
    fn drop_in(
        &self,
        inner: &mut Inner,
        why: DropReason,
        ids: &[DeliveryId],
    ) -> Result<Option<Seq>, ChangeError> {
        let slots = inner.slots(ids);
        let found: Vec<_> = ids.iter().map(|id| (id.clone(), slots.get(id).copied())).collect();
        Ok(self.give_up(inner, why, &found)?)
    }

    /// Each once, in the order of the ids: it is the order in their lanes of those redriven.
    fn selected(&self, selection: &Selection) -> Result<Vec<DeliveryId>, ChangeError> {
        match selection {
            Selection::Ids(ids) => {
                let mut ids = ids.clone();
                ids.sort_unstable();
                ids.dedup();
                Ok(ids)
            }
            Selection::Filter { function: None, status: None, code: None } => {
                Err(ChangeError::EmptySelection)
            }
            Selection::Filter { function, status, code } => {
                let query = DeliveryQuery {
                    status: status.or(Some(Status::Dead)),
                    function: function.clone(),
                    code: code.clone(),
                    limit: usize::MAX - 1,
                    cursor: None,
                };
                Ok(self.lock().select(&query, None))
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
        // The last first: each goes to the front of its lane, before those that came after it.
        for entry in first.into_iter().rev() {
            self.queue.insert_first(entry);
        }
        for (function, key) in lanes {
            self.queue.resume_lane(function, key.as_ref());
        }
    }

    fn function_info(&self, name: &FunctionName) -> FunctionInfo {
        let function = &self.functions[name];
        let counts = self.queue.find(name).map(|id| self.queue.function(id).counts);
        FunctionInfo {
            name: name.clone(),
            active: function.definition.active,
            previous: function.definition.previous,
            paused: function.paused(),
            canary: function.canary_info(),
            canary_ended: function.canary_ended(),
            revisions: function.revision_infos(),
            counts: counts.unwrap_or_default(),
            state: StateUsage::default(),
        }
    }

    /// Deliveries that match, after `after`, in the order of their ids; one more than the limit
    /// when there are more.
    fn select(&self, query: &DeliveryQuery, after: Option<&DeliveryId>) -> Vec<DeliveryId> {
        let mut found = Vec::new();
        let wanted = |name: &FunctionName| query.function.as_ref().is_none_or(|f| f == name);
        if query.status.is_none_or(|s| s == Status::Dead) {
            for function in self.queue.functions().iter().filter(|f| wanted(&f.name)) {
                let dead = function.dead.iter().filter(|dead| has_code(dead, query));
                found.extend(dead.map(|dead| dead.row.id.clone()));
            }
        }
        if query.status != Some(Status::Dead) && query.code.is_none() {
            for (slot, entry) in self.queue.entries() {
                let name = &self.queue.function(entry.function).name;
                let status = query.status.is_none_or(|s| s == self.queue.status(slot));
                if status && wanted(name) {
                    found.push(DeliveryId { seq: entry.seq, function: name.clone() });
                }
            }
        }
        found.retain(|id| after.is_none_or(|after| id > after));
        found.sort_unstable();
        found.truncate(query.limit.saturating_add(1));
        found
    }

    /// Where these deliveries are, those that are open.
    pub(crate) fn slots(&self, ids: &[DeliveryId]) -> BTreeMap<DeliveryId, Slot> {
        let wanted: std::collections::BTreeSet<&DeliveryId> = ids.iter().collect();
        let seqs: std::collections::HashSet<Seq> = ids.iter().map(|id| id.seq).collect();
        let mut slots = BTreeMap::new();
        for (slot, entry) in self.queue.entries().filter(|(_, e)| seqs.contains(&e.seq)) {
            let function = self.queue.function(entry.function).name.clone();
            let id = DeliveryId { seq: entry.seq, function };
            if wanted.contains(&id) {
                slots.insert(id, slot);
            }
        }
        slots
    }

    fn droppable(&self, ids: &[DeliveryId]) -> Vec<DeliveryId> {
        let slots = self.slots(ids);
        let can = |id: &&DeliveryId| match slots.get(*id) {
            Some(slot) => self.queue.status(*slot) != Status::Running,
            None => self
                .queue
                .find(&id.function)
                .is_some_and(|function| self.queue.function(function).dead.get(id.seq).is_some()),
        };
        ids.iter().filter(can).cloned().collect()
    }
}

fn has_code(dead: &DeadLetter, query: &DeliveryQuery) -> bool {
    query.code.as_ref().is_none_or(|code| match &dead.row.status {
        RowStatus::Dead { error, .. } => error.code == *code,
        RowStatus::Due(_) => false,
    })
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
            let open = inner.queue.find(name).map_or(0, |id| inner.queue.function(id).open());
            if open > 0 && !how.discard {
                return Err(ChangeError::Waiting { function: name.clone(), waiting: open });
            }
            let gone = Definition { revision_last, deleted: true, ..Definition::default() };
            let mut last = self.define_in(&mut inner, name, gone, Change::default())?;
            let query = DeliveryQuery {
                function: Some(name.clone()),
                limit: usize::MAX - 1,
                ..DeliveryQuery::default()
            };
            let ids = inner.select(&query, None);
            for ids in ids.chunks(BATCH_MAX) {
                last = self.drop_in(&mut inner, DropReason::Removed, ids)?.unwrap_or(last);
            }
            if how.state {
                last = self.wipe_in(&mut inner, name)?;
            }
            (last, ids.len() as u64)
        };
        self.settle_change(Some(last)).await?;
        Ok(dropped)
    }

    fn wipe_in(&self, inner: &mut Inner, name: &FunctionName) -> Result<Seq, ChangeError> {
        let record = Record::WipeState { at: self.clock.now(), function: name.clone() };
        let (seq, location) = inner.log.append(&Body::encode(&record))?;
        self.history.note(seq, &record, location);
        self.state.wipe(name, seq);
        Ok(seq)
    }
}
