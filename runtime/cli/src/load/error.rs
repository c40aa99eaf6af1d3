//! Why load could not be made.

use std::io;

use serde::Deserialize;

use super::response::Response;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    #[error("no host answers at {address} ({cause})")]
    Connect { address: String, cause: io::Error },
    #[error("`{0}` is not the address of a host")]
    Address(String),
    #[error("the connections can't be watched")]
    Poll(#[source] io::Error),
    #[error("the answer is not understood: {0}")]
    Response(&'static str),
    #[error("the host refuses the load: {0}")]
    Refused(#[from] Refusal),
    #[error("the host is gone: {lost} requests were under way")]
    HostGone { lost: u64 },
    #[error("{what} can't be sent: use printable ASCII")]
    Text { what: &'static str },
}

impl Error {
    /// The stable code of the host's refusal.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => Some(&refusal.code),
            _ => None,
        }
    }
}

/// An answer that the next request would get too.
#[derive(Debug, Deserialize, thiserror::Error)]
#[error("{detail} ({code})")]
pub(crate) struct Refusal {
    #[serde(default)]
    detail: String,
    code: String,
}

impl Refusal {
    pub(super) fn read(response: &Response, body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_else(|_| Self {
            detail: "is it a Triphammer host?".to_owned(),
            code: format!("status {}", response.status),
        })
    }
}
