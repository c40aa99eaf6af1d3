//! The live feed, and how a host ends.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::client::{connect, parse, read_all, read_until};
use super::*;

async fn feed(host: &Host, query: &str) -> TcpStream {
    let mut stream = connect(&host.address).await;
    let head = format!("GET /api/v1/stream{query} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let hello = read_until(&mut stream, ": ok\n\n").await;
    assert!(hello.contains("content-type: text/event-stream"), "{hello}");
    stream
}

#[tokio::test]
async fn the_feed_tells_what_is_on_disk() {
    let host = Host::start("").await;
    let mut all = feed(&host, "").await;
    let mut some = feed(&host, "?type=wanted.*").await;
    host.send(&event("1")).await;
    host.send(&event("2").replace("\"t\"", "\"wanted.a\"")).await;
    let text = read_until(&mut all, "\"id\":\"2\"").await;
    assert!(text.contains("event: accepted\ndata: {\"kind\":\"accepted\",\"seq\":\""), "{text}");
    assert!(text.contains("\"id\":\"1\""), "{text}");
    let text = read_until(&mut some, "\"id\":\"2\"").await;
    assert!(!text.contains("\"id\":\"1\""), "{text}");
    host.stop().await.unwrap();
}

#[tokio::test]
async fn stopping_ends_feeds_and_finishes_requests() {
    let host = Host::start("").await;
    let mut feed = feed(&host, "").await;
    // A request whose body is half here when the host is told to stop.
    let mut slow = connect(&host.address).await;
    let body = event("1");
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/cloudevents+json\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut slow, "100 Continue\r\n\r\n").await;
    let mut idle = connect(&host.address).await;
    let address = host.address.clone();
    let stopping = tokio::spawn(host.stop());
    // The feed ends, so the host is stopping now; the idle connection is closed too.
    read_all(&mut feed).await;
    assert_eq!(read_all(&mut idle).await, "");
    slow.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(parse(&read_all(&mut slow).await).status, 202);
    stopping.await.unwrap().unwrap();
    assert!(TcpStream::connect(&address).await.is_err());
}

#[tokio::test]
async fn the_grace_bounds_a_stop() {
    let host = Host::start("shutdown_grace = \"100ms\"").await;
    let mut slow = connect(&host.address).await;
    let head = "POST /events HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\
        content-type: application/cloudevents+json\r\ncontent-length: 100\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut slow, "100 Continue").await;
    host.stop().await.unwrap();
    read_all(&mut slow).await;
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let host = Host::start("").await;
    let overrides = Overrides {
        listen: Some(host.address.clone()),
        data: Some(tempfile::tempdir().unwrap().path().join("data")),
        insecure_listen: false,
    };
    let config = Config::from_parts(Path::new("test"), "", |_| None, &overrides).unwrap();
    let error = App::build(config).await.unwrap_err();
    assert_eq!(error.code(), "host.listen");
    assert!(error.to_string().contains(&host.address), "{error}");
    host.stop().await.unwrap();
}
