//! Load for the demo: a few clients at a given rate, every receipt kept.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::types::{Receipt, Receipts};
use crate::client::{self, Base, Client, Request};
use crate::error::Error;

const CLIENTS: u64 = 4;

/// What was sent.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The number of each acknowledged event, and its receipt.
    pub(super) receipts: Vec<(u64, Receipt)>,
    /// Events that were sent and not answered.
    pub(super) unanswered: Vec<u64>,
}

/// Sends `event(0)`, `event(1)`, … until `action` returns, `per_second` of them.
///
/// A client whose connection breaks stops there.
pub(super) fn send_during<R>(
    base: &Base,
    per_second: f64,
    event: impl Fn(u64) -> Value + Sync,
    action: impl FnOnce(&AtomicU64) -> R,
) -> Result<(Sent, R), Error> {
    let stop = AtomicBool::new(false);
    let acknowledged = AtomicU64::new(0);
    let sent = Mutex::new(Sent::default());
    let sender = |first: u64| -> Result<(), Error> {
        let client = Client::with(base.clone(), None)?;
        let began = Instant::now();
        let mut own = Sent::default();
        for number in (first..).step_by(CLIENTS as usize) {
            let due = Duration::from_secs_f64(number as f64 / per_second);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            if stop.load(Ordering::Relaxed) {
                break;
            }
            match send(&client, &event(number)) {
                Ok(receipt) => {
                    own.receipts.push((number, receipt));
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) if error.is_connection() => {
                    own.unanswered.push(number);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        // A panic of another client is that client's to report.
        let mut sent = sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sent.receipts.append(&mut own.receipts);
        sent.unanswered.append(&mut own.unanswered);
        Ok(())
    };
    let (result, ended) = std::thread::scope(|scope| {
        let sender = &sender;
        let senders: Vec<_> =
            (0..CLIENTS).map(|first| scope.spawn(move || sender(first))).collect();
        let result = action(&acknowledged);
        stop.store(true, Ordering::Relaxed);
        let ended: Result<Vec<()>, Error> = senders.into_iter().map(joined).collect();
        (result, ended)
    });
    ended?;
    Ok((sent.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner), result))
}

/// A panic goes on where it is joined.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub(super) fn send(client: &Client, event: &Value) -> Result<Receipt, client::Error> {
    let request = Request::post("/events").body("application/cloudevents+json", event.to_string());
    let receipts: Receipts = client.send(request)?.json()?;
    receipts.events.into_iter().next().ok_or(client::Error::Unexpected { status: 202 })
}

/// Asks for each item on a few connections; the answers are in no particular order.
pub(super) fn ask_all<I: Sync, T: Send>(
    base: &Base,
    items: &[I],
    ask: impl Fn(&Client, &I) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let part_len = items.len().div_ceil(CLIENTS as usize).max(1);
    let part = |items: &[I]| -> Result<Vec<T>, Error> {
        let client = Client::with(base.clone(), None)?;
        items.iter().map(|item| ask(&client, item)).collect()
    };
    let parts: Result<Vec<Vec<T>>, Error> = std::thread::scope(|scope| {
        let part = &part;
        let threads: Vec<_> =
            items.chunks(part_len).map(|items| scope.spawn(move || part(items))).collect();
        threads.into_iter().map(joined).collect()
    });
    Ok(parts?.into_iter().flatten().collect())
}
