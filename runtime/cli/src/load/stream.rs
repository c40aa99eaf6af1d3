//! What requests go over: a socket, or TLS on one. Never blocks. Knows no HTTP.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::{ClientConnection, StreamOwned};

use crate::client::Tls;

#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Waits for the connection; TLS shakes hands later, with the first request.
    pub(super) fn connect(address: SocketAddr, tls: Option<&Tls>) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(stream);
        let Some(tls) = tls else { return Ok(Self::Plain(stream)) };
        let session = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone());
        let session = session.map_err(io::Error::other)?;
        Ok(Self::Secure(Box::new(StreamOwned::new(session, stream))))
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let socket = match self {
            Self::Plain(stream) => stream,
            Self::Secure(stream) => &mut stream.sock,
        };
        registry.register(socket, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Whether a read that fills less than it could has left nothing behind, and whether what can
    /// be read has nothing to do with what can be written.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Secure(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Secure(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secure(stream) => stream.flush(),
        }
    }
}
