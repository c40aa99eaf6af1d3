//! Dry runs: an event through a function, whose effects are shown and thrown away.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use triphammer_model::{FunctionName, RevisionId};

use super::functions::{component_allowance, config};
use super::parse;
use crate::body::Allowance;
use crate::codec::{self, Mode};
use crate::problem::Problem;
use crate::route::{Answer, Call, json};
use crate::views::DryRunView;

/// Through a revision, the active one unless the query names another; the event is the body, structured unless its headers say that it
/// is binary.
pub(crate) async fn deployed(call: Call<'_>, name: &str) -> Answer {
    let name: FunctionName = parse(name)?;
    let Call { server, parts, body, mut query, .. } = call;
    let revision: Option<RevisionId> = query.parsed("revision")?;
    query.done()?;
    let allowed = Allowance {
        bytes: server.http.event_bytes_max,
        what: "the event",
        code: "event.too_large",
    };
    let received = server.bodies.read(&parts.headers, body, allowed).await?;
    let event = match codec::mode(&parts.headers) {
        Ok(Mode::Binary) => codec::decode_binary(&parts.headers, received.bytes, &server.bounds)?,
        _ => codec::decode_structured(&received.bytes, &server.bounds)?,
    };
    json(StatusCode::OK, &DryRunView::from(server.pipeline.test(&name, revision, event).await?))
}

/// Through a component that is not deployed: it is the body, the event is in a header.
pub(crate) async fn component(call: Call<'_>) -> Answer {
    let event = event_header(&call)?;
    let config = config(&call)?.unwrap_or_default();
    let signature = call.header("triphammer-signature")?.map(str::to_owned);
    let Call { server, parts, body, query, .. } = call;
    query.done()?;
    let event = codec::decode_structured(&event, &server.bounds)?;
    let allowed = component_allowance(server.http.component_bytes_max);
    let received = server.bodies.read(&parts.headers, body, allowed).await?;
    server.trust.check(signature.as_deref(), &received.bytes, None)?;
    let run = server.pipeline.test_module(received.bytes.clone(), config, event).await?;
    json(StatusCode::OK, &DryRunView::from(run))
}

fn event_header(call: &Call<'_>) -> Result<Bytes, Problem> {
    let wrong = |rule| {
        let detail = format!("the header `Triphammer-Event` {rule}");
        Problem::bad_request("http.header", detail)
    };
    let text = call
        .header("triphammer-event")?
        .ok_or_else(|| wrong("is missing: it holds the event, as structured JSON in Base64"))?;
    STANDARD.decode(text).map(Into::into).map_err(|_| wrong("is not Base64"))
}
