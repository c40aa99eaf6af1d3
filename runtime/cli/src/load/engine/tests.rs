//! The engine against a server of a few lines, whose answers are made up.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::*;
use crate::load::{Mode, payload};

/// Answers the n-th request, counted over all connections, with what `answer` makes of n; an empty
/// answer closes the connection.
fn server(answer: impl Fn(u64) -> String + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shared = Arc::new((AtomicU64::new(0), answer));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || serve(stream, &shared.0, &shared.1));
        }
    });
    address
}

fn serve(mut stream: TcpStream, count: &AtomicU64, answer: &impl Fn(u64) -> String) {
    let mut buffer = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&buffer).into_owned();
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.rsplit_once("content-length: ").unwrap().1.lines().next().unwrap();
            body.len() == length.parse::<usize>().unwrap()
        });
        if whole {
            buffer.clear();
            let text = answer(count.fetch_add(1, Ordering::Relaxed));
            if text.is_empty() || stream.write_all(text.as_bytes()).is_err() {
                return;
            }
            continue;
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return,
            Ok(read) => buffer.extend_from_slice(&part[..read]),
        }
    }
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn load(address: String, mode: Mode, goal: Goal, pace: Pace) -> Result<Outcome, Error> {
    let template = Template {
        authority: "h".into(),
        path: "/events".into(),
        token: None,
        mode,
        ty: "t".into(),
        run: "r".into(),
        subjects: 10,
        priorities: false,
        delay_ms: None,
        payload: payload(200),
        wait_s: None,
    };
    let plan = Plan { template, address, tls: None, connections: 4, goal, pace };
    run(&plan, &Progress::default())
}

#[test]
fn it_sends_until_so_many_are_accepted() {
    let address = server(|_| response("202 Accepted", "", "{}"));
    let outcome = load(address, Mode::Batch(10), Goal::Events(200), Pace::Closed).unwrap();
    assert_eq!((outcome.accepted, outcome.requests, outcome.broken), (200, 20, 0));
    assert_eq!(outcome.latency.count(), 20);
}

#[test]
fn a_busy_host_is_asked_again() {
    let busy = |number| match number {
        0..3 => response("503 Service Unavailable", "retry-after: 0\r\n", "{}"),
        _ => response("202 Accepted", "", "{}"),
    };
    let outcome = load(server(busy), Mode::Binary, Goal::Events(50), Pace::Closed).unwrap();
    assert_eq!((outcome.accepted, outcome.refused.get(&503)), (50, Some(&3)));
}

#[test]
fn a_refusal_that_would_come_again_ends_the_load() {
    let body = r#"{"code":"event.malformed","detail":"no type"}"#;
    let address = server(|_| response("400 Bad Request", "", body));
    let error = load(address, Mode::Structured, Goal::Events(50), Pace::Closed).unwrap_err();
    assert_eq!(error.to_string(), "the host refuses the load: no type (event.malformed)");
}

#[test]
fn a_broken_connection_is_made_again() {
    let breaks = |number| match number % 10 {
        9 => String::new(),
        _ => response("202 Accepted", "", "{}"),
    };
    let outcome = load(server(breaks), Mode::Binary, Goal::Events(50), Pace::Closed).unwrap();
    assert_eq!(outcome.accepted, 50);
    assert!(outcome.broken >= 5, "{}", outcome.broken);
}

#[test]
fn a_rate_is_kept_to() {
    let address = server(|_| response("202 Accepted", "connection: close\r\n", "{}"));
    let outcome = load(address, Mode::Binary, Goal::Events(40), Pace::Rate(400.0)).unwrap();
    assert_eq!(outcome.accepted, 40);
    assert!(outcome.elapsed >= Duration::from_millis(90), "{:?}", outcome.elapsed);
}
