//! What happened: listings of events, and the whole story of one. Reads only what is on disk.

use std::collections::BTreeMap;

use triphammer_journal::{
    DropReason, Found, HistoryPage, HistoryQuery, NewDelivery, Outcome, Record, RowStatus, Settle,
    Stored,
};
use triphammer_model::{DeliveryId, ErrorInfo, FunctionName, Seq, Timestamp};

use crate::core::Core;
use crate::describe;
use crate::error::QueryError;
use crate::give_up;
use crate::info::{
    AttemptStory, DeliveryInfo, DeliveryStory, EventOutcome, EventPage, EventQuery, EventSummary,
    Status, Story,
};
use crate::intake::nth;
use crate::listing::Found as Located;

/// How often a story is read when it goes on meanwhile.
const STORY_READS: u32 = 3;

/// Events that are looked at for one page of those with an outcome, and how many at a time.
const OUTCOMES_MAX: usize = 1000;
const OUTCOMES_PART: usize = 100;

impl Story {
    fn is(&self, outcome: EventOutcome) -> bool {
        let mut statuses = self.deliveries.iter().map(|delivery| delivery.info.status);
        match outcome {
            EventOutcome::Unrouted => self.deliveries.is_empty(),
            EventOutcome::Open => {
                statuses.any(|status| !status.is_settled() && status != Status::Dead)
            }
            EventOutcome::Settled(wanted) => statuses.any(|status| status == wanted),
        }
    }
}

impl Core {
    /// Newest first.
    pub(crate) fn find_events(&self, query: &EventQuery) -> Result<EventPage, QueryError> {
        let before_seq = match &query.cursor {
            Some(cursor) => {
                let seq = cursor.parse().map_err(|_| QueryError::Cursor(cursor.clone()))?;
                Some(seq)
            }
            None => None,
        };
        let asked = HistoryQuery {
            ty: query.ty.clone(),
            source: query.source.clone(),
            subject: query.subject.clone(),
            id: query.id.clone(),
            after: query.after,
            before: query.before,
            before_seq,
            limit: query.limit,
        };
        let page = match query.outcome {
            None => self.history.query(&asked).map_err(read_error)?,
            Some(outcome) => self.find_by_outcome(asked, outcome)?,
        };
        let events = page.events.into_iter().map(summary).collect();
        let cursor = page.next.map(|seq| seq.to_string());
        Ok(EventPage { events, damaged: page.damaged, cursor })
    }

    /// Nothing is indexed by what became of it: looks at so many events, and no more.
    fn find_by_outcome(
        &self,
        mut query: HistoryQuery,
        outcome: EventOutcome,
    ) -> Result<HistoryPage, QueryError> {
        let mut page = HistoryPage::default();
        let limit = query.limit;
        let mut looks = OUTCOMES_MAX;
        query.limit = OUTCOMES_PART;
        loop {
            let part = self.history.query(&query).map_err(read_error)?;
            looks = looks.saturating_sub(part.damaged.len());
            page.damaged.extend(part.damaged);
            for found in part.events {
                let seq = found.seq;
                match self.history.outcomes(seq) {
                    Ok(outcomes) if !recorded(found.clone(), &outcomes).is(outcome) => {}
                    Ok(_) => page.events.push(found),
                    // It may be so or not.
                    Err(error) if self.history.leaves_out(&error) => page.damaged.push(seq),
                    Err(error) => return Err(read_error(error)),
                }
                looks = looks.saturating_sub(1);
                if page.events.len() == limit || looks == 0 {
                    page.next = Some(seq);
                    return Ok(whole(page));
                }
            }
            if part.next.is_none() || looks == 0 {
                page.next = part.next;
                return Ok(whole(page));
            }
            query.before_seq = part.next;
        }
    }

    pub(crate) fn story(&self, seq: Seq) -> Result<Option<Story>, QueryError> {
        for _ in 1..STORY_READS {
            match self.read_story(seq)? {
                Some((_, false)) => {}
                told => return Ok(told.map(|(story, _)| story)),
            }
            // A delivery settled, or was reopened, after its past was read: read on from there.
            let last = Seq::new(self.lock().log.next_seq().get() - 1);
            last.map_or(Ok(()), |last| self.durable.wait_blocking(last)).map_err(read_error)?;
        }
        Ok(self.read_story(seq)?.map(|(story, _)| story))
    }

