//! What can be wrong with a filter when it is written, and what it can fail of when an event comes.
//! The codes are stable; nobody matches on the text.

use crate::cel::{CelError, CompileError};
use crate::sql::{ErrorKind, SqlError, SyntaxError};
use crate::view::PayloadError;

/// Why a JSON value is no filter: the place, and what is wrong there.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason}{}", place(path))]
pub struct InvalidFilter {
    /// The members and indexes that lead to the faulty one, such as `all[1].sql`; empty for the
    /// filter itself.
    pub path: String,
    #[source]
    pub reason: Invalid,
}

/// What is wrong with a filter.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    #[error("{0}")]
    Shape(&'static str),
    #[error("`{0}` is no attribute's name: 1 to 64 of a-z and 0-9, other than `data`")]
    Attribute(String),
    #[error("`{0}` is no dialect: there are all, any, cel, exact, not, prefix, sql and suffix")]
    Dialect(String),
    #[error("the value is a {0}, never a boolean")]
    NotBoolean(&'static str),
    #[error("the filter has more than {limit} {of}")]
    TooMuch { limit: usize, of: &'static str },
    #[error(transparent)]
    Sql(SyntaxError),
    #[error(transparent)]
    Cel(CompileError),
}

impl InvalidFilter {
    /// The stable name.
    pub fn code(&self) -> &'static str {
        match &self.reason {
            Invalid::Shape(_) | Invalid::Attribute(_) => "filter.syntax",
            Invalid::Dialect(_) => "filter.unsupported",
            Invalid::NotBoolean(_) => "filter.not_boolean",
            Invalid::TooMuch { .. } => "filter.too_complex",
            Invalid::Sql(error) if error.too_complex => "filter.too_complex",
            Invalid::Sql(error) if error.kind == ErrorKind::MissingFunction => "filter.unknown",
            Invalid::Sql(_) => "filter.syntax",
            Invalid::Cel(error) => match error {
                CompileError::Syntax { .. } => "filter.syntax",
                CompileError::Unknown { .. } => "filter.unknown",
                CompileError::Unsupported(_) => "filter.unsupported",
                CompileError::TooComplex(_) => "filter.too_complex",
            },
        }
    }

    /// The place within an expression: the bytes before it, from 0.
    pub fn position(&self) -> Option<usize> {
        match &self.reason {
            Invalid::Sql(error) => Some(error.position),
            Invalid::Cel(CompileError::Syntax { position, .. }) => *position,
            _ => None,
        }
    }

    /// The kind that CloudEvents SQL has for it.
    pub fn sql_kind(&self) -> Option<ErrorKind> {
        match &self.reason {
            Invalid::Sql(error) => Some(error.kind),
            _ => None,
        }
    }
}

fn place(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(", at `{path}`") }
}

/// What a filter failed of with one event. To the event it is as if the part that failed were false.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    #[error(transparent)]
    Sql(SqlError),
    #[error(transparent)]
    Cel(CelError),
    #[error("the value of the expression is no boolean")]
    NotBoolean,
}

impl RunError {
    /// The stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Sql(error) => match error.kind() {
                ErrorKind::MissingAttribute => "filter.missing_attribute",
                ErrorKind::Cast => "filter.cast",
                ErrorKind::Math => "filter.math",
                ErrorKind::Generic => "filter.limit",
                _ => "filter.function",
            },
            Self::Cel(error) => match error {
                CelError::MissingAttribute(_) => "filter.missing_attribute",
                CelError::Payload(PayloadError::TooLarge) | CelError::Steps => "filter.limit",
                CelError::Payload(_) => "filter.payload",
                CelError::Evaluation(_) => "filter.evaluation",
            },
            Self::NotBoolean => "filter.not_boolean",
        }
    }

    /// The kind that CloudEvents SQL has for it.
    pub fn sql_kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Sql(error) => Some(error.kind()),
            _ => None,
        }
    }
}
