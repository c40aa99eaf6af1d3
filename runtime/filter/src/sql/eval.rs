//! What an expression gives for an event. Knows nothing of the text it was written as.

use std::borrow::Cow;
use std::sync::Arc;

use super::ast::{Binary, Expr};
use super::functions::{self, Function, Raised};
use super::like::Pattern;
use super::value::{Type, Value};
use super::{ErrorKind, Outcome, WORK_MAX};
use crate::view::{Attribute, View};

/// What an evaluation failed of.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    #[error("the event has no attribute `{0}`")]
    MissingAttribute(Arc<str>),
    /// The text, its first 40 characters at most.
    #[error("`{text}` is no {target}")]
    Cast { text: Box<str>, target: Type },
    #[error("{0}")]
    Math(&'static str),
    #[error("{0}: {1}")]
    Function(&'static str, &'static str),
    /// More text made or searched than [`WORK_MAX`].
    #[error("the expression makes or searches more than {WORK_MAX} bytes of text")]
    Work,
}

impl SqlError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::MissingAttribute(_) => ErrorKind::MissingAttribute,
            Self::Cast { .. } => ErrorKind::Cast,
            Self::Math(_) => ErrorKind::Math,
            Self::Function(..) => ErrorKind::FunctionEvaluation,
            Self::Work => ErrorKind::Generic,
        }
    }
}

const OVERFLOW: SqlError = SqlError::Math("the result is no 32-bit integer");
const ZERO: SqlError = SqlError::Math("a division by zero");

pub(crate) fn evaluate<'e>(root: &'e Expr, view: &'e View<'_>) -> Outcome<'e> {
    let mut evaluation = Evaluation { view, work_left: WORK_MAX };
    match evaluation.eval(root) {
        Ok(value) => Outcome { value, error: None },
        Err(Raised { error, value }) => {
            // An attribute alone is taken for a Boolean when it is missing (section 3.2).
            let ty = match root {
                Expr::Attribute(_) => Type::Boolean,
                _ => root.ty().unwrap_or(Type::Boolean),
            };
            let value = value.unwrap_or_else(|| ty.zero());
            Outcome { value, error: Some(error) }
        }
    }
}

struct Evaluation<'e, 'v> {
    view: &'e View<'v>,
    work_left: usize,
}

