//! An expression as a tree. Operators of one precedence that follow each other are one node, so
//! that a long chain is not a deep tree.

use std::sync::Arc;

use super::functions::Function;
use super::like::Pattern;
use super::value::Type;
use crate::view;

#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Text(Box<str>),
    Integer(i32),
    Boolean(bool),
    Attribute(Arc<str>),
    Exists(Arc<str>),
    Not(Box<Expr>),
    Minus(Box<Expr>),
    /// Operators of the same precedence, evaluated from left to right.
    Chain {
        first: Box<Expr>,
        rest: Vec<(Binary, Expr)>,
    },
    Like {
        text: Box<Expr>,
        pattern: Pattern,
        negated: bool,
    },
    In {
        item: Box<Expr>,
        set: Vec<Expr>,
        negated: bool,
    },
    Call {
        function: Function,
        arguments: Vec<Expr>,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Binary {
    And,
    Or,
    Xor,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Binary {
    pub(crate) fn ty(self) -> Type {
        match self {
            Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Remainder => {
                Type::Integer
            }
            _ => Type::Boolean,
        }
    }
}

impl Expr {
    /// The type of its value; none when it is that of an extension, which only the event knows.
    pub(crate) fn ty(&self) -> Option<Type> {
        Some(match self {
            Self::Text(_) => Type::String,
            Self::Integer(_) | Self::Minus(_) => Type::Integer,
            Self::Attribute(name) if view::is_core(name) => Type::String,
            Self::Attribute(_) => return None,
            Self::Boolean(_)
            | Self::Exists(_)
            | Self::Not(_)
            | Self::Like { .. }
            | Self::In { .. } => Type::Boolean,
            Self::Chain { rest, .. } => rest.first().map_or(Type::Boolean, |(op, _)| op.ty()),
            Self::Call { function, .. } => function.ty(),
        })
    }
}