    /// The story, and whether its end was found.
    fn read_story(&self, seq: Seq) -> Result<Option<(Story, bool)>, QueryError> {
        let Some(found) = self.history.event(seq).map_err(read_error)? else { return Ok(None) };
        let outcomes = self.history.outcomes(seq).map_err(read_error)?;
        let mut story = recorded(found, &outcomes);
        let complete = self.add_present(&mut story);
        Ok(Some((story, complete)))
    }

    /// Deliveries that are not settled: their state now, and why. Whether all were found.
    fn add_present(&self, story: &mut Story) -> bool {
        let open = story.deliveries.iter_mut().filter(|story| !story.info.status.is_settled());
        let mut open: Vec<&mut DeliveryInfo> = open.map(|story| &mut story.info).collect();
        let inner = self.lock();
        let is_dead = |id: &DeliveryId| {
            let function = inner.queue.find(&id.function);
            function.is_some_and(|id_of| inner.queue.function(id_of).dead.get(id.seq).is_some())
        };
        let alive = open.iter().map(|info| &info.id).filter(|id| !is_dead(id));
        let alive: Vec<DeliveryId> = alive.cloned().collect();
        drop(inner);
        let slots = self.find_slots(&alive);
        let found = |info: &&mut DeliveryInfo| Located {
            id: info.id.clone(),
            slot: slots.get(&info.id).copied(),
        };
        let found: Vec<Located> = open.iter().map(found).collect();
        let now = self.clock.now();
        let mut present = self.lock().describe_all(&found, now).into_iter().peekable();
        let mut complete = true;
        for info in &mut open {
            match present.next_if(|present| present.id == info.id) {
                Some(now) => **info = now,
                None => complete = false,
            }
        }
        complete
    }
}

/// The part of history that a page is of ends with it: what is damaged below is left to the next.
fn whole(mut page: HistoryPage) -> HistoryPage {
    page.damaged.retain(|seq| page.next.is_none_or(|next| *seq >= next));
    page.damaged.sort_unstable_by(|one, other| other.cmp(one));
    page
}

/// The story as far as records tell it: not where an open delivery is, nor why.
fn recorded(found: Found, outcomes: &[Stored]) -> Story {
    let seq = found.seq;
    let mut deliveries: BTreeMap<FunctionName, DeliveryStory> = BTreeMap::new();
    for delivery in &found.accepted.deliveries {
        let info = new_delivery(seq, found.at, delivery);
        deliveries.insert(delivery.function.clone(), DeliveryStory { info, attempts: Vec::new() });
    }
    let mut children = Vec::new();
    for stored in outcomes {
        tell(&mut deliveries, seq, stored, &mut children);
    }
    Story {
        seq,
        accepted: found.at,
        entrance: found.entrance,
        hops: found.accepted.hops.0,
        event: found.accepted.event,
        parent: found.parent,
        deliveries: deliveries.into_values().collect(),
        children,
    }
}

pub(crate) fn read_error(error: impl std::error::Error + Send + Sync + 'static) -> QueryError {
    QueryError::Read(Box::new(error))
}

fn summary(found: Found) -> EventSummary {
    EventSummary { seq: found.seq, accepted: found.at, event: found.accepted.event }
}

fn new_delivery(seq: Seq, at: Timestamp, delivery: &NewDelivery) -> DeliveryInfo {
    let dead = delivery.dead.clone();
    DeliveryInfo {
        id: DeliveryId { seq, function: delivery.function.clone() },
        key: delivery.key.clone(),
        timer: describe::timer(delivery.name.as_deref()),
        status: if dead.is_some() { Status::Dead } else { Status::Ready },
        attempts: 0,
        accepted: at,
        due: delivery.due,
        died: None,
        reason: "accepted".into(),
        waiting_for: None,
        error: dead,
    }
}

