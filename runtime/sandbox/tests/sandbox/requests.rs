//! HTTP requests of guests: which there are, and that what has ended makes none.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use triphammer_model::HttpRules;
use triphammer_sandbox::{Call, InvokeError, Sandbox, SandboxOptions};

use crate::guests::guest;
use crate::harness::{SANDBOX, call, messages, misbehave, prepare, reply, scratch};

/// A sandbox whose guests may reach this port of the machine, and a call that makes a request to it.
async fn sandbox_and_call(port: u16) -> (Arc<Sandbox>, Call) {
    let mut options = SandboxOptions::new(scratch().keep());
    let allow = vec![format!("http://localhost:{port}").parse().unwrap()];
    options.http_out.allow.clone_from(&allow);
    options.http_out.allow_private = vec!["localhost".parse().unwrap()];
    let sandbox = Sandbox::new(options).unwrap();
    let module = sandbox.prepare(guest("fetch")).await.unwrap().module;
    let request = format!(r#"{{"method":"GET","url":"http://localhost:{port}/"}}"#);
    let data = format!(r#"{{"requests":[{request}]}}"#);
    let mut call = call(&module, "fetch.run", &data);
    let timeout = Duration::from_secs(60);
    call.http = Some(Arc::new(HttpRules { allow, requests: 1, bytes: 1 << 10, timeout }));
    (sandbox, call)
}

#[tokio::test]
async fn only_what_calls_it_imports_it() {
    assert!(prepare(guest("fetch")).await.module.makes_requests());
    assert!(!misbehave().await.makes_requests());
}

#[tokio::test]
async fn a_request_of_a_guest_without_rules_is_denied_and_told() {
    let (_, with_rules) = sandbox_and_call(80).await;
    let module = prepare(guest("fetch")).await.module;
    let invoked = SANDBOX.invoke(Call { module, http: None, ..with_rules }).await;
    let lines = messages(&invoked.logs).join("\n");
    assert!(lines.contains("GET http://localhost: ") && lines.contains("(outbound.undeclared)"));
    assert!(reply(invoked).contains("HttpRequestDenied"), "{lines}");
}

#[tokio::test]
async fn what_waits_for_an_answer_ends_at_its_deadline_and_hangs_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (sandbox, mut call) = sandbox_and_call(listener.local_addr().unwrap().port()).await;
    let (sender, ended) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = Vec::new();
        // Until the other side hangs up.
        let _ = stream.read_to_end(&mut text);
        sender.send(text).unwrap();
    });
    call.timeout = Duration::from_millis(300);
    let invoked = sandbox.invoke(call).await;
    assert!(matches!(invoked.result, Err(InvokeError::Deadline { .. })), "{:?}", invoked.result);
    let text = tokio::task::spawn_blocking(move || ended.recv().unwrap()).await.unwrap();
    assert!(text.starts_with(b"GET / HTTP/1.1\r\n"));
    assert_eq!(sandbox.client().counts().abandoned, 1);
}

#[tokio::test]
async fn a_guest_reads_placeholders_in_place_of_secrets() {
    let mut call = call(&misbehave().await, "misbehave.env", "{}");
    let config = [("KEY", "secret:KEY"), ("OTHER", "secret")];
    let config = config.map(|(name, value)| (name.to_owned(), value.to_owned()));
    call.config = Arc::new(BTreeMap::from(config));
    let said = reply(SANDBOX.invoke(call).await);
    assert!(said.contains("{{secret:KEY}}") && said.contains(r#""OTHER":"secret""#), "{said}");
}
