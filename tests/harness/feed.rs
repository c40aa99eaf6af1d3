//! The live feed of a host: server-sent events, read as they come.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http::{Connection, Request};
use super::wait::DEADLINE;

/// Read by a thread of its own, so that waiting for an item can end in the middle of one.
#[derive(Debug)]
pub(crate) struct Feed {
    items: Receiver<(String, Value)>,
    stream: TcpStream,
}

impl Feed {
    /// Opens it, and waits until the host has said that it listens.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr, query: &str) -> Self {
        let mut connection = Connection::open(address).unwrap();
        let request = Request::get(format!("/api/v1/stream{query}"));
        connection.write(&request.bytes(&address.to_string())).unwrap();
        let head = connection.read_head().unwrap();
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        let mut text = String::new();
        while !text.contains(": ok\n") {
            let chunk = connection.read_chunk().unwrap().expect("the feed has no beginning");
            text.push_str(&String::from_utf8(chunk).unwrap());
        }
        let stream = connection.stream().try_clone().unwrap();
        let (sender, items) = channel();
        thread::spawn(move || read(connection, text, &sender));
        Self { items, stream }
    }

    /// The next item of this kind.
    #[track_caller]
    pub(crate) fn next(&self, kind: &str) -> Value {
        let began = Instant::now();
        while began.elapsed() < DEADLINE {
            match self.any(DEADLINE) {
                Some((found, data)) if found == kind => return data,
                _ => {}
            }
        }
        panic!("waited {DEADLINE:?} for `{kind}` in the feed");
    }

    /// The next item and its kind; none when nothing comes for this long.
    pub(crate) fn any(&self, limit: Duration) -> Option<(String, Value)> {
        self.items.recv_timeout(limit).ok()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // The host may have closed it before.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Ends with the connection, or when nobody listens any more.
fn read(mut connection: Connection, mut text: String, items: &Sender<(String, Value)>) {
    // A quiet feed is no broken one.
    connection.set_read_timeout(None).unwrap();
    loop {
        while let Some(end) = text.find("\n\n") {
            let item: String = text.drain(..end + 2).collect();
            let field = |name: &str| item.lines().find_map(|line| line.strip_prefix(name));
            if let (Some(kind), Some(data)) = (field("event: "), field("data: ")) {
                let data = serde_json::from_str(data).unwrap();
                if items.send((kind.to_owned(), data)).is_err() {
                    return;
                }
            }
        }
        let Ok(Some(chunk)) = connection.read_chunk() else { return };
        text.push_str(&String::from_utf8(chunk).unwrap());
    }
}
