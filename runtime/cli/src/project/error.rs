//! Why a project could not be begun or built.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    #[error("`{}` has no Cargo.toml", dir.display())]
    NoManifest { dir: PathBuf },
    #[error("`{}` is a workspace", dir.display())]
    Workspace { dir: PathBuf },
    #[error("`{package}` makes no component")]
    NoComponent { package: String },
    #[error("`{tool}` can't be started")]
    NoTool {
        tool: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("`cargo metadata` failed: {message}")]
    Metadata { message: String },
    #[error("the answer of cargo is not understood")]
    Answer(#[source] serde_json::Error),
    #[error("the Rust target {target} is missing")]
    NoTarget {
        target: &'static str,
        #[source]
        source: Option<io::Error>,
    },
    #[error("`{package}` does not build: {}", message.as_deref().unwrap_or("see above"))]
    Build { package: String, message: Option<String> },
    #[error("`{name}` is no name for a function project: {rule}")]
    Name { name: String, rule: &'static str },
    #[error("`{}` exists", path.display())]
    Exists { path: PathBuf },
    #[error("can't write `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("can't read `{}`", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the SDK in this binary is damaged")]
    Embedded,
}

impl Error {
    pub(crate) fn is_usage(&self) -> bool {
        matches!(self, Self::Name { .. })
    }
}
