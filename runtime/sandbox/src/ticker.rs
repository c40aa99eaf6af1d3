//! One thread that advances the engine's epoch while guests run, so that each of them comes back
//! to its scheduler and to its deadline. It sleeps while nothing runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use wasmtime::Engine;

use crate::error::SetupError;

/// How long a guest runs before it must let others run, at most twice that.
const TICK: Duration = Duration::from_millis(1);
/// Ticks without a guest before the thread sleeps: waking it costs more than a few ticks.
const IDLE_TICKS: u32 = 50;
const NAME: &str = "trip-epoch";

pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    stopped: AtomicBool,
}

/// The epoch advances while one of these lives.
pub(crate) struct Running<'a>(&'a Shared);

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> Result<Self, SetupError> {
        let shared = Arc::new(Shared::default());
        let (engine, theirs) = (engine.clone(), Arc::clone(&shared));
        let handle: JoinHandle<()> = thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || tick(&engine, &theirs))
            .map_err(|source| SetupError::Thread { name: NAME, source })?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    pub(crate) fn running(&self) -> Running<'_> {
        // Count before looking: a ticker that we see awake sees us before it falls asleep.
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(&self.shared)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn tick(engine: &Engine, shared: &Shared) {
    let mut idle = 0;
    while !shared.stopped.load(Ordering::SeqCst) {
        thread::sleep(TICK);
        engine.increment_epoch();
        idle = if shared.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
        if idle > IDLE_TICKS {
            sleep_until_needed(shared);
            idle = 0;
        }
    }
}

fn sleep_until_needed(shared: &Shared) {
    shared.asleep.store(true, Ordering::SeqCst);
    // Look after saying that we sleep: who came in between did not wake us.
    let needed =
        || shared.running.load(Ordering::SeqCst) > 0 || shared.stopped.load(Ordering::SeqCst);
    while !needed() {
        thread::park();
    }
    shared.asleep.store(false, Ordering::SeqCst);
}
