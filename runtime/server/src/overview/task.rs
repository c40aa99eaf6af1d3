//! Takes a sample every two seconds, keeps what is made of them, and raises alerts. Whoever asks gets what
//! is there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use triphammer_model::{FunctionName, Timestamp};
use triphammer_pipeline::{Measures, Pipeline};

use super::points::Points;
use super::rates::Window;
use super::sync::Syncs;
use super::view::{HistoryView, OverviewView};
use crate::alerts::Watch;
use crate::tasks::Shutdown;

/// Between two samples.
const TICK: Duration = Duration::from_secs(2);

/// What is made of the samples; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    window: Window,
    points: Points,
    syncs: Syncs,
}

impl Samples {
    fn take(&self, measures: &Measures) {
        let mut kept = self.lock();
        kept.window.note(measures);
        kept.points.note(measures);
        kept.syncs.note(measures.at, measures.log);
    }

    /// The host now.
    pub(crate) fn overview(&self, pipeline: &Pipeline) -> OverviewView {
        let measures = pipeline.measures();
        let kept = self.lock();
        OverviewView::new(&measures, &kept.window, kept.syncs.recent(&measures.log))
    }

    pub(crate) fn history(&self, function: Option<&FunctionName>, from: Timestamp) -> HistoryView {
        HistoryView::new(&self.lock().points.since(function, from))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // What is in there is a view, and as good after a panic as before.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes samples until the host stops, and raises what is to be told of them.
pub(crate) async fn sample(
    samples: Samples,
    pipeline: Pipeline,
    mut watch: Watch,
    mut shutdown: Shutdown,
) -> Result<(), String> {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.requested() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let measures = pipeline.measures();
        samples.take(&measures);
        for alert in watch.look(&measures) {
            let (ty, data) = (alert.ty, alert.data.to_string());
            match pipeline.alert(alert).await {
                Ok(Some(seq)) => tracing::warn!(r#type = ty, %seq, data, "raised"),
                Ok(None) => tracing::warn!(r#type = ty, data, "told here only: it is no event"),
                Err(error) => {
                    tracing::warn!(r#type = ty, data, %error, "told here only: it is no event");
                }
            }
        }
    }
}
