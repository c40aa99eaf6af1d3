//! What operators ask and change, deploys apart: listings, removal, redrive, drop, replay, dry
//! runs. Knows no HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use triphammer_journal::{Accept, Accepted, Body, Definition, Entrance, Record, RowChange, RowStatus, Space};
use triphammer_model::{
    Delivery, DeliveryId, Event, ExtensionValue, FunctionName, Hops, Manifest, RevisionId, Seq,
};
use triphammer_sandbox::{Call, Module};

use crate::core::{Core, Inner, Numbered};
use crate::deploy::Deployer;
use crate::error::{AcceptError, ChangeError, DeployError, QueryError};
use crate::info::{
    DeliveryInfo, DeliveryPage, DeliveryQuery, DeliveryResult, DryRun, EventQuery, FunctionInfo,
    Remove, Selection, Status,
};
use crate::intake::nth;
use crate::queue::{DeadLetter, Entry, FnId, Payload};
use crate::reads::Reader;
use crate::route::find_key;
use crate::slab::Slot;
use crate::waiters::News;

/// Deliveries that one record drops or redrives; more take more records.
const BATCH_MAX: usize = 1000;
/// Events that one replay makes at the most.
const REPLAY_MAX: usize = 100_000;

impl Core {
    pub(crate) fn function_infos(&self) -> Vec<FunctionInfo> {
        let inner = self.lock();
        let live = inner.functions.iter().filter(|(_, f)| !f.definition.deleted);
        let mut infos: Vec<_> = live.map(|(name, _)| inner.function_info(name)).collect();
        drop(inner);
        infos.sort_by(|a, b| a.name.cmp(&b.name));
        infos
    }

    pub(crate) fn function_info(&self, name: &FunctionName) -> Option<FunctionInfo> {
        let inner = self.lock();
        let live = inner.functions.get(name).is_some_and(|f| !f.definition.deleted);
        live.then(|| inner.function_info(name))
    }

    pub(crate) fn find_deliveries(
        &self,
        query: &DeliveryQuery,
    ) -> Result<DeliveryPage, QueryError> {
        let after: Option<DeliveryId> = match &query.cursor {
            Some(cursor) => {
                Some(cursor.parse().map_err(|_| QueryError::Cursor(cursor.clone()))?)
            }
            None => None,
        };
        let inner = self.lock();
        let mut found: Vec<DeliveryId> = inner.select(query, after.as_ref());
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let deliveries: Vec<_> = inner.describe_all(&found);
        let cursor = deliveries.last().filter(|_| more).map(|info| info.id.to_string());
        Ok(DeliveryPage { deliveries, cursor })
    }

