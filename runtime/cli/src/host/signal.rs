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
#[cfg(unix)]
pub(crate) async fn interrupted() -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signal)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tokio::spawn(async move {
        interrupt.recv().await;
        exit(STATUS_INTERRUPTED);
    });
    Ok(())
}

#[cfg(not(unix))]
pub(crate) async fn interrupted() -> Result<(), Error> {
    tokio::signal::ctrl_c().await.map_err(Error::Signal)?;
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            exit(STATUS_INTERRUPTED);
        }
    });
    Ok(())
}

/// As [`interrupted`], and when standard input ends if `with_stdin`: whoever holds the other end
/// may die in any way, and the host goes with it.
pub(crate) async fn stop_requested(with_stdin: bool) -> Result<(), Error> {
    if !with_stdin {
        return interrupted().await;
    }
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        let mut stdin = std::io::stdin().lock();
        while stdin.read(&mut buffer).is_ok_and(|read| read > 0) {}
        // Nobody waits any more when a signal came first.
        let _ = ended.send(());
    });
    tokio::select! {
        result = interrupted() => result,
        _ = end => Ok(()),
    }
}

/// Set when the process is asked to stop, for those that look in from time to time.
pub(crate) fn stop_flag() -> Result<Arc<AtomicBool>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::Start)?;
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    std::thread::spawn(move || {
        if runtime.block_on(interrupted()).is_ok() {
            set.store(true, Ordering::Relaxed);
        }
        // A second request is heard by the task that the first one left behind.
        runtime.block_on(std::future::pending::<()>());
    });
    Ok(flag)
}
