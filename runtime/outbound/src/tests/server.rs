//! A server that keeps what it is sent, and answers with the bytes that it is given.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What it does when it has read a request.
#[derive(Clone)]
pub(crate) enum Then {
    Answer(Vec<u8>),
    /// Answers, and then keeps the connection open without a word.
    AnswerAndWait(Vec<u8>),
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn answering(head: &str, body: &str) -> Self {
        let text = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        Self::start(Then::Answer(text.into()), None).await
    }

    pub(crate) async fn start(then: Then, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, then, tls) = (Arc::clone(&kept), then.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &kept, then).await,
                        Some(tls) => {
                            // A client that does not trust it goes away.
                            let Ok(stream) = tls.accept(stream).await else { return };
                            serve(stream, &kept, then).await;
                        }
                    }
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/path?q=1", self.address.port())
    }

    /// Heads and bodies, one text each.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    kept: &Mutex<Vec<String>>,
    then: Then,
) {
    let mut text = Vec::new();
    while !is_whole(&text) {
        match stream.read_buf(&mut text).await {
            Ok(1..) => {}
            _ => return,
        }
    }
    kept.lock().unwrap().push(String::from_utf8_lossy(&text).into_owned());
    match then {
        Then::Answer(answer) => {
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
        Then::AnswerAndWait(answer) => {
            let _ = stream.write_all(&answer).await;
            std::future::pending::<()>().await;
        }
    }
}

/// The head, and as much body as it says.
fn is_whole(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let len = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= len.map_or(0, |len| len.parse().unwrap())
}
