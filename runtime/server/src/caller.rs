//! Who makes a request, and what is allowed to them. Knows tokens, endpoints and the problems of
//! HTTP; reads neither headers nor files.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use triphammer_access::{Actor, Found, Scope, Token};
use triphammer_model::{Event, FunctionName};

use crate::endpoint::{Endpoint, Reach};
use crate::paths::Target;
use crate::problem::Problem;

/// The other end of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The subject and names of its certificate, which was verified.
    pub(crate) certificate: Option<String>,
}

/// Whoever a request comes from.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) peer: Arc<Peer>,
    /// None where no token is asked for: then everything is allowed.
    pub(crate) token: Option<Found>,
}

impl Caller {
    /// Refuses what the token's scopes or functions leave out, as far as the path tells.
    pub(crate) fn may(&self, target: &Target) -> Result<(), Problem> {
        let (Some(token), Some(scope)) = (self.token(), target.endpoint.scope()) else {
            return Ok(());
        };
        if !token.scopes.has(scope) {
            return Err(lacks_scope(token, scope));
        }
        match target.endpoint.reach() {
            // Asked again when the request is read.
            Reach::Types | Reach::Chosen => Ok(()),
            Reach::Function => match &target.argument {
                Some(name) if token.may_touch(name) => Ok(()),
                Some(name) => Err(other_function(token, name)),
                None => self.covers(None),
            },
            Reach::All => self.covers(None),
            Reach::Nothing => Ok(()),
        }
    }

    /// Refuses what reaches beyond the token's patterns: another function, or none in particular.
    pub(crate) fn covers(&self, function: Option<&FunctionName>) -> Result<(), Problem> {
        let Some(token) = self.token() else { return Ok(()) };
        match function {
            Some(name) if token.may_touch(name.as_str()) => Ok(()),
            Some(name) => Err(other_function(token, name.as_str())),
            None if !token.is_for_all_functions() => {
                let detail = format!(
                    "the token `{}` is for some functions only, and this is about all of them",
                    token.name
                );
                Err(Problem::new(StatusCode::FORBIDDEN, "access.function", detail))
            }
            None if !token.is_for_all_types() => {
                let detail = format!(
                    "the token `{}` is for some types of events only, and this is about all of them",
                    token.name
                );
                Err(Problem::new(StatusCode::FORBIDDEN, "access.type", detail))
            }
            None => Ok(()),
        }
    }

    /// Refuses events of types that the token is not for. All are looked at before any is taken.
    pub(crate) fn may_send(&self, events: &[Event]) -> Result<(), Problem> {
        let Some(token) = self.token() else { return Ok(()) };
        let refused = events.iter().position(|event| !token.may_send(event.ty()));
        let Some(index) = refused else { return Ok(()) };
        let ty: String = events[index].ty().chars().take(128).collect();
        let detail = format!("the token `{}` may not send events of the type `{ty}`", token.name);
        let problem = Problem::new(StatusCode::FORBIDDEN, "access.type", detail);
        Err(if events.len() > 1 { problem.number_member("index", index as u64) } else { problem })
    }

    /// As the audit log names them.
    pub(crate) fn actor(&self) -> Actor {
        let certificate = self.peer.certificate.clone();
        match self.token() {
            Some(token) => Actor {
                kind: "token",
                id: Some(token.id.clone()),
                name: Some(token.name.clone()),
                certificate,
            },
            None if certificate.is_some() => {
                Actor { kind: "certificate", certificate, ..Actor::default() }
            }
            None => Actor { kind: "open", ..Actor::default() },
        }
    }

    fn token(&self) -> Option<&Token> {
        self.token.as_ref().map(Found::token)
    }
}

fn lacks_scope(token: &Token, scope: Scope) -> Problem {
    let detail = format!("this needs the scope `{scope}`, which the token `{}` lacks", token.name);
    let challenge = match scope {
        Scope::Send => INSUFFICIENT_SEND,
        Scope::Read => INSUFFICIENT_READ,
        Scope::Deploy => INSUFFICIENT_DEPLOY,
        Scope::Operate => INSUFFICIENT_OPERATE,
    };
    Problem::new(StatusCode::FORBIDDEN, "access.scope", detail)
        .text_member("scope", scope.as_str())
        .header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// RFC 6750, section 3.1.
const INSUFFICIENT_SEND: &str =
    "Bearer realm=\"triphammer\", error=\"insufficient_scope\", scope=\"send\"";
const INSUFFICIENT_READ: &str =
    "Bearer realm=\"triphammer\", error=\"insufficient_scope\", scope=\"read\"";
const INSUFFICIENT_DEPLOY: &str =
    "Bearer realm=\"triphammer\", error=\"insufficient_scope\", scope=\"deploy\"";
const INSUFFICIENT_OPERATE: &str =
    "Bearer realm=\"triphammer\", error=\"insufficient_scope\", scope=\"operate\"";

fn other_function(token: &Token, name: &str) -> Problem {
    let name: String = name.chars().take(FunctionName::LEN_MAX).collect();
    let detail = format!("the token `{}` is not for the function `{name}`", token.name);
    Problem::new(StatusCode::FORBIDDEN, "access.function", detail)
}

/// Whether anybody may ask this, with any token or none.
pub(crate) fn is_open(target: &Result<Target, Problem>) -> bool {
    target.as_ref().is_ok_and(|target| target.endpoint.scope().is_none())
}

/// Whether a token may stand in the query: only where CloudEvents has it.
pub(crate) fn takes_query_token(target: &Result<Target, Problem>) -> bool {
    target.as_ref().is_ok_and(|target| target.endpoint == Endpoint::Events)
}
