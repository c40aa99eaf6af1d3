//! The host at a glance: once, every second, and over the last hours.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use hyper::StatusCode;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior, interval};
use triphammer_model::{FunctionName, Timestamp};
use triphammer_pipeline::Pipeline;

use super::stream::{served, slot};
use crate::caller::Caller;
use crate::gate::Gate;
use crate::overview::Samples;
use crate::route::{Answer, Call, json};
use crate::tasks::Shutdown;

/// Between two items of the stream.
const TICK: Duration = Duration::from_secs(1);

pub(crate) fn show(call: Call<'_>) -> Answer {
    call.query.done()?;
    json(StatusCode::OK, &call.server.samples.overview(&call.server.pipeline))
}

pub(crate) fn history(mut call: Call<'_>) -> Answer {
    let function: Option<FunctionName> = call.query.parsed("function")?;
    let from = call.query.time("from")?.unwrap_or(Timestamp(0));
    call.query.done()?;
    call.caller.covers(function.as_ref())?;
    json(StatusCode::OK, &call.server.samples.history(function.as_ref(), from))
}

/// Server-sent events without end: the overview, every second.
pub(crate) fn stream(call: Call<'_>) -> Answer {
    call.query.done()?;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let feed = Feed {
        ticks,
        samples: call.server.samples.clone(),
        pipeline: call.server.pipeline.clone(),
        shutdown: call.server.shutdown.clone(),
        caller: call.caller.clone(),
        gate: call.server.gate.clone(),
        _slot: slot(call.server)?,
    };
    let pieces = stream::unfold(feed, |mut feed| async move {
        let piece = feed.next().await?;
        Some((piece, feed))
    });
    Ok(served(pieces))
}

struct Feed {
    ticks: Interval,
    samples: Samples,
    pipeline: Pipeline,
    shutdown: Shutdown,
    caller: Caller,
    gate: Gate,
    _slot: OwnedSemaphorePermit,
}

impl Feed {
    /// None when the host stops, or the listener's token is good no more.
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            biased;
            () = self.shutdown.requested() => return None,
            _ = self.ticks.tick() => {}
        }
        self.gate.keep_up().await;
        if !self.gate.still_lets_in(&self.caller) {
            return None;
        }
        let mut out = b"event: stats\ndata: ".to_vec();
        // Its parts are the host's own, and can be written.
        serde_json::to_writer(&mut out, &self.samples.overview(&self.pipeline)).ok()?;
        out.extend_from_slice(b"\n\n");
        Some(out.into())
    }
}
