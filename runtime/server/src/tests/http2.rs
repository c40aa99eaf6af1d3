//! HTTP/2 from outside, in the clear: the same answers, the same refusals, and its own bounds.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinHandle;

use super::*;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A connection that speaks HTTP/2, and what comes of it.
async fn open(host: &Host) -> (SendRequest<Body>, JoinHandle<hyper::Result<()>>) {
    let stream = client::connect(&host.address).await;
    let (sender, connection) =
        Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn request(host: &Host, line: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let (method, path) = line.split_once(' ').unwrap();
    let uri = match path.split_once("://") {
        Some(_) => path.to_owned(),
        None => format!("http://{}{path}", host.address),
    };
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

fn empty() -> Body {
    Empty::new().boxed_unsync()
}

async fn code(response: Response<hyper::body::Incoming>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    (status, problem["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn many_requests_go_over_one_connection() {
    let host = Host::start("").await;
    let (sender, _connection) = open(&host).await;
    let send = |n: usize| {
        let body = Full::from(event(&n.to_string())).boxed_unsync();
        let json = [("content-type", "application/cloudevents+json")];
        let request = request(&host, "POST /events", &json, body);
        let mut sender = sender.clone();
        tokio::spawn(async move { sender.send_request(request).await.unwrap() })
    };
    let under_way: Vec<_> = (0..50).map(send).collect();
    for answer in under_way {
        let answer = answer.await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (202, Version::HTTP_2));
    }
    let listed = host.get("/api/v1/events?limit=100").await.json();
    assert_eq!(listed["events"].as_array().unwrap().len(), 50);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn no_check_is_left_out() {
    let host = Host::start("token = \"s3cret\"").await;
    let (mut sender, _connection) = open(&host).await;
    let bearer = ("authorization", "Bearer s3cret");
    for (line, headers, expect) in [
        ("GET /api/v1/stats", vec![bearer], (200, "")),
        ("GET /api/v1/stats", vec![], (401, "http.unauthorized")),
        ("GET /api/v1/stats", vec![bearer, bearer], (400, "access.credentials")),
        ("GET http://evil.example/api/v1/stats", vec![bearer], (403, "http.host")),
        ("GET /api/v1/stats", vec![bearer, ("host", "evil.example")], (403, "http.host")),
        ("GET http://evil.example/", vec![bearer, ("host", "localhost")], (403, "http.host")),
        ("GET /", vec![bearer, ("origin", "http://evil.example")], (403, "http.origin")),
        ("GET /nothing", vec![bearer], (404, "http.not_found")),
    ] {
        let request = request(&host, line, &headers, empty());
        let found = code(sender.send_request(request).await.unwrap()).await;
        assert_eq!(found, (expect.0, expect.1.to_owned()), "{line} {headers:?}");
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn requests_on_all_connections_are_counted() {
    let host = Host::start("[http]\nconnections_max = 3").await;
    let (sender, _connection) = open(&host).await;
    // Bodies that do not come: these are under way until they are let go.
    let slow = |sender: &SendRequest<Body>| {
        let piece = stream::once(async { Ok(Frame::data(Bytes::from_static(b"{"))) });
        let body = StreamBody::new(piece.chain(stream::pending()));
        let json = [("content-type", "application/cloudevents+json")];
        let request = request(&host, "POST /events", &json, body.boxed_unsync());
        let mut sender = sender.clone();
        tokio::spawn(async move { sender.send_request(request).await })
    };
    let under_way: Vec<_> = (0..3).map(|_| slow(&sender)).collect();
    let mut another = open(&host).await.0;
    // They have all begun when one more is one too many.
    loop {
        let ask = request(&host, "GET /healthz", &[], empty());
        let answer = another.send_request(ask).await.unwrap();
        if answer.status() == 503 {
            assert!(answer.headers().contains_key("retry-after"));
            assert_eq!(code(answer).await, (503, "http.requests".to_owned()));
            break;
        }
        tokio::task::yield_now().await;
    }
    for request in under_way {
        request.abort();
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_ended_and_a_busy_one_is_not() {
    let host = Host::start("[http]\nheader_timeout = \"50ms\"").await;
    let (mut feeding, _open) = open(&host).await;
    let feed = request(&host, "GET /api/v1/stream", &[], empty());
    let mut feed = feeding.send_request(feed).await.unwrap().into_body();
    let (_idle, ended) = open(&host).await;
    // However it sees the end: it had asked for nothing.
    let _ = ended.await.unwrap();
    // The feed is as old as that, and more.
    assert!(feed.frame().await.unwrap().is_ok());
    let (mut sender, _connection) = open(&host).await;
    let body = Full::from(event("1")).boxed_unsync();
    let json = [("content-type", "application/cloudevents+json")];
    let sent = sender.send_request(request(&host, "POST /events", &json, body)).await.unwrap();
    assert_eq!(sent.status(), 202);
    assert!(feed.frame().await.unwrap().is_ok());
    drop((feed, feeding));
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_that_never_shakes_hands_does_not_hold_the_host_up() {
    let host = Host::start("shutdown_grace = \"5s\"").await;
    let mut silent = client::connect(&host.address).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut silent, preface).await.unwrap();
    let (mut sender, _open) = open(&host).await;
    let ask = request(&host, "GET /healthz", &[], empty());
    assert_eq!(sender.send_request(ask).await.unwrap().status(), 200);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn answers_that_are_not_taken_are_under_way_and_end_the_connection() {
    let host = Host::start("[http]\nwrite_timeout = \"300ms\"\nconnections_max = 3").await;
    let stream = client::connect(&host.address).await;
    let mut builder = Builder::new(TokioExecutor::new());
    // So much of an answer it takes, and no more.
    builder.initial_stream_window_size(10);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    let ended = tokio::spawn(connection);
    let mut kept = Vec::new();
    for expect in [200, 200, 200, 503] {
        let ask = request(&host, "GET /openapi.json", &[], empty());
        let answer = sender.clone().send_request(ask).await.unwrap();
        assert_eq!(answer.status(), expect);
        kept.push(answer);
    }
    // The host does not wait for ever, whatever else the client still asks.
    let _ = ended.await.unwrap();
    let (mut sender, _connection) = open(&host).await;
    loop {
        let ask = request(&host, "GET /openapi.json", &[], empty());
        let answer = sender.send_request(ask).await.unwrap();
        if answer.status() == 200 {
            let length: usize =
                answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert!(body.len() == length && length > 20_000, "it came in pieces, and whole");
            break;
        }
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn headers_have_a_limit() {
    let host = Host::start("").await;
    let (mut sender, _connection) = open(&host).await;
    let long = "x".repeat(16 << 10);
    let headers: Vec<_> =
        ["a", "b", "c", "d", "e"].iter().map(|name| (*name, long.as_str())).collect();
    let refused = sender.send_request(request(&host, "GET /healthz", &headers, empty())).await;
    assert!(refused.map_or(true, |answer| answer.status() == 431));
    host.stop().await.unwrap();
}

/// A certificate that signs itself, and its key, as files.
fn certificate(dir: &Path) -> (Vec<u8>, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let cert = params.self_signed(&key).unwrap();
    let (cert_path, key_path) = (dir.join("cert"), dir.join("key"));
    std::fs::write(&cert_path, cert.pem()).unwrap();
    std::fs::write(&key_path, key.serialize_pem()).unwrap();
    (cert.der().to_vec(), format!("[tls]\ncert = {cert_path:?}\nkey = {key_path:?}"))
}

#[tokio::test]
async fn tls_agrees_on_it_with_who_knows_it() {
    let dir = tempfile::tempdir().unwrap();
    let (der, settings) = certificate(dir.path());
    let host = Host::start(&settings).await;
    for (offered, agreed) in [(&[&b"h2"[..], b"http/1.1"][..], "h2"), (&[b"http/1.1"], "http/1.1")]
    {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(der.clone().into()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = client::connect(&host.address).await;
        let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(agreed.as_bytes()));
        if agreed == "h2" {
            let handshake = Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream));
            let (mut sender, connection) = handshake.await.unwrap();
            let open = tokio::spawn(connection);
            let answer = sender.send_request(request(&host, "GET /healthz", &[], empty())).await;
            assert_eq!(answer.unwrap().status(), 200);
            drop(sender);
            open.await.unwrap().unwrap();
        }
    }
    host.stop().await.unwrap();
}
