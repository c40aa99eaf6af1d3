//! One connection to the collector, kept open between requests. Decides nothing: whether a request that
//! failed is sent again is up to its caller.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::body::Parts;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::reply::rejected;
use crate::telemetry::Options;

/// The longest answer that is read, in bytes.
const ANSWER_LEN_MAX: usize = 64 << 10;
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("triphammer/", env!("CARGO_PKG_VERSION")));

/// Sends requests, one after the other.
pub(crate) struct Client {
    endpoint: Endpoint,
    headers: HeaderMap,
    tls: Option<TlsConnector>,
    timeout: Duration,
    connection: Option<Connection>,
}

struct Connection {
    sender: SendRequest<Parts>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request that was not taken.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// When the collector wants to be asked again, if it said so.
    pub(crate) after: Option<Duration>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, after: None }
    }
}

impl Client {
    pub(crate) fn new(options: &Options, tls: Option<Arc<ClientConfig>>) -> Self {
        let endpoint = options.endpoint.clone();
        let mut headers: HeaderMap = options.headers.iter().cloned().collect();
        headers.insert(CONTENT_TYPE, PROTOBUF);
        headers.insert(USER_AGENT, AGENT);
        if let Ok(host) = HeaderValue::from_str(&endpoint.authority) {
            headers.insert(HOST, host);
        }
        let tls = tls.map(TlsConnector::from);
        Self { endpoint, headers, tls, timeout: options.timeout, connection: None }
    }

    /// Sends a request, and answers how much of it the collector left out.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        body: Parts,
        time: Duration,
    ) -> Result<u64, Failed> {
        let limit = self.timeout.min(time);
        let answered = timeout(limit, self.exchange(path, body)).await;
        let answered = answered.unwrap_or_else(|_| Err(Error::Timeout { limit }.into()));
        if answered.as_ref().is_err_and(|failed| !matches!(failed.error, Error::Status { .. })) {
            // What else comes over this connection is not known.
            self.connection = None;
        }
        answered
    }

    async fn exchange(&mut self, path: &str, body: Parts) -> Result<u64, Failed> {
        let kept = self.connection.take().filter(|kept| !kept.sender.is_closed());
        let is_kept = kept.is_some();
        let mut connection = match kept {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        let sent = connection.sender.send_request(self.request(path, body.clone())).await;
        let response = match sent {
            Ok(response) => response,
            // The collector may have closed it at the moment at which this was sent.
            Err(_) if is_kept => {
                connection = self.connect().await?;
                let request = self.request(path, body);
                connection.sender.send_request(request).await.map_err(Error::Broken)?
            }
            Err(error) => return Err(Error::Broken(error).into()),
        };
        let (status, after) = (response.status(), retry_after(response.headers()));
        if let Some(answer) = whole(response).await {
            self.connection = Some(connection);
            if status.is_success() {
                return Ok(rejected(&answer));
            }
        }
        match status.is_success() {
            true => Ok(0),
            false => Err(Failed { error: Error::Status { status: status.as_u16() }, after }),
        }
    }

    fn request(&self, path: &str, body: Parts) -> Request<Parts> {
        let mut request = Request::post("/").body(body).unwrap_or_default();
        // Both parts are those of a URL.
        if let Ok(uri) = format!("{}{path}", self.endpoint.path).parse() {
            *request.uri_mut() = uri;
        }
        *request.headers_mut() = self.headers.clone();
        request
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let Endpoint { host, port, .. } = &self.endpoint;
        let tcp = TcpStream::connect((host.as_str(), *port)).await.map_err(Error::Connect)?;
        let _ = tcp.set_nodelay(true);
        let Some(tls) = &self.tls else { return shake(tcp).await };
        let name = ServerName::try_from(host.clone()).map_err(io::Error::other);
        let stream = tls.connect(name.map_err(Error::Tls)?, tcp).await.map_err(Error::Tls)?;
        shake(stream).await
    }
}

async fn shake(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Connection, Error> {
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(Error::Broken)?;
    let task = tokio::spawn(async move {
        // What goes wrong is told by the request under way.
        let _ = connection.await;
    });
    Ok(Connection { sender, task })
}

/// Its body to the end, so that another can follow; none of one that is too long or broke off.
async fn whole(response: Response<Incoming>) -> Option<Bytes> {
    let body = Limited::new(response.into_body(), ANSWER_LEN_MAX).collect().await;
    body.ok().map(|body| body.to_bytes())
}

/// In seconds; a date is as good as none, for there is a wait of our own.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

impl Failed {
    /// Whether the same request may succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        self.error.is_passing()
    }
}
