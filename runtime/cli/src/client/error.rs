//! Why the host gave no answer, or a bad one.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    #[error("`{url}` is not the URL of a host: {rule}")]
    Url { url: String, rule: &'static str },
    #[error("the token has characters that no token has")]
    Token,
    #[error("can't read {path}", path = path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{path} has no {what} as PEM", path = path.display())]
    Pem { path: PathBuf, what: &'static str },
    #[error("the certificates can't be used")]
    Tls(#[source] rustls::Error),
    #[error("{url} is not trusted, or does not trust this client ({cause})")]
    Handshake { url: String, cause: io::Error },
    #[error("the request can't be written")]
    Request(#[source] hyper::http::Error),
    #[error("no host answers at {url} ({cause})")]
    Unreachable { url: String, cause: io::Error },
    #[error("the connection to {url} broke")]
    Broken {
        url: String,
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    #[error("{url} has not answered within {} s", limit.as_secs())]
    TimedOut { url: String, limit: Duration },
    #[error(transparent)]
    Problem(Problem),
    #[error("the answer has the unexpected status {status}")]
    Unexpected { status: u16 },
    #[error("the answer is not understood")]
    Shape(#[source] serde_json::Error),
    #[error("the client could not be started")]
    Runtime(#[source] io::Error),
}

/// What the host says is wrong: the members of RFC 9457 that `trip` shows.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, thiserror::Error)]
#[error("{text} ({code})", text = self.text())]
pub(crate) struct Problem {
    pub(crate) code: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
}

impl Problem {
    fn text(&self) -> &str {
        if self.detail.is_empty() { &self.title } else { &self.detail }
    }
}

impl Error {
    pub(crate) fn is_usage(&self) -> bool {
        matches!(self, Self::Url { .. } | Self::Token | Self::Pem { .. } | Self::File { .. })
    }

    /// The host could not be asked, as opposed to having refused.
    pub(crate) fn is_connection(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Broken { .. } | Self::TimedOut { .. })
    }

    /// The stable code of the host's refusal.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.code),
            _ => None,
        }
    }
}
