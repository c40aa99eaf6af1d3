//! Which handler answers which path. Knows no shapes and no limits.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use triphammer_pipeline::Pipeline;

use crate::api::{
    deliveries, descriptions, dry_run, events, filters, functions, handshake, hooks, host, ingress,
    post, replays, stream, subscriptions,
};
use crate::body::{Allowance, BodyReader, ResponseBody};
use crate::codec::Bounds;
use crate::config::{Handshake, HttpLimits};
use crate::guard::Guard;
use crate::hooks::Hooks;
use crate::problem::Problem;
use crate::query::Query;
use crate::tasks::Shutdown;

pub(crate) type Answer = Result<Response<ResponseBody>, Problem>;

/// What all handlers share.
pub(crate) struct Server {
    pub(crate) pipeline: Pipeline,
    pub(crate) guard: Guard,
    pub(crate) hooks: Hooks,
    pub(crate) handshake: Handshake,
    pub(crate) bodies: BodyReader,
    pub(crate) bounds: Bounds,
    pub(crate) http: HttpLimits,
    /// One permit for each live feed.
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) shutdown: Shutdown,
}

/// A request whose body is still to come, and what its path says.
pub(crate) struct Call<'s> {
    pub(crate) server: &'s Server,
    pub(crate) parts: Parts,
    pub(crate) body: Incoming,
    pub(crate) query: Query,
}

/// The most that a small JSON body of the admin API has.
const JSON: Allowance =
    Allowance { bytes: 256 << 10, what: "the body", code: "http.body_too_large" };

/// Answers a request, whatever it is.
pub(crate) async fn answer(server: &Server, request: Request<Incoming>) -> Response<ResponseBody> {
    let allowed = server.guard.check(request.uri(), request.headers());
    let result = match allowed {
        Err(problem) => Err(problem),
        Ok(()) if request.method() == Method::OPTIONS && takes_events(request.uri().path()) => {
            handshake::answer(&server.handshake, request.headers())
        }
        Ok(()) if request.uri().path() == "/events" => ingress::answer(server, request).await,
        // Boxed, so that the hot path is not as large as the largest of these.
        Ok(()) => match posted_type(request.uri().path()).map(str::to_owned) {
            Some(ty) => Box::pin(post::answer(server, request, &ty)).await,
            None => match hook_name(request.uri().path()).map(str::to_owned) {
                Some(name) => Box::pin(hooks::answer(server, request, &name)).await,
                None => Box::pin(elsewhere(server, request)).await,
            },
        },
    };
    result.unwrap_or_else(Problem::into_response)
}

/// Senders may ask there whether they may deliver.
fn takes_events(path: &str) -> bool {
    path == "/events" || posted_type(path).is_some() || hook_name(path).is_some()
}

/// The type of the event that is posted to this path.
fn posted_type(path: &str) -> Option<&str> {
    path.strip_prefix("/events/").filter(|ty| !ty.is_empty() && !ty.contains('/'))
}

/// The webhook that this path is.
pub(crate) fn hook_name(path: &str) -> Option<&str> {
    path.strip_prefix("/hooks/").filter(|name| !name.is_empty() && !name.contains('/'))
}

async fn elsewhere(server: &Server, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let query = Query::parse(parts.uri.query())?;
    let verb = Verb::of(&parts.method);
    let call = Call { server, parts, body, query };
    match segments.as_slice() {
        ["api", "v1", rest @ ..] => api(call, verb, rest).await,
        ["subscriptions", rest @ ..] => subscriptions(call, verb, rest).await,
        _ => at_the_root(call, verb, &segments).await,
    }
}

async fn at_the_root(call: Call<'_>, verb: Verb, segments: &[&str]) -> Answer {
    use Verb::Get;
    match (segments, verb) {
        ([""], Get) => host::page(call),
        (["healthz"], Get) => host::healthz(call),
        (["readyz"], Get) => host::readyz(call),
        (["metrics"], Get) => host::metrics(call).await,
        (["openapi.json"], Get) => descriptions::openapi(call),
        (["asyncapi.json"], Get) => descriptions::asyncapi(call).await,
        ([""] | ["healthz"] | ["readyz"] | ["metrics"], _)
        | (["openapi.json"] | ["asyncapi.json"], _) => Err(allow("GET, HEAD")),
        _ => Err(Problem::no_such_path(call.parts.uri.path())),
    }
}

