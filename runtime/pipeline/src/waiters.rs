//! Senders that wait for an event's deliveries to settle. Knows nothing of HTTP, nor of history.

use std::collections::HashMap;

use tokio::sync::mpsc;
use triphammer_model::Seq;

use crate::info::DeliveryResult;

/// A settlement, and the record that must be on disk before anybody is told.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) event: Seq,
    pub(crate) record: Seq,
    pub(crate) result: DeliveryResult,
}

pub(crate) type NewsSender = mpsc::UnboundedSender<News>;

/// Unbounded channels are right here: an event has at most as many settlements as deliveries,
/// and a redrive after that is told to nobody twice.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_event: HashMap<Seq, Vec<NewsSender>>,
}

impl Waiters {
    pub(crate) fn watch(&mut self, event: Seq, sender: NewsSender) {
        let senders = self.by_event.entry(event).or_default();
        senders.retain(|sender| !sender.is_closed());
        senders.push(sender);
    }

    /// `make` runs only when somebody waits for this event.
    pub(crate) fn tell(&mut self, event: Seq, make: impl FnOnce() -> News) {
        if self.by_event.is_empty() {
            return;
        }
        let Some(senders) = self.by_event.get_mut(&event) else { return };
        let news = make();
        senders.retain(|sender| sender.send(news.clone()).is_ok());
        if senders.is_empty() {
            self.by_event.remove(&event);
        }
    }

    /// Nobody waits for this event any more.
    pub(crate) fn forget(&mut self, event: Seq) {
        if let Some(senders) = self.by_event.get_mut(&event) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                self.by_event.remove(&event);
            }
        }
    }
}
