//! Functions: deployed, shown, switched, paused, removed, and what they have remembered.

use std::collections::BTreeMap;

use hyper::StatusCode;
use triphammer_model::{FunctionName, OrderingKey, RevisionId, Seq};
use triphammer_pipeline::{
    ChangeError, Deploy, FunctionInfo, FunctionQuery, QueryError, Remove, Share, StateQuery,
};

use super::parse;
use crate::body::Allowance;
use crate::problem::Problem;
use crate::route::{self, Answer, Call, json, noted};
use crate::views::{
    Activate, DeployedView, FunctionView, RemovedView, StateChangeView, StateEntryView,
};

/// Without a limit it is all of them: so it was before there were pages.
pub(crate) async fn list(mut call: Call<'_>) -> Answer {
    let query = FunctionQuery {
        prefix: call.query.text("prefix").unwrap_or_default(),
        contains: call.query.text("contains").unwrap_or_default(),
        limit: call.query.limit_if_any()?,
        cursor: call.query.filled("cursor"),
    };
    call.query.done()?;
    let page = call.server.pipeline.function_page(&query).await?;
    let functions: Vec<_> = page.functions.into_iter().map(FunctionView::from).collect();
    route::list("functions", &functions, page.cursor.as_deref())
}

pub(crate) async fn show(call: Call<'_>, name: &str) -> Answer {
    call.query.done()?;
    answer(call.server.pipeline.function(&parse(name)?).await)
}

fn answer(result: Result<FunctionInfo, ChangeError>) -> Answer {
    json(StatusCode::OK, &FunctionView::from(result?))
}

pub(crate) async fn deploy(mut call: Call<'_>, name: &str) -> Answer {
    let name: FunctionName = parse(name)?;
    let activate = call.query.flag("activate", true)?;
    let (weight, failures) = (call.query.parsed("weight")?, call.query.parsed("failures")?);
    let manifest = call.header("triphammer-manifest")?.map(str::to_owned);
    let config = config(&call)?;
    let signature = call.header("triphammer-signature")?.map(str::to_owned);
    let Call { server, parts, body, query, .. } = call;
    query.done()?;
    let share = Share::new(weight, failures)?;
    let allowed = component_allowance(server.http.component_bytes_max);
    let received = server.bodies.read(&parts.headers, body, allowed).await?;
    let wasm = received.bytes.clone();
    server.trust.check(signature.as_deref(), &wasm, manifest.as_deref())?;
    let deploy = Deploy { wasm, manifest, config, activate, share };
    let deployed = server.pipeline.deploy(Some(name), deploy).await?;
    let status = if deployed.created { StatusCode::CREATED } else { StatusCode::OK };
    let detail = serde_json::json!({
        "revision": deployed.revision.to_string(), "digest": deployed.digest.to_string(),
        "active": deployed.active,
    });
    noted(json(status, &DeployedView::from(deployed)), detail)
}

pub(super) fn component_allowance(bytes: usize) -> Allowance {
    Allowance { bytes, what: "the component", code: "module.too_large" }
}

/// The header `Triphammer-Config`: a JSON object of strings.
pub(super) fn config(call: &Call<'_>) -> Result<Option<BTreeMap<String, String>>, Problem> {
    let Some(text) = call.header("triphammer-config")? else {
        return Ok(None);
    };
    serde_json::from_str(text).map(Some).map_err(|error| {
        let detail = format!("the header `Triphammer-Config` is a JSON object of strings: {error}");
        Problem::bad_request("deploy.config", detail)
    })
}

pub(crate) async fn remove(mut call: Call<'_>, name: &str) -> Answer {
    let name: FunctionName = parse(name)?;
    let discard = call.query.flag("discard", false)?;
    let state = call.query.flag("state", false)?;
    call.query.done()?;
    let removed = call.server.pipeline.remove(&name, Remove { discard, state }).await?;
    let detail = serde_json::json!({ "dropped": removed.dropped, "state": state });
    let view = RemovedView { name: name.to_string(), dropped: removed.dropped };
    noted(json(StatusCode::OK, &view), detail)
}

pub(crate) async fn activate(call: Call<'_>, name: &str) -> Answer {
    let name: FunctionName = parse(name)?;
    let pipeline = &call.server.pipeline;
    let Activate { revision, weight, failures } = call.json().await?;
    let revision: RevisionId = revision.parse().map_err(|_| {
        Problem::bad_request("http.name", "a revision is written r1, r2, and so on")
    })?;
    let share = Share::new(weight, failures)?;
    let detail = serde_json::json!({ "revision": revision.to_string(), "weight": weight });
    noted(answer(pipeline.activate(&name, revision, share).await), detail)
}

pub(crate) async fn rollback(call: Call<'_>, name: &str) -> Answer {
    call.query.done()?;
    let function = call.server.pipeline.rollback(&parse(name)?).await?;
    let active = function.active.map(|revision| revision.to_string());
    noted(answer(Ok(function)), serde_json::json!({ "active": active }))
}

pub(crate) async fn pause(call: Call<'_>, name: &str) -> Answer {
    call.query.done()?;
    answer(call.server.pipeline.pause(&parse(name)?).await)
}

pub(crate) async fn resume(call: Call<'_>, name: &str) -> Answer {
    call.query.done()?;
    answer(call.server.pipeline.resume(&parse(name)?).await)
}

pub(crate) async fn state(mut call: Call<'_>, name: &str) -> Answer {
    let name: FunctionName = parse(name)?;
    let key = call.query.text("key").map(|key| OrderingKey::new(&key)).transpose();
    let key = key.map_err(|error| Problem::bad_request("http.query", error.to_string()))?;
    let query = StateQuery {
        // All spaces, unless one is asked for.
        key: key.map(Some),
        prefix: call.query.text("prefix").unwrap_or_default(),
        limit: call.query.limit()?,
        cursor: call.query.filled("cursor"),
    };
    call.query.done()?;
    let page = call.server.pipeline.state(&name, &query).await?;
    let entries: Vec<_> = page.entries.into_iter().map(StateEntryView::from).collect();
    route::list("entries", &entries, page.cursor.as_deref())
}

/// What was written to one name, newest first.
pub(crate) async fn state_history(mut call: Call<'_>, name: &str) -> Answer {
    let name: FunctionName = parse(name)?;
    let key = call.query.text("key").map(|key| OrderingKey::new(&key)).transpose();
    let key = key.map_err(|error| Problem::bad_request("http.query", error.to_string()))?;
    let entry = call.query.text("name").ok_or_else(|| {
        Problem::bad_request("http.query", "the query parameter `name` is missing")
    })?;
    let before = call.query.filled("cursor").map(|text| cursor(&text)).transpose()?;
    let limit = call.query.limit()?;
    call.query.done()?;
    let page = call.server.pipeline.state_changes(&name, (key, entry), before, limit).await?;
    let writes: Vec<_> = page.changes.into_iter().map(StateChangeView::from).collect();
    let cursor = page.next.map(|seq| seq.to_string());
    route::list("writes", &writes, cursor.as_deref())
}

fn cursor(text: &str) -> Result<Seq, Problem> {
    let wrong = |_| QueryError::Cursor(text.to_owned()).into();
    text.parse().map_err(wrong)
}
