//! Which status the errors of the layers below have. Their codes and words are their own.

use std::error::Error;
use std::time::Duration;

use hyper::StatusCode;
use triphammer_filter::InvalidFilter;
use triphammer_pipeline::{
    AcceptError, ChangeError, DeployError, InvalidShare, NotReady, QueryError,
};
use triphammer_sandbox::ModuleError;

use crate::codec::CodecError;
use crate::problem::Problem;
use crate::trust::TrustError;

impl From<CodecError> for Problem {
    fn from(error: CodecError) -> Self {
        let status = match error {
            CodecError::UnsupportedFormat { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            CodecError::TooLarge { .. } | CodecError::TooMany { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            CodecError::SpecVersion { .. }
            | CodecError::Malformed { .. }
            | CodecError::Invalid { .. } => StatusCode::BAD_REQUEST,
        };
        let mut problem = Self::new(status, error.code(), error.to_string());
        if let Some(index) = error.index() {
            problem = problem.number_member("index", index as u64);
        }
        if let CodecError::Invalid { source, .. } = &error {
            problem = problem.text_member("attribute", &source.attribute);
        }
        problem
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        let (status, wait) = match &error {
            AcceptError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, None),
            AcceptError::KeyReused { .. } => (StatusCode::UNPROCESSABLE_ENTITY, None),
            AcceptError::Invalid { .. } => (StatusCode::BAD_REQUEST, None),
            AcceptError::Disk { retry_after } | AcceptError::Busy { retry_after } => {
                (StatusCode::SERVICE_UNAVAILABLE, Some(*retry_after))
            }
            // Another process may be up in a moment.
            AcceptError::Stopped | AcceptError::Journal => {
                (StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(1)))
            }
            _ => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        let mut problem = Self::new(status, error.code(), chain(&error));
        if let AcceptError::Invalid { index, source } = &error {
            problem = problem.text_member("attribute", &source.attribute);
            if let Some(index) = index {
                problem = problem.number_member("index", *index as u64);
            }
        }
        match wait {
            Some(wait) => problem.retry_after(wait),
            None => problem,
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let status = match error {
            ChangeError::NoFunction(_)
            | ChangeError::NoRevision { .. }
            | ChangeError::NoReplay(_) => StatusCode::NOT_FOUND,
            ChangeError::NoPrevious(_)
            | ChangeError::IsFunction(_)
            | ChangeError::IsSubscription(_)
            | ChangeError::TooManySubscriptions { .. }
            | ChangeError::NotActive(_)
            | ChangeError::Waiting { .. }
            | ChangeError::CanaryAlone(_)
            | ChangeError::CanaryActive { .. }
            | ChangeError::CanaryKey { .. }
            | ChangeError::ReplaysRunning { .. }
            | ChangeError::KeyChange { .. } => StatusCode::CONFLICT,
            ChangeError::ReplayTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            ChangeError::Load { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            ChangeError::EmptySelection | ChangeError::ReplayRate { .. } => StatusCode::BAD_REQUEST,
            ChangeError::Query(error) => return error.into(),
            ChangeError::Accept(error) => return error.into(),
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.code(), chain(&error))
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let status = match error {
            QueryError::Cursor(_) | QueryError::Settled(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.code(), chain(&error))
    }
}

impl From<DeployError> for Problem {
    fn from(error: DeployError) -> Self {
        let detail = chain(&error);
        match error {
            DeployError::Module(ref module @ ModuleError::Host { .. }) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, module.code(), detail)
            }
            DeployError::Module(ref module @ ModuleError::TooLarge { .. }) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, module.code(), detail)
            }
            DeployError::Module(module) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, module.code(), detail)
                    .texts_member("problems", &module.problems())
            }
            DeployError::Manifest(manifest) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, manifest.code, detail)
                    .text_member("member", &manifest.member)
            }
            DeployError::Filter(ref filter) => filter_problem(filter, detail),
            DeployError::NoName | DeployError::Config(_) => {
                Self::new(StatusCode::BAD_REQUEST, error.code(), detail)
            }
            DeployError::Share(share) => share.into(),
            DeployError::Change(change) => change.into(),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.code(), detail),
        }
    }
}

/// Where in the filter, and in its expression, the fault is.
fn filter_problem(filter: &InvalidFilter, detail: String) -> Problem {
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, filter.code(), detail)
        .text_member("path", &filter.path);
    match filter.position() {
        Some(position) => problem.number_member("position", position as u64),
        None => problem,
    }
}

