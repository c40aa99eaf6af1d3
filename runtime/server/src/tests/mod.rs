//! The host from outside: a real socket, a real data directory, no functions.

mod access;
mod client;
mod hostile;
mod http2;
mod routes;
mod shutdown;
mod smuggling;

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::config::{Config, Overrides};
use crate::describe::contract;
use crate::{App, AppError};
use client::{Answer, exchange};

/// A host that runs, with its own data directory.
struct Host {
    address: String,
    stop: Arc<Notify>,
    running: JoinHandle<Result<(), AppError>>,
    _data: TempDir,
}

impl Host {
    /// With `settings` over the defaults, on a free port.
    async fn start(settings: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let overrides = Overrides {
            listen: Some("127.0.0.1:0".into()),
            data: Some(data.path().join("data")),
            insecure_listen: false,
        };
        let config = Config::from_parts(Path::new("test"), settings, |_| None, &overrides).unwrap();
        let app = App::build(config).await.unwrap();
        let address = app.address().to_string();
        let scheme = if settings.contains("[tls]") { "https" } else { "http" };
        assert_eq!(app.url(), format!("{scheme}://{address}"));
        let stop = Arc::new(Notify::new());
        let signal = Arc::clone(&stop);
        let run = async move { app.run(async move { signal.notified().await }).await };
        Self { address, stop, running: tokio::spawn(run), _data: data }
    }

    /// Sends a request with the given line, headers and body, and reads the whole answer, which must
    /// be one that is described.
    async fn ask(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let answer = exchange(&self.address, &self.request(line, headers, body)).await;
        let content_type = answer.header("content-type");
        contract::check(line, (answer.status, content_type), &answer.body);
        answer
    }

    fn request(&self, line: &str, headers: &[&str], body: &str) -> Vec<u8> {
        let mut text = format!("{line} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|header| header.starts_with("host:")) {
            text.push_str(&format!("host: {}\r\n", self.address));
        }
        if !body.is_empty() {
            text.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        headers.iter().for_each(|header| text.push_str(&format!("{header}\r\n")));
        format!("{text}\r\n{body}").into_bytes()
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[], "").await
    }

    async fn post(&self, path: &str, content_type: &str, body: &str) -> Answer {
        let content_type = format!("content-type: {content_type}");
        self.ask(&format!("POST {path}"), &[&content_type], body).await
    }

    async fn send(&self, body: &str) -> Answer {
        self.post("/events", "application/cloudevents+json", body).await
    }

    async fn stop(self) -> Result<(), AppError> {
        self.stop.notify_one();
        self.running.await.unwrap()
    }
}

/// A structured event of type `t`.
fn event(id: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","data":{{"a": 1.0}}}}"#)
}
