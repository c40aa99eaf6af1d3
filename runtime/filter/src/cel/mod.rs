//! The Common Expression Language over an event's attributes and its JSON payload: our own dialect
//! beside those of CloudEvents. Knows nothing of filters.
//!
//! Variables are the attributes by their names (`type`, `source`, an extension's), `event`, a map
//! of them, and `data`, the payload: null when there is none, an error when it is not JSON. An
//! attribute that the event lacks is an error too; `has(event.name)` asks first.
//!
//! The engine is the crate `cel`, which has no budget. So that no expression runs for long:
//!
//! - an expression has at most [`EXPRESSION_LEN_MAX`] bytes, [`DEPTH_MAX`] levels, [`NODES_MAX`]
//!   nodes and eight additions;
//! - loops are the macros `all`, `exists`, `exists_one` and `filter`, at most two in each other;
//!   `map`, which could make values of any size, is refused, and so are lists and maps that would
//!   gather payload inside a loop;
//! - a step of a loop costs as much as its body has nodes, and more where it reads the payload
//!   anew. [`STEPS_MAX`] is what one evaluation may cost;
//! - payloads are at most [`View::PAYLOAD_LEN_MAX`] bytes.
//!
//! Regular expressions, timestamps and durations are left out.

mod check;
mod data;
mod resolver;

use std::fmt::{self, Write as _};
use std::sync::{Arc, LazyLock};

use cel::parser::PrattParser;
use cel::{Context, Env, ExecutionError, IdedExpr, ParseErrors};

use crate::view::{PayloadError, View};
use check::Loops;
use resolver::Resolver;

pub(crate) use data::Data;

/// The longest expression, in bytes.
pub const EXPRESSION_LEN_MAX: usize = 4096;
/// How deep an expression may be.
pub const DEPTH_MAX: usize = 40;
/// The most nodes of an expression, those that macros make included.
pub const NODES_MAX: usize = 600;
/// What the loops of one evaluation may cost: a node of a body costs one for each step.
pub const STEPS_MAX: usize = 400_000;

/// Without the optional values, which nothing needs here.
static ENV: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(Env::default().with_optional_support(false).with_stdlib()));

/// Why a text is no expression.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CompileError {
    #[error("{message}")]
    Syntax {
        /// Bytes before the place, from 0; none when the parser does not say.
        position: Option<usize>,
        message: String,
    },
    #[error("there is no {what} `{name}`")]
    Unknown { what: &'static str, name: String },
    #[error("{0} are not supported")]
    Unsupported(&'static str),
    #[error("{0}")]
    TooComplex(String),
}

/// What an evaluation failed of.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CelError {
    #[error("the event has no attribute `{0}`")]
    MissingAttribute(String),
    #[error("the payload can't be read: {0}")]
    Payload(PayloadError),
    #[error("the loops of the expression take more than {STEPS_MAX} steps")]
    Steps,
    /// The first 200 characters of what the engine says.
    #[error("{0}")]
    Evaluation(String),
}

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    text: Box<str>,
    root: IdedExpr,
    loops: Loops,
}

impl Expression {
    /// Errors: what doesn't parse, what mentions a function or a variable that can't exist, and
    /// what can't be bounded.
    pub fn compile(text: &str) -> Result<Self, CompileError> {
        if text.len() > EXPRESSION_LEN_MAX {
            let message = format!("the expression is longer than {EXPRESSION_LEN_MAX} bytes");
            return Err(CompileError::TooComplex(message));
        }
        let parser = PrattParser::new()
            .max_recursion_depth(DEPTH_MAX as u16)
            .max_expression_node_count(NODES_MAX)
            .error_reporting_limit(1);
        let mut root = parser.parse(text).map_err(|errors| syntax_error(text, &errors))?;
        let loops = check::check(&mut root)?;
        Ok(Self { text: text.into(), root, loops })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the value may be a boolean, as far as the expression alone tells.
    pub fn may_be_boolean(&self) -> bool {
        check::may_be_boolean(&self.root)
    }

    /// Whether the expression is true; none when its value is no boolean.
    pub fn test(&self, view: &View<'_>) -> Result<Option<bool>, CelError> {
        Ok(match self.run(view)? {
            cel::Value::Bool(value) => Some(value),
            _ => None,
        })
    }

    /// The value as JSON, whatever it is.
    pub fn evaluate(&self, view: &View<'_>) -> Result<serde_json::Value, CelError> {
        Ok(data::json(&self.run(view)?))
    }

    fn run(&self, view: &View<'_>) -> Result<cel::Value, CelError> {
        let resolver = Resolver::new(view, &self.loops);
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.set_variable_resolver(&resolver);
        let result = context.resolve(&self.root);
        // Asked apart: an operator may have absorbed the error that ended a loop.
        if resolver.is_exhausted() {
            return Err(CelError::Steps);
        }
        result.map_err(|error| run_error(error, view))
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

fn run_error(error: ExecutionError, view: &View<'_>) -> CelError {
    match error {
        ExecutionError::UndeclaredReference(name) => match view.cel_data() {
            Err(error) if *name == check::DATA => CelError::Payload(error),
            _ => CelError::MissingAttribute(cut(&name)),
        },
        other => CelError::Evaluation(Short::of(&other)),
    }
}

fn syntax_error(text: &str, errors: &ParseErrors) -> CompileError {
    let Some(error) = errors.errors.first() else {
        return CompileError::Syntax { position: None, message: "it does not parse".into() };
    };
    // The parser tells its limits in no other way.
    if error.msg.contains("limit exceeded") {
        return CompileError::TooComplex(cut(&error.msg));
    }
    let position = position(text, error.pos);
    CompileError::Syntax { position, message: cut(&error.msg) }
}

/// The bytes before a line and column, both from 1, the latter in bytes.
fn position(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let (line, column) = (usize::try_from(line - 1).ok()?, usize::try_from(column - 1).ok()?);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    Some(text.len().min(before + column))
}

/// The first line of a text, as far as anyone reads.
fn cut(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(MESSAGE_CHARS_MAX).collect()
}

const MESSAGE_CHARS_MAX: usize = 200;

/// The beginning of what something says of itself. The engine's errors say all of the payload,
/// which would cost every filter that fails the writing of it.
struct Short {
    text: String,
    left: usize,
}

impl Short {
    fn of(value: &impl fmt::Display) -> String {
        let mut short = Self { text: String::new(), left: MESSAGE_CHARS_MAX };
        // An error only says that it had enough.
        let _ = write!(short, "{value}");
        cut(&short.text)
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(char);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
