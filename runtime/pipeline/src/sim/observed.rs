//! What a simulation sees of the host, in order: all that the checker goes by. A history is a list
//! of these, so one that was tampered with can be checked as well as a real one.

use std::collections::BTreeMap;

use bytes::Bytes;
use triphammer_journal::{Definition, Record};
use triphammer_model::{
    DeliveryId, Effects, Event, FunctionName, OrderingKey, RevisionId, Seq, Timestamp,
};

use crate::info::{Counts, Status};

#[derive(Clone, Debug)]
pub(super) enum Observed {
    Time(Timestamp),
    /// Somebody sends events, in one batch.
    Sent {
        send: u32,
        events: Vec<Event>,
    },
    /// The answer to a sender; none when the host refused.
    Answered {
        send: u32,
        answers: Option<Vec<Answer>>,
    },
    /// An operator asks for something.
    Ordered {
        order: u32,
        what: Order,
    },
    /// The answer to an operator: how many deliveries changed; none when the host refused.
    Obeyed {
        order: u32,
        changed: Option<u64>,
    },
    /// The log has taken a record.
    Appended {
        seq: Seq,
        record: Record,
    },
    /// Everything up to here is on disk.
    Durable(u64),
    /// A worker has taken a delivery, and the others of its batch.
    Leased {
        run: u32,
        id: DeliveryId,
        attempt: u32,
        revision: RevisionId,
        along: Vec<DeliveryId>,
    },
    /// The handler begins; more than once in a run when what it read has changed.
    Began {
        run: u32,
        event: Event,
        attempt: u32,
        along: Vec<Item>,
    },
    Read {
        run: u32,
        read: Read,
    },
    /// The handler has returned.
    Ended {
        run: u32,
        end: End,
    },
    /// The worker has let go of the delivery.
    Left {
        run: u32,
    },
    /// The journal takes nothing any more: the process has to end.
    Failed,
    Down {
        clean: bool,
    },
    /// The host is back, with everything up to `last`.
    Up {
        last: u64,
        unclean: bool,
    },
    /// The log keeps everything from this record on.
    Kept(u64),
    /// What the host tells of its deliveries. `exact`: nothing has come due that it has not been
    /// told of yet.
    Shown {
        exact: bool,
        counts: BTreeMap<FunctionName, Counts>,
        deliveries: Vec<(DeliveryId, Status, u32)>,
    },
    /// All state of all functions.
    State(Vec<Entry>),
    /// Every handler succeeds from here on; the world runs until nothing is left to do.
    Quiet,
}

/// What the handler of a batch is given besides the first: a delivery, its event and its attempt.
pub(super) type Item = (DeliveryId, Event, u32);

#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) seq: Seq,
    pub(super) duplicate: bool,
    pub(super) differs: bool,
    pub(super) functions: Vec<FunctionName>,
}

#[derive(Clone, Debug)]
pub(super) enum Order {
    Define {
        name: FunctionName,
        definition: Definition,
    },
    Remove {
        name: FunctionName,
        discard: bool,
        state: bool,
    },
    Redrive(Vec<DeliveryId>),
    Drop(Vec<DeliveryId>),
    /// Of this type, or of all but the host's own; for one function, or whoever asks for them.
    Replay {
        ty: Option<String>,
        function: Option<FunctionName>,
        rate: u32,
    },
    CancelReplay(u64),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Read {
    Name { name: String, value: Option<Bytes> },
    Scan { prefix: String, found: Vec<(String, Bytes)> },
}

/// How a handler ends.
#[derive(Clone, Debug)]
pub(super) enum End {
    Commit(Effects),
    Trap,
    Retry { after_ms: Option<u64> },
    Reject,
    HostFault,
}

/// A state entry: function, ordering key, name and value.
pub(super) type Entry = (FunctionName, Option<OrderingKey>, String, Bytes);
