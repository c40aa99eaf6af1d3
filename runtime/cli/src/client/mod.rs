//! A blocking HTTP client for one host: requests, answers, and problems as errors.
//!
//! Knows HTTP and the host's error format, nothing of what the commands ask for.

mod answer;
mod base;
mod error;
mod path;
mod sse;
mod tls;
pub(crate) mod types;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, body::Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

pub(crate) use self::answer::Answer;
pub(crate) use self::base::Base;
pub(crate) use self::error::{Error, Problem};
pub(crate) use self::path::Path;
pub(crate) use self::sse::{Feed, Item};
pub(crate) use self::tls::Tls;
use crate::args::Global;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For an answer that needs no waiting on the host's side.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// A connection that was idle for longer is not used again: the host closes one after 30 s, and a
/// request that meets the closing may have been handled or not.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// An answer is read into memory.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A connection to a host, made when it is first needed and kept.
pub(crate) struct Client {
    base: Base,
    token: Option<String>,
    /// None for plain HTTP.
    tls: Option<Tls>,
    runtime: Runtime,
    /// The connection, and when it was last used.
    connection: RefCell<Option<(SendRequest<Full<Bytes>>, Instant)>>,
}

/// What is asked.
#[derive(Debug)]
pub(crate) struct Request {
    method: Method,
    path: String,
    headers: Vec<(HeaderName, String)>,
    body: Bytes,
    timeout: Duration,
}

impl Request {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            timeout: ANSWER_TIMEOUT,
        }
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((HeaderName::from_static(name), value.into()));
        self
    }

    pub(crate) fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut request = self.header("content-type", content_type);
        request.body = body.into();
        request
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// How long the host may take to answer.
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl Client {
    pub(crate) fn new(global: &Global) -> Result<Self, Error> {
        let base: Base = global.url.parse()?;
        let tls = base.is_secure().then(|| Tls::new(&global.trust, base.host())).transpose()?;
        Ok(Self { tls, ..Self::with(base, global.token.clone())? })
    }

    /// Over plain HTTP.
    pub(crate) fn with(base: Base, token: Option<String>) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
        Ok(Self { base, token, tls: None, runtime, connection: RefCell::new(None) })
    }

    /// One more client of the same host, for another thread.
    pub(crate) fn another(&self) -> Result<Self, Error> {
        Ok(Self { tls: self.tls.clone(), ..Self::with(self.base.clone(), self.token.clone())? })
    }

    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// None for plain HTTP.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    pub(crate) fn get(&self, path: impl Into<String>) -> Result<Answer, Error> {
        self.send(Request::new(Method::GET, path))
    }

    pub(crate) fn post(&self, path: impl Into<String>, body: &Value) -> Result<Answer, Error> {
        self.send(Request::post(path).json(body))
    }

    /// The answer, or the problem that the host reports.
    pub(crate) fn send(&self, request: Request) -> Result<Answer, Error> {
        let limit = request.timeout;
        self.runtime.block_on(async {
            let exchange = async {
                let response = self.exchange(request).await?;
                let status = response.status().as_u16();
                let limited = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
                let body = limited.collect().await.map_err(|source| self.broken(source))?;
                Answer::checked(status, body.to_bytes())
            };
            let answer = timeout(limit, exchange).await;
            answer.map_err(|_| Error::TimedOut { url: self.base.to_string(), limit })?
        })
    }

    /// The host's live feed; it ends only with the connection.
    pub(crate) fn feed(&self, path: impl Into<String>) -> Result<Feed<'_>, Error> {
        let request = Request::new(Method::GET, path).header("accept", "text/event-stream");
        let response = self.runtime.block_on(async {
            let answer = timeout(ANSWER_TIMEOUT, self.exchange(request)).await;
            answer.map_err(|_| Error::TimedOut {
                url: self.base.to_string(),
                limit: ANSWER_TIMEOUT,
            })?
        })?;
        // The connection belongs to the feed from now on.
        self.connection.borrow_mut().take();
        let status = response.status().as_u16();
        if status == 200 {
            return Ok(Feed::new(self, response.into_body()));
        }
        let body = self.runtime.block_on(response.into_body().collect());
        Err(Answer::checked(status, body.map(|body| body.to_bytes()).unwrap_or_default())
            .err()
            .unwrap_or(Error::Unexpected { status }))
    }

    async fn exchange(&self, request: Request) -> Result<hyper::Response<Incoming>, Error> {
        let mut message = self.message(request)?;
        // A kept connection may have been closed by the host; then the request was not sent.
        loop {
            let kept = self.connection.borrow_mut().take();
            let (mut sender, is_new) = match kept {
                Some((sender, used)) if !sender.is_closed() && used.elapsed() < IDLE_MAX => {
                    (sender, false)
                }
                _ => (self.connect().await?, true),
            };
            if let Err(source) = sender.ready().await {
                if is_new {
                    return Err(self.broken(source.into()));
                }
                continue;
            }
            match sender.try_send_request(message).await {
                Ok(response) => {
                    self.connection.borrow_mut().replace((sender, Instant::now()));
                    return Ok(response);
                }
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if !is_new => message = unsent,
                    _ => return Err(self.broken(failed.into_error().into())),
                },
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Error> {
        let unreachable = |cause| Error::Unreachable { url: self.base.to_string(), cause };
        let connecting = TcpStream::connect(self.base.address());
        let stream = match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(stream) => stream.map_err(unreachable)?,
            Err(_) => return Err(unreachable(std::io::ErrorKind::TimedOut.into())),
        };
        // Without it small requests would wait for the last answer's acknowledgement.
        stream.set_nodelay(true).map_err(unreachable)?;
        let Some(tls) = &self.tls else { return self.begin(stream).await };
        let refused = |cause| Error::Handshake { url: self.base.to_string(), cause };
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        match timeout(CONNECT_TIMEOUT, connector.connect(tls.name.clone(), stream)).await {
            Ok(stream) => self.begin(stream.map_err(refused)?).await,
            Err(_) => Err(refused(std::io::ErrorKind::TimedOut.into())),
        }
    }

    async fn begin(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<SendRequest<Full<Bytes>>, Error> {
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|source| self.broken(source.into()))?;
        // It ends with the connection; what goes wrong there is reported to the sender.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn message(&self, request: Request) -> Result<hyper::Request<Full<Bytes>>, Error> {
        let mut builder = hyper::Request::builder()
            .method(request.method)
            .uri(format!("{}{}", self.base.prefix(), request.path))
            .header(HOST, self.base.authority());
        if let Some(token) = &self.token {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            builder = builder.header(AUTHORIZATION, value.map_err(|_| Error::Token)?);
        }
        let has = |name: HeaderName| request.headers.iter().any(|(known, _)| *known == name);
        if !has(ACCEPT) {
            builder = builder.header(ACCEPT, "application/json, */*");
        }
        if !request.body.is_empty() && !has(CONTENT_TYPE) {
            builder = builder.header(CONTENT_TYPE, "application/octet-stream");
        }
        for (name, value) in &request.headers {
            builder = builder.header(name, value.as_str());
        }
        builder.body(Full::new(request.body)).map_err(Error::Request)
    }

    fn broken(&self, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::Broken { url: self.base.to_string(), source }
    }
}
