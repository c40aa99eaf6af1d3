//! The bodies of a request and of its response: counted as they pass, and given up when they take too
//! long. Knows nothing of targets.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::connect::after;
use crate::counts::{Counters, Outcome};
use crate::error::{Error, Side};
use crate::exchange::Report;
use crate::observe::Seen;

/// What is left of an attempt's bytes.
#[derive(Debug)]
pub(crate) struct Meter {
    left: AtomicU64,
    max: u64,
}

impl Meter {
    pub(crate) fn new(max: u64) -> Self {
        Self { left: AtomicU64::new(max), max }
    }

    fn take(&self, bytes: u64, of: Side) -> Result<(), Error> {
        let take = |left: u64| left.checked_sub(bytes);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map(|_| ()).map_err(|_| Error::Bytes { max: self.max, of })
    }

    /// Whether there would be room for so many.
    pub(crate) fn check(&self, bytes: u64, of: Side) -> Result<(), Error> {
        match bytes <= self.left.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(Error::Bytes { max: self.max, of }),
        }
    }
}

/// One request, as it is told of when it fails: once, whichever of its parts failed first.
pub(crate) struct Watch {
    /// Method and target.
    pub(crate) what: String,
    pub(crate) report: Report,
    pub(crate) meter: Arc<Meter>,
    counters: Arc<Counters>,
    /// None where nobody records its trace.
    seen: Option<Box<Seen>>,
    told: AtomicBool,
    answered: AtomicBool,
}

impl Watch {
    pub(crate) fn new(
        what: String,
        report: Report,
        meter: Arc<Meter>,
        counters: Arc<Counters>,
        seen: Option<Box<Seen>>,
    ) -> Self {
        let (told, answered) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { what, report, meter, counters, seen, told, answered }
    }

    /// There is a response, of this status.
    pub(crate) fn answered(&self, status: u16) {
        self.answered.store(true, Ordering::Relaxed);
        if let Some(seen) = &self.seen {
            seen.answered(status);
        }
    }

    pub(crate) fn fail(&self, error: Error) -> Error {
        if !self.told.swap(true, Ordering::Relaxed) {
            self.counters.count(Outcome::of(&error));
            (self.report)(&self.what, &error);
            if let Some(seen) = &self.seen {
                seen.tell(Some(&error));
            }
        }
        error
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // One that failed has been counted.
        if !*self.told.get_mut() {
            let answered = *self.answered.get_mut();
            self.counters.count(if answered { Outcome::Answered } else { Outcome::Abandoned });
            if let Some(seen) = &self.seen {
                seen.tell(None);
            }
        }
    }
}

/// What a guest sends.
pub(crate) struct RequestBody<B> {
    pub(crate) inner: B,
    pub(crate) watch: Arc<Watch>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(_))) => {
                return Poll::Ready(Some(Err(self.watch.fail(Error::Unfinished))));
            }
        };
        let counted = count(&self.watch.meter, &frame, Side::Request);
        Poll::Ready(Some(counted.map(|()| frame).map_err(|error| self.watch.fail(error))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What a guest is answered with. As long as it lives, the request counts as under way.
pub struct ResponseBody {
    incoming: Incoming,
    watch: Arc<Watch>,
    /// When it is given up, and how long that is after the beginning.
    deadline: (Pin<Box<Sleep>>, Duration),
    /// The same between one part and the next.
    between: Option<(Pin<Box<Sleep>>, Duration)>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl ResponseBody {
    pub(crate) fn new(
        incoming: Incoming,
        watch: Arc<Watch>,
        (deadline, timeout): (Instant, Duration),
        between: Option<Duration>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let between = between.map(|between| (Box::pin(sleep_until(after(between))), between));
        let deadline = (Box::pin(sleep_until(deadline)), timeout);
        Self { incoming, watch, deadline, between, ended: false, _place: place }
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.ended = true;
        Poll::Ready(Some(Err(self.watch.fail(error))))
    }

    fn overdue(&mut self, cx: &mut Context<'_>) -> Option<Duration> {
        let timers = std::iter::once(&mut self.deadline).chain(&mut self.between);
        let mut over =
            timers.filter_map(|(sleep, of)| sleep.as_mut().poll(cx).is_ready().then_some(*of));
        over.next()
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Err(error) = count(&self.watch.meter, &frame, Side::Response) {
                    return self.fail(error);
                }
                if let Some((sleep, between)) = &mut self.between {
                    sleep.as_mut().reset(after(*between));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => self.fail(broken(&error)),
            Poll::Ready(None) => {
                self.ended = true;
                Poll::Ready(None)
            }
            Poll::Pending => match self.overdue(cx) {
                Some(after) => self.fail(Error::Timeout { after }),
                None => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

fn count(meter: &Meter, frame: &Frame<Bytes>, of: Side) -> Result<(), Error> {
    match frame.data_ref() {
        Some(data) => meter.take(data.len() as u64, of),
        None => Ok(()),
    }
}

/// What a connection that broke means.
pub(crate) fn broken(error: &hyper::Error) -> Error {
    // What a body of ours has failed with comes out of the connection again.
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(ours) = cause.downcast_ref::<Error>() {
            return ours.clone();
        }
        source = cause.source();
    }
    if error.is_parse() { Error::Protocol } else { Error::Terminated }
}
