//! What the tests ask of a host, in the words of its API.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::feed::Feed;
use super::guests::component;
use super::host::Host;
use super::http::{Request, Response};
use super::wait::until;
use super::{Event, batch};

/// How long a request waits for results, in seconds.
const WAIT_SECS: u32 = 60;

/// A delivery that was committed, as a sender is told.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) revision: String,
    pub(crate) attempts: u64,
    pub(crate) reply: Value,
}

/// The only result of an event that was waited for, which is a commit.
#[track_caller]
pub(crate) fn committed(receipt: &Value) -> Committed {
    let result = only_result(receipt);
    assert_eq!(result["status"], "committed", "{receipt}");
    Committed {
        revision: result["revision"].as_str().unwrap_or_default().to_owned(),
        attempts: result["attempts"].as_u64().unwrap(),
        reply: result["reply"].clone(),
    }
}

/// The code and the message of the only result, which is a dead letter.
#[track_caller]
pub(crate) fn dead(receipt: &Value) -> (String, String) {
    let result = only_result(receipt);
    assert_eq!(result["status"], "dead", "{receipt}");
    let text = |name: &str| result["error"][name].as_str().unwrap_or_default().to_owned();
    (text("code"), text("message"))
}

#[track_caller]
fn only_result(receipt: &Value) -> &Value {
    match receipt["results"].as_array().map(Vec::as_slice) {
        Some([result]) => result,
        _ => panic!("there is not one result: {receipt}"),
    }
}

/// A reply that is text.
#[track_caller]
pub(crate) fn text_reply(reply: &Value) -> String {
    let base64 = reply["dataBase64"].as_str().unwrap_or_else(|| panic!("no text: {reply}"));
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, base64);
    String::from_utf8(bytes.unwrap()).unwrap()
}

impl Host {
    /// Uploads a guest as the function's new revision.
    #[track_caller]
    pub(crate) fn deploy(&self, name: &str, guest: &str) -> Value {
        self.deploy_with(name, guest, json!({}), json!({}))
    }

    /// Uploads a guest with this config, and with these members of its manifest replaced.
    #[track_caller]
    pub(crate) fn deploy_with(
        &self,
        name: &str,
        guest: &str,
        config: Value,
        manifest: Value,
    ) -> Value {
        let mut request = upload(name, component(guest));
        if config != json!({}) {
            request = request.header("triphammer-config", config.to_string());
        }
        if manifest != json!({}) {
            request = request.header("triphammer-manifest", manifest.to_string());
        }
        let response = self.send(request);
        assert!(matches!(response.status, 200 | 201), "{}", response.text());
        response.expect(response.status)
    }

    #[track_caller]
    pub(crate) fn upload(&self, name: &str, wasm: Vec<u8>) -> Response {
        self.send(upload(name, wasm))
    }

    /// Its receipt.
    #[track_caller]
    pub(crate) fn accept(&self, event: &Event) -> Value {
        self.send(event.request()).expect(202)["events"][0].clone()
    }

    /// The receipts of a batch.
    #[track_caller]
    pub(crate) fn accept_all(&self, events: &[Event]) -> Vec<Value> {
        let answer = self.send(batch(events)).expect(202);
        answer["events"].as_array().unwrap().clone()
    }

    /// Its receipt, with the results of all its deliveries.
    #[track_caller]
    pub(crate) fn settle(&self, event: &Event) -> Value {
        self.send(event.request().wait(WAIT_SECS)).expect(200)["events"][0].clone()
    }

    /// The receipts of a batch, with the results of all deliveries.
    #[track_caller]
    pub(crate) fn settle_all(&self, events: &[Event]) -> Vec<Value> {
        let answer = self.send(batch(events).wait(WAIT_SECS)).expect(200);
        answer["events"].as_array().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn get(&self, path: impl Into<String>) -> Value {
        self.send(Request::get(path)).expect(200)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: impl Into<String>, body: Value) -> Value {
        self.send(Request::post(path).json(&body)).expect(200)
    }

    /// The whole story of an event.
    #[track_caller]
    pub(crate) fn story(&self, seq: &Value) -> Value {
        self.get(format!("/api/v1/events/{}", seq.as_str().unwrap()))
    }

    #[track_caller]
    pub(crate) fn function(&self, name: &str) -> Value {
        self.get(format!("/api/v1/functions/{name}"))
    }

    #[track_caller]
    pub(crate) fn counts(&self, name: &str) -> Value {
        self.function(name)["counts"].clone()
    }

    /// Every event of this type with its payload, the oldest first.
    #[track_caller]
    pub(crate) fn events(&self, ty: &str) -> Vec<Value> {
        let path = format!("/api/v1/events?type={ty}");
        let mut all = self.pages(&path, "events");
        all.reverse();
        all.iter().map(|summary| self.story(&summary["seq"])["event"].clone()).collect()
    }

    /// The entries of a listing, page by page.
    #[track_caller]
    pub(crate) fn pages(&self, path: &str, list: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut next = format!("{path}&limit=1000");
        loop {
            let page = self.get(next);
            all.extend(page[list].as_array().unwrap().iter().cloned());
            match page["cursor"].as_str() {
                Some(cursor) => next = format!("{path}&limit=1000&cursor={cursor}"),
                None => return all,
            }
        }
    }

    /// The committed state of one ordering key, or of a function without; values that are no JSON
    /// are left out.
    #[track_caller]
    pub(crate) fn state(&self, function: &str, key: Option<&str>) -> BTreeMap<String, Value> {
        let key_query = key.map_or_else(String::new, |key| format!("&key={key}"));
        let path = format!("/api/v1/functions/{function}/state?prefix={key_query}");
        let entries = self.pages(&path, "entries");
        let of_key = |entry: &&Value| entry["key"].as_str() == key;
        let pair = |e: &Value| (e["name"].as_str().unwrap().to_owned(), e["value"].clone());
        entries.iter().filter(of_key).map(pair).collect()
    }

    /// Deliveries that are dead letters of this function, the oldest first.
    #[track_caller]
    pub(crate) fn dead_letters(&self, function: &str) -> Vec<Value> {
        let path = format!("/api/v1/deliveries?status=dead&function={function}");
        self.pages(&path, "deliveries")
    }

    /// Waits until no delivery is ready, runs, waits or is blocked: nothing more can happen by
    /// itself, for a commit and what it emits are one.
    #[track_caller]
    pub(crate) fn settled(&self) {
        let feed = Feed::open(self.address(), "");
        // Many things may happen for each time that it is worth asking.
        let pause = || while feed.any(Duration::from_millis(20)).is_some() {};
        until("everything to settle", pause, || {
            let functions = self.get("/api/v1/functions");
            let open = |function: &Value| {
                let count = |name: &str| function["counts"][name].as_u64().unwrap();
                count("ready") + count("running") + count("waiting") + count("blocked")
            };
            let open: u64 = functions["functions"].as_array().unwrap().iter().map(open).sum();
            (open == 0).then_some(())
        });
    }
}

pub(crate) fn upload(name: &str, wasm: Vec<u8>) -> Request {
    Request::new("PUT", format!("/api/v1/functions/{name}")).body("application/wasm", wasm)
}
