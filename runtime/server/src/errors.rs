//! Which status the errors of the layers below have. Their codes and words are their own.

use std::error::Error;
use std::time::Duration;

use hyper::StatusCode;
use triphammer_pipeline::{AcceptError, ChangeError, DeployError, NotReady, QueryError};
use triphammer_sandbox::ModuleError;

use crate::codec::CodecError;
use crate::problem::Problem;

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
            AcceptError::Disk { retry_after } | AcceptError::Busy { retry_after } => {
                (StatusCode::SERVICE_UNAVAILABLE, Some(*retry_after))
            }
            // Another process may be up in a moment.
            AcceptError::Stopped | AcceptError::Journal => {
                (StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(1)))
            }
            _ => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        let problem = Self::new(status, error.code(), chain(&error));
        match wait {
            Some(wait) => problem.retry_after(wait),
            None => problem,
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let status = match error {
            ChangeError::NoFunction(_) | ChangeError::NoRevision { .. } => StatusCode::NOT_FOUND,
            ChangeError::NoPrevious(_)
            | ChangeError::NotActive(_)
            | ChangeError::Waiting { .. }
            | ChangeError::KeyChange { .. } => StatusCode::CONFLICT,
            ChangeError::Load { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            ChangeError::EmptySelection => StatusCode::BAD_REQUEST,
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
            QueryError::Cursor(_) => StatusCode::BAD_REQUEST,
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
            DeployError::NoName | DeployError::Weight(_) | DeployError::Config(_) => {
                Self::new(StatusCode::BAD_REQUEST, error.code(), detail)
            }
            DeployError::Change(change) => change.into(),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.code(), detail),
        }
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
