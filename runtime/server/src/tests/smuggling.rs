//! Requests that something in front of the host might read in another way than the host does: each
//! is refused, or read in the one way that HTTP allows, with the connection closed behind it.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::client::{connect, read_all};
use super::*;

/// What must not be answered: it stands in the body of another request.
const HIDDEN: &str = "GET /api/v1/hidden HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Everything that comes back for these bytes.
async fn answers(host: &Host, request: &str) -> String {
    let mut stream = connect(&host.address).await;
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.shutdown().await;
    read_all(&mut stream).await
}

fn post(headers: &str, body: &str) -> String {
    format!(
        "POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: \
         application/cloudevents+json\r\n{headers}\r\n{body}"
    )
}

/// One bare refusal, and nothing behind it.
#[track_caller]
fn is_refused(answer: &str, request: &str) {
    assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?}: {answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:?}: {answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{request:?}: {answer}");
}

#[tokio::test]
async fn a_length_that_is_not_one_number_is_refused() {
    let host = Host::start("").await;
    for length in ["5\r\ncontent-length: 6", "5, 6", "5,5", "+5", "-1", "0x5", "5 5", "", "1e1"] {
        let request = post(&format!("content-length: {length}\r\n"), HIDDEN);
        is_refused(&answers(&host, &request).await, &request);
    }
    let too_large = post("content-length: 18446744073709551616\r\n", "");
    is_refused(&answers(&host, &too_large).await, &too_large);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_coding_that_is_not_chunked_is_refused() {
    let host = Host::start("").await;
    for coding in
        ["xchunked", "chunked, identity", "gzip", "chunked x", "\"chunked\"", "", "\u{b}chunked"]
    {
        let request = post(&format!("transfer-encoding: {coding}\r\n"), HIDDEN);
        is_refused(&answers(&host, &request).await, &request);
    }
    // HTTP/1.0 knows no chunks.
    let old = post("transfer-encoding: chunked\r\n", "0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0");
    let answer = answers(&host, &old).await;
    assert!(answer.starts_with("HTTP/1.") && answer.contains(" 400 "), "{answer}");
    host.stop().await.unwrap();
}

#[tokio::test]
async fn heads_that_are_read_in_two_ways_are_refused() {
    let host = Host::start("").await;
    let get = |headers: &str| format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
    for request in [
        get("content-length : 5\r\n"),
        get("transfer-encoding : chunked\r\n"),
        get(" x: folded\r\n"),
        get("x: a\r\n content-length: 5\r\n"),
        get("x: a\r\n\tfolded\r\n"),
        get("x: a\rcontent-length: 5\r\n"),
        get("x: \0\r\n"),
        get("x\0: a\r\n"),
        get(": a\r\n"),
        "GET  /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
        "GET /healthz\tHTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
        "GET /health\rz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
    ] {
        is_refused(&answers(&host, &request).await, &request);
    }
    // Two names of a host are one too many, whichever comes first.
    for hosts in ["host: localhost\r\nhost: evil.example", "host: evil.example\r\nhost: localhost"]
    {
        let request = format!("GET /healthz HTTP/1.1\r\n{hosts}\r\n\r\n");
        let answer = answers(&host, &request).await;
        assert!(answer.starts_with("HTTP/1.1 4") && answer.contains("http.host"), "{answer}");
    }
    // A line may end with a bare line feed (RFC 9112, section 2.2): it is one line, as everywhere.
    let bare =
        answers(&host, "GET /healthz HTTP/1.1\nhost: localhost\nconnection: close\n\n").await;
    assert!(bare.starts_with("HTTP/1.1 200 "), "{bare}");
    host.stop().await.unwrap();
}

#[tokio::test]
async fn of_two_lengths_the_chunks_hold_and_the_connection_ends() {
    let host = Host::start("").await;
    let body = event("1");
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for headers in [
        "content-length: 6\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 6\r\n",
    ] {
        // RFC 9112, section 6.1: what is behind it on the connection is not believed.
        let answer = answers(&host, &post(headers, &format!("{chunked}{HIDDEN}"))).await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(!answer.contains("hidden"), "{answer}");
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn chunks_that_are_none_end_the_connection() {
    let host = Host::start("").await;
    let body = event("1");
    let size = body.len();
    for chunks in [
        format!("0x{size:x}\r\n{body}\r\n0\r\n\r\n"),
        format!("-{size:x}\r\n{body}\r\n0\r\n\r\n"),
        format!(" \n{size:x}\r\n{body}\r\n0\r\n\r\n"),
        format!("{size:x}\n{body}\n0\n\n"),
        format!("{size:x};a\n=b\r\n{body}\r\n0\r\n\r\n"),
        format!("{size:x}\r\n{body}XX0\r\n\r\n"),
        format!("10000000000000000{size:x}\r\n{body}\r\n0\r\n\r\n"),
        format!("ffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        format!("{:x}\r\n{body}\r\n0\r\n\r\n", size + 40),
        format!("{size:x};{}\r\n{body}\r\n0\r\n\r\n", "x".repeat(64 << 10)),
        format!("{size:x}\r\n{body}\r\n0\r\nx: {}\r\n\r\n", "y".repeat(64 << 10)),
    ] {
        let request = post("transfer-encoding: chunked\r\n", &format!("{chunks}{HIDDEN}"));
        let answer = answers(&host, &request).await;
        assert!(!answer.contains(" 202 "), "{chunks:.80}: {answer}");
        assert!(!answer.contains("hidden"), "{chunks:.80}: {answer}");
    }
    assert_eq!(host.get("/api/v1/events").await.json()["events"], serde_json::json!([]));
    host.stop().await.unwrap();
}

#[tokio::test]
async fn compressed_bodies_are_not_unpacked() {
    let host = Host::start("").await;
    let structured = "content-type: application/cloudevents+json";
    for coding in ["gzip", "br", "zstd", "deflate", "GZIP", "identity, gzip", "x"] {
        let coding = format!("content-encoding: {coding}");
        for line in ["POST /events", "POST /events/a.b", "POST /api/v1/replay"] {
            let answer = host.ask(line, &[structured, &coding], &event("1")).await;
            answer.is_problem(415, "http.content_encoding");
            assert_eq!(answer.header("accept-encoding"), Some("identity"));
        }
    }
    let plain = [structured, "content-encoding: identity"];
    assert_eq!(host.ask("POST /events", &plain, &event("1")).await.status, 202);
    let bomb =
        host.ask("PUT /api/v1/functions/a", &["content-encoding: gzip"], "\u{1f}\u{8b}").await;
    bomb.is_problem(415, "http.content_encoding");
    // Nor is an answer packed, so that what it reflects can't be guessed by its length.
    let answer = host.ask("GET /api/v1/events", &["accept-encoding: gzip"], "").await;
    assert_eq!((answer.status, answer.header("content-encoding")), (200, None));
    host.stop().await.unwrap();
}

#[tokio::test]
async fn json_that_nests_too_deep_is_refused() {
    let host = Host::start("").await;
    let nested = |depth: usize| "[".repeat(depth) + "1" + &"]".repeat(depth);
    let with = |data: &str| event("1").replace("{\"a\": 1.0}", data);
    assert_eq!(host.send(&with(&nested(100))).await.status, 202);
    for depth in [101, 1000, 100_000] {
        host.send(&with(&nested(depth))).await.is_problem(400, "event.malformed");
        let body = format!(r#"{{"filter":{}}}"#, nested(depth));
        let answer = host.post("/api/v1/replay", "application/json", &body).await;
        assert!(matches!(answer.status, 400 | 422), "{}", answer.body);
        // Unclosed, it is no larger and no cheaper.
        host.send(&"[".repeat(depth)).await.is_problem(400, "event.malformed");
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_that_reads_nothing_loses_its_connection() {
    let host = Host::start("[http]\nwrite_timeout = \"200ms\"").await;
    let wide = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // More answers than all buffers between the two hold, asked for and not taken.
    let mut stream = connect(&host.address).await;
    let writing = async { while stream.write_all(wide).await.is_ok() {} };
    let ended = tokio::time::timeout(Duration::from_secs(20), writing).await;
    assert!(ended.is_ok(), "the host waits for ever");
    assert_eq!(host.get("/healthz").await.status, 200);
    host.stop().await.unwrap();
}
