//! A filter as a tree of dialects, and what it says of an event. Knows nothing of how it is
//! written, nor of subscriptions.

use triphammer_model::Event;

use crate::cel;
use crate::error::RunError;
use crate::sql;
use crate::view::View;

/// A checked filter: section 3.2.4 of the CloudEvents Subscriptions API, and the dialect `cel`.
#[derive(Debug, PartialEq)]
pub struct Filter {
    pub(crate) root: Node,
}

/// What a filter says of one event.
///
/// A part that fails is false to what encloses it, as the Subscriptions API says of `sql`: so
/// `not` of it passes, and so does `any` with another part that is true. The error is told
/// nonetheless.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Verdict {
    pub passed: bool,
    /// The first error of what was looked at.
    pub error: Option<RunError>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Node {
    /// Attributes with the text that each must have; never none.
    Exact(Vec<Pair>),
    Prefix(Vec<Pair>),
    Suffix(Vec<Pair>),
    /// None only for the outermost filter `[]`, which passes everything.
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Sql(Box<sql::Expression>),
    Cel(Box<cel::Expression>),
}

/// An attribute's name and a text, neither empty.
#[derive(Debug, PartialEq)]
pub(crate) struct Pair {
    pub(crate) name: Box<str>,
    pub(crate) text: Box<str>,
}

impl Filter {
    /// Whether the event passes. When there are more filters than one, give them all the same
    /// view.
    pub fn matches(&self, event: &Event) -> Verdict {
        self.matches_view(&View::new(event))
    }

    /// Whether the event that is looked at passes.
    pub fn matches_view(&self, view: &View<'_>) -> Verdict {
        let mut error = None;
        let passed = self.root.passes(view, &mut error);
        Verdict { passed, error }
    }

    /// Attributes with the texts without which no event passes.
    pub(crate) fn required(&self) -> Vec<(&str, &str)> {
        let mut found = Vec::new();
        self.root.require(&mut found);
        found
    }
}

impl Node {
    fn passes(&self, view: &View<'_>, error: &mut Option<RunError>) -> bool {
        match self {
            Self::Exact(pairs) => every(pairs, view, |found, text| found == text),
            Self::Prefix(pairs) => every(pairs, view, |found, text| found.starts_with(text)),
            Self::Suffix(pairs) => every(pairs, view, |found, text| found.ends_with(text)),
            Self::All(nodes) => nodes.iter().all(|node| node.passes(view, error)),
            Self::Any(nodes) => nodes.iter().any(|node| node.passes(view, error)),
            Self::Not(node) => !node.passes(view, error),
            Self::Sql(expression) => keep(sql_passes(expression, view), error),
            Self::Cel(expression) => keep(cel_passes(expression, view), error),
        }
    }

    fn require<'f>(&'f self, found: &mut Vec<(&'f str, &'f str)>) {
        match self {
            Self::Exact(pairs) => found.extend(pairs.iter().map(|p| (&*p.name, &*p.text))),
            Self::All(nodes) => nodes.iter().for_each(|node| node.require(found)),
            Self::Any(nodes) if nodes.len() == 1 => nodes[0].require(found),
            Self::Sql(expression) => found.extend(expression.required()),
            _ => {}
        }
    }
}

fn every(pairs: &[Pair], view: &View<'_>, fits: impl Fn(&str, &str) -> bool) -> bool {
    pairs.iter().all(|pair| view.text(&pair.name).is_some_and(|found| fits(found, &pair.text)))
}

/// A failure is false. The first is kept.
fn keep(result: Result<bool, RunError>, error: &mut Option<RunError>) -> bool {
    result.unwrap_or_else(|failed| {
        error.get_or_insert(failed);
        false
    })
}

fn sql_passes(expression: &sql::Expression, view: &View<'_>) -> Result<bool, RunError> {
    let outcome = expression.evaluate(view);
    match (outcome.error, outcome.value) {
        (Some(error), _) => Err(RunError::Sql(error)),
        (None, sql::Value::Boolean(passes)) => Ok(passes),
        (None, _) => Err(RunError::NotBoolean),
    }
}

fn cel_passes(expression: &cel::Expression, view: &View<'_>) -> Result<bool, RunError> {
    expression.test(view).map_err(RunError::Cel)?.ok_or(RunError::NotBoolean)
}
