//! A delivery as the queue holds it: small, because a million may wait. Knows no lane and no turn.

use std::sync::Arc;

use triphammer_journal::{DeliveryRow, Location, RowStatus};
use triphammer_model::{
    DeliveryId, Event, FunctionName, Hops, OrderingKey, Priority, Seq, Timestamp,
};

use crate::debounce;
use crate::queue::FnId;

/// A delivery that is not settled.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) seq: Seq,
    pub(crate) function: FnId,
    pub(crate) key: Option<OrderingKey>,
    pub(crate) accepted: Timestamp,
    /// What most entries never have.
    rare: Option<Box<Rare>>,
    pub(crate) payload: Payload,
    pub(crate) attempts: u32,
    pub(crate) hops: Hops,
    pub(crate) starts: u8,
    /// Found in the journal at the start: an attempt at it may have killed the host.
    pub(crate) recovered: bool,
    /// It has its place, in its lane if it has a key: a wait is one for another attempt.
    pub(crate) in_lane: bool,
    /// An attempt at it has ended, whether that counted or not.
    pub(crate) tried: bool,
    pub(crate) priority: Priority,
    pub(crate) state: State,
}

/// A place in the lane that is not the one it was accepted with, times to keep, and a name.
#[derive(Clone, Debug)]
struct Rare {
    entered: Timestamp,
    order: Seq,
    due: Timestamp,
    expires: Option<Timestamp>,
    name: Option<Arc<str>>,
}

/// Where the event is: in memory while there is room, else in the log.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    pub(crate) memory: Option<Box<Event>>,
    /// Its record's; a length of 0 says that the checkpoint holds the event, the log no longer.
    segment: u32,
    offset: u32,
    len: u32,
    /// Of the event among those of its record.
    pub(crate) index: u32,
}

impl Payload {
    pub(crate) fn new(memory: Option<Box<Event>>, location: Option<Location>, index: u32) -> Self {
        let Location { segment, offset, len } =
            location.unwrap_or(Location { segment: 0, offset: 0, len: 0 });
        Self { memory, segment, offset, len, index }
    }

    pub(crate) fn location(&self) -> Option<Location> {
        let Self { segment, offset, len, .. } = *self;
        (len > 0).then_some(Location { segment, offset, len })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Ready,
    Running,
    /// It runs in the attempt of another: the first of its batch.
    Along,
    Waiting,
    Blocked,
}

/// A dead letter: its row, and where its event is.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetter {
    pub(crate) row: DeliveryRow,
    pub(crate) payload: Payload,
}

impl DeadLetter {
    /// What is dead needs no memory for its event.
    pub(crate) fn new(row: DeliveryRow, payload: Payload) -> Box<Self> {
        Box::new(Self { row, payload: Payload { memory: None, ..payload } })
    }
}

impl Entry {
    /// A delivery that has just been accepted as `seq`.
    pub(crate) fn new(
        (seq, function): (Seq, FnId),
        key: Option<OrderingKey>,
        (accepted, hops): (Timestamp, Hops),
        payload: Payload,
    ) -> Self {
        Self {
            seq,
            function,
            key,
            accepted,
            rare: None,
            payload,
            attempts: 0,
            hops,
            starts: 0,
            recovered: false,
            in_lane: false,
            tried: false,
            priority: Priority::default(),
            state: State::Blocked,
        }
    }

    /// When it entered its lane, or will, and the number that decides between equal times.
    pub(crate) fn place(&self) -> (Timestamp, Seq) {
        match &self.rare {
            Some(rare) => (rare.entered, rare.order),
            None => (self.accepted, self.seq),
        }
    }

    pub(crate) fn move_to(&mut self, entered: Timestamp, order: Seq) {
        if self.place() != (entered, order) {
            let rare = self.rare();
            (rare.entered, rare.order) = (entered, order);
        }
    }

    /// When it may run.
    pub(crate) fn due(&self) -> Timestamp {
        self.rare.as_ref().map_or(self.accepted, |rare| rare.due)
    }

    pub(crate) fn wait_until(&mut self, due: Timestamp) {
        self.rare().due = due;
        self.state = State::Waiting;
    }

    /// It may run again then, wherever it waits.
    pub(crate) fn put_off(&mut self, due: Timestamp) {
        if self.due() < due || self.rare.is_some() {
            self.rare().due = due;
        }
    }

    /// It is given up when it has not begun to run by then.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        self.rare.as_ref().and_then(|rare| rare.expires)
    }

    /// Whether it may be in a batch. One that was tried may be what makes a batch fail, and a timer
    /// is the function's own. One that is debounced and runs at once is known by that name till then.
    pub(crate) fn shares(&self) -> bool {
        let own = self.name().is_some_and(|name| !debounce::is_debounced(Some(name)));
        !self.tried && !self.recovered && !own
    }

    /// The name under which its function knows it: of a timer, or of what is debounced.
    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.rare.as_ref().and_then(|rare| rare.name.as_ref())
    }

    /// It is no longer known by it.
    pub(crate) fn forget_name(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.name = None;
        }
    }

    pub(crate) fn set_expiry_and_name(&mut self, expires: Option<Timestamp>, name: Option<&str>) {
        if expires.is_some() || name.is_some() {
            let rare = self.rare();
            (rare.expires, rare.name) = (expires, name.map(Arc::from));
        }
    }

    fn rare(&mut self) -> &mut Rare {
        let (entered, order) = (self.accepted, self.seq);
        let rare = || Rare { entered, order, due: entered, expires: None, name: None };
        self.rare.get_or_insert_with(|| Box::new(rare()))
    }

    /// A delivery from its row, which is not that of a dead letter.
    pub(crate) fn from_row(row: &DeliveryRow, function: FnId, payload: Payload) -> Self {
        let mut entry =
            Self::new((row.id.seq, function), row.key.clone(), (row.accepted, row.hops), payload);
        entry.move_to(row.entered, row.order);
        entry.attempts = row.attempts;
        // One that waits for its time enters its lane then; one that was tried entered it before.
        entry.tried = match row.status {
            RowStatus::Due(due) => row.attempts > 0 || row.entered < due,
            RowStatus::Dead { .. } => false,
        };
        entry.starts = row.starts;
        entry.priority = row.priority;
        entry.set_expiry_and_name(row.expires, row.name.as_deref());
        entry
    }

    pub(crate) fn to_row(&self, name: &FunctionName, status: RowStatus) -> DeliveryRow {
        let (entered, order) = self.place();
        DeliveryRow {
            id: DeliveryId { seq: self.seq, function: name.clone() },
            key: self.key.clone(),
            hops: self.hops,
            accepted: self.accepted,
            entered,
            order,
            attempts: self.attempts,
            starts: self.starts,
            priority: self.priority,
            expires: self.expires(),
            name: self.name().map(|name| name.to_string()),
            status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_of_them_fit() {
        assert!(size_of::<Option<Entry>>() <= 80, "{} bytes", size_of::<Option<Entry>>());
    }
}
