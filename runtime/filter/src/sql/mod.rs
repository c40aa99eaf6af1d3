//! CloudEvents SQL 1.0.0: an expression over an event's attributes. Knows nothing of filters, nor
//! of payloads, which the language leaves out.
//!
//! An expression is parsed once and evaluated as often as there are events. It stops at the first
//! error, the "fail fast mode" of section 4.1: the operator or function that meets the error gives
//! the value that its definition names for that case, or its type's zero value, and whatever
//! encloses it gives the zero value of its own type (sections 3.2 and 3.3).
//!
//! Where the specification is silent or its parts differ:
//!
//! - `AND`, `OR` and `XOR` bind equally and group to the left (section 3.6); the grammar that
//!   comes with the specification groups them to the right.
//! - A result of arithmetic that is no 32-bit integer is a `MathError` with the value 0.
//! - An identifier in capitals names the attribute in small letters, as the conformance cases ask.
//! - A backslash takes its delimiter into a string and stays as it is before anything else.
//! - `IN` looks at the elements from the left and stops at the first that is equal.

mod ast;
mod eval;
mod functions;
mod keys;
mod lexer;
mod like;
mod parser;
mod value;

use std::fmt;

use crate::view::View;

pub use eval::SqlError;
pub use value::{Type, Value};

/// The longest expression, in bytes.
pub const EXPRESSION_LEN_MAX: usize = 4096;
/// How deep parentheses, functions and unary operators may be in each other.
pub const DEPTH_MAX: usize = 64;
/// Bytes of text that one evaluation may make or search before it fails with a `GenericError`.
pub const WORK_MAX: usize = 4 << 20;

/// The kinds of errors of section 3.3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    Parse,
    Math,
    Cast,
    MissingAttribute,
    MissingFunction,
    FunctionEvaluation,
    Generic,
}

impl ErrorKind {
    /// The name that the specification has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "ParseError",
            Self::Math => "MathError",
            Self::Cast => "CastError",
            Self::MissingAttribute => "MissingAttributeError",
            Self::MissingFunction => "MissingFunctionError",
            Self::FunctionEvaluation => "FunctionEvaluationError",
            Self::Generic => "GenericError",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is no expression.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{kind} at byte {position}: {message}")]
pub struct SyntaxError {
    pub kind: ErrorKind,
    /// Bytes before the place, from 0.
    pub position: usize,
    pub message: String,
    /// Whether it is too long or too deep rather than wrong.
    pub too_complex: bool,
}

/// What an evaluation gives: always a value, and the error that it stopped at.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<'e> {
    pub value: Value<'e>,
    pub error: Option<SqlError>,
}

/// A parsed expression.
#[derive(Clone, Debug)]
pub struct Expression {
    text: Box<str>,
    root: ast::Expr,
}

impl Expression {
    /// Errors: what doesn't parse, what calls a function that doesn't exist with so many
    /// arguments, and what is longer or deeper than the limits.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        Ok(Self { text: text.into(), root: parser::parse(text)? })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The type of the value; none when it depends on the event.
    pub fn ty(&self) -> Option<Type> {
        self.root.ty()
    }

    pub fn evaluate<'e>(&'e self, view: &'e View<'_>) -> Outcome<'e> {
        eval::evaluate(&self.root, view)
    }

    /// Attributes with the texts that they must have for the expression to be true, each as
    /// written in a comparison that the rest is AND-ed with.
    pub(crate) fn required(&self) -> Vec<(&str, &str)> {
        keys::required(&self.root)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