impl<'e> Evaluation<'e, '_> {
    fn eval(&mut self, expr: &'e Expr) -> Result<Value<'e>, Raised<'e>> {
        Ok(match expr {
            Expr::Text(text) => Value::Text(Cow::Borrowed(text)),
            Expr::Integer(number) => Value::Integer(*number),
            Expr::Boolean(value) => Value::Boolean(*value),
            Expr::Attribute(name) => self.attribute(name)?,
            Expr::Exists(name) => Value::Boolean(self.view.attribute(name).is_some()),
            Expr::Not(inner) => Value::Boolean(!self.boolean(inner)?),
            Expr::Minus(inner) => {
                Value::Integer(self.integer(inner)?.checked_neg().ok_or(OVERFLOW)?)
            }
            Expr::Chain { first, rest } => self.chain(first, rest)?,
            Expr::Like { text, pattern, negated } => {
                Value::Boolean(self.like(text, pattern)? != *negated)
            }
            Expr::In { item, set, negated } => Value::Boolean(self.is_in(item, set)? != *negated),
            Expr::Call { function, arguments } => return self.call(*function, arguments),
        })
    }

    /// An operand: when it failed, its value is of no more use.
    fn operand(&mut self, expr: &'e Expr) -> Result<Value<'e>, SqlError> {
        self.eval(expr).map_err(|raised| raised.error)
    }

    fn boolean(&mut self, expr: &'e Expr) -> Result<bool, SqlError> {
        self.operand(expr)?.cast_boolean()
    }

    fn integer(&mut self, expr: &'e Expr) -> Result<i32, SqlError> {
        self.operand(expr)?.cast_integer()
    }

    fn text(&mut self, expr: &'e Expr) -> Result<Cow<'e, str>, SqlError> {
        Ok(self.operand(expr)?.cast_text())
    }

    fn attribute(&self, name: &Arc<str>) -> Result<Value<'e>, SqlError> {
        match self.view.attribute(name) {
            Some(Attribute::Text(text)) => Ok(Value::Text(Cow::Borrowed(text))),
            Some(Attribute::Integer(number)) => Ok(Value::Integer(number)),
            Some(Attribute::Boolean(value)) => Ok(Value::Boolean(value)),
            None => Err(SqlError::MissingAttribute(Arc::clone(name))),
        }
    }

    fn chain(
        &mut self,
        first: &'e Expr,
        rest: &'e [(Binary, Expr)],
    ) -> Result<Value<'e>, SqlError> {
        let mut value = self.operand(first)?;
        for (operator, right) in rest {
            value = match operator {
                Binary::And => Value::Boolean(value.cast_boolean()? && self.boolean(right)?),
                Binary::Or => Value::Boolean(value.cast_boolean()? || self.boolean(right)?),
                Binary::Xor => Value::Boolean(value.cast_boolean()? != self.boolean(right)?),
                Binary::Equal => Value::Boolean(equal(value, &self.operand(right)?)?),
                Binary::NotEqual => Value::Boolean(!equal(value, &self.operand(right)?)?),
                _ => {
                    let right = self.operand(right)?;
                    arithmetic(*operator, value.cast_integer()?, right.cast_integer()?)?
                }
            };
        }
        Ok(value)
    }

    fn like(&mut self, text: &'e Expr, pattern: &Pattern) -> Result<bool, SqlError> {
        let text = self.text(text)?;
        self.work(pattern.work(text.len()))?;
        Ok(pattern.matches(&text))
    }

    /// The elements are cast to the item's type (section 3.4.5).
    fn is_in(&mut self, item: &'e Expr, set: &'e [Expr]) -> Result<bool, SqlError> {
        let item = self.operand(item)?;
        for element in set {
            // The cast is to the type on the right.
            if equal(self.operand(element)?, &item)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn call(&mut self, function: Function, arguments: &'e [Expr]) -> Result<Value<'e>, Raised<'e>> {
        let [first, rest @ ..] = arguments else { return Ok(Type::String.zero()) };
        match function {
            Function::Concat => return Ok(self.concat("", arguments)?),
            Function::ConcatWs => {
                let delimiter = self.text(first)?;
                return Ok(self.concat(&delimiter, rest)?);
            }
            Function::Abs => return functions::abs(self.integer(first)?),
            Function::Int => return Ok(Value::Integer(self.integer(first)?)),
            Function::Bool => return Ok(Value::Boolean(self.boolean(first)?)),
            Function::String => return Ok(Value::Text(self.text(first)?)),
            Function::IsInt => {
                return Ok(Value::Boolean(self.operand(first)?.cast_integer().is_ok()));
            }
            Function::IsBool => {
                return Ok(Value::Boolean(self.operand(first)?.cast_boolean().is_ok()));
            }
            _ => {}
        }
        let text = self.text(first)?;
        self.work(text.len())?;
        self.call_on_text(function, text, rest)
    }

    fn call_on_text(
        &mut self,
        function: Function,
        text: Cow<'e, str>,
        rest: &'e [Expr],
    ) -> Result<Value<'e>, Raised<'e>> {
        let mut numbers = [None; 2];
        for (number, argument) in numbers.iter_mut().zip(rest) {
            *number = Some(self.integer(argument)?);
        }
        let number = numbers[0].unwrap_or_default();
        match function {
            Function::Lower => Ok(Value::Text(text.to_lowercase().into())),
            Function::Upper => Ok(Value::Text(text.to_uppercase().into())),
            Function::Trim => Ok(Value::Text(functions::trim(text))),
            Function::Left => functions::left(text, number),
            Function::Right => functions::right(text, number),
            Function::Substring => functions::substring(text, number, numbers[1]),
            // Shorter than the most work, which is far below the largest integer.
            _ => Ok(Value::Integer(text.chars().count() as i32)),
        }
    }

    fn concat(&mut self, delimiter: &str, items: &'e [Expr]) -> Result<Value<'e>, SqlError> {
        let mut whole = String::new();
        for (index, item) in items.iter().enumerate() {
            let text = self.text(item)?;
            let delimiter = if index == 0 { "" } else { delimiter };
            // Asked for before it is made: a delimiter that is itself made can be long.
            self.work(delimiter.len() + text.len())?;
            whole.push_str(delimiter);
            whole.push_str(&text);
        }
        Ok(Value::Text(whole.into()))
    }

    fn work(&mut self, bytes: usize) -> Result<(), SqlError> {
        self.work_left = self.work_left.checked_sub(bytes).ok_or(SqlError::Work)?;
        Ok(())
    }
}

/// The left side is cast to the type of the right (section 3.7).
fn equal(left: Value<'_>, right: &Value<'_>) -> Result<bool, SqlError> {
    Ok(match right {
        Value::Text(right) => left.cast_text() == *right,
        Value::Integer(right) => left.cast_integer()? == *right,
        Value::Boolean(right) => left.cast_boolean()? == *right,
    })
}

/// What only integers have: order and arithmetic.
fn arithmetic(operator: Binary, left: i32, right: i32) -> Result<Value<'static>, SqlError> {
    let number = match operator {
        Binary::Less => return Ok(Value::Boolean(left < right)),
        Binary::LessOrEqual => return Ok(Value::Boolean(left <= right)),
        Binary::Greater => return Ok(Value::Boolean(left > right)),
        Binary::GreaterOrEqual => return Ok(Value::Boolean(left >= right)),
        Binary::Divide | Binary::Remainder if right == 0 => return Err(ZERO),
        Binary::Add => left.checked_add(right),
        Binary::Subtract => left.checked_sub(right),
        Binary::Multiply => left.checked_mul(right),
        Binary::Divide => left.checked_div(right),
        // The least integer by -1 leaves nothing, though its quotient overflows.
        _ => Some(left.wrapping_rem(right)),
    };
    number.map(Value::Integer).ok_or(OVERFLOW)
}
