//! What has been counted since the data directory was made. Counts from records alone, so that a
//! crash loses no count and makes none twice.

use std::collections::BTreeMap;

use bytes::Bytes;
use triphammer_model::FunctionName;

use crate::codec::{Decoder, Encoder};
use crate::error::CodecError;
use crate::record::{Outcome, Record, Stored};

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Events, emitted ones included.
    pub accepted: u64,
    pub functions: BTreeMap<FunctionName, FunctionCounters>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FunctionCounters {
    pub committed: u64,
    /// Deliveries that became dead letters; one that was redriven and died again counts twice.
    pub dead: u64,
    pub dropped: u64,
    /// Attempts after which another one was due.
    pub retried: u64,
    pub attempts: u64,
}

impl Counters {
    /// Counts one more record.
    pub fn add(&mut self, stored: &Stored) {
        let (_, events) = stored.record.events();
        self.accepted += events.len() as u64;
        for delivery in events.iter().flat_map(|accepted| &accepted.deliveries) {
            if delivery.dead.is_some() {
                self.of(&delivery.function).dead += 1;
            }
        }
        match &stored.record {
            Record::Settle(settle) => {
                let counters = self.of(&settle.id.function);
                counters.attempts += 1;
                match &settle.outcome {
                    Outcome::Committed { also, cancelled, .. } => {
                        counters.committed += 1 + also.len() as u64;
                        counters.attempts += also.len() as u64;
                        counters.dropped += cancelled.len() as u64;
                    }
                    Outcome::Retry { .. } => counters.retried += 1,
                    Outcome::Dead { .. } => counters.dead += 1,
                }
            }
            Record::Drop { ids, .. } => {
                ids.iter().for_each(|id| self.of(&id.function).dropped += 1);
            }
            Record::Accept(_)
            | Record::Rows { .. }
            | Record::Define { .. }
            | Record::Replay { .. }
            | Record::WipeState { .. } => {}
        }
    }

    fn of(&mut self, function: &FunctionName) -> &mut FunctionCounters {
        // Looked up first: the name is cloned once per function, not once per record.
        if !self.functions.contains_key(function) {
            self.functions.insert(function.clone(), FunctionCounters::default());
        }
        self.functions.entry(function.clone()).or_default()
    }
}

impl FunctionCounters {
    pub(crate) fn plus(self, more: Self) -> Self {
        Self {
            committed: self.committed + more.committed,
            dead: self.dead + more.dead,
            dropped: self.dropped + more.dropped,
            retried: self.retried + more.retried,
            attempts: self.attempts + more.attempts,
        }
    }

    pub(crate) fn encode(self, e: &mut Encoder) {
        let Self { committed, dead, dropped, retried, attempts } = self;
        [committed, dead, dropped, retried, attempts].into_iter().for_each(|n| e.varint(n));
    }

    pub(crate) fn decode(source: &Bytes) -> Result<Self, CodecError> {
        let mut d = Decoder::new(source);
        let counters = Self {
            committed: d.varint()?,
            dead: d.varint()?,
            dropped: d.varint()?,
            retried: d.varint()?,
            attempts: d.varint()?,
        };
        d.end()?;
        Ok(counters)
    }
}