impl From<InvalidFilter> for Problem {
    fn from(filter: InvalidFilter) -> Self {
        filter_problem(&filter, chain(&filter))
    }
}

impl From<TrustError> for Problem {
    fn from(error: TrustError) -> Self {
        let status = match error {
            TrustError::Malformed => StatusCode::BAD_REQUEST,
            _ => StatusCode::FORBIDDEN,
        };
        Self::new(status, error.code(), error.to_string())
    }
}

impl From<InvalidShare> for Problem {
    fn from(error: InvalidShare) -> Self {
        Self::bad_request(error.code(), error.to_string())
    }
}

impl From<NotReady> for Problem {
    fn from(error: NotReady) -> Self {
        let wait = Duration::from_secs(5);
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "host.not_ready", error.to_string())
            .retry_after(wait)
    }
}

/// The error and every cause under it, on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let cause_text = error.to_string();
        // A transparent error has the words of its cause.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use triphammer_model::FunctionName;

    use super::*;

    #[track_caller]
    fn check(problem: impl Into<Problem>, status: u16, code: &str, retry_after: Option<&str>) {
        let problem = problem.into();
        assert_eq!(problem.code(), code);
        let response = problem.into_response();
        assert_eq!(response.status().as_u16(), status, "{code}");
        let header = response.headers().get("retry-after");
        assert_eq!(header.map(|value| value.to_str().unwrap()), retry_after, "{code}");
    }

    fn name() -> FunctionName {
        "welcome".parse().unwrap()
    }

    #[test]
    fn what_passes_says_when_to_try_again() {
        let retry_after = Duration::from_millis(2500);
        check(AcceptError::Disk { retry_after }, 503, "journal.disk_full", Some("3"));
        check(AcceptError::Busy { retry_after }, 503, "journal.behind", Some("3"));
        check(AcceptError::Stopped, 503, "host.stopping", Some("1"));
        check(AcceptError::Journal, 503, "journal.failed", Some("1"));
        check(AcceptError::TooLarge { len: 2, max: 1 }, 413, "event.too_large", None);
        let seq = triphammer_model::Seq::FIRST;
        let reused = AcceptError::KeyReused { key: "k".into(), seq };
        check(reused, 422, "event.key_reused", None);
        check(NotReady::Disk, 503, "host.not_ready", Some("5"));
    }

    #[test]
    fn changes_that_can_not_be_made_have_their_status() {
        check(ChangeError::NoFunction(name()), 404, "function.not_found", None);
        check(ChangeError::NoPrevious(name()), 409, "function.no_previous", None);
        check(ChangeError::NoReplay(7), 404, "replay.not_found", None);
        check(ChangeError::ReplayRate { max: 9 }, 400, "replay.rate", None);
        check(ChangeError::ReplaysRunning { max: 9 }, 409, "replay.too_many", None);
        let waiting = ChangeError::Waiting { function: name(), waiting: 3 };
        check(waiting, 409, "function.deliveries_wait", None);
        let key = ChangeError::KeyChange { function: name(), waiting: 3 };
        check(DeployError::from(key), 409, "function.key_change", None);
        check(ChangeError::CanaryAlone(name()), 409, "canary.no_active", None);
        check(ChangeError::from(AcceptError::Stopped), 503, "host.stopping", Some("1"));
        check(QueryError::Cursor("x".into()), 400, "query.cursor", None);
        check(QueryError::Read("gone".into()), 500, "journal.read", None);
    }

    #[test]
    fn refused_modules_name_all_that_is_wrong() {
        let problems = vec!["no `handle`".to_owned(), "imports sockets".to_owned()];
        let problem = Problem::from(DeployError::from(ModuleError::World { problems }));
        let json: serde_json::Value = serde_json::from_slice(&problem.to_json()).unwrap();
        assert_eq!(json["problems"], serde_json::json!(["no `handle`", "imports sockets"]));
        check(problem, 422, "module.world", None);
        check(DeployError::from(ModuleError::Core), 422, "module.core", None);
        let host = ModuleError::Host { message: "no memory".into() };
        check(DeployError::from(host), 500, "module.host", None);
        check(DeployError::Share(InvalidShare::NotActivated), 400, "deploy.weight", None);
        check(InvalidShare::Failures(101), 400, "deploy.failures", None);
    }

    #[test]
    fn causes_are_told_once() {
        let error = QueryError::Read("a bad checksum".into());
        assert_eq!(chain(&error), "the journal could not be read: a bad checksum");
        let same = ChangeError::from(AcceptError::Stopped);
        assert_eq!(chain(&same), "the host is stopping");
    }
}
