//! What delivers an event to a sink, seen from here: a request that succeeded, or the reason why
//! not. Knows no HTTP: whoever opens a pipeline brings that.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use triphammer_model::{Delivery, Effects, Event, LogLevel, LogLine, Sink, TraceContext};
use triphammer_sandbox::Fault;

/// Delivers to sinks.
pub trait Push: Debug + Send + Sync + 'static {
    /// One attempt at one delivery. The future ends within `pushed.timeout`.
    fn push(
        &self,
        pushed: Pushed,
    ) -> Pin<Box<dyn Future<Output = Result<String, PushError>> + Send>>;
}

/// One attempt at a delivery to a sink.
#[derive(Clone, Debug)]
pub struct Pushed {
    pub sink: Arc<Sink>,
    pub event: Event,
    pub delivery: Delivery,
    pub idempotency_key: String,
    pub timeout: Duration,
    /// The attempt's place in its trace, which its request carries on.
    pub trace: Option<TraceContext>,
}

/// Why a sink did not take an event.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct PushError {
    /// Stable and public.
    pub code: &'static str,
    pub message: String,
    /// What is to be done about it.
    pub fault: Fault,
    /// When the sink wants to be tried again, if it said so.
    pub after: Option<Duration>,
}

/// What came of an attempt, at whatever it was made.
pub(crate) struct PushResult {
    pub(crate) result: Result<Effects, PushError>,
    pub(crate) logs: Vec<LogLine>,
}

/// A success has no effects but the ack; what the sink answered is told as a log line.
pub(crate) async fn push(push: Option<&Arc<dyn Push>>, pushed: Pushed) -> PushResult {
    let answered = match push {
        Some(push) => push.push(pushed).await,
        None => Err(PushError {
            code: "invoke.host",
            message: "this host reaches no sinks".to_owned(),
            fault: Fault::Host,
            after: None,
        }),
    };
    match answered {
        Ok(message) => {
            let line = LogLine { level: LogLevel::Info, message };
            PushResult { result: Ok(Effects::default()), logs: vec![line] }
        }
        Err(error) => PushResult { result: Err(error), logs: Vec::new() },
    }
}
