//! Why a host did not start or had to end.

use std::io;
use std::process::ExitStatus;

use triphammer_server::{AppError, ConfigError};

use crate::error::chain;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    #[error("{} ({})", chain(.0), .0.code())]
    Config(ConfigError),
    #[error("{} ({})", chain(.0), .0.code())]
    App(Box<AppError>),
    #[error("`{filter}` is no log filter: {rule}")]
    Filter { filter: String, rule: String },
    #[error("the host can't be started")]
    Start(#[source] io::Error),
    #[error("signals can't be listened for")]
    Signal(#[source] io::Error),
    #[error("the host ended with {status}: {last}")]
    Ended { status: ExitStatus, last: String },
    #[error("the host is not ready after {seconds} s: {last}")]
    NotReady { seconds: u64, last: String },
}

impl Error {
    /// The stable code, of what a host says about itself.
    pub(crate) fn code(&self) -> Option<&'static str> {
        match self {
            Self::Config(error) => Some(error.code()),
            Self::App(error) => Some(error.code()),
            _ => None,
        }
    }
}
