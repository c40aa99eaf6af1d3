//! The tasks of the host, by name, and how they are asked to stop. Knows none of their work.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tracing::{error, info};

/// The whole list: a task that is not here does not exist. What the pipeline runs are threads of
/// its own; a connection belongs to the task that accepted it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TaskKind {
    /// Accepts connections and serves them.
    Http,
    /// Looks at the host's counts now and then.
    Sampler,
}

/// Why the tasks ended, other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    #[error("{0}")]
    Failed(String),
    #[error("a task of the host broke off")]
    Panicked(#[source] JoinError),
}

/// Cloned into each task; resolves once, for all of them.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    pub(crate) async fn requested(&mut self) {
        // An error means that the sender is gone, which is also a request to stop.
        let _ = self.0.wait_for(|requested| *requested).await;
    }
}

/// The tasks that run. Ends them all when it is dropped.
#[derive(Debug)]
pub(crate) struct Tasks {
    running: JoinSet<(TaskKind, Result<(), String>)>,
    stop: watch::Sender<bool>,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self { running: JoinSet::new(), stop: watch::Sender::new(false) }
    }

    pub(crate) fn shutdown(&self) -> Shutdown {
        Shutdown(self.stop.subscribe())
    }

    /// Starts a task. It ends early only with a reason for the whole host to end.
    pub(crate) fn spawn(
        &mut self,
        kind: TaskKind,
        work: impl Future<Output = Result<(), String>> + Send + 'static,
    ) {
        self.running.spawn(async move { (kind, work.await) });
    }

    /// Runs until `signal` resolves or a task ends, then asks all to stop and waits for them. What
    /// takes longer than `grace` is ended where it is.
    pub(crate) async fn run(
        mut self,
        signal: impl Future<Output = ()>,
        grace: Duration,
    ) -> Result<(), TaskError> {
        let ended = tokio::select! {
            () = signal => None,
            ended = self.running.join_next() => ended,
        };
        info!("stopping");
        self.stop.send_replace(true);
        let mut result = ended.map_or(Ok(()), outcome);
        let drained = async {
            while let Some(ended) = self.running.join_next().await {
                let ended = outcome(ended);
                // The first reason is the one that counts.
                if result.is_ok() {
                    result = ended;
                }
            }
        };
        if timeout(grace, drained).await.is_err() {
            info!(?grace, "some requests took longer than the grace and were broken off");
        }
        result
    }
}

fn outcome(ended: Result<(TaskKind, Result<(), String>), JoinError>) -> Result<(), TaskError> {
    match ended {
        Ok((_, Ok(()))) => Ok(()),
        Ok((kind, Err(reason))) => {
            error!(?kind, reason, "a task has failed");
            Err(TaskError::Failed(reason))
        }
        Err(error) => Err(TaskError::Panicked(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const GRACE: Duration = Duration::from_secs(1);

    fn stopping(tasks: &Tasks) -> impl Future<Output = Result<(), String>> + use<> {
        let mut shutdown = tasks.shutdown();
        async move {
            shutdown.requested().await;
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_ends_all() {
        let mut tasks = Tasks::new();
        tasks.spawn(TaskKind::Http, stopping(&tasks));
        tasks.spawn(TaskKind::Http, stopping(&tasks));
        assert!(tasks.run(ready(()), GRACE).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_task_ends_all_with_its_reason() {
        let mut tasks = Tasks::new();
        tasks.spawn(TaskKind::Http, stopping(&tasks));
        tasks.spawn(TaskKind::Http, ready(Err("the disk is gone".into())));
        let error = tasks.run(pending(), GRACE).await.unwrap_err();
        assert_eq!(error.to_string(), "the disk is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_a_failure() {
        let mut tasks = Tasks::new();
        tasks.spawn(TaskKind::Http, async { panic!("on purpose") });
        assert!(matches!(tasks.run(pending(), GRACE).await, Err(TaskError::Panicked(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_bounds_the_end() {
        let mut tasks = Tasks::new();
        tasks.spawn(TaskKind::Http, pending());
        assert!(tasks.run(ready(()), GRACE).await.is_ok());
    }
}
