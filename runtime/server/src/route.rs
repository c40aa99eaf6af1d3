//! Which handler answers which endpoint. Knows no shapes, no limits, and not who may ask.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use triphammer_pipeline::Pipeline;
use triphammer_telemetry::Telemetry;

use crate::api::{
    audit, deliveries, descriptions, dry_run, events, filters, functions, handshake, hooks, host,
    ingress, overview, post, replays, stream, subscriptions,
};
use crate::body::{Allowance, BodyReader, ResponseBody};
use crate::caller::Caller;
use crate::codec::Bounds;
use crate::config::{Handshake, HttpLimits};
use crate::dashboard;
use crate::endpoint::Endpoint;
use crate::gate::{Gate, Noted};
use crate::guard::Guard;
use crate::hooks::Hooks;
use crate::overview::Samples;
use crate::paths::{self, Target};
use crate::problem::Problem;
use crate::query::Query;
use crate::settings::Fixed;
use crate::tasks::Shutdown;
use crate::tls::Tls;
use crate::trust::Trust;

pub(crate) type Answer = Result<Response<ResponseBody>, Problem>;

/// What all handlers share.
pub(crate) struct Server {
    pub(crate) pipeline: Pipeline,
    pub(crate) guard: Guard,
    pub(crate) gate: Gate,
    pub(crate) hooks: Hooks,
    pub(crate) handshake: Handshake,
    pub(crate) trust: Trust,
    pub(crate) bodies: BodyReader,
    pub(crate) bounds: Bounds,
    pub(crate) http: HttpLimits,
    /// One permit for each live feed.
    pub(crate) streams: Arc<Semaphore>,
    /// One permit for each request over HTTP/2, on all connections.
    pub(crate) multiplexed: Arc<Semaphore>,
    /// What the host did of late.
    pub(crate) samples: Samples,
    pub(crate) settings: Fixed,
    /// None where no traces and logs are sent.
    pub(crate) telemetry: Option<Telemetry>,
    pub(crate) shutdown: Shutdown,
    /// None for plain HTTP.
    pub(crate) tls: Option<Arc<Tls>>,
}

/// A request whose body is still to come, and what its path says.
pub(crate) struct Call<'s> {
    pub(crate) server: &'s Server,
    pub(crate) caller: &'s Caller,
    pub(crate) parts: Parts,
    pub(crate) body: Incoming,
    pub(crate) query: Query,
}

/// The most that a small JSON body of the admin API has.
const JSON: Allowance =
    Allowance { bytes: 256 << 10, what: "the body", code: "http.body_too_large" };

/// Answers a request of somebody who may ask this.
pub(crate) async fn answer(
    server: &Server,
    caller: &Caller,
    target: Target,
    request: Request<Incoming>,
) -> Answer {
    let Target { endpoint, argument } = target;
    match endpoint {
        Endpoint::Events => ingress::answer(server, caller, request).await,
        // Boxed, so that the hot path is not as large as the largest of these.
        Endpoint::EventsOfType => {
            let ty = argument.unwrap_or_default();
            Box::pin(post::answer(server, caller, request, &ty)).await
        }
        Endpoint::Hook => {
            let name = argument.unwrap_or_default();
            Box::pin(hooks::answer(server, caller, request, &name)).await
        }
        Endpoint::Handshake => handshake::answer(&server.handshake, request.headers()),
        other => Box::pin(elsewhere(server, caller, other, argument, request)).await,
    }
}

