//! Connections: how many there are, how slow they may be, and how they end. Knows no routes.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use crate::admit::answer;
use crate::caller::Peer;
use crate::client_name;
use crate::config::HttpLimits;
use crate::http2;
use crate::paced::Paced;
use crate::route::Server;
use crate::tasks::Shutdown;
use crate::tls::Tls;

/// Answered to a connection too many. Written by hand, for there is no service behind it.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\nretry-after: 1\r\nconnection: close\r\n\
    content-length: 133\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\
    \"code\":\"http.connections\",\"detail\":\"there are too many connections\"}";

/// Answered to HTTP without TLS, where TLS is spoken.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: application/problem+json\r\nconnection: close\r\n\
    content-length: 121\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\
    \"code\":\"tls.required\",\"detail\":\"this host speaks https:// only\"}";
const PLAIN_READ_MAX: u64 = 1 << 20;
const PLAIN_WAIT: Duration = Duration::from_secs(1);

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
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: connections that end make room.
                warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match Arc::clone(&slots).try_acquire_owned() {
            Ok(slot) => {
                let server = Arc::clone(&server);
                connections.spawn(connection(stream, address, server, shutdown.clone(), slot));
            }
            // Behind TLS nothing can be said before the handshake, which is what there is no
            // room for.
            Err(_) if server.tls.is_some() => {}
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
    address: SocketAddr,
    server: Arc<Server>,
    mut shutdown: Shutdown,
    _slot: OwnedSemaphorePermit,
) {
    // Answers are written whole, so waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let mut peer = Peer { address, certificate: None };
    let Some(tls) = &server.tls else {
        let begins = tokio::select! {
            begins = timeout(server.http.header_timeout, http2::begins(&stream)) => begins,
            () = shutdown.requested() => return,
        };
        // One that says nothing, or is gone, is owed no answer.
        let Ok(Ok(is_http2)) = begins else { return };
        let stream = Paced::new(stream, server.http.write_timeout);
        return match is_http2 {
            true => Box::pin(http2::serve(stream, peer, &server, shutdown)).await,
            false => requests(stream, peer, &server, shutdown).await,
        };
    };
    let handshake = timeout(server.http.header_timeout, secured(stream, tls, &server));
    let secured = tokio::select! {
        secured = handshake => secured,
        () = shutdown.requested() => return,
    };
    match secured {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates();
            peer.certificate =
                certificates.and_then(<[_]>::first).map(|first| client_name::of(first));
            match stream.get_ref().1.alpn_protocol() {
                Some(http2::NAME) => http2::serve(stream, peer, &server, shutdown).await,
                _ => requests(stream, peer, &server, shutdown).await,
            }
        }
        Ok(Err(error)) => debug!(%error, %address, "a handshake failed"),
        Err(_) => debug!(%address, "a handshake took too long"),
    }
}

async fn secured(
    mut stream: TcpStream,
    tls: &Arc<Tls>,
    server: &Server,
) -> io::Result<TlsStream<Paced<TcpStream>>> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first[0].is_ascii_alphabetic() {
        plain(&mut stream).await;
        return Err(io::Error::other("plain HTTP came where TLS is spoken"));
    }
    if tls.is_due() {
        let tls = Arc::clone(tls);
        let looked = tokio::task::spawn_blocking(move || tls.refresh()).await;
        if looked.is_ok_and(|renewed| renewed) {
            server.gate.record(server.gate.own("certificates", json!({}))).await;
        }
    }
    let stream = Paced::new(stream, server.http.write_timeout);
    tls.acceptor().accept(stream).await
}

/// Says so to a client that speaks HTTP without TLS, and waits a little until it has read that:
/// closing at once would take the answer back.
async fn plain(stream: &mut TcpStream) {
    let said = stream.write_all(PLAIN).await.and(stream.shutdown().await);
    let mut sink = tokio::io::sink();
    let mut rest = stream.take(PLAIN_READ_MAX);
    if said.is_ok() {
        let _ = timeout(PLAIN_WAIT, tokio::io::copy(&mut rest, &mut sink)).await;
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    server: &Arc<Server>,
    mut shutdown: Shutdown,
) {
    let builder = builder(&server.http);
    let (server, peer) = (Arc::clone(server), Arc::new(peer));
    let service = service_fn(move |request| {
        let (server, peer) = (Arc::clone(&server), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(answer(&server, &peer, request).await) }
    });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
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
    fn answers_written_by_hand_are_well_formed() {
        for text in [BUSY, PLAIN] {
            let text = std::str::from_utf8(text).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
            assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
        }
    }
}
