//! `POST /api/v1/filters/test`: what an expression comes to on an event. Keeps nothing.

use bytes::Bytes;
use hyper::StatusCode;
use triphammer_filter::evaluate;

use crate::body::Allowance;
use crate::codec;
use crate::problem::Problem;
use crate::route::{self, Answer, Call};
use crate::views::{EvaluationErrorView, EvaluationView, FilterTest};

pub(crate) async fn test(call: Call<'_>) -> Answer {
    let Call { server, parts, body, query, .. } = call;
    query.done()?;
    let allowed = Allowance {
        bytes: server.http.event_bytes_max,
        what: "the body",
        code: "http.body_too_large",
    };
    let received = server.bodies.read(&parts.headers, body, allowed).await?;
    let FilterTest { dialect, expression, event } = serde_json::from_slice(&received.bytes)
        .map_err(|error| {
            Problem::bad_request("http.body_malformed", format!("the body is wrong: {error}"))
        })?;
    let event = Bytes::from(Box::<str>::from(event).into_string());
    let event = codec::decode_structured(&event, &server.bounds)?;
    let evaluation = evaluate(&dialect, &expression, &event)?;
    let error = evaluation.error.map(|error| EvaluationErrorView {
        code: error.code(),
        kind: error.sql_kind().map(|kind| kind.to_string()),
        message: error.to_string(),
    });
    route::json(StatusCode::OK, &EvaluationView { value: evaluation.value, error })
}
