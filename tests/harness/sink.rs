//! An HTTP endpoint that keeps what it is sent, and answers as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use rustls::{ServerConnection, StreamOwned};

use super::certificates::Pair;
use super::wait::DEADLINE;

/// One on a free port of the loopback address, up to the end of the process.
pub(crate) struct Sink {
    scheme: &'static str,
    port: u16,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept {
    table: Mutex<Table>,
    came: Condvar,
}

#[derive(Default)]
struct Table {
    requests: Vec<Taken>,
    /// The heads of the next answers: the status, and headers after it. Then always 200.
    answers: VecDeque<String>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// The method and the path.
    pub(crate) line: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Sink {
    /// The first answers, such as `503 Busy\r\nretry-after: 1`.
    pub(crate) fn start(answers: &[&str]) -> Self {
        Self::serving("http", answers, serve)
    }

    /// One that speaks TLS alone, as who this pair says.
    pub(crate) fn start_tls(pair: &Pair) -> Self {
        let tls = Arc::new(pair.server());
        Self::serving("https", &[], move |stream, kept| {
            // It shakes hands with the first bytes. Who does not trust it ends the connection.
            let connection = ServerConnection::new(Arc::clone(&tls)).unwrap();
            serve(StreamOwned::new(connection, stream), kept);
        })
    }

    fn serving(
        scheme: &'static str,
        answers: &[&str],
        serve: impl Fn(TcpStream, &Kept) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::<Kept>::default();
        kept.table.lock().unwrap().answers.extend(answers.iter().map(ToString::to_string));
        let serving = Arc::clone(&kept);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve(stream, &serving);
            }
        });
        Self { scheme, port, kept }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/in", self.target())
    }

    /// As a pattern of where requests may go.
    pub(crate) fn target(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.port)
    }

    /// All requests so far, as soon as there are so many.
    #[track_caller]
    pub(crate) fn taken(&self, count: usize) -> Vec<Taken> {
        let table = self.kept.table.lock().unwrap();
        let few = |table: &mut Table| table.requests.len() < count;
        let (table, waited) = self.kept.came.wait_timeout_while(table, DEADLINE, few).unwrap();
        assert!(!waited.timed_out(), "{count} requests, not {:?}", table.requests);
        table.requests.clone()
    }
}

fn serve(mut stream: impl Read + Write, kept: &Kept) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let taken = loop {
        if let Some(taken) = read(&bytes) {
            break taken;
        }
        match stream.read(&mut buffer) {
            Ok(len @ 1..) => bytes.extend_from_slice(&buffer[..len]),
            _ => return,
        }
    };
    let answer = {
        let mut table = kept.table.lock().unwrap();
        table.requests.push(taken);
        table.answers.pop_front().unwrap_or_else(|| "200 OK".to_owned())
    };
    // Who has gone away in the meantime wants no answer.
    let _ = write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
    kept.came.notify_all();
}

/// None before all of it is there.
fn read(bytes: &[u8]) -> Option<Taken> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let pair = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    };
    let headers: BTreeMap<_, _> = lines.map(pair).collect();
    let len = headers.get("content-length").map_or(0, |len| len.parse().unwrap());
    let body = bytes[end + 4..].to_vec();
    (body.len() >= len).then_some(Taken { line, headers, body })
}
