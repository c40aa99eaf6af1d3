//! Why a request was not sent or not answered, and why the client can't be set up, with the stable code
//! of each. No message has a path, a header's value, or a secret.

use std::time::Duration;

use triphammer_model::{InvalidTarget, Target};

/// Why a request failed. It names the rule that an operator would have to change.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("the manifest has no `http`, so the function makes no requests")]
    Undeclared,
    #[error("a dry run makes no requests")]
    DryRun,
    #[error("the manifest's `http.allow` does not name {0}")]
    Manifest(Target),
    #[error("the operator's `http_out.allow` does not name {0}")]
    Operator(Target),
    #[error("{host} is {what}, and `http_out.allow_private` does not name it")]
    Address { host: String, what: &'static str },
    #[error("{0}")]
    Target(#[from] InvalidTarget),
    #[error("the request's path and query have more than {max} bytes")]
    Path { max: usize },
    #[error("a function may not send {method} requests")]
    Method { method: String },
    #[error("an attempt may make at most {max} requests")]
    Requests { max: u32 },
    #[error(
        "the bodies of an attempt's requests and responses may have at most {max} bytes together"
    )]
    Bytes { max: u64, of: Side },
    #[error("{0}")]
    Secret(String),
    #[error("too many requests are under way on this host")]
    Busy,
    #[error("{host} can't be resolved{}", if *timeout { ": it took too long" } else { "" })]
    Resolve { host: String, timeout: bool },
    #[error("no connection to {host}: {why}")]
    Connect { host: String, why: Connecting },
    #[error("no TLS connection to {host}: {message}")]
    Tls { host: String, message: String, certificate: bool },
    #[error("it took longer than {} ms", after.as_millis())]
    Timeout { after: Duration },
    #[error("the head of the response has more than {max} bytes")]
    Head { max: usize },
    #[error("the connection ended before the response did")]
    Terminated,
    #[error("the response is not HTTP/1.1")]
    Protocol,
    /// The body that the caller gave failed, or was given up.
    #[error("the request's body was not finished")]
    Unfinished,
}

/// Which body was one too many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    Request,
    Response,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Connecting {
    #[error("refused")]
    Refused,
    #[error("it took too long")]
    Timeout,
    #[error("unreachable")]
    Unreachable,
}

impl Error {
    /// Whether a rule forbids the request. Everything else may go better another time.
    pub fn is_denial(&self) -> bool {
        match self {
            Self::Undeclared
            | Self::DryRun
            | Self::Manifest(_)
            | Self::Operator(_)
            | Self::Address { .. }
            | Self::Target(_)
            | Self::Path { .. }
            | Self::Method { .. }
            | Self::Requests { .. }
            | Self::Bytes { .. }
            | Self::Secret(_) => true,
            Self::Busy
            | Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Timeout { .. }
            | Self::Head { .. }
            | Self::Terminated
            | Self::Protocol
            | Self::Unfinished => false,
        }
    }

    /// The stable name used in log lines and the documents. Never reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::DryRun => "outbound.dry_run",
            Self::Undeclared => "outbound.undeclared",
            Self::Manifest(_) => "outbound.manifest",
            Self::Operator(_) => "outbound.operator",
            Self::Address { .. } => "outbound.address",
            Self::Target(_) | Self::Path { .. } => "outbound.target",
            Self::Method { .. } => "outbound.method",
            Self::Requests { .. } => "outbound.requests",
            Self::Bytes { .. } => "outbound.bytes",
            Self::Secret(_) => "outbound.secret",
            Self::Busy => "outbound.busy",
            Self::Resolve { .. } => "outbound.resolve",
            Self::Connect { .. } => "outbound.connect",
            Self::Tls { .. } => "outbound.tls",
            Self::Timeout { .. } => "outbound.timeout",
            Self::Head { .. } | Self::Terminated | Self::Protocol => "outbound.response",
            Self::Unfinished => "outbound.body",
        }
    }
}

/// The client can't be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    #[error("TLS can't be set up")]
    Tls(#[source] rustls::Error),
    #[error("the file of certificates is no PEM, or has none")]
    Certificates,
}

impl SetupError {
    /// The stable name used at start and in the documents. Never reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Tls(_) => "outbound.setup",
            Self::Certificates => "outbound.certificates",
        }
    }
}