    /// Reopens dead letters, at the end of their lanes. Those not dead are left alone.
    pub(crate) async fn redrive(&self, selection: &Selection) -> Result<u64, ChangeError> {
        let ids = self.dead_ids(selection)?;
        let mut count = 0;
        let mut last = None;
        for ids in ids.chunks(BATCH_MAX) {
            let mut inner = self.lock();
            let due_before = inner.queue.next_due();
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
        let mut rows = Vec::new();
        let mut letters: Vec<(FnId, Box<DeadLetter>)> = Vec::new();
        for id in ids {
            let Some(function) = inner.queue.find(&id.function) else { continue };
            let queue = inner.queue.function_mut(function);
            let Some(mut dead) = queue.dead.remove(&id.seq) else { continue };
            queue.counts.dead -= 1;
            let row = &mut dead.row;
            (row.entered, row.order) = (at, order);
            (row.attempts, row.starts, row.status) = (0, 0, RowStatus::Due(at));
            rows.push(row.clone());
            letters.push((function, dead));
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let count = rows.len() as u64;
        let record = Record::Rows { at, why: RowChange::Redriven, rows };
        let appended = inner.log.append(Body::encode(&record));
        let (seq, location) = appended.map_err(|_| AcceptError::Journal)?;
        self.history.note(seq, &record, location);
        for (function, dead) in letters {
            let entry = Entry::from_row(&dead.row, function, dead.payload);
            inner.queue.insert(entry, at, at);
        }
        Ok(Some((seq, count)))
    }

    /// Gives up deliveries: dead letters, and those that do not run at the moment.
    pub(crate) async fn drop_deliveries(
        &self,
        selection: &Selection,
    ) -> Result<u64, ChangeError> {
        let ids = match selection {
            Selection::Ids(ids) => ids.clone(),
            Selection::Filter { .. } => self.dead_ids(selection)?,
        };
        let mut count = 0;
        let mut last = None;
        for ids in ids.chunks(BATCH_MAX) {
            let mut inner = self.lock();
            let found = inner.droppable(ids);
            if let Some(seq) = self.drop_in(&mut inner, &found)? {
                count += found.len() as u64;
                last = Some(seq);
            }
        }
        self.settle_change(last).await?;
        Ok(count)
    }

    /// `ids` are dead or open. Running ones are given up too: what they do is thrown away.
    fn drop_in(&self, inner: &mut Inner, ids: &[DeliveryId]) -> Result<Option<Seq>, ChangeError> {
        if ids.is_empty() {
            return Ok(None);
        }
        let record = Record::Drop { at: self.clock.now(), ids: ids.to_vec() };
        let appended = inner.log.append(Body::encode(&record));
        let (seq, location) = appended.map_err(|_| AcceptError::Journal)?;
        self.history.note(seq, &record, location);
        let slots = inner.slots(ids);
        for id in ids {
            let Some(function) = inner.queue.find(&id.function) else { continue };
            match slots.get(id) {
                Some(slot) if inner.queue.status(*slot) == Status::Running => {
                    inner.queue.finish(*slot);
                }
                Some(slot) => {
                    inner.queue.remove(*slot);
                }
                None => {
                    let queue = inner.queue.function_mut(function);
                    if queue.dead.remove(&id.seq).is_some() {
                        queue.counts.dead -= 1;
                    }
                }
            }
            inner.queue.function_mut(function).counts.dropped += 1;
            inner.totals.dropped += 1;
            inner.waiters.tell(id.seq, || dropped(id, seq));
        }
        Ok(Some(seq))
    }

    fn dead_ids(&self, selection: &Selection) -> Result<Vec<DeliveryId>, ChangeError> {
        match selection {
            Selection::Ids(ids) => Ok(ids.clone()),
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

    async fn settle_change(&self, last: Option<Seq>) -> Result<(), ChangeError> {
        if let Some(seq) = last {
            self.durable.wait(seq).await.map_err(|_| AcceptError::Journal)?;
        }
        Ok(())
    }

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
        key: Option<&triphammer_model::KeySource>,
    ) -> Result<Seq, ChangeError> {
        let at = self.clock.now();
        let events = chunk.iter().map(|(seq, event)| replayed(*seq, event, name, key)).collect();
        let record = Record::Accept(Accept { at, entrance: Entrance::Host, events });
        let body = Body::encode(&record);
        let mut inner = self.lock();
        if !inner.log.may_accept() {
            let retry_after = std::time::Duration::from_secs(10);
            return Err(AcceptError::Disk { retry_after }.into());
        }
        let due_before = inner.queue.next_due();
        let (first, location) = inner.log.append(body).map_err(|_| AcceptError::Journal)?;
        self.history.note(first, &record, location);
        for (index, accepted) in record.events().1.iter().enumerate() {
            let seq = nth(first, index);
            let index = index as u32;
            inner.admit(&Numbered { seq, location, index, accepted }, at, at);
        }
        self.wake(inner, due_before);
        Ok(nth(first, chunk.len().saturating_sub(1)))
    }
}

fn replayed(
    seq: Seq,
    event: &Event,
    name: &FunctionName,
    key: Option<&triphammer_model::KeySource>,
) -> Accepted {
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
            (None, Some(triphammer_model::ErrorInfo { code, message }))
        }
    };
    let function = name.clone();
    let delivery = triphammer_journal::NewDelivery { function, key, due: None, dead };
    Accepted { event, hops: Hops(0), dedup: None, deliveries: vec![delivery] }
}

fn dropped(id: &DeliveryId, record: Seq) -> News {
    News {
        event: id.seq,
        record,
        result: DeliveryResult {
            function: id.function.clone(),
            revision: None,
            status: Status::Dropped,
            attempts: 0,
            reply: None,
            error: None,
        },
    }
}

impl Inner {
    fn function_info(&self, name: &FunctionName) -> FunctionInfo {
        let function = &self.functions[name];
        let counts = self.queue.find(name).map(|id| self.queue.function(id).counts);
        FunctionInfo {
            name: name.clone(),
            active: function.definition.active,
            previous: function.definition.previous,
            paused: function.paused(),
            revisions: function.revision_infos(),
            counts: counts.unwrap_or_default(),
        }
    }

