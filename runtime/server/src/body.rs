//! Bodies in and out, bounded in size, in time and in the memory of all of them together. Knows
//! nothing of what they hold.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, EXPECT, HeaderMap, HeaderValue};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::problem::Problem;

/// What a response carries: bytes at once, or pieces as they come.
pub(crate) enum ResponseBody {
    Whole(Bytes),
    /// Bytes that are handed over a little at a time, with what is kept until the last of them was.
    Pieces(Bytes, Option<Box<dyn Send>>),
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

/// What of an answer in pieces can wait outside of it.
const PIECE_BYTES: usize = 16 << 10;
/// An answer up to this size is handed over at once, and kept by nobody.
const SMALL_ANSWER_BYTES: usize = 4 << 10;

impl ResponseBody {
    /// Keeps `guard` until the last piece was taken, or nobody wants it any more.
    pub(crate) fn holding(self, guard: impl Send + 'static) -> Self {
        match self {
            Self::Whole(bytes) if bytes.len() <= SMALL_ANSWER_BYTES => Self::Whole(bytes),
            Self::Whole(bytes) => Self::Pieces(bytes, Some(Box::new(guard))),
            // What keeps it may be gone, and this is not.
            Self::Pieces(bytes, earlier) => Self::Pieces(bytes, Some(Box::new((earlier, guard)))),
            Self::Stream(pieces) => {
                let held = pieces.inspect(move |_| {
                    let _held = &guard;
                });
                Self::Stream(Box::pin(held))
            }
        }
    }
}

impl From<Vec<u8>> for ResponseBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole(bytes.into())
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Pieces(rest, guard) => {
                if rest.is_empty() {
                    *guard = None;
                    return Poll::Ready(None);
                }
                // A piece is taken as soon as the client takes a byte, and the next is asked for.
                // The last byte goes alone: it is taken when all before it has gone out.
                let most = rest.len().saturating_sub(1).clamp(1, PIECE_BYTES);
                let piece = rest.split_to(most);
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Self::Stream(pieces) => {
                pieces.as_mut().poll_next(cx).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            // Or nothing would be asked for after the last byte.
            Self::Pieces(_, guard) => guard.is_none(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(rest) | Self::Pieces(rest, _) => SizeHint::with_exact(rest.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// What all request bodies in flight share.
#[derive(Clone, Debug)]
pub(crate) struct BodyReader {
    /// Permits of [`UNIT`] bytes.
    memory: Arc<Semaphore>,
    read_timeout: Duration,
}

/// A body up to this size is not counted: there are no more of them than connections.
const SMALL: u64 = 64 << 10;
const UNIT: u64 = 1 << 10;
/// The slowest that a large body may come in on average.
const BYTES_PER_SECOND_MIN: u64 = 128 << 10;
/// How much of a refused body is read for the client to get as far as the answer.
const DISCARDED_MAX: u64 = 64 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// How large a body may be, and the error that says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    pub(crate) bytes: usize,
    /// Begins a sentence.
    pub(crate) what: &'static str,
    pub(crate) code: &'static str,
}

/// A body that was read. Its share of the memory is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Received<'r> {
    pub(crate) bytes: Bytes,
    _memory: Option<SemaphorePermit<'r>>,
}

impl BodyReader {
    pub(crate) fn new(memory_bytes: u64, read_timeout: Duration) -> Self {
        let units = (memory_bytes / UNIT).min(Semaphore::MAX_PERMITS as u64);
        Self { memory: Arc::new(Semaphore::new(units as usize)), read_timeout }
    }

    /// Reads the whole body.
    pub(crate) async fn read(
        &self,
        headers: &HeaderMap,
        mut body: Incoming,
        allowed: Allowance,
    ) -> Result<Received<'_>, Problem> {
        if is_coded(headers) {
            discard(headers, body).await;
            return Err(coded());
        }
        let limit = allowed.bytes as u64;
        let declared = body.size_hint().exact();
        if declared.is_some_and(|len| len > limit) {
            discard(headers, body).await;
            return Err(allowed.exceeded());
        }
        let expected = declared.unwrap_or(limit);
        let bound = self.read_timeout + Duration::from_secs(expected / BYTES_PER_SECOND_MIN);
        let whole = async {
            let memory = self.reserve(expected).await;
            collect(&mut body, limit).await.map(|bytes| Received { bytes, _memory: memory })
        };
        match timeout(bound, whole).await {
            Ok(Ok(received)) => Ok(received),
            Ok(Err(Unread::TooLarge)) => {
                discard(headers, body).await;
                Err(allowed.exceeded())
            }
            Ok(Err(Unread::Broken)) => {
                Err(Problem::bad_request("http.body_broken", "the body broke off"))
            }
            Err(_) => {
                let detail = format!("the body did not come in within {bound:?}");
                Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "http.timeout", detail))
            }
        }
    }

    async fn reserve(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        if bytes <= SMALL {
            return None;
        }
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        // It is never closed, so there is always a permit in the end.
        self.memory.acquire_many(units).await.ok()
    }
}

impl Allowance {
    fn exceeded(&self) -> Problem {
        let detail = format!("{} has more than {} bytes", self.what, self.bytes);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, self.code, detail)
    }
}

/// Whether the body is said to be compressed. Nothing here unpacks one, so that none is larger than
/// what came in; kept as it is, its event would say of its payload what is not so.
fn is_coded(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(CONTENT_ENCODING).iter();
    let mut codings = codings.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| !coding.trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// RFC 9110, section 15.5.16: the header says which codings would have been taken.
fn coded() -> Problem {
    let detail = "send the body without a content encoding: this host unpacks none";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "http.content_encoding", detail)
        .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
}

enum Unread {
    TooLarge,
    Broken,
}

async fn collect(body: &mut Incoming, limit: u64) -> Result<Bytes, Unread> {
    let Some(first) = next(body).await? else {
        return Ok(Bytes::new());
    };
    if first.len() as u64 > limit {
        return Err(Unread::TooLarge);
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let Some(second) = next(body).await? else {
        return Ok(first);
    };
    let mut whole = BytesMut::with_capacity((first.len() + second.len()) * 2);
    whole.extend_from_slice(&first);
    let mut chunk = Some(second);
    while let Some(bytes) = chunk {
        if (whole.len() + bytes.len()) as u64 > limit {
            return Err(Unread::TooLarge);
        }
        whole.extend_from_slice(&bytes);
        chunk = next(body).await?;
    }
    Ok(whole.freeze())
}

/// The next piece of data; trailers are passed over.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Unread> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::Broken)?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Reads on for a while after a refusal: a client that is still writing when the connection is
/// closed would see a reset instead of the answer.
async fn discard(headers: &HeaderMap, mut body: Incoming) {
    if headers.contains_key(EXPECT) {
        // It waits for a word before it sends anything.
        return;
    }
    let reading = async {
        let mut discarded = 0;
        while let Ok(Some(bytes)) = next(&mut body).await {
            discarded += bytes.len() as u64;
            if discarded > DISCARDED_MAX {
                break;
            }
        }
    };
    let _ = timeout(DISCARD_TIMEOUT, reading).await;
}
