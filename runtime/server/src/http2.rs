//! HTTP/2: over TLS when both sides agree on it, in the clear when a client begins with it (RFC
//! 9113, section 3.3). Knows no routes.
//!
//! One connection carries many requests, so what HTTP/1.1 bounds by connections is bounded here
//! apart: requests on one connection, requests on all of them, and what is buffered of each.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::header::{HOST, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use crate::admit::answer;
use crate::body::ResponseBody;
use crate::caller::Peer;
use crate::problem::Problem;
use crate::route::Server;
use crate::tasks::Shutdown;

/// Its name in the handshake of TLS.
pub(crate) const NAME: &[u8] = b"h2";
/// How every connection begins. No method of HTTP/1.1 is spelt so.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// So much of it tells the two apart.
const TELLING: usize = 4;

/// On one connection at once.
const STREAMS_MAX: u32 = 100;
/// Names and values, uncompressed.
const HEADER_BYTES_MAX: u32 = 64 << 10;
/// What a client may send of one body, and of all on its connection, before it is read.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;
/// What is buffered of an answer that the client does not take.
const SEND_BYTES_MAX: usize = 64 << 10;
/// A client that begins requests and takes them back, over and over, loses its connection.
const RESETS_MAX: usize = 20;
const ERRORS_MAX: usize = 100;
/// The slowest that a client may take an answer.
const BYTES_PER_SECOND_MIN: u64 = 32 << 10;
/// When a connection may carry no more requests because there are too many on all.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// Whether a client begins with HTTP/2. Takes nothing from the stream.
pub(crate) async fn begins(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; TELLING];
    let len = stream.peek(&mut first).await?;
    Ok(first[..len] == PREFACE[..TELLING])
}

/// Answers the requests of one connection until it ends, is idle for too long, or the host stops.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    server: &Arc<Server>,
    mut shutdown: Shutdown,
) {
    let (idle_max, end_max) = (server.http.header_timeout, server.http.write_timeout);
    let usage = Arc::new(Usage::default());
    let (server, peer, counted) = (Arc::clone(server), Arc::new(peer), Arc::clone(&usage));
    let service = service_fn(move |request| {
        let (server, peer, busy) = (Arc::clone(&server), Arc::clone(&peer), Busy::new(&counted));
        async move { Ok::<_, Infallible>(respond(&server, &peer, request, busy).await) }
    });
    let mut connection = pin!(builder().serve_connection(TokioIo::new(stream), service));
    let mut begun = 0;
    let (mut idle, mut stalled) = (pin!(sleep(idle_max)), pin!(sleep(end_max)));
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = shutdown.requested() => {
                if usage.is_unused() {
                    return;
                }
                connection.as_mut().graceful_shutdown();
                break connection.await;
            }
            () = stalled.as_mut() => {
                if usage.has_untaken(Instant::now()) {
                    return debug!("a client does not take its answers");
                }
                stalled.as_mut().reset(Instant::now() + end_max);
                continue;
            }
            () = idle.as_mut() => idle.as_mut().reset(Instant::now() + idle_max),
        }
        if usage.is_idle_since(&mut begun) {
            if usage.is_unused() {
                return;
            }
            connection.as_mut().graceful_shutdown();
            match timeout(end_max, connection).await {
                Ok(ended) => break ended,
                Err(_) => return debug!("an idle connection would not end"),
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection broke off");
    }
}

fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BYTES_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(ERRORS_MAX);
    builder
}

async fn respond(
    server: &Arc<Server>,
    peer: &Arc<Peer>,
    mut request: Request<Incoming>,
    busy: Busy,
) -> Response<ResponseBody> {
    let Ok(slot) = Arc::clone(&server.multiplexed).try_acquire_owned() else {
        let detail = "there are too many requests under way";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "http.requests", detail);
        return problem.retry_after(BUSY_WAIT).into_response();
    };
    name_host(&mut request);
    let write_timeout = server.http.write_timeout;
    answer(server, peer, request).await.map(|body| match body {
        // Feeds have a number and a pace of their own.
        ResponseBody::Stream(_) => body.holding(busy),
        _ => {
            // A client decides how much of an answer it takes: what waits for it is under way.
            let untaken = Untaken::new(&busy.0, &body, write_timeout);
            body.holding((busy, slot, untaken))
        }
    })
}

