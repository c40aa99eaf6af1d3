//! What programs read to know this host: its operations, and the event types that it knows.

use hyper::StatusCode;
use hyper::header::HOST;
use serde_json::Value;
use triphammer_pipeline::FunctionInfo;

use crate::describe::{self, Subscriber};
use crate::route::{Answer, Call, json};

pub(crate) fn openapi(call: Call<'_>) -> Answer {
    call.query.done()?;
    json(StatusCode::OK, &describe::openapi())
}

/// As the functions are now.
pub(crate) async fn asyncapi(call: Call<'_>) -> Answer {
    call.query.done()?;
    let functions = call.server.pipeline.functions().await?;
    let subscribers: Vec<_> = functions.iter().filter_map(subscriber).collect();
    json(StatusCode::OK, &describe::asyncapi(&base(&call), &subscribers))
}

/// None for a function without an active revision.
fn subscriber(info: &FunctionInfo) -> Option<Subscriber> {
    let active = info.revisions.iter().find(|revision| revision.active)?;
    let on = match active.manifest.get("on") {
        Some(Value::Array(patterns)) => patterns.as_slice(),
        Some(pattern) => std::slice::from_ref(pattern),
        None => &[],
    };
    let patterns = on.iter().filter_map(Value::as_str).filter_map(|text| text.parse().ok());
    Some(Subscriber {
        function: info.name.to_string(),
        on: patterns.collect(),
        filter: active.manifest.get("filter").cloned(),
    })
}

/// Where this host is reached, as far as it is known.
fn base(call: &Call<'_>) -> String {
    call.server.hooks.public_url.clone().unwrap_or_else(|| {
        // There is one, or the request would not have come this far.
        let host = call.parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let scheme = if call.server.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", host.unwrap_or_default())
    })
}
