//! What can be wrong with tokens and the audit log.

use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("can't {doing} {path}", path = path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// The file is not as this program writes it. Nothing of it is used.
    #[error("the tokens in {path} are wrong: {rule}", path = path.display())]
    File { path: PathBuf, rule: String },
    #[error("{what} `{text}` {rule}", text = text.chars().take(80).collect::<String>().escape_debug())]
    Setting { what: &'static str, text: String, rule: &'static str },
    #[error("there is a token named `{0}`: rotate it, or revoke it first")]
    Exists(String),
    #[error("there is no token named `{0}`")]
    NoToken(String),
    #[error("there are {max} tokens already: revoke some that nobody uses")]
    TooMany { max: usize },
    #[error("the operating system gives no random numbers")]
    Random,
}

impl Error {
    /// Stable, for whoever starts a host or keeps its tokens.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "access.io",
            Self::File { .. } => "access.file",
            Self::Setting { .. } => "access.setting",
            Self::Exists(_) => "access.exists",
            Self::NoToken(_) => "access.no_token",
            Self::TooMany { .. } => "access.too_many",
            Self::Random => "access.random",
        }
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    pub(crate) fn setting(what: &'static str, text: &str, rule: &'static str) -> Self {
        Self::Setting { what, text: text.to_owned(), rule }
    }
}
