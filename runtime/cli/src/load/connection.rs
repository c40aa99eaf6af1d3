//! One keep-alive connection: a request out, an answer in, never blocking.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use mio::{Registry, Token};

use super::Error;
use super::request::Request;
use super::response::{self, Response};
use super::stream::Stream;
use crate::client::Tls;

/// Room for most answers; it grows for longer ones.
const BUFFER_BYTES: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    request: Request,
    written: usize,
    buffer: Vec<u8>,
    filled: usize,
    /// Where latency is counted from, while a request is under way.
    pub(super) began: Option<Instant>,
    /// When it became free, while none is.
    pub(super) idle_since: Instant,
}

/// What became of a read.
#[derive(Debug)]
pub(super) enum Step {
    Pending,
    Answered(Response),
    Closed,
}

impl Connection {
    pub(super) fn new(
        request: Request,
        address: SocketAddr,
        tls: Option<&Tls>,
    ) -> io::Result<Self> {
        Ok(Self {
            stream: Stream::connect(address, tls)?,
            request,
            written: 0,
            buffer: vec![0; BUFFER_BYTES],
            filled: 0,
            began: None,
            idle_since: Instant::now(),
        })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.stream.register(registry, token)
    }

    /// Puts a new stream in the place of a broken one.
    pub(super) fn reconnect(&mut self, address: SocketAddr, tls: Option<&Tls>) -> io::Result<()> {
        self.stream = Stream::connect(address, tls)?;
        self.filled = 0;
        self.written = self.request.bytes.len();
        self.began = None;
        self.idle_since = Instant::now();
        Ok(())
    }

    pub(super) fn start(&mut self, first: u64, began: Instant) -> io::Result<()> {
        self.request.number(first);
        self.written = 0;
        self.began = Some(began);
        self.flush()
    }

    /// Writes as much as the system takes. Nothing to write is no error.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.began.is_some() && self.written < self.request.bytes.len() {
            match self.stream.write(&self.request.bytes[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match self.stream.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether something can have become possible to write.
    pub(super) fn may_write(&self, is_writable: bool) -> bool {
        // TLS writes after what it reads: the handshake.
        is_writable || !self.stream.is_plain()
    }

    /// Reads what is there. A read that fills less than it could has emptied the stream, so that
    /// most answers cost one call.
    pub(super) fn read(&mut self) -> Result<Step, Error> {
        loop {
            if self.filled == self.buffer.len() {
                self.buffer.resize(self.filled * 2, 0);
            }
            let read = match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Ok(Step::Closed),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Step::Pending),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Ok(Step::Closed),
            };
            self.filled += read;
            if let Some(response) = response::parse(&self.buffer[..self.filled])? {
                // One request at a time: nothing follows its answer.
                self.filled = 0;
                return Ok(Step::Answered(response));
            }
            if self.filled < self.buffer.len() && self.stream.is_plain() {
                return Ok(Step::Pending);
            }
        }
    }

    /// The body of the answer just read.
    pub(super) fn body(&self, response: &Response) -> &[u8] {
        &self.buffer[response.body_at..response.len]
    }

    pub(super) fn events(&self) -> u64 {
        self.request.events()
    }
}
