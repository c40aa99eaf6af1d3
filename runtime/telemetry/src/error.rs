//! Why spans or log records could not be sent. None of it concerns an event.

use std::io;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("the collector can't be reached")]
    Connect(#[source] io::Error),
    #[error("the collector's certificate is not trusted, or it speaks no TLS")]
    Tls(#[source] io::Error),
    #[error("the collector did not answer within {limit:?}")]
    Timeout { limit: Duration },
    #[error("the connection to the collector broke off")]
    Broken(#[source] hyper::Error),
    #[error("the collector answered {status}")]
    Status { status: u16 },
}

impl Error {
    /// Stable, for logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connect(_) => "otlp.connect",
            Self::Tls(_) => "otlp.tls",
            Self::Timeout { .. } => "otlp.timeout",
            Self::Broken(_) => "otlp.broken",
            Self::Status { .. } => "otlp.status",
        }
    }

    /// Whether the same request may succeed later. OTLP 1.x, "OTLP/HTTP Response", "Failures".
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Status { status } => matches!(status, 429 | 502 | 503 | 504),
            _ => true,
        }
    }
}
