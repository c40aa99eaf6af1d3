//! Requests as they are told to whoever records traces: each once, when nothing of it is left. Knows no
//! format of traces, and no clock.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use http::Method;
use http::request::Parts;
use tokio::time::Instant;
use triphammer_model::{FunctionName, SpanId, Target, TraceContext};

use crate::connect::now;
use crate::error::Error;
use crate::exchange::{Caller, target};

/// Is told of requests in traces that are recorded.
pub trait Observe: Debug + Send + Sync + 'static {
    /// Called where the request ends, so it must not wait.
    fn requested(&self, requested: &Requested<'_>);
}

/// A request that is over at this moment.
#[derive(Debug)]
pub struct Requested<'a> {
    pub function: &'a FunctionName,
    /// Counts from 1.
    pub attempt: u32,
    /// The request's own place, and that of the attempt.
    pub trace: &'a TraceContext,
    pub parent: SpanId,
    pub method: &'a Method,
    /// None when its URL has none that requests may go to.
    pub target: Option<&'a Target>,
    /// Of the response, if there was one.
    pub status: Option<u16>,
    /// The code of what went wrong, if something did.
    pub error: Option<&'static str>,
    pub elapsed: Duration,
}

/// What is known of a request from its beginning on.
pub(crate) struct Seen {
    observer: Arc<dyn Observe>,
    function: FunctionName,
    attempt: u32,
    trace: TraceContext,
    parent: SpanId,
    method: Method,
    target: Option<Target>,
    status: AtomicU16,
    began: Instant,
}

impl Seen {
    /// None where nobody records it. `trace` is the request's own.
    pub(crate) fn new(
        observer: Option<&Arc<dyn Observe>>,
        caller: &Caller,
        trace: Option<&TraceContext>,
        head: &Parts,
    ) -> Option<Box<Self>> {
        let trace = trace.filter(|trace| trace.is_sampled())?;
        Some(Box::new(Self {
            observer: Arc::clone(observer?),
            function: caller.function.clone(),
            attempt: caller.attempt,
            trace: trace.clone(),
            parent: caller.trace.as_ref()?.span,
            method: head.method.clone(),
            target: target(&head.uri).ok(),
            status: AtomicU16::new(0),
            began: now(),
        }))
    }

    pub(crate) fn answered(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    pub(crate) fn tell(&self, error: Option<&Error>) {
        let status = self.status.load(Ordering::Relaxed);
        self.observer.requested(&Requested {
            function: &self.function,
            attempt: self.attempt,
            trace: &self.trace,
            parent: self.parent,
            method: &self.method,
            target: self.target.as_ref(),
            status: (status > 0).then_some(status),
            error: error.map(Error::code),
            elapsed: now().saturating_duration_since(self.began),
        });
    }
}
