//! The host about itself: whether it lives, whether it takes events, and its counters.

use hyper::StatusCode;
use triphammer_telemetry::Telemetry;

use crate::metrics::{self, Format};
use crate::problem::Problem;
use crate::process;
use crate::route::{Answer, Call, json, respond};
use crate::settings::SettingsView;
use crate::views::{HookView, StatsView};

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
    let format = Format::wanted(&call.parts.headers);
    let exports = call.server.telemetry.as_ref().map(Telemetry::counts);
    let own = (process::usage(), exports);
    let text = metrics::text(format, &stats, &measures, own, &functions, &hooks);
    let text = text.ok_or_else(|| Problem::internal("the metrics could not be written"))?;
    Ok(respond(StatusCode::OK, format.content_type(), text.into_bytes()))
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
