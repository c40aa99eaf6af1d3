//! The tokens, their limits and the audit log of a running host, as requests meet them.
//!
//! Decides who a request is from; what they may do is [`crate::caller`]'s. Knows no handlers.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tracing::{error, info, warn};
use triphammer_access::{Actor, AuditLog, Entry, Found, Quota, Refusal, Tokens};
use triphammer_pipeline::Clock;

use crate::body::ResponseBody;
use crate::caller::{Caller, Peer};
use crate::credentials::{self, Unusable};
use crate::problem::Problem;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    tokens: Arc<Tokens>,
    audit: Arc<AuditLog>,
    clock: Clock,
}

/// What an answer says of a change, for the audit log.
#[derive(Clone, Debug)]
pub(crate) struct Noted(pub(crate) Value);

const RATE_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE: HeaderName = HeaderName::from_static("ratelimit");

impl Gate {
    pub(crate) fn new(tokens: Tokens, audit: Arc<AuditLog>) -> Self {
        Self { tokens: Arc::new(tokens), audit, clock: Clock::system() }
    }

    /// Sees to it that tokens which were changed a second ago or earlier are known to be.
    pub(crate) async fn keep_up(&self) {
        if self.tokens.is_due() {
            // Boxed, for it is seldom and the way of every request leads by here.
            Box::pin(self.refresh()).await;
        }
    }

    async fn refresh(&self) {
        let gate = self.clone();
        let refreshing = tokio::task::spawn_blocking(move || match gate.tokens.refresh() {
            Ok(None) => {}
            Ok(Some(changed)) => {
                info!(?changed, "the tokens have changed");
                let detail = json!({
                    "added": changed.added, "changed": changed.changed, "removed": changed.removed,
                });
                gate.append(&gate.own("tokens", detail));
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                error!(code = error.code(), %error, cause, "the tokens stay as they were");
            }
        });
        if let Err(error) = refreshing.await {
            error!(%error, "the tokens could not be looked at");
        }
    }

