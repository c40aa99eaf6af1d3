//! How far the log is durable, and who waits for it. Knows nothing of writing.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::sync::watch;
use triphammer_model::Seq;

use crate::error::Failure;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Durable {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    position: AtomicU64,
    failure: OnceLock<Failure>,
    waiters: Mutex<Waiters>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Default)]
struct Waiters {
    by_seq: BTreeMap<(u64, u64), Waker>,
    ticket: u64,
    /// The writer, while it waits for somebody to wait.
    lingerer: Option<Thread>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Progress {
    position: u64,
    failed: bool,
}

impl Durable {
    pub(crate) fn new(position: u64) -> Self {
        let (progress, _) = watch::channel(Progress { position, failed: false });
        let shared = Shared {
            position: AtomicU64::new(position),
            failure: OnceLock::new(),
            waiters: Mutex::default(),
            progress,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Everything up to this number survives a crash; 0 before the first record.
    pub fn position(&self) -> u64 {
        self.shared.position.load(Ordering::Acquire)
    }

    /// Resolves when everything up to `seq` survives a crash. May be dropped at any time.
    pub fn wait(&self, seq: Seq) -> Wait {
        Wait { shared: Arc::clone(&self.shared), seq: seq.get(), ticket: None }
    }

    /// Like [`Durable::wait`], for threads that are not a runtime's.
    pub fn wait_blocking(&self, seq: Seq) -> Result<(), Failure> {
        let mut wait = self.wait(seq);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            if let Poll::Ready(result) = Pin::new(&mut wait).poll(&mut Context::from_waker(&waker))
            {
                return result;
            }
            thread::park();
        }
    }

    /// For a task that follows the position.
    pub fn subscribe(&self) -> Follower {
        Follower { progress: self.shared.progress.subscribe(), shared: Arc::clone(&self.shared) }
    }

    /// Set once nothing more will become durable, and the process has to end.
    pub fn failure(&self) -> Option<&Failure> {
        self.shared.failure.get()
    }

    /// Resolves when the log has failed; never, if it does not.
    pub async fn failed(&self) -> Failure {
        let mut progress = self.shared.progress.subscribe();
        loop {
            if let Some(failure) = self.shared.failure.get() {
                return failure.clone();
            }
            if progress.changed().await.is_err() {
                // `self` holds the sender, so this can't be; never resolving is the safe answer.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Returns at once if somebody waits, otherwise as soon as somebody does, and after `at_most`
    /// in any case. For one thread.
    pub(crate) fn linger(&self, at_most: Duration) {
        {
            let mut waiters = self.shared.waiters();
            if !waiters.by_seq.is_empty() {
                return;
            }
            waiters.lingerer = Some(thread::current());
        }
        // To wake for no reason only means a smaller batch.
        thread::park_timeout(at_most);
        self.shared.waiters().lingerer = None;
    }

    /// Wakes exactly those that waited for something up to `position`.
    pub(crate) fn publish(&self, position: u64) {
        self.shared.position.store(position, Ordering::Release);
        let mut due = Vec::new();
        {
            // A waiter that looked before the store is in the map by now, or looks again under
            // this lock.
            let mut waiters = self.shared.waiters();
            while let Some(first) = waiters.by_seq.first_entry() {
                if first.key().0 > position {
                    break;
                }
                due.push(first.remove());
            }
        }
        due.into_iter().for_each(Waker::wake);
        self.shared.progress.send_replace(Progress { position, failed: false });
    }

    /// Everybody who waits, now or later, for what is not durable gets `failure`.
    pub(crate) fn fail(&self, failure: Failure) {
        if self.shared.failure.set(failure).is_err() {
            return;
        }
        let due = std::mem::take(&mut self.shared.waiters().by_seq);
        due.into_values().for_each(Waker::wake);
        self.shared.progress.send_modify(|progress| progress.failed = true);
    }
}

impl Shared {
    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        // Nothing panics while it holds this lock.
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, seq: u64) -> Option<Result<(), Failure>> {
        if self.position.load(Ordering::Acquire) >= seq {
            return Some(Ok(()));
        }
        self.failure.get().map(|failure| Err(failure.clone()))
    }
}

/// See [`Durable::wait`].
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Wait {
    shared: Arc<Shared>,
    seq: u64,
    /// Its place among the waiters, once it has one.
    ticket: Option<u64>,
}

impl Future for Wait {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.shared.check(self.seq) {
            return Poll::Ready(result);
        }
        let seq = self.seq;
        let ticket = self.ticket;
        let shared = Arc::clone(&self.shared);
        let mut waiters = shared.waiters();
        // Again, because the position may have moved before the lock was ours.
        if let Some(result) = shared.check(seq) {
            return Poll::Ready(result);
        }
        let ticket = ticket.unwrap_or_else(|| {
            waiters.ticket += 1;
            waiters.ticket
        });
        waiters.by_seq.insert((seq, ticket), context.waker().clone());
        let lingerer = waiters.lingerer.take();
        drop(waiters);
        if let Some(writer) = lingerer {
            writer.unpark();
        }
        self.ticket = Some(ticket);
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket
            && self.shared.check(self.seq).is_none()
        {
            self.shared.waiters().by_seq.remove(&(self.seq, ticket));
        }
    }
}

/// Follows the durable position; sees the latest, not each.
#[derive(Clone, Debug)]
pub struct Follower {
    progress: watch::Receiver<Progress>,
    shared: Arc<Shared>,
}

impl Follower {
    /// Resolves when the position has moved since the last call, with the new one. Safe to drop.
    pub async fn changed(&mut self) -> Result<u64, Failure> {
        // The sender lives in `shared`, which is ours: it can't be gone.
        let _ = self.progress.changed().await;
        let progress = *self.progress.borrow_and_update();
        match self.shared.failure.get() {
            Some(failure) if progress.failed => Err(failure.clone()),
            _ => Ok(progress.position),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn seq(value: u64) -> Seq {
        Seq::new(value).unwrap()
    }

    fn failure() -> Failure {
        let source = Arc::new(std::io::Error::other("gone"));
        Failure { doing: "sync", file: "x.seg".into(), source }
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn poll_once(wait: &mut Wait, count: &Arc<Count>) -> Poll<Result<(), Failure>> {
        let waker: Waker = Arc::clone(count).into();
        Pin::new(wait).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn wakes_exactly_those_whose_record_is_durable() {
        let durable = Durable::new(0);
        let count = Arc::<Count>::default();
        let mut waits: Vec<_> = (1..=1000).map(|n| durable.wait(seq(n))).collect();
        assert!(waits.iter_mut().all(|wait| poll_once(wait, &count).is_pending()));
        durable.publish(400);
        assert_eq!(count.0.load(Ordering::SeqCst), 400);
        let ready = waits.iter_mut().map(|w| poll_once(w, &count)).filter(Poll::is_ready).count();
        assert_eq!(ready, 400);
        durable.publish(400);
        assert_eq!(count.0.load(Ordering::SeqCst), 400);
    }

    #[test]
    fn a_dropped_wait_leaves_nothing_behind() {
        let durable = Durable::new(0);
        let count = Arc::<Count>::default();
        let mut wait = durable.wait(seq(1));
        assert!(poll_once(&mut wait, &count).is_pending());
        drop(wait);
        assert!(durable.shared.waiters().by_seq.is_empty());
    }

    #[tokio::test]
    async fn after_a_failure_only_what_is_durable_is_acknowledged() {
        let durable = Durable::new(5);
        let waiting = tokio::spawn({
            let durable = durable.clone();
            async move { durable.wait(seq(6)).await }
        });
        let told = tokio::spawn({
            let durable = durable.clone();
            async move { durable.failed().await }
        });
        tokio::task::yield_now().await;
        durable.fail(failure());
        assert_eq!(waiting.await.unwrap().unwrap_err().code(), "journal.failed");
        assert_eq!(told.await.unwrap().doing, "sync");
        assert!(durable.wait(seq(5)).await.is_ok());
        assert!(durable.wait(seq(6)).await.is_err());
        assert!(durable.wait_blocking(seq(6)).is_err());
    }

    #[tokio::test]
    async fn a_follower_sees_the_latest_position() {
        let durable = Durable::new(0);
        let mut follower = durable.subscribe();
        durable.publish(3);
        durable.publish(4);
        assert_eq!(follower.changed().await.unwrap(), 4);
        durable.fail(failure());
        assert!(follower.changed().await.is_err());
    }

    #[test]
    fn a_wait_ends_the_lingering() {
        let long = Duration::from_secs(3600);
        let durable = Durable::new(0);
        let writer = thread::spawn({
            let durable = durable.clone();
            move || durable.linger(long)
        });
        let count = Arc::<Count>::default();
        let mut wait = durable.wait(seq(1));
        assert!(poll_once(&mut wait, &count).is_pending());
        writer.join().unwrap();
        // Somebody waits already.
        durable.linger(long);
        assert!(durable.shared.waiters().lingerer.is_none());
    }

    #[test]
    fn a_thread_can_wait() {
        let durable = Durable::new(0);
        let thread = thread::spawn({
            let durable = durable.clone();
            move || durable.wait_blocking(seq(2))
        });
        durable.publish(1);
        durable.publish(2);
        thread.join().unwrap().unwrap();
    }
}
