//! What every request goes through, in this order: its host and origin, its token, the scope and
//! patterns of it, its limit; then its handler; then the audit log, if it was a change. Knows no
//! shapes and no handlers.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::json;
use triphammer_access::Entry;
use triphammer_model::Timestamp;

use crate::body::ResponseBody;
use crate::caller::{Caller, Peer, is_open, takes_query_token};
use crate::endpoint::{Endpoint, Reach};
use crate::gate::{Noted, ask_browser};
use crate::paths::Target;
use crate::problem::Problem;
use crate::route::{self, Answer, Server};

/// Answers a request, whatever it is.
pub(crate) async fn answer(
    server: &Arc<Server>,
    peer: &Arc<Peer>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    if let Err(problem) = server.guard.check(request.uri(), request.headers()) {
        return problem.into_response();
    }
    let target = Target::find(request.method(), request.uri().path());
    let caller = match caller(server, peer, &target, &request).await {
        Ok(caller) => caller,
        Err(problem) => {
            // A browser that has the name and password from an address sends them when it is asked.
            let page = |target: Target| matches!(target.endpoint, Endpoint::Page | Endpoint::Asset);
            return if target.is_ok_and(page) { ask_browser(problem) } else { problem }
                .into_response();
        }
    };
    let answer = match target {
        Ok(target) => admitted(server, &caller, target, request).await,
        // Who has no token is not told which paths there are.
        Err(problem) => server.gate.charge(&caller, 1).and(Err(problem)),
    };
    let mut response = answer.unwrap_or_else(Problem::into_response);
    server.gate.show_rate(&caller, &mut response);
    response
}

async fn caller(
    server: &Server,
    peer: &Arc<Peer>,
    target: &Result<Target, Problem>,
    request: &Request<Incoming>,
) -> Result<Caller, Problem> {
    if is_open(target) {
        return Ok(Caller { peer: Arc::clone(peer), token: None });
    }
    server.gate.keep_up().await;
    let query = request.uri().query().filter(|_| takes_query_token(target));
    server.gate.caller(peer, request.headers(), query)
}

async fn admitted(
    server: &Arc<Server>,
    caller: &Caller,
    target: Target,
    request: Request<Incoming>,
) -> Answer {
    if let Err(problem) = caller.may(&target) {
        return server.gate.charge(caller, 1).and(Err(problem));
    }
    match target.endpoint.reach() {
        // Counted by the event, once they are read.
        Reach::Types => server.gate.check_rate(caller)?,
        Reach::Function | Reach::Chosen | Reach::All | Reach::Nothing => {
            server.gate.charge(caller, 1)?;
        }
    }
    match target.endpoint.action() {
        None => route::answer(server, caller, target, request).await,
        Some(action) => Box::pin(change(server, caller, target, action, request)).await,
    }
}

/// A change goes on when its client goes away: it must not be made without being written down.
async fn change(
    server: &Arc<Server>,
    caller: &Caller,
    target: Target,
    action: &'static str,
    request: Request<Incoming>,
) -> Answer {
    let (server, caller) = (Arc::clone(server), caller.clone());
    let changing = tokio::spawn(async move {
        let argument = target.argument.clone();
        let mut answer = route::answer(&server, &caller, target, request).await;
        server.gate.record(entry(&caller, action, argument, &mut answer)).await;
        answer
    });
    match changing.await {
        Ok(answer) => answer,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The host ends, and with it whoever waits for this.
            Err(error) => Err(Problem::internal(error.to_string())),
        },
    }
}

fn entry(
    caller: &Caller,
    action: &'static str,
    target: Option<String>,
    answer: &mut Answer,
) -> Entry {
    let (status, detail) = match answer {
        Ok(response) => {
            let noted = response.extensions_mut().remove::<Noted>();
            (response.status(), noted.map(|Noted(detail)| detail))
        }
        Err(problem) => (problem.status(), Some(json!({ "code": problem.code() }))),
    };
    Entry {
        time: Timestamp::default(),
        actor: caller.actor(),
        remote: Some(caller.peer.address.to_string()),
        action,
        target: target.map(|text| text.chars().take(128).collect()),
        status: Some(status.as_u16()),
        detail,
    }
}
