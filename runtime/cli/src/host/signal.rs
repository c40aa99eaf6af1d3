//! When to stop: Ctrl-C, SIGTERM, or the end of standard input.

use std::io::Read;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use super::Error;

/// Ended by a second Ctrl-C, as shells report it.
const STATUS_INTERRUPTED: i32 = 130;

/// Resolves when the process is asked to stop. When it is asked again, it ends at once: nothing
/// acknowledged is lost by that.
pub(crate) async fn interrupted() -> Result<(), Error> {
    Signals::listen()?.asked().await;
    Ok(())
}

/// Heard from when this is made, not only from when they are waited for.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Needs a runtime around it.
    fn listen() -> Result<Self, Error> {
        use tokio::signal::unix::{SignalKind, signal};

        let interrupt = signal(SignalKind::interrupt()).map_err(Error::Signal)?;
        let terminate = signal(SignalKind::terminate()).map_err(Error::Signal)?;
        Ok(Self { interrupt, terminate })
    }

    async fn asked(self) {
        let Self { mut interrupt, mut terminate } = self;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tokio::spawn(async move {
            interrupt.recv().await;
            exit(STATUS_INTERRUPTED);
        });
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> Result<Self, Error> {
        Ok(Self)
    }

    async fn asked(self) {
        // What can't be listened for does not come.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                exit(STATUS_INTERRUPTED);
            }
        });
    }
}

/// As [`interrupted`], and when standard input ends if `with_stdin`: whoever holds the other end
/// may die in any way, and the host goes with it. It listens from now on, and not only once it is
/// waited for: who sees the host serve may ask it to stop in the next moment.
pub(crate) fn stop_requested(with_stdin: bool) -> Result<impl Future<Output = ()>, Error> {
    let signals = Signals::listen()?;
    let end = with_stdin.then(end_of_stdin);
    Ok(async move {
        match end {
            None => signals.asked().await,
            Some(end) => tokio::select! {
                () = signals.asked() => {}
                _ = end => {}
            },
        }
    })
}

fn end_of_stdin() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        let mut stdin = std::io::stdin().lock();
        while stdin.read(&mut buffer).is_ok_and(|read| read > 0) {}
        // Nobody waits any more when a signal came first.
        let _ = ended.send(());
    });
    end
}

/// Set when the process is asked to stop, for those that look in from time to time.
pub(crate) fn stop_flag() -> Result<Arc<AtomicBool>, Error> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    when_asked_to_stop(move || set.store(true, Ordering::Relaxed))?;
    Ok(flag)
}

/// Calls `tell`, from a thread of its own, when the process is asked to stop.
pub(crate) fn when_asked_to_stop(tell: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::Start)?;
    let signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    std::thread::spawn(move || {
        runtime.block_on(signals.asked());
        tell();
        // A second request is heard by the task that the first one left behind.
        runtime.block_on(std::future::pending::<()>());
    });
    Ok(())
}