    /// Deliveries that match, after `after`, in the order of their ids; one more than the limit
    /// when there are more.
    fn select(&self, query: &DeliveryQuery, after: Option<&DeliveryId>) -> Vec<DeliveryId> {
        let mut found = Vec::new();
        let wanted = |name: &FunctionName| query.function.as_ref().is_none_or(|f| f == name);
        if query.status.is_none_or(|s| s == Status::Dead) {
            for function in self.queue.functions().iter().filter(|f| wanted(&f.name)) {
                let dead = function.dead.values().filter(|dead| has_code(dead, query));
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
    fn slots(&self, ids: &[DeliveryId]) -> BTreeMap<DeliveryId, Slot> {
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
            None => self.queue.find(&id.function).is_some_and(|function| {
                self.queue.function(function).dead.contains_key(&id.seq)
            }),
        };
        ids.iter().filter(can).cloned().collect()
    }

    fn describe_all(&self, ids: &[DeliveryId]) -> Vec<DeliveryInfo> {
        let slots = self.slots(ids);
        let describe = |id: &DeliveryId| match slots.get(id) {
            Some(slot) => Some(self.describe(*slot)),
            None => {
                let function = self.queue.find(&id.function)?;
                Some(self.describe_dead(self.queue.function(function).dead.get(&id.seq)?))
            }
        };
        ids.iter().filter_map(describe).collect()
    }

    pub(crate) fn describe_dead(&self, dead: &DeadLetter) -> DeliveryInfo {
        let row = &dead.row;
        let error = match &row.status {
            RowStatus::Dead { error, .. } => Some(error.clone()),
            RowStatus::Due(_) => None,
        };
        let code = error.as_ref().map_or("", |e| e.code.as_str());
        DeliveryInfo {
            id: row.id.clone(),
            key: row.key.clone(),
            status: Status::Dead,
            attempts: row.attempts,
            accepted: row.accepted,
            due: None,
            reason: format!("dead after {} attempts: {code}", row.attempts),
            error,
        }
    }

    /// An open delivery as it stands, and why.
    pub(crate) fn describe(&self, slot: Slot) -> DeliveryInfo {
        let entry = self.queue.entry(slot);
        let function = self.queue.function(entry.function);
        let status = self.queue.status(slot);
        let due = self.queue.due(slot);
        DeliveryInfo {
            id: DeliveryId { seq: entry.seq, function: function.name.clone() },
            key: entry.key.clone(),
            status,
            attempts: entry.attempts,
            accepted: entry.accepted,
            due,
            reason: self.reason(slot, entry, status),
            error: None,
        }
    }

    fn reason(&self, slot: Slot, entry: &Entry, status: Status) -> String {
        let function = self.queue.function(entry.function);
        match status {
            Status::Running => "an attempt is running".into(),
            Status::Blocked => match self.queue.lane_head(slot) {
                Some(head) => format!(
                    "behind delivery {}/{} of its lane",
                    self.queue.entry(head).seq,
                    function.name
                ),
                None => "behind another delivery of its lane".into(),
            },
            Status::Waiting if entry.attempts > 0 => {
                format!("waits to be tried again after {} failed attempts", entry.attempts)
            }
            Status::Waiting => "waits for its time".into(),
            _ if !self.log.may_dispatch() => "the disk is full".into(),
            _ if !function.is_runnable() => match self.functions.get(&function.name) {
                Some(f) if f.paused().is_some() => {
                    let why = f.paused().map(|(_, why)| why).unwrap_or_default();
                    format!("its function is paused: {why}")
                }
                _ => "its function has no active revision".into(),
            },
            _ if function.counts.running >= u64::from(function.concurrency()) => {
                format!("its function runs {} at a time", function.concurrency())
            }
            _ => "waits for a worker".into(),
        }
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
        let core = &self.core;
        let (last, dropped) = {
            let mut inner = core.lock();
            let function = inner.functions.get(name).filter(|f| !f.definition.deleted);
            let function = function.ok_or_else(|| ChangeError::NoFunction(name.clone()))?;
            let revision_last = function.definition.revision_last;
            let open = inner.queue.find(name).map_or(0, |id| inner.queue.function(id).open());
            if open > 0 && !how.discard {
                return Err(ChangeError::Waiting { function: name.clone(), waiting: open });
            }
            let gone = Definition { revision_last, deleted: true, ..Definition::default() };
            let mut last = core.define_in(&mut inner, name, gone, None)?;
            let query = DeliveryQuery {
                function: Some(name.clone()),
                limit: usize::MAX - 1,
                ..DeliveryQuery::default()
            };
            let ids = inner.select(&query, None);
            for ids in ids.chunks(BATCH_MAX) {
                last = core.drop_in(&mut inner, ids)?.unwrap_or(last);
            }
            if how.state {
                last = core.wipe_in(&mut inner, name)?;
            }
            (last, ids.len() as u64)
        };
        core.settle_change(Some(last)).await?;
        Ok(dropped)
    }

    /// Runs an event through the active revision. Nothing of it is kept.
    pub(crate) async fn test(
        &self,
        name: &FunctionName,
        event: Event,
    ) -> Result<DryRun, ChangeError> {
        let active = {
            let inner = self.core.lock();
            let function = inner.functions.get(name).filter(|f| !f.definition.deleted);
            let function = function.ok_or_else(|| ChangeError::NoFunction(name.clone()))?;
            function.active.clone().ok_or_else(|| ChangeError::NotActive(name.clone()))?
        };
        let dry = Dry {
            name: name.clone(),
            revision: Some(active.id),
            manifest: active.manifest.clone(),
            config: Arc::clone(&active.config),
            module: active.module.clone(),
        };
        Ok(self.dry_run(dry, event).await)
    }

    /// The same for a module that is not deployed: it starts with no state.
    pub(crate) async fn test_module(
        &self,
        wasm: Bytes,
        config: BTreeMap<String, String>,
        event: Event,
    ) -> Result<DryRun, DeployError> {
        let prepared = self.sandbox.prepare(wasm).await?;
        let manifest = Manifest::from_json(&prepared.manifest_json, &self.core.limits)?;
        let Ok(none) = "not-deployed".parse::<FunctionName>() else {
            unreachable!("the text is a name")
        };
        let dry = Dry {
            name: manifest.name.clone().unwrap_or(none),
            revision: None,
            manifest,
            config: Arc::new(config),
            module: prepared.module,
        };
        Ok(self.dry_run(dry, event).await)
    }

    async fn dry_run(&self, dry: Dry, event: Event) -> DryRun {
        let core = &self.core;
        // A missing key is no reason not to try: the run then has the space without one.
        let key = dry.manifest.key.as_ref().and_then(|source| find_key(source, &event).ok());
        let space = Arc::new(Space::new(dry.name.clone(), key.clone()));
        let now = core.clock.now();
        let (Some(seq), Some(first)) = (Seq::new(u64::MAX), RevisionId::new(1)) else {
            unreachable!("both are above zero")
        };
        let delivery = Delivery {
            id: DeliveryId { seq, function: dry.name },
            revision: dry.revision.unwrap_or(first),
            attempt: 1,
            key,
            accepted: now,
            deadline: now.plus(dry.manifest.timeout),
        };
        let call = Call {
            module: dry.module,
            event,
            idempotency_key: "dry-run".into(),
            delivery,
            config: dry.config,
            state: Arc::new(Reader::new(&core.state, space, false)) as _,
            timeout: dry.manifest.timeout,
            memory_bytes: dry.manifest.memory_bytes,
        };
        let invoked = self.sandbox.invoke(call).await;
        let result = invoked.result.map_err(|error| triphammer_model::ErrorInfo {
            code: error.code().to_owned(),
            message: error.to_string(),
        });
        DryRun {
            revision: dry.revision,
            manifest: dry.manifest,
            result,
            logs: invoked.logs,
            logs_left_out: invoked.logs_left_out,
            elapsed: invoked.elapsed,
        }
    }
}

/// What a dry run runs.
struct Dry {
    name: FunctionName,
    revision: Option<RevisionId>,
    manifest: Manifest,
    config: Arc<BTreeMap<String, String>>,
    module: Module,
}

impl Core {
    fn wipe_in(&self, inner: &mut Inner, name: &FunctionName) -> Result<Seq, ChangeError> {
        let record = Record::WipeState { at: self.clock.now(), function: name.clone() };
        let appended = inner.log.append(Body::encode(&record));
        let (seq, location) = appended.map_err(|_| AcceptError::Journal)?;
        self.history.note(seq, &record, location);
        self.state.wipe(name, seq);
        Ok(seq)
    }
}
