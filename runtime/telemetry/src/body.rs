//! The body of a request: what stands around the messages, and then the messages as they were gathered, so
//! that nothing is copied together.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Two parts, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) head: Bytes,
    pub(crate) messages: Bytes,
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let next = if this.head.is_empty() { &mut this.messages } else { &mut this.head };
        let part = std::mem::take(next);
        Poll::Ready((!part.is_empty()).then(|| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.head.is_empty() && self.messages.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.head.len() + self.messages.len()) as u64)
    }
}
