//! Events from outside: deduplicated, routed, recorded. Knows no HTTP, and no attempt.
//!
//! All of a batch is taken in, or nothing is. What can be done without the lock is done before
//! it; under the lock it is checked that nothing has changed meanwhile, and if so the work is
//! done again with what is now known.

use std::collections::HashMap;
use std::time::Duration;

use triphammer_journal::{Accept, Accepted, Body, DedupEntry, Entrance, LogPause as Pause, Record};
use triphammer_model::{Event, Hops, Seq, Timestamp};

use crate::core::{Core, Inner, Numbered};
use crate::error::{AcceptError, DISK_RETRY_AFTER};
use crate::info::Receipt;
use crate::route::RouteTable;
use crate::waiters::Watch;

/// What is known of one event of the batch.
#[derive(Clone, Copy, Debug)]
enum Known {
    New,
    /// Accepted before.
    Before {
        seq: Seq,
        differs: bool,
    },
    /// The same as an earlier one of this batch.
    Within {
        first: usize,
        differs: bool,
    },
}

/// A batch on its way in.
struct Batch<'a> {
    entrance: &'a Entrance,
    events: &'a [Event],
    marks: Vec<DedupEntry>,
    known: Vec<Known>,
    /// How many of the events begin a trace.
    begins: u64,
}

/// How a try under the lock ended.
enum Try {
    /// The batch is in the log: the first new event's number, if there is a new one, and that of
    /// the last notice about them.
    Done(Option<Seq>, Option<Seq>),
    /// Something has changed: prepare again.
    Again,
}

/// How long a sender is asked to wait when the disk is slower than the senders.
const BEHIND_RETRY_AFTER: Duration = Duration::from_secs(1);

impl Core {
    /// Takes in all the events or none, and answers when they are on disk.
    pub(crate) async fn accept(
        &self,
        entrance: &Entrance,
        events: &[Event],
        news: Option<&Watch>,
    ) -> Result<Vec<Receipt>, AcceptError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.check(events)?;
        let began_ns = self.observed_ns();
        let mut batch = self.batch(entrance, events);
        let (first, raised, record) = loop {
            let table = self.routes();
            let at = self.clock.now();
            let mut record = batch.record(&table, at);
            let body = batch.has_new().then(|| Body::encode(&record));
            match self.try_accept(&mut batch, &table, at, &mut record, body, news)? {
                Try::Done(first, raised) => break (first, raised, record),
                Try::Again => {}
            }
        };
        let receipts = batch.receipts(first, &record);
        // A duplicate may be of an event that is not on disk yet: the highest number covers both.
        if let Some(last) = receipts.iter().map(|receipt| receipt.seq).chain(raised).max() {
            self.durable.wait(last).await.map_err(|_| AcceptError::Journal)?;
        }
        self.tell_received(&record, first, began_ns);
        if batch.is_keyed()
            && let Some(other) = receipts.iter().find(|receipt| receipt.differs)
        {
            return Err(AcceptError::KeyReused { key: other.id.clone(), seq: other.seq });
        }
        Ok(receipts)
    }

    fn check(&self, events: &[Event]) -> Result<(), AcceptError> {
        for (index, event) in events.iter().enumerate() {
            let len = event.as_bytes().len();
            if len > self.event_bytes_max {
                return Err(AcceptError::TooLarge { len, max: self.event_bytes_max });
            }
            let timing = event.timing();
            if timing.not_before.is_some() {
                let index = (events.len() > 1).then_some(index);
                let checked = timing.check(self.clock.now());
                checked.map_err(|source| AcceptError::Invalid { index, source })?;
            }
        }
        Ok(())
    }

    fn batch<'a>(&self, entrance: &'a Entrance, events: &'a [Event]) -> Batch<'a> {
        let mark = |event: &Event| self.fingerprint.entry(entrance, event);
        let marks: Vec<DedupEntry> = events.iter().map(mark).collect();
        let mut known = vec![Known::New; events.len()];
        if events.len() > 1 {
            let mut seen: HashMap<[u8; 16], usize> = HashMap::with_capacity(events.len());
            for (index, mark) in marks.iter().enumerate() {
                let first = *seen.entry(mark.id).or_insert(index);
                if first != index {
                    let differs = marks[first].payload != mark.payload;
                    known[index] = Known::Within { first, differs };
                }
            }
        }
        Batch { entrance, events, marks, known, begins: self.tracing.beginning(events) }
    }

    fn try_accept(
        &self,
        batch: &mut Batch<'_>,
        table: &RouteTable,
        at: Timestamp,
        record: &mut Record,
        body: Option<Body>,
        news: Option<&Watch>,
    ) -> Result<Try, AcceptError> {
        let mut inner = self.lock();
        if self.is_stopping() {
            return Err(AcceptError::Stopped);
        }
        if inner.routes_version != table.version {
            return Ok(Try::Again);
        }
        let mut found = false;
        for (mark, known) in batch.marks.iter().zip(&mut batch.known) {
            if let (Known::New, Some(hit)) = (*known, inner.dedup.lookup(&mark.id)) {
                *known = Known::Before { seq: hit.seq, differs: hit.payload != mark.payload };
                found = true;
            }
        }
        if found {
            return Ok(Try::Again);
        }
        let now = self.clock.now();
        let due_before = inner.catch_up(now);
        inner.totals.duplicates += (batch.events.len() - record.events().1.len()) as u64;
        let (mut first, mut raised) = (None, None);
        if let Some(body) = body {
            may_accept(&inner)?;
            let body = inner.bounded(record, body);
            let (seq, location) = inner.log.append(&body)?;
            first = Some(seq);
            self.history.note(seq, record, location);
            for (index, accepted) in record.events().1.iter().enumerate() {
                let seq = nth(seq, index);
                // Of an event that goes to nobody there is nothing to be told.
                if let Some(news) = news.filter(|_| !accepted.deliveries.is_empty()) {
                    inner.waiters.watch(seq, news.clone());
                }
                let index = index as u32;
                inner.admit(&Numbered { seq, location, index, accepted }, at, now);
            }
            if let Some(pace) = &mut inner.pace {
                pace.note(batch.begins, nth(seq, record.events().1.len()), now);
            }
            raised = self.raise(&mut inner);
        }
        self.wake(inner, due_before);
        Ok(Try::Done(first, raised))
    }
}

