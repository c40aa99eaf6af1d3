//! The pipeline as those see it who look into it: state, events, deliveries, lanes. Changes nothing.

use std::sync::Arc;

use triphammer_journal::{Space, StateListQuery};
use triphammer_model::{FunctionName, OrderingKey, Seq};

use crate::causes::Cause;
use crate::error::{AcceptError, ChangeError, QueryError};
use crate::info::{
    DeliveryPage, DeliveryQuery, EventPage, EventQuery, StateEntry, StatePage, StateQuery, Story,
};
use crate::lanes::LaneInfo;
use crate::pipeline::Pipeline;
use crate::state_history::StateChanges;
use crate::tree::Tree;

impl Pipeline {
    /// Committed state that is on disk.
    pub async fn state(
        &self,
        name: &FunctionName,
        query: &StateQuery,
    ) -> Result<StatePage, ChangeError> {
        if self.core.function_info(name).is_none() {
            return Err(ChangeError::NoFunction(name.clone()));
        }
        let after = query
            .cursor
            .as_ref()
            .map(|cursor| cursor.parse().map_err(|_| QueryError::Cursor(cursor.clone())));
        let after = after.transpose()?;
        let key = query.key.as_ref().map(Option::as_ref);
        let (prefix, limit) = (query.prefix.as_str(), query.limit);
        let asked = StateListQuery { key, prefix, after: after.as_ref(), limit };
        let list = self
            .core
            .state
            .list(name, &asked, self.core.clock.now())
            .map_err(|error| QueryError::Read(Box::new(error)))?;
        if let Some(last) = list.entries.iter().map(|entry| entry.seq).max() {
            self.core.durable.wait(last).await.map_err(|_| AcceptError::Journal)?;
        }
        let entry = |e: triphammer_journal::StateListEntry| StateEntry {
            key: e.key,
            name: e.name,
            value: e.value,
            seq: e.seq,
            expires: e.expires,
        };
        let entries = list.entries.into_iter().map(entry).collect();
        Ok(StatePage { entries, cursor: list.next.map(|next| next.to_string()) })
    }

    /// What was written to one name of a function's state, below the record `before`, newest first. A
    /// function that is no more has none.
    pub async fn state_changes(
        &self,
        name: &FunctionName,
        (key, entry): (Option<OrderingKey>, String),
        before: Option<Seq>,
        limit: usize,
    ) -> Result<StateChanges, ChangeError> {
        if self.core.function_info(name).is_none() {
            return Err(ChangeError::NoFunction(name.clone()));
        }
        self.caught_up().await?;
        let core = Arc::clone(&self.core);
        let space = Space::new(name.clone(), key);
        let read = move || core.state_changes(&space, &entry, before, limit);
        Ok(blocking(read).await?)
    }

    /// Newest first.
    pub async fn events(&self, query: EventQuery) -> Result<EventPage, QueryError> {
        self.caught_up().await?;
        let core = Arc::clone(&self.core);
        blocking(move || core.find_events(&query)).await
    }

    /// All that is known of one event.
    pub async fn event(&self, seq: Seq) -> Result<Option<Story>, QueryError> {
        self.caught_up().await?;
        let core = Arc::clone(&self.core);
        blocking(move || core.story(seq)).await
    }

    /// All that came of the first event that led to this one.
    pub async fn tree(&self, seq: Seq) -> Result<Option<Tree>, QueryError> {
        self.caught_up().await?;
        let core = Arc::clone(&self.core);
        blocking(move || core.tree(seq)).await
    }

    /// Those that are open or dead. A settled one is found with its event.
    pub async fn deliveries(&self, query: &DeliveryQuery) -> Result<DeliveryPage, QueryError> {
        if let Some(status) = query.status.filter(|status| status.is_settled()) {
            return Err(QueryError::Settled(status.as_str()));
        }
        let (core, query) = (Arc::clone(&self.core), query.clone());
        let page = blocking(move || core.find_deliveries(&query)).await?;
        self.caught_up().await?;
        Ok(page)
    }

    /// Dead letters by what they died of, the most first, and whether there are more.
    pub async fn causes(
        &self,
        function: Option<FunctionName>,
    ) -> Result<(Vec<Cause>, bool), QueryError> {
        let core = Arc::clone(&self.core);
        let causes = blocking(move || Ok(core.causes(function.as_ref()))).await?;
        self.caught_up().await?;
        Ok(causes)
    }

    /// The longest lanes, and whether there are more than `limit`.
    pub async fn lanes(
        &self,
        function: Option<FunctionName>,
        limit: usize,
    ) -> Result<(Vec<LaneInfo>, bool), QueryError> {
        let core = Arc::clone(&self.core);
        let lanes = blocking(move || Ok(core.lanes(function.as_ref(), limit))).await?;
        self.caught_up().await?;
        Ok(lanes)
    }
}

/// Runs what reads the disk where blocking is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
) -> Result<T, QueryError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(QueryError::Read(Box::new(error))),
    }
}