    /// Who a request is from. `query` is given where a token may stand in it.
    pub(crate) fn caller(
        &self,
        peer: &Arc<Peer>,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Caller, Problem> {
        let mut caller = Caller { peer: Arc::clone(peer), token: None };
        if self.tokens.is_required() {
            let token = credentials::token(headers, query).map_err(|unusable| match unusable {
                Unusable::Refused(problem) => problem,
                Unusable::Malformed => unauthorized(Some(Refusal::Unknown)),
            })?;
            let token = token.ok_or_else(|| unauthorized(None))?;
            let found = self.tokens.find(&token, self.clock.now());
            caller.token = Some(found.map_err(|refusal| unauthorized(Some(refusal)))?);
        }
        Ok(caller)
    }

    /// Whether a caller would still be let in; those who stay for long are asked again.
    pub(crate) fn still_lets_in(&self, caller: &Caller) -> bool {
        match &caller.token {
            Some(found) => self.tokens.still_holds(found, self.clock.now()),
            None => !self.tokens.is_required(),
        }
    }

    /// Counts against the caller's limit.
    pub(crate) fn charge(&self, caller: &Caller, count: usize) -> Result<(), Problem> {
        let Some(found) = &caller.token else { return Ok(()) };
        // Asking for nothing is asking, too.
        let taken = self.tokens.take(found, count.max(1) as u64);
        taken.map(drop).map_err(|wait| too_fast(found, wait))
    }

    /// Refuses a caller whose limit is used up, before anything of the request is read.
    pub(crate) fn check_rate(&self, caller: &Caller) -> Result<(), Problem> {
        let Some(found) = &caller.token else { return Ok(()) };
        self.tokens.check(found).map_err(|wait| too_fast(found, wait))
    }

    /// Says what is left of the caller's limit, when there is one.
    pub(crate) fn show_rate(&self, caller: &Caller, response: &mut Response<ResponseBody>) {
        let left = caller.token.as_ref().and_then(|found| self.tokens.left(found));
        let Some(quota) = left else { return };
        let (policy, rate) = rate_fields(&quota);
        let headers = response.headers_mut();
        for (name, text) in [(RATE_POLICY, policy), (RATE, rate)] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }

    /// Writes a line of the audit log, and waits until it is on disk.
    pub(crate) async fn record(&self, mut entry: Entry) {
        entry.time = self.clock.now();
        let gate = self.clone();
        let writing = tokio::task::spawn_blocking(move || gate.append(&entry));
        if let Err(error) = writing.await {
            error!(%error, "a line of the audit log could not be written");
        }
    }

    /// What the host does on its own.
    pub(crate) fn own(&self, action: &'static str, detail: Value) -> Entry {
        Entry {
            time: self.clock.now(),
            actor: Actor { kind: "host", ..Actor::default() },
            remote: None,
            action,
            target: None,
            status: None,
            detail: Some(detail),
        }
    }

    fn append(&self, entry: &Entry) {
        // The change is made already. What can be done is to say so where somebody looks.
        if let Err(error) = self.audit.append(entry) {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            warn!(code = error.code(), %error, cause, ?entry, "a change is not in the audit log");
        }
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    pub(crate) fn audit(&self) -> Arc<AuditLog> {
        Arc::clone(&self.audit)
    }
}

/// The fields of draft-ietf-httpapi-ratelimit-headers-10: one policy, and what is left of it.
fn rate_fields(quota: &Quota) -> (String, String) {
    let (count, window_s) = (quota.rate.count(), quota.rate.period().as_secs());
    let reset_s = whole_seconds(quota.reset);
    let policy = format!("\"token\";q={count};w={window_s}");
    (policy, format!("\"token\";r={};t={reset_s}", quota.remaining))
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn too_fast(found: &Found, wait: Duration) -> Problem {
    let token = found.token();
    let rate = token.rate.map(|rate| rate.to_string()).unwrap_or_default();
    let detail = format!("the token `{}` may be used {rate}, and was", token.name);
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "access.rate", detail).retry_after(wait)
}

fn unauthorized(refusal: Option<Refusal>) -> Problem {
    let (code, detail, challenge) = match refusal {
        None => {
            let detail = "this host asks for a token: `Authorization: Bearer TOKEN`";
            ("http.unauthorized", detail, "Bearer realm=\"triphammer\"")
        }
        Some(Refusal::Unknown) => {
            let detail = "there is no such token: it is wrong, or was revoked";
            ("http.unauthorized", detail, INVALID_TOKEN)
        }
        Some(Refusal::Expired) => {
            ("access.expired", "the token, or this secret of it, has expired", INVALID_TOKEN)
        }
    };
    Problem::new(StatusCode::UNAUTHORIZED, code, detail)
        .header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// RFC 6750, section 3.1.
const INVALID_TOKEN: &str = "Bearer realm=\"triphammer\", error=\"invalid_token\"";

/// Makes a browser ask its user, who then sees the page: the token is the password.
pub(crate) fn ask_browser(problem: Problem) -> Problem {
    if problem.status() != StatusCode::UNAUTHORIZED {
        return problem;
    }
    let basic = HeaderValue::from_static("Basic realm=\"triphammer\", charset=\"UTF-8\"");
    problem.header(WWW_AUTHENTICATE, basic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_shown_as_structured_fields() {
        let quota = |remaining, reset_ms| Quota {
            rate: "100/m".parse().unwrap(),
            remaining,
            reset: Duration::from_millis(reset_ms),
        };
        let (policy, rate) = rate_fields(&quota(40, 35_001));
        assert_eq!(policy, "\"token\";q=100;w=60");
        assert_eq!(rate, "\"token\";r=40;t=36");
        assert_eq!(rate_fields(&quota(100, 0)).1, "\"token\";r=100;t=0");
    }

    #[test]
    fn only_who_is_not_let_in_is_asked_for_a_password() {
        let challenges = |problem: Problem| {
            let response = ask_browser(problem).into_response();
            response.headers().get_all("www-authenticate").iter().count()
        };
        assert_eq!(challenges(unauthorized(None)), 2);
        assert_eq!(challenges(unauthorized(Some(Refusal::Expired))), 2);
        assert_eq!(challenges(Problem::no_such_path("/")), 0);
    }
}
