//! Makes the requests that the event says, one after the other, and tells what came of each: in its
//! reply, or in the error when it is told to fail.

use serde::{Deserialize, Serialize};
use triphammer_sdk::http::Request;
use triphammer_sdk::{Context, Event, Fault, Json, function};

/// The payload of `fetch.run`.
#[derive(Deserialize, Serialize)]
struct Script {
    requests: Vec<Step>,
    /// Attempts that fail before one succeeds.
    #[serde(default)]
    retries: u32,
}

#[derive(Deserialize, Serialize)]
struct Step {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
}

/// What came of a request.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Came {
    /// `200`, or the code of the error.
    outcome: String,
    body: String,
    location: Option<String>,
}

#[function(
    on = "fetch.run",
    timeout = "5s",
    retry(attempts = 4, initial = "5ms", max = "20ms"),
    http(allow = "**", requests = 3, bytes = "64KiB", timeout = "1s")
)]
fn fetch(event: Event<Script>, ctx: &mut Context) -> Result<Json<Vec<Came>>, Fault> {
    let mut came = Vec::new();
    for step in &event.data.requests {
        came.push(take(step, ctx));
    }
    if ctx.attempt() <= event.data.retries {
        return Err(Fault::retry(serde_json::to_string(&came)?));
    }
    Ok(Json(came))
}

fn take(step: &Step, ctx: &Context) -> Came {
    let mut request = Request::new(&step.method, &step.url);
    for (name, value) in &step.headers {
        // What is in the configuration is a placeholder by the time that it is here.
        let configured = value.strip_prefix("config:").and_then(|name| ctx.config(name));
        request = request.header(name, configured.unwrap_or_else(|| value.clone()));
    }
    if !step.body.is_empty() {
        request = request.body("text/plain", step.body.as_bytes());
    }
    match ctx.fetch(request) {
        Ok(response) => Came {
            outcome: response.status().to_string(),
            body: String::from_utf8_lossy(response.body()).into_owned(),
            location: response.header("location").map(str::to_owned),
        },
        Err(error) => {
            Came { outcome: error.code().to_owned(), body: error.to_string(), location: None }
        }
    }
}

#[cfg(test)]
mod tests {
    use triphammer_sdk::http::Response;
    use triphammer_sdk::testing::{Host, event};

    use super::*;

    fn script(retries: u32) -> Script {
        let headers = vec![("x-key".to_owned(), "config:key".to_owned())];
        let (method, url) = ("POST".to_owned(), "https://a/".to_owned());
        Script { requests: vec![Step { method, url, headers, body: "hi".to_owned() }], retries }
    }

    #[test]
    fn it_tells_what_came_of_each_request() {
        let mut host = Host::new().config("key", "v").answering(|request| {
            assert_eq!((request.method(), request.header_value("x-key")), ("POST", Some("v")));
            Ok(Response::new(302, "body").with_header("Location", "/b"))
        });
        let done = host.call(fetch, event("fetch.run").json(&script(0))).unwrap();
        let came: Vec<Came> = done.reply_json();
        let location = Some("/b".to_owned());
        assert_eq!(came, [Came { outcome: "302".into(), body: "body".into(), location }]);
    }

    #[test]
    fn it_fails_as_it_is_told() {
        let failed = Host::new().call(fetch, event("fetch.run").json(&script(1)));
        assert!(failed.unwrap_err().message().contains("http.denied"));
    }
}