async fn elsewhere(
    server: &Server,
    caller: &Caller,
    endpoint: Endpoint,
    argument: Option<String>,
    request: Request<Incoming>,
) -> Answer {
    let (parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query())?;
    let call = Call { server, caller, parts, body, query };
    let argument = argument.as_deref().unwrap_or_default();
    match endpoint {
        Endpoint::Events | Endpoint::EventsOfType | Endpoint::Hook | Endpoint::Handshake => {
            Err(Problem::internal("events come in elsewhere"))
        }
        Endpoint::SubscriptionList => subscriptions::list(call).await,
        Endpoint::SubscriptionCreate => subscriptions::create(call).await,
        Endpoint::SubscriptionsOptions => subscriptions::options(paths::SUBSCRIPTIONS),
        Endpoint::Subscription => subscriptions::show(call, argument).await,
        Endpoint::SubscriptionUpdate => subscriptions::update(call, argument).await,
        Endpoint::SubscriptionRemove => subscriptions::remove(call, argument).await,
        Endpoint::SubscriptionOptions => subscriptions::options(paths::SUBSCRIPTION),
        Endpoint::OpenApi => descriptions::openapi(call),
        Endpoint::AsyncApi => descriptions::asyncapi(call).await,
        Endpoint::Page => dashboard::page(call),
        Endpoint::Asset => dashboard::asset(call, argument),
        Endpoint::Healthz => host::healthz(call),
        Endpoint::Readyz => host::readyz(call),
        Endpoint::Metrics => host::metrics(call).await,
        Endpoint::FunctionList => functions::list(call).await,
        Endpoint::Function => functions::show(call, argument).await,
        Endpoint::Deploy => functions::deploy(call, argument).await,
        Endpoint::Remove => functions::remove(call, argument).await,
        Endpoint::Activate => functions::activate(call, argument).await,
        Endpoint::Rollback => functions::rollback(call, argument).await,
        Endpoint::Pause => functions::pause(call, argument).await,
        Endpoint::Resume => functions::resume(call, argument).await,
        Endpoint::TestDeployed => dry_run::deployed(call, argument).await,
        Endpoint::TestComponent => dry_run::component(call).await,
        Endpoint::State => functions::state(call, argument).await,
        Endpoint::EventList => events::list(call).await,
        Endpoint::Event => events::show(call, argument).await,
        Endpoint::ReplayEvent => replays::one(call, argument).await,
        Endpoint::Replay => replays::start(call).await,
        Endpoint::ReplayList => replays::list(call).await,
        Endpoint::ReplayInfo => replays::show(call, argument).await,
        Endpoint::ReplayCancel => replays::cancel(call, argument).await,
        Endpoint::DeliveryList => deliveries::list(call).await,
        Endpoint::Redrive => deliveries::redrive(call).await,
        Endpoint::Drop => deliveries::give_up(call).await,
        Endpoint::Stream => stream::open(call),
        Endpoint::FilterTest => filters::test(call).await,
        Endpoint::HookList => hooks::list(call),
        Endpoint::Stats => host::stats(call),
        Endpoint::Overview => overview::show(call),
        Endpoint::OverviewStream => overview::stream(call),
        Endpoint::History => overview::history(call),
        Endpoint::Settings => host::settings(call),
        Endpoint::EventTree => events::tree(call, argument).await,
        Endpoint::StateHistory => functions::state_history(call, argument).await,
        Endpoint::Causes => deliveries::causes(call).await,
        Endpoint::Lanes => deliveries::lanes(call).await,
        Endpoint::Audit => audit::list(call).await,
    }
}

impl<'s> Call<'s> {
    /// The text of a header of this request that is given at most once.
    pub(crate) fn header(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        header(&self.parts.headers, name)
    }

    /// Reads the body as JSON of a known shape. Takes the call apart.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<T, Problem> {
        let Self { server, parts, body, query, .. } = self;
        query.done()?;
        let received = server.bodies.read(&parts.headers, body, JSON).await?;
        serde_json::from_slice(&received.bytes).map_err(|error| {
            Problem::bad_request("http.body_malformed", format!("the body is wrong: {error}"))
        })
    }
}

/// The text of a header that is given at most once.
pub(crate) fn header<'h>(
    headers: &'h HeaderMap,
    name: &'static str,
) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let wrong =
        |rule: &str| Problem::bad_request("http.header", format!("the header `{name}` {rule}"));
    if values.next().is_some() {
        return Err(wrong("is given twice"));
    }
    std::str::from_utf8(value.as_bytes()).map(Some).map_err(|_| wrong("is not UTF-8"))
}

/// A value as a JSON answer.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let bytes = serde_json::to_vec(value).map_err(|error| not_written(&error))?;
    Ok(respond(status, "application/json", bytes))
}

/// A page of a list: the entries under their name, and the cursor of the next page.
pub(crate) fn list(name: &str, entries: &impl Serialize, cursor: Option<&str>) -> Answer {
    list_but(name, entries, cursor, &[])
}

/// The same, naming what had to be left out of it.
pub(crate) fn list_but(
    name: &str,
    entries: &impl Serialize,
    cursor: Option<&str>,
    damaged: &[String],
) -> Answer {
    let mut out = b"{".to_vec();
    crate::json::name(&mut out, name);
    serde_json::to_writer(&mut out, entries).map_err(|error| not_written(&error))?;
    out.extend_from_slice(br#","cursor":"#);
    match cursor {
        Some(cursor) => crate::json::string(&mut out, cursor),
        None => out.extend_from_slice(b"null"),
    }
    if !damaged.is_empty() {
        out.extend_from_slice(br#","damaged":"#);
        serde_json::to_writer(&mut out, damaged).map_err(|error| not_written(&error))?;
    }
    out.push(b'}');
    Ok(respond(StatusCode::OK, "application/json", out))
}

fn not_written(error: &serde_json::Error) -> Problem {
    Problem::internal(format!("the answer could not be written: {error}"))
}

/// Tells the audit log more of a change than its path does.
pub(crate) fn noted(answer: Answer, detail: serde_json::Value) -> Answer {
    answer.map(|mut response| {
        response.extensions_mut().insert(Noted(detail));
        response
    })
}

/// Bytes as an answer.
pub(crate) fn respond(
    status: StatusCode,
    content_type: &'static str,
    bytes: Vec<u8>,
) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
