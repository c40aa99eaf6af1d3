//! One filter tried on one event, with the value that its expression gives: for those who write
//! filters. Knows nothing of subscriptions.

use serde_json::Value;
use triphammer_model::Event;

use crate::cel;
use crate::error::{Invalid, InvalidFilter, RunError};
use crate::filter::Filter;
use crate::sql;
use crate::view::View;

/// What a filter gives for an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// A boolean, but for `sql` and `cel` whatever the expression gives. With an error, `sql` has
    /// the value that its specification names, and `cel` has null.
    pub value: Value,
    pub error: Option<RunError>,
}

/// Evaluates `expression`, written as the member `dialect` of a filter has it.
///
/// Errors: as [`Filter::from_json`], except that an expression may have any type.
pub fn evaluate(
    dialect: &str,
    expression: &Value,
    event: &Event,
) -> Result<Evaluation, InvalidFilter> {
    let view = View::new(event);
    match (dialect, expression) {
        ("sql", Value::String(text)) => {
            let expression = sql::Expression::parse(text).map_err(|e| invalid(Invalid::Sql(e)))?;
            let outcome = expression.evaluate(&view);
            let error = outcome.error.map(RunError::Sql);
            Ok(Evaluation { value: outcome.value.into(), error })
        }
        ("cel", Value::String(text)) => {
            let expression =
                cel::Expression::compile(text).map_err(|e| invalid(Invalid::Cel(e)))?;
            Ok(match expression.evaluate(&view) {
                Ok(value) => Evaluation { value, error: None },
                Err(error) => Evaluation { value: Value::Null, error: Some(RunError::Cel(error)) },
            })
        }
        _ => {
            let filter = Filter::from_member(dialect, expression)?;
            let verdict = filter.matches_view(&view);
            Ok(Evaluation { value: Value::Bool(verdict.passed), error: verdict.error })
        }
    }
}

fn invalid(reason: Invalid) -> InvalidFilter {
    InvalidFilter { path: String::new(), reason }
}