/// The host's name is in `:authority`. Where it comes as `Host` as well, both are looked at.
fn name_host<B>(request: &mut Request<B>) {
    let named = request.uri().authority().map(|authority| authority.as_str());
    let value = named.and_then(|name| HeaderValue::from_str(name).ok());
    if let Some(value) = value
        && !request.headers().contains_key(HOST)
    {
        request.headers_mut().insert(HOST, value);
    }
}

/// What a connection is used for.
#[derive(Debug, Default)]
struct Usage {
    /// Wraps around.
    begun: AtomicU32,
    under_way: AtomicU32,
    /// When answers that were made have to be taken, each with a number of its own.
    untaken: Mutex<BTreeSet<(Instant, u64)>>,
}

/// An answer that was made, as long as this is held.
struct Untaken {
    usage: Arc<Usage>,
    due: (Instant, u64),
}

/// A request that is under way, as long as this is held.
struct Busy(Arc<Usage>);

impl Usage {
    /// It may not even have shaken hands, so there is nothing to take leave of.
    fn is_unused(&self) -> bool {
        self.begun.load(Ordering::Relaxed) == 0
    }

    /// Whether nothing is under way, and nothing has begun since the last time.
    fn is_idle_since(&self, begun: &mut u32) -> bool {
        let now = self.begun.load(Ordering::Relaxed);
        let before = std::mem::replace(begun, now);
        now == before && self.under_way.load(Ordering::Relaxed) == 0
    }
}

impl Usage {
    /// Whether an answer should have been taken by now.
    fn has_untaken(&self, now: Instant) -> bool {
        self.untaken().first().is_some_and(|(due, _)| *due <= now)
    }

    fn untaken(&self) -> MutexGuard<'_, BTreeSet<(Instant, u64)>> {
        // Nothing panics while it holds the lock.
        self.untaken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Untaken {
    /// A large answer has longer.
    fn new(usage: &Arc<Usage>, body: &ResponseBody, write_timeout: Duration) -> Self {
        let bytes = body.size_hint().lower();
        let pace = Duration::from_secs(bytes / BYTES_PER_SECOND_MIN);
        let mut untaken = usage.untaken();
        let number = untaken.iter().map(|(_, number)| number + 1).max().unwrap_or_default();
        let due = (Instant::now() + write_timeout + pace, number);
        untaken.insert(due);
        drop(untaken);
        Self { usage: Arc::clone(usage), due }
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        self.usage.untaken().remove(&self.due);
    }
}

impl Busy {
    fn new(usage: &Arc<Usage>) -> Self {
        usage.begun.fetch_add(1, Ordering::Relaxed);
        usage.under_way.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(usage))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_idle_when_nothing_began_and_nothing_is_left() {
        let usage = Arc::new(Usage::default());
        let mut begun = 0;
        assert!(usage.is_idle_since(&mut begun));
        let busy = Busy::new(&usage);
        assert!(!usage.is_idle_since(&mut begun));
        assert!(!usage.is_idle_since(&mut begun), "it is still under way");
        drop(busy);
        assert!(usage.is_idle_since(&mut begun));
        drop(Busy::new(&usage));
        assert!(!usage.is_idle_since(&mut begun), "one has come and gone");
    }

    #[test]
    fn the_authority_is_the_host_unless_there_is_one() {
        let named = |uri: &str, host: Option<&str>| {
            let mut request = Request::builder().uri(uri);
            if let Some(host) = host {
                request = request.header(HOST, host);
            }
            let mut request = request.body(()).unwrap();
            name_host(&mut request);
            request.headers().get(HOST).map(|host| host.to_str().unwrap().to_owned())
        };
        assert_eq!(named("http://a:1/x", None).as_deref(), Some("a:1"));
        assert_eq!(named("http://a:1/x", Some("b")).as_deref(), Some("b"));
        assert_eq!(named("/x", None), None);
    }
}