/// Adds what one record says to the deliveries of event `seq`.
fn tell(
    deliveries: &mut BTreeMap<FunctionName, DeliveryStory>,
    seq: Seq,
    stored: &Stored,
    children: &mut Vec<EventSummary>,
) {
    match &stored.record {
        Record::Settle(settle) => {
            tell_settle(deliveries, seq, stored.seq, settle);
            if settle.id.seq != seq {
                return;
            }
            let (offset, emitted) = stored.record.events();
            for (index, accepted) in emitted.iter().enumerate() {
                children.push(EventSummary {
                    seq: nth(stored.seq, offset as usize + index),
                    accepted: settle.at,
                    event: accepted.event.clone(),
                });
            }
        }
        Record::Drop { why, ids, .. } => tell_drop(deliveries, seq, *why, ids),
        Record::Rows { rows, .. } => {
            for row in rows.iter().filter(|row| row.id.seq == seq) {
                if let Some(delivery) = deliveries.get_mut(&row.id.function) {
                    delivery.info.status = Status::Ready;
                    delivery.info.attempts = row.attempts;
                    delivery.info.error = None;
                }
            }
        }
        _ => {}
    }
}

/// The attempt's own delivery, the others of its batch, and the timers that it cancelled.
fn tell_settle(
    deliveries: &mut BTreeMap<FunctionName, DeliveryStory>,
    seq: Seq,
    record: Seq,
    settle: &Settle,
) {
    let mut attempted = vec![(&settle.id, settle.attempt)];
    if let Outcome::Committed { also, cancelled, .. } = &settle.outcome {
        attempted.extend(also.iter().map(|(id, attempt)| (id, *attempt)));
        tell_drop(deliveries, seq, DropReason::Cancelled, cancelled);
    }
    for (id, attempt) in attempted.into_iter().filter(|(id, _)| id.seq == seq) {
        if let Some(delivery) = deliveries.get_mut(&id.function) {
            tell_attempt(delivery, record, settle, attempt);
        }
    }
}

fn tell_drop(
    deliveries: &mut BTreeMap<FunctionName, DeliveryStory>,
    seq: Seq,
    why: DropReason,
    ids: &[DeliveryId],
) {
    for id in ids.iter().filter(|id| id.seq == seq) {
        if let Some(delivery) = deliveries.get_mut(&id.function) {
            let error = give_up::error(why);
            delivery.info.status = give_up::status(why);
            delivery.info.reason = error.message.clone();
            delivery.info.error = Some(error);
        }
    }
}

fn tell_attempt(delivery: &mut DeliveryStory, record: Seq, settle: &Settle, attempt: u32) {
    let info = &mut delivery.info;
    info.attempts = attempt;
    let mut story = AttemptStory {
        attempt,
        revision: settle.revision,
        started: settle.started,
        ended: settle.at,
        outcome: "committed",
        error: None,
        logs: settle.logs.clone(),
        logs_left_out: settle.logs_left_out,
        writes: Vec::new(),
        emitted: Vec::new(),
        reply: None,
    };
    match &settle.outcome {
        Outcome::Committed { writes, emitted, reply, .. } => {
            info.status = Status::Committed;
            info.reason = format!("committed by {}", settle.revision);
            info.due = None;
            info.error = None;
            story.writes.clone_from(writes);
            story.emitted = (0..emitted.len()).map(|index| nth(record, index + 1)).collect();
            story.reply.clone_from(reply);
        }
        Outcome::Retry { error, .. } => {
            info.status = Status::Waiting;
            story.outcome = "retry";
            story.error = Some(error.clone());
        }
        Outcome::Dead { row, .. } => {
            info.status = Status::Dead;
            info.error = row_error(&row.status);
            story.outcome = "dead";
            story.error = row_error(&row.status);
        }
    }
    delivery.attempts.push(story);
}

fn row_error(status: &RowStatus) -> Option<ErrorInfo> {
    match status {
        RowStatus::Dead { error, .. } => Some(error.clone()),
        RowStatus::Due(_) => None,
    }
}
