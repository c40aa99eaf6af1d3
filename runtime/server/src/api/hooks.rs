//! `POST /hooks/{name}`: webhooks. Who sent one is proven by its hook, not by a token.

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use triphammer_hooks::{Hook, Outcome, Refused, Reply, Verified};
use triphammer_model::Event;
use triphammer_pipeline::Entrance;

use super::ingress;
use crate::body::{Allowance, ResponseBody};
use crate::caller::Caller;
use crate::codec::{self, CodecError};
use crate::hooks::Came;
use crate::problem::Problem;
use crate::route::{self, Answer, Call, Server};
use crate::views::HookView;

pub(crate) async fn answer(
    server: &Server,
    caller: &Caller,
    request: Request<Incoming>,
    name: &str,
) -> Answer {
    let Some(hook) = server.hooks.find(name) else {
        if server.hooks.was(name) {
            let detail = "this hook is no longer there: stop sending to it";
            return Err(Problem::new(StatusCode::GONE, "hook.gone", detail));
        }
        return Err(Problem::not_found("hook.unknown", "there is no such hook"));
    };
    let answered = take(server, caller, hook, request).await;
    match &answered {
        Ok((came, _)) => server.hooks.count(name, *came),
        Err(problem) if problem.is_refusal() => server.hooks.count(name, Came::Refused),
        Err(_) => {}
    }
    answered.map(|(_, response)| response)
}

/// Every hook with its counts.
pub(crate) fn list(call: Call<'_>) -> Answer {
    call.query.done()?;
    let hooks: Vec<_> = call.server.hooks.infos().map(HookView::from).collect();
    route::list("hooks", &hooks, None)
}

async fn take(
    server: &Server,
    caller: &Caller,
    hook: &Hook,
    request: Request<Incoming>,
) -> Result<(Came, Response<ResponseBody>), Problem> {
    let (parts, body) = request.into_parts();
    let allowance = Allowance {
        bytes: hook.body_bytes_max().min(server.http.event_bytes_max),
        what: "the body",
        code: "hook.too_large",
    };
    let received = server.bodies.read(&parts.headers, body, allowance).await?;
    let url = url(server, &parts);
    let proven = triphammer_hooks::Request {
        method: &parts.method,
        url: &url,
        headers: &parts.headers,
        body: &received.bytes,
    };
    match hook.verify(proven, server.pipeline.now())? {
        Outcome::Answer(reply) => Ok((Came::Answered, respond(reply))),
        Outcome::Event(verified) => {
            let Verified { parts: made, reply } = *verified;
            let mut event =
                Event::new(&made).map_err(|source| CodecError::Invalid { index: None, source })?;
            codec::carry(&parts.headers, std::slice::from_mut(&mut event), &server.bounds);
            ingress::check_type(&event)?;
            let entrance = Entrance::Hook(hook.name().to_owned());
            let receipt = ingress::take_in(server, caller, entrance, vec![event], None).await?;
            Ok((Came::Accepted, reply.map_or(receipt, respond)))
        }
    }
}

/// The URL as the sender wrote it, as far as that is known.
fn url(server: &Server, parts: &Parts) -> String {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    match &server.hooks.public_url {
        Some(base) => format!("{base}{path}"),
        None => {
            // There is one, or the request would not have come this far.
            let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
            let scheme = if server.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{}{path}", host.unwrap_or_default())
        }
    }
}

fn respond(reply: Reply) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Whole(reply.body));
    *response.status_mut() = reply.status;
    if let Some(content_type) = reply.content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let problem = Self::new(refused.status(), refused.code(), refused.to_string());
        match refused.status() {
            StatusCode::METHOD_NOT_ALLOWED => {
                problem.header(ALLOW, HeaderValue::from_static("POST"))
            }
            StatusCode::UNAUTHORIZED => problem
                .header(WWW_AUTHENTICATE, HeaderValue::from_static("Signature realm=\"hooks\"")),
            _ => problem,
        }
    }
}
