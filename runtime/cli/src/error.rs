//! Why a command failed, as one line, and its exit status. What to do next is in `hints`.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::{client, host, load, project};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// The command was not understood.
    #[error("{0}")]
    Usage(String),
    /// The command was understood, and what it found is a failure.
    #[error("{0}")]
    Failed(String),
    #[error("there is no event `{id}`, or it is kept no longer")]
    NoEvent { id: String },
    /// A dry run, by this code.
    #[error("the run failed: {code}")]
    Run { code: String },
    #[error("{what} `{path}`", path = path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Client(#[from] client::Error),
    #[error(transparent)]
    Project(#[from] project::Error),
    #[error(transparent)]
    Load(#[from] load::Error),
    #[error("{} ({})", chain(.0), .0.code())]
    Access(triphammer_access::Error),
    #[error(transparent)]
    Host(#[from] host::Error),
    #[error("the sources can't be watched")]
    Watch(#[source] notify::Error),
    #[error("the terminal can't be drawn on")]
    Terminal(#[source] io::Error),
    #[error("the output could not be written")]
    Output(#[source] io::Error),
}

impl Error {
    pub(crate) fn exit_code(&self) -> ExitCode {
        let wrong_usage = match self {
            Self::Usage(_) | Self::Access(triphammer_access::Error::Setting { .. }) => true,
            Self::Client(error) => error.is_usage(),
            Self::Project(error) => error.is_usage(),
            _ => false,
        };
        ExitCode::from(if wrong_usage { 2 } else { 1 })
    }

    /// The stable code, of what has one.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Client(error) => error.code(),
            Self::Access(error) => Some(error.code()),
            Self::Host(error) => error.code(),
            Self::Load(error) => error.code(),
            Self::Run { code } => Some(code),
            _ => None,
        }
    }

    /// Whoever read the output has gone, as in `trip events | head`: not a failure.
    pub(crate) fn is_closed_output(&self) -> bool {
        matches!(self, Self::Output(source) if source.kind() == io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { what, path: path.into(), source }
    }
}

impl From<triphammer_access::Error> for Error {
    fn from(error: triphammer_access::Error) -> Self {
        Self::Access(error)
    }
}

/// The error and every cause under it, on one line.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Transparent wrappers repeat their cause.
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_its_causes() {
        let source = io::Error::new(io::ErrorKind::NotFound, "no such\nfile");
        let error = Error::file("can't read", "a.json", source);
        assert_eq!(chain(&error), "can't read `a.json`: no such file");
    }

    #[test]
    fn wrong_usage_has_its_own_status() {
        let code = |error: Error| format!("{:?}", error.exit_code());
        assert_eq!(code(Error::Usage(String::new())), format!("{:?}", ExitCode::from(2)));
        assert_eq!(code(Error::Failed(String::new())), format!("{:?}", ExitCode::from(1)));
    }
}
