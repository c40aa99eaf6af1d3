//! How many requests, how much of them, and for how long.

use std::time::Duration;

use triphammer_model::HttpRules;

use super::server::{Server, Then};
use super::{Attempt, get, options, post, rules};
use crate::{Options, Patience};

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn an_attempt_makes_so_many_requests() {
    let server = Server::answering("200 OK", "").await;
    let mut attempt = Attempt::new(options(), HttpRules { requests: 2, ..rules() });
    let url = server.url("api.local");
    for _ in 0..2 {
        attempt.send(get(&url)).await.unwrap();
    }
    assert_eq!(attempt.send(get(&url)).await.unwrap_err().code(), "outbound.requests");
    assert_eq!(server.requests().len(), 2);
    attempt.counted(2, 1, 0);
}

#[tokio::test]
async fn all_bodies_together_have_a_size() {
    let server = Server::answering("200 OK", "0123456789").await;
    let url = server.url("api.local");
    let mut attempt = Attempt::new(options(), HttpRules { bytes: 25, ..rules() });
    attempt.send(post(&url, "01234")).await.unwrap();
    // Ten bytes are left: the request fits, its answer does not.
    let large = attempt.send(post(&url, "0")).await.unwrap_err();
    assert_eq!(large.code(), "outbound.bytes");
    let mut attempt = Attempt::new(options(), HttpRules { bytes: 25, ..rules() });
    let large = attempt.send(post(&url, &"x".repeat(26))).await.unwrap_err();
    assert_eq!(large.code(), "outbound.bytes");
    attempt.counted(0, 1, 0);
}

#[tokio::test]
async fn a_body_of_no_stated_length_is_counted_as_it_comes() {
    let chunk = format!("40\r\n{}\r\n", "x".repeat(0x40)).repeat(32);
    let text = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
    let server = Server::start(Then::AnswerAndWait(text.into()), None).await;
    let mut attempt = Attempt::new(options(), rules());
    let large = attempt.send(get(server.url("api.local"))).await.unwrap_err();
    assert_eq!(large.code(), "outbound.bytes");
    assert_eq!(attempt.told().len(), 1);
}

#[tokio::test]
async fn a_head_has_a_size() {
    let text = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(9 << 10));
    let server = Server::start(Then::Answer(text.into()), None).await;
    let options = Options { head_bytes_max: 8 << 10, ..options() };
    let mut attempt = Attempt::new(options, rules());
    let large = attempt.send(get(server.url("api.local"))).await.unwrap_err();
    assert_eq!(large.code(), "outbound.response");
    attempt.counted(0, 0, 1);
}

#[tokio::test]
async fn a_request_has_its_time_up_to_the_end_of_its_response() {
    let beginning = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec();
    for answer in [Vec::new(), beginning] {
        let server = Server::start(Then::AnswerAndWait(answer), None).await;
        let mut attempt = Attempt::new(options(), HttpRules { timeout: SHORT, ..rules() });
        let slow = attempt.send(get(server.url("api.local"))).await.unwrap_err();
        assert_eq!(
            (slow.code(), slow.to_string().as_str()),
            ("outbound.timeout", "it took longer than 50 ms")
        );
    }
}

#[tokio::test]
async fn a_guest_may_be_less_patient() {
    let beginning = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec();
    let first_byte = Patience { first_byte: Some(SHORT), ..Patience::default() };
    let between_bytes = Patience { between_bytes: Some(SHORT), ..Patience::default() };
    for (answer, patience) in [(Vec::new(), first_byte), (beginning, between_bytes)] {
        let server = Server::start(Then::AnswerAndWait(answer), None).await;
        let mut attempt = Attempt::new(options(), rules());
        let slow = attempt.send_patiently(get(server.url("api.local")), patience).await;
        assert_eq!(slow.unwrap_err().code(), "outbound.timeout");
    }
}

#[tokio::test]
async fn more_requests_than_the_host_makes_at_a_time_wait_and_give_up() {
    let server = Server::start(Then::AnswerAndWait(Vec::new()), None).await;
    let options = Options { requests_max: 1, connect_timeout: SHORT, ..options() };
    let url = server.url("api.local");
    let mut attempt = Attempt::new(options, rules());
    let first = attempt.exchange.send(get(&url), Patience::default());
    let mut first = Box::pin(first);
    // Once the server has the request, the only place is taken.
    while server.requests().is_empty() {
        let waited = tokio::time::timeout(Duration::from_millis(1), &mut first).await;
        assert!(waited.is_err());
    }
    assert_eq!(attempt.send(get(&url)).await.unwrap_err().code(), "outbound.busy");
    drop(first);
    assert_eq!(attempt.client.counts().abandoned, 1);
}

#[tokio::test]
async fn what_is_in_the_way_has_a_code() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let mut attempt = Attempt::new(options(), rules());
    for (url, code) in [
        (format!("http://api.local:{port}/"), "outbound.connect"),
        ("http://nowhere.local/".to_owned(), "outbound.resolve"),
    ] {
        assert_eq!(attempt.send(get(url)).await.unwrap_err().code(), code);
    }
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "nonsense\r\n\r\n"] {
        let server = Server::start(Then::Answer(answer.into()), None).await;
        let mut attempt = Attempt::new(options(), rules());
        let broken = attempt.send(get(server.url("api.local"))).await.unwrap_err();
        assert_eq!(broken.code(), "outbound.response", "{answer}");
        attempt.counted(0, 0, 1);
    }
}
