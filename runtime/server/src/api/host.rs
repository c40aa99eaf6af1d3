//! The host about itself: whether it lives, whether it takes events, its counters and its page.

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, X_CONTENT_TYPE_OPTIONS};

use crate::metrics;
use crate::problem::Problem;
use crate::process;
use crate::route::{Answer, Call, json, respond};
use crate::settings::SettingsView;
use crate::views::{HookView, StatsView};

/// Everything in one file: nothing is loaded from anywhere else, and nothing may be.
const PAGE: &str = include_str!("page.html");
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
    script-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'; \
    base-uri 'none'; form-action 'none'";

/// The process lives and its network works: nothing more is asked.
pub(crate) fn healthz(call: Call<'_>) -> Answer {
    call.query.done()?;
    Ok(respond(StatusCode::OK, "text/plain; charset=utf-8", b"ok\n".to_vec()))
}

/// Events can be taken in.
pub(crate) fn readyz(call: Call<'_>) -> Answer {
    call.query.done()?;
    call.server.pipeline.readiness().map_err(Problem::from)?;
    Ok(respond(StatusCode::OK, "text/plain; charset=utf-8", b"ready\n".to_vec()))
}

pub(crate) async fn metrics(call: Call<'_>) -> Answer {
    call.query.done()?;
    let pipeline = &call.server.pipeline;
    let hooks: Vec<_> = call.server.hooks.infos().collect();
    let functions = pipeline.functions().await?;
    let (stats, measures) = (pipeline.stats(), pipeline.measures());
    let text = metrics::text(&stats, &measures, process::usage(), &functions, &hooks);
    let text = text.ok_or_else(|| Problem::internal("the metrics could not be written"))?;
    Ok(respond(StatusCode::OK, metrics::content_type(&call.parts.headers), text.into_bytes()))
}

pub(crate) fn stats(call: Call<'_>) -> Answer {
    call.query.done()?;
    json(StatusCode::OK, &StatsView::new(call.server.pipeline.stats(), process::usage()))
}

pub(crate) fn settings(call: Call<'_>) -> Answer {
    call.query.done()?;
    let server = call.server;
    let tokens = server.gate.tokens();
    let view = SettingsView {
        fixed: &server.settings,
        tokens_required: tokens.is_required(),
        tokens: tokens.all().into_iter().map(Into::into).collect(),
        hooks: server.hooks.infos().map(HookView::from).collect(),
    };
    json(StatusCode::OK, &view)
}

pub(crate) fn page(call: Call<'_>) -> Answer {
    call.query.done()?;
    let mut response = respond(StatusCode::OK, "text/html; charset=utf-8", PAGE.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
