//! A client that says exactly what it is told to, right or wrong.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Far longer than anything here takes: reached only by a host that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Answer {
    pub(super) status: u16,
    /// Lower-case, as it was sent.
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}", self.body))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(given, _)| *given == name).map(|(_, value)| value)
    }

    #[track_caller]
    pub(super) fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["type"], "about:blank", "{problem}");
    }
}

pub(super) async fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Reads until the host closes the connection.
pub(super) async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is reset has said what it had to say.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the host hangs");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until the text contains `end`.
pub(super) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&bytes).contains(end) {
            let mut chunk = [0; 4096];
            let len = stream.read(&mut chunk).await.unwrap();
            assert_ne!(len, 0, "ended without {end:?}: {:?}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&chunk[..len]);
        }
    };
    timeout(PATIENCE, reading).await.expect("the host hangs");
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) fn parse(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no answer: {text:?}"));
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

pub(super) async fn exchange(address: &str, request: &[u8]) -> Answer {
    let mut stream = connect(address).await;
    // A host that refuses early may stop reading.
    let _ = stream.write_all(request).await;
    parse(&read_all(&mut stream).await)
}