async fn subscriptions(call: Call<'_>, verb: Verb, path: &[&str]) -> Answer {
    const ALL: &str = "GET, HEAD, POST, OPTIONS";
    const ONE: &str = "GET, HEAD, PUT, DELETE, OPTIONS";
    use Verb::{Delete, Get, Options, Post, Put};
    match (path, verb) {
        ([], Get) => subscriptions::list(call).await,
        ([], Post) => subscriptions::create(call).await,
        ([], Options) => subscriptions::options(ALL),
        ([id], Get) => subscriptions::show(call, id).await,
        ([id], Put) => subscriptions::update(call, id).await,
        ([id], Delete) => subscriptions::remove(call, id).await,
        ([_], Options) => subscriptions::options(ONE),
        ([], _) => Err(allow(ALL)),
        ([_], _) => Err(allow(ONE)),
        _ => Err(Problem::no_such_path(call.parts.uri.path())),
    }
}

async fn api(call: Call<'_>, verb: Verb, path: &[&str]) -> Answer {
    use Verb::{Delete, Get, Post, Put};
    match (path, verb) {
        (["functions"], Get) => functions::list(call).await,
        (["functions", name], Get) => functions::show(call, name).await,
        (["functions", name], Put) => functions::deploy(call, name).await,
        (["functions", name], Delete) => functions::remove(call, name).await,
        (["functions", name, "activate"], Post) => functions::activate(call, name).await,
        (["functions", name, "rollback"], Post) => functions::rollback(call, name).await,
        (["functions", name, "pause"], Post) => functions::pause(call, name).await,
        (["functions", name, "resume"], Post) => functions::resume(call, name).await,
        (["functions", name, "test"], Post) => dry_run::deployed(call, name).await,
        (["functions", name, "state"], Get) => functions::state(call, name).await,
        (["test"], Post) => dry_run::component(call).await,
        (["events"], Get) => events::list(call).await,
        (["events", seq], Get) => events::show(call, seq).await,
        (["events", seq, "replay"], Post) => replays::one(call, seq).await,
        (["replay"], Post) => replays::start(call).await,
        (["replays"], Get) => replays::list(call).await,
        (["replays", id], Get) => replays::show(call, id).await,
        (["replays", id], Delete) => replays::cancel(call, id).await,
        (["deliveries"], Get) => deliveries::list(call).await,
        (["deliveries", "redrive"], Post) => deliveries::redrive(call).await,
        (["deliveries", "drop"], Post) => deliveries::give_up(call).await,
        (["stream"], Get) => stream::open(call),
        (["filters", "test"], Post) => filters::test(call).await,
        (["hooks"], Get) => hooks::list(call),
        (["stats"], Get) => host::stats(call),
        _ => {
            Err(methods_of(path)
                .map_or_else(|| Problem::no_such_path(call.parts.uri.path()), allow))
        }
    }
}

/// What a path of the admin API answers to; none when there is no such path.
fn methods_of(path: &[&str]) -> Option<&'static str> {
    match path {
        ["functions", _] => Some("GET, HEAD, PUT, DELETE"),
        ["functions"] | ["functions", _, "state"] => Some("GET, HEAD"),
        ["replays", _] => Some("GET, HEAD, DELETE"),
        ["replays"] => Some("GET, HEAD"),
        ["events"] | ["events", _] | ["deliveries"] | ["hooks"] | ["stream"] | ["stats"] => {
            Some("GET, HEAD")
        }
        ["functions", _, "activate" | "rollback" | "pause" | "resume" | "test"] => Some("POST"),
        ["events", _, "replay"] | ["replay"] | ["test"] => Some("POST"),
        ["deliveries", "redrive" | "drop"] | ["filters", "test"] => Some("POST"),
        _ => None,
    }
}

fn allow(methods: &'static str) -> Problem {
    Problem::method_not_allowed(methods)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verb {
    /// `HEAD` too: the body is left out where it is sent.
    Get,
    Put,
    Post,
    Delete,
    Options,
    Other,
}

impl Verb {
    fn of(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::Get,
            Method::PUT => Self::Put,
            Method::POST => Self::Post,
            Method::DELETE => Self::Delete,
            Method::OPTIONS => Self::Options,
            _ => Self::Other,
        }
    }
}

impl<'s> Call<'s> {
    /// The text of a header of this request that is given at most once.
    pub(crate) fn header(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        header(&self.parts.headers, name)
    }

    /// Reads the body as JSON of a known shape. Takes the call apart.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<T, Problem> {
        let Self { server, parts, body, query } = self;
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
    let mut out = b"{".to_vec();
    crate::json::name(&mut out, name);
    serde_json::to_writer(&mut out, entries).map_err(|error| not_written(&error))?;
    out.extend_from_slice(br#","cursor":"#);
    match cursor {
        Some(cursor) => crate::json::string(&mut out, cursor),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
    Ok(respond(StatusCode::OK, "application/json", out))
}

fn not_written(error: &serde_json::Error) -> Problem {
    let detail = format!("the answer could not be written: {error}");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "host.internal", detail)
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
