//! Connections: how many there are, how slow they may be, and how they end. Knows no routes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::config::HttpLimits;
use crate::paced::Paced;
use crate::route::{Server, answer};
use crate::tasks::Shutdown;

/// Answered to a connection too many. Written by hand, for there is no service behind it.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\nretry-after: 1\r\nconnection: close\r\n\
    content-length: 133\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\
    \"code\":\"http.connections\",\"detail\":\"there are too many connections\"}";

/// What is read of a request's head, and the most that is buffered of a connection.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// How long to wait when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until it is asked to stop, then lets the requests in flight finish.
pub(crate) async fn serve(
    listener: TcpListener,
    server: Arc<Server>,
    mut shutdown: Shutdown,
) -> Result<(), String> {
    let slots = Arc::new(Semaphore::new(server.http.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.requested() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, mostly: connections that end make room.
                warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match Arc::clone(&slots).try_acquire_owned() {
            Ok(slot) => {
                let connection = connection(stream, Arc::clone(&server), shutdown.clone(), slot);
                connections.spawn(connection);
            }
            Err(_) => refuse(&stream),
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

fn refuse(stream: &TcpStream) {
    // A fresh connection has room for this; if not, it is closed without a word.
    let _ = stream.try_write(BUSY);
}

async fn connection(
    stream: TcpStream,
    server: Arc<Server>,
    mut shutdown: Shutdown,
    _slot: OwnedSemaphorePermit,
) {
    // Answers are written whole, so waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Paced::new(stream, server.http.write_timeout));
    let builder = builder(&server.http);
    let service = service_fn(move |request| {
        let server = Arc::clone(&server);
        async move { Ok::<_, Infallible>(answer(&server, request).await) }
    });
    let mut connection = std::pin::pin!(builder.serve_connection(io, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection broke off");
    }
}

/// Answers of pipelined requests are not held back to be written together: what cannot be read
/// behind them would end the connection with the answers unwritten.
fn builder(http: &HttpLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(http.header_timeout)
        .max_buf_size(BUFFER_BYTES_MAX)
        // Answers are small: one buffer is cheaper than several.
        .writev(false);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_connection_too_many_is_well_formed() {
        let text = std::str::from_utf8(BUSY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
