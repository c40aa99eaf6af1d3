//! Ctrl-C during the demo: in the middle of it everything is thrown away, at its end it is what
//! the demo waits for.

use std::future::pending;
use std::path::PathBuf;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::error::Error;
use crate::host;

const STATUS_INTERRUPTED: i32 = 130;

pub(super) struct Interrupt {
    is_expected: Arc<AtomicBool>,
    interrupted: Receiver<()>,
}

impl Interrupt {
    /// From now on Ctrl-C removes `scratch` and ends the process. The host ends by itself when it
    /// finds that it is alone.
    pub(super) fn watch(scratch: PathBuf) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(host::Error::Start)?;
        let is_expected = Arc::new(AtomicBool::new(false));
        let expected = Arc::clone(&is_expected);
        let (sender, interrupted) = channel();
        std::thread::spawn(move || {
            runtime.block_on(async {
                if host::interrupted().await.is_err() || sender.send(()).is_err() {
                    return;
                }
                if !expected.load(Ordering::Relaxed) {
                    // What can't be removed stays in the target directory.
                    let _ = std::fs::remove_dir_all(scratch);
                    exit(STATUS_INTERRUPTED);
                }
                // A second Ctrl-C is still heard.
                pending::<()>().await;
            });
        });
        Ok(Self { is_expected, interrupted })
    }

    /// From now on Ctrl-C is waited for.
    pub(super) fn expect(&self) {
        self.is_expected.store(true, Ordering::Relaxed);
    }

    /// Whether it came within this time.
    pub(super) fn came_within(&self, time: Duration) -> bool {
        !matches!(self.interrupted.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }
}
