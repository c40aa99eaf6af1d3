//! What an expression can't be true without: `attribute = 'text'`, AND-ed with the rest at the
//! top. Knows nothing of indexes.

use super::ast::{Binary, Expr};
use crate::view;

/// Attributes and the texts that they must have.
pub(crate) fn required(root: &Expr) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    collect(root, &mut found);
    found
}

fn collect<'e>(expr: &'e Expr, found: &mut Vec<(&'e str, &'e str)>) {
    let Expr::Chain { first, rest } = expr else { return };
    match rest.as_slice() {
        [(Binary::Equal, right)] => found.extend(comparison(first, right)),
        [(Binary::And | Binary::Or | Binary::Xor, _), ..] => {
            // Operators group to the left: whatever is behind the last OR or XOR must be true,
            // and what is before only when there is neither.
            let from = rest.iter().rposition(|(operator, _)| *operator != Binary::And);
            let behind = from.map_or(0, |at| at + 1);
            if from.is_none() {
                collect(first, found);
            }
            rest[behind..].iter().for_each(|(_, operand)| collect(operand, found));
        }
        _ => {}
    }
}

/// A comparison that is one of texts whatever the event has. The cast is to the type on the right:
/// a literal there makes it text, an attribute only when it is text by the specification.
fn comparison<'e>(left: &'e Expr, right: &'e Expr) -> Option<(&'e str, &'e str)> {
    match (left, right) {
        (Expr::Attribute(name), Expr::Text(text)) => Some((name, text)),
        (Expr::Text(text), Expr::Attribute(name)) if view::is_core(name) => Some((name, text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::sql::Expression;

    #[track_caller]
    fn check(text: &str, expect: &[(&str, &str)]) {
        assert_eq!(Expression::parse(text).unwrap().required(), expect, "{text}");
    }

    #[test]
    fn comparisons_that_the_rest_is_anded_with_are_required() {
        check("type = 'a'", &[("type", "a")]);
        check("'a' = type", &[("type", "a")]);
        check("(type = 'a' AND tenant = 'b') AND x > 1", &[("type", "a"), ("tenant", "b")]);
        check("x = 1 OR type = 'a'", &[]);
        check("x = 'c' OR type = 'a' AND tenant = 'b'", &[("tenant", "b")]);
        check("x = 'c' AND type = 'a' XOR tenant = 'b'", &[]);
    }

    #[test]
    fn what_may_be_another_comparison_is_not() {
        // An integer extension would make it one of integers: '07' is 7.
        check("'07' = tenant", &[]);
        check("tenant = 7", &[]);
        check("tenant != '7'", &[]);
        check("NOT (type = 'a')", &[]);
        check("type = 'a' = true", &[]);
        check("type = 'a' = 'true' AND id = 'b'", &[("id", "b")]);
    }
}