/// Whether the log takes in events at the moment; commits it takes for longer.
pub(crate) fn may_accept(inner: &Inner) -> Result<(), AcceptError> {
    match inner.log.may_accept() {
        Ok(()) => Ok(()),
        Err(Pause::Disk) => Err(AcceptError::Disk { retry_after: DISK_RETRY_AFTER }),
        Err(Pause::Behind) => Err(AcceptError::Busy { retry_after: BEHIND_RETRY_AFTER }),
        Err(Pause::Failed) => Err(AcceptError::Journal),
    }
}

/// The number `index` places after `first`.
pub(crate) fn nth(first: Seq, index: usize) -> Seq {
    match Seq::new(first.get() + index as u64) {
        Some(seq) => seq,
        None => unreachable!("a sum of a number above zero is above zero"),
    }
}

impl Batch<'_> {
    /// Whether the ids are idempotency keys: one that comes with another content is refused.
    fn is_keyed(&self) -> bool {
        *self.entrance == Entrance::Post
    }

    fn has_new(&self) -> bool {
        self.known.iter().any(|known| matches!(known, Known::New))
    }

    /// The record of what is new in the batch.
    fn record(&self, table: &RouteTable, at: Timestamp) -> Record {
        let all = self.events.iter().zip(&self.marks).zip(&self.known);
        let events = all
            .filter(|(_, known)| matches!(known, Known::New))
            .map(|((event, mark), _)| Accepted {
                event: event.clone(),
                hops: Hops(0),
                dedup: Some(*mark),
                deliveries: table.route(event, at, None),
            })
            .collect();
        Record::Accept(Accept { at, entrance: self.entrance.clone(), events })
    }

    fn receipts(&self, first: Option<Seq>, record: &Record) -> Vec<Receipt> {
        let mut receipts: Vec<Receipt> = Vec::with_capacity(self.events.len());
        let mut new = record.events().1.iter().enumerate();
        for (event, known) in self.events.iter().zip(&self.known) {
            let receipt = |seq, differs| Receipt {
                seq,
                id: event.id().to_owned(),
                source: event.source().to_owned(),
                duplicate: true,
                differs,
                functions: Vec::new(),
                dead: Vec::new(),
            };
            receipts.push(match *known {
                Known::Before { seq, differs } => receipt(seq, differs),
                Known::Within { first, differs } => receipt(receipts[first].seq, differs),
                Known::New => {
                    let (Some(first), Some((index, accepted))) = (first, new.next()) else {
                        unreachable!("each new event is in the record, which was appended")
                    };
                    let deliveries = &accepted.deliveries;
                    Receipt {
                        duplicate: false,
                        functions: deliveries.iter().map(|d| d.function.clone()).collect(),
                        dead: deliveries
                            .iter()
                            .filter_map(|d| Some((d.function.clone(), d.dead.clone()?)))
                            .collect(),
                        ..receipt(nth(first, index), false)
                    }
                }
            });
        }
        receipts
    }
}
