//! A connection to a target: its name is looked up once, every address is checked, and what is connected
//! to is an address that was checked. Knows nothing of what is sent.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use triphammer_model::{HostPattern, Scheme, Target, TargetHost};

use crate::address::prohibited;
use crate::error::{Connecting, Error};
use crate::resolve::Resolve;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// What makes connections.
pub(crate) struct Connector {
    pub(crate) resolver: Box<dyn Resolve>,
    pub(crate) tls: TlsConnector,
    /// Which hosts may have addresses that are not public.
    pub(crate) allow_private: Vec<HostPattern>,
}

/// Plain or encrypted.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connector {
    /// Connects before `deadline`, or says what was in the way.
    pub(crate) async fn connect(
        &self,
        target: &Target,
        deadline: Instant,
    ) -> Result<Stream, Error> {
        let addresses = self.addresses(target, deadline).await?;
        let tcp = tcp(target, &addresses, deadline).await?;
        // Heads and small bodies are whole when they are written.
        let _ = tcp.set_nodelay(true);
        match target.scheme {
            Scheme::Http => Ok(Stream::Plain(tcp)),
            Scheme::Https => self.tls(target, tcp, deadline).await,
        }
    }

    /// All addresses of the target, none of them prohibited: of a name that has both, none is used.
    async fn addresses(&self, target: &Target, deadline: Instant) -> Result<Vec<IpAddr>, Error> {
        let found = match &target.host {
            TargetHost::Address(address) => vec![*address],
            TargetHost::Name(name) => {
                let failed = |timeout| Error::Resolve { host: name.to_string(), timeout };
                let looked_up = timeout_at(deadline, self.resolver.resolve(name)).await;
                looked_up.map_err(|_| failed(true))?.map_err(|_| failed(false))?
            }
        };
        if found.is_empty() {
            return Err(Error::Resolve { host: target.host.to_string(), timeout: false });
        }
        let excepted = self.allow_private.iter().any(|host| host.matches(&target.host));
        match found.iter().find_map(|address| prohibited(*address)).filter(|_| !excepted) {
            Some(what) => Err(Error::Address { host: target.host.to_string(), what }),
            None => Ok(found),
        }
    }

    async fn tls(
        &self,
        target: &Target,
        tcp: TcpStream,
        deadline: Instant,
    ) -> Result<Stream, Error> {
        let host = || target.host.to_string();
        let failed = |error: &io::Error| {
            let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
            let certificate = matches!(tls, Some(rustls::Error::InvalidCertificate(_)));
            // Its own words have a name, a time or an alert in them, nothing that was sent.
            Error::Tls { host: host(), message: error.to_string(), certificate }
        };
        let name = match &target.host {
            TargetHost::Address(address) => ServerName::IpAddress((*address).into()),
            TargetHost::Name(name) => ServerName::try_from(name.to_string())
                .map_err(|_| failed(&io::Error::other("it is no name that a certificate has")))?,
        };
        match timeout_at(deadline, self.tls.connect(name, tcp)).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream.map_err(|error| failed(&error))?))),
            Err(_) => Err(Error::Connect { host: host(), why: Connecting::Timeout }),
        }
    }
}

/// One address after the other, each with its share of the time.
async fn tcp(target: &Target, found: &[IpAddr], deadline: Instant) -> Result<TcpStream, Error> {
    let mut last = Connecting::Unreachable;
    let tried = &found[..found.len().min(ADDRESSES_MAX)];
    for (n, address) in tried.iter().enumerate() {
        let left = deadline.saturating_duration_since(now());
        let share = left / u32::try_from(tried.len() - n).unwrap_or(1);
        let address = SocketAddr::new(*address, target.port);
        match timeout_at(now() + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = why(&error),
            Err(_) => last = Connecting::Timeout,
        }
    }
    Err(Error::Connect { host: target.host.to_string(), why: last })
}

fn why(error: &io::Error) -> Connecting {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Connecting::Refused,
        io::ErrorKind::TimedOut => Connecting::Timeout,
        _ => Connecting::Unreachable,
    }
}

/// By the runtime's clock, which tests may stop.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A moment this much later, however far that is.
pub(crate) fn after(duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 86_400);
    now() + duration.min(FAR)
}

/// What TLS trusts, and what it offers.
pub(crate) fn tls(roots: rustls::RootCertStore) -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A session that is taken up again would tie the requests of one function to those of another.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
