//! Tokens as an expression, by the precedence of section 3.6. Knows nothing of values.

use super::ast::{Binary, Expr};
use super::functions::Function;
use super::lexer::{Placed, Symbol, Token, error, tokens};
use super::like::Pattern;
use super::{DEPTH_MAX, EXPRESSION_LEN_MAX, ErrorKind, SyntaxError};

/// The words that can't be attributes.
const KEYWORDS: [&str; 9] = ["AND", "OR", "XOR", "NOT", "LIKE", "EXISTS", "IN", "TRUE", "FALSE"];

/// The precedences of binary operators, the loosest first.
const LEVELS: usize = 4;
/// How many `LIKE` and `IN` may follow each other without parentheses: each is a level of the
/// tree, though none of the parser's own nesting.
const POSTFIXES_MAX: usize = 4;

pub(crate) fn parse(text: &str) -> Result<Expr, SyntaxError> {
    if text.len() > EXPRESSION_LEN_MAX {
        let message = format!("the expression is longer than {EXPRESSION_LEN_MAX} bytes");
        return Err(SyntaxError { too_complex: true, ..error(EXPRESSION_LEN_MAX, message) });
    }
    let mut parser = Parser { tokens: tokens(text)?, index: 0, depth: 0 };
    let root = parser.binary(0)?;
    match parser.peek() {
        Token::End => Ok(root),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser<'s> {
    /// The last is always [`Token::End`], which is never taken.
    tokens: Vec<Placed<'s>>,
    index: usize,
    depth: usize,
}

impl<'s> Parser<'s> {
    /// A chain of operators of `level`, or what binds more tightly.
    fn binary(&mut self, level: usize) -> Result<Expr, SyntaxError> {
        if level == LEVELS {
            return self.postfix();
        }
        let first = self.binary(level + 1)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.binary_operator(level) {
            self.index += 1;
            rest.push((operator, self.binary(level + 1)?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(Expr::Chain { first: Box::new(first), rest })
    }

    fn binary_operator(&self, level: usize) -> Option<Binary> {
        let (of, operator) = match self.peek() {
            Token::Word(word) if word.eq_ignore_ascii_case("AND") => (0, Binary::And),
            Token::Word(word) if word.eq_ignore_ascii_case("OR") => (0, Binary::Or),
            Token::Word(word) if word.eq_ignore_ascii_case("XOR") => (0, Binary::Xor),
            Token::Symbol(symbol) => match symbol {
                Symbol::Equal => (1, Binary::Equal),
                Symbol::NotEqual => (1, Binary::NotEqual),
                Symbol::Less => (1, Binary::Less),
                Symbol::LessOrEqual => (1, Binary::LessOrEqual),
                Symbol::Greater => (1, Binary::Greater),
                Symbol::GreaterOrEqual => (1, Binary::GreaterOrEqual),
                Symbol::Plus => (2, Binary::Add),
                Symbol::Minus => (2, Binary::Subtract),
                Symbol::Star => (3, Binary::Multiply),
                Symbol::Slash => (3, Binary::Divide),
                Symbol::Percent => (3, Binary::Remainder),
                Symbol::Open | Symbol::Close | Symbol::Comma => return None,
            },
            _ => return None,
        };
        (of == level).then_some(operator)
    }

    /// `LIKE` and `IN` behind what they look at. They bind more tightly than any binary operator.
    fn postfix(&mut self) -> Result<Expr, SyntaxError> {
        let mut expr = self.unary()?;
        for _ in 0..=POSTFIXES_MAX {
            let negated = self.take_keyword("NOT");
            if self.take_keyword("LIKE") {
                let pattern = self.pattern()?;
                expr = Expr::Like { text: Box::new(expr), pattern, negated };
            } else if self.take_keyword("IN") {
                let set = self.nested(|parser| parser.list("an element"))?;
                expr = Expr::In { item: Box::new(expr), set, negated };
            } else if negated {
                return Err(self.unexpected("LIKE or IN"));
            } else {
                return Ok(expr);
            }
        }
        Err(self.too_deep())
    }

    /// The pattern must be a literal (section 3.4.3).
    fn pattern(&mut self) -> Result<Pattern, SyntaxError> {
        let Token::Text(text) = self.peek() else {
            return Err(self.unexpected("a string literal"));
        };
        let pattern = Pattern::new(text);
        self.index += 1;
        Ok(pattern)
    }

    fn unary(&mut self) -> Result<Expr, SyntaxError> {
        self.nested(Self::unary_inside)
    }

    /// Every way back into an expression leads through here.
    fn nested<T>(
        &mut self,
        inside: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth == DEPTH_MAX {
            return Err(self.too_deep());
        }
        self.depth += 1;
        let result = inside(self)?;
        self.depth -= 1;
        Ok(result)
    }

    fn unary_inside(&mut self) -> Result<Expr, SyntaxError> {
        if self.take_keyword("NOT") {
            return Ok(Expr::Not(Box::new(self.unary()?)));
        }
        if self.take_keyword("EXISTS") {
            return Ok(Expr::Exists(self.attribute()?.into()));
        }
        if let Some(number) = self.signed_number()? {
            return Ok(Expr::Integer(number));
        }
        if self.take(Symbol::Minus) {
            return Ok(Expr::Minus(Box::new(self.unary()?)));
        }
        if self.take(Symbol::Open) {
            let inner = self.binary(0)?;
            self.close()?;
            return Ok(inner);
        }
        self.atom()
    }

    fn atom(&mut self) -> Result<Expr, SyntaxError> {
        match self.peek().clone() {
            Token::Text(text) => {
                self.index += 1;
                Ok(Expr::Text(text.into()))
            }
            Token::Word(word) if word.eq_ignore_ascii_case("TRUE") => {
                self.index += 1;
                Ok(Expr::Boolean(true))
            }
            Token::Word(word) if word.eq_ignore_ascii_case("FALSE") => {
                self.index += 1;
                Ok(Expr::Boolean(false))
            }
            Token::Word(word) if !is_keyword(word) && self.is_at(1, Symbol::Open) => {
                self.call(word)
            }
            Token::Word(_) => Ok(Expr::Attribute(self.attribute()?.into())),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// An integer literal. Its sign touches it; apart from it, `-` is the operator.
    fn signed_number(&mut self) -> Result<Option<i32>, SyntaxError> {
        let at = self.at();
        let sign = match self.peek() {
            Token::Symbol(Symbol::Minus) => "-",
            Token::Symbol(Symbol::Plus) => "+",
            _ => "",
        };
        let Some(placed) = self.tokens.get(self.index + sign.len()) else { return Ok(None) };
        let Token::Digits(digits) = placed.token else { return Ok(None) };
        if placed.at != at + sign.len() {
            return Ok(None);
        }
        let number = format!("{sign}{digits}").parse();
        let number = number.map_err(|_| error(at, "the number is no 32-bit integer"))?;
        self.index += sign.len() + 1;
        Ok(Some(number))
    }

    fn call(&mut self, name: &str) -> Result<Expr, SyntaxError> {
        let at = self.at();
        if name.bytes().any(|b| b.is_ascii_digit()) || name.starts_with('_') {
            return Err(error(at, "a function's name has letters and underscores only"));
        }
        self.index += 1;
        let empty = self.is_at(1, Symbol::Close);
        let arguments = if empty {
            self.index += 2;
            Vec::new()
        } else {
            self.list("an argument")?
        };
        let function = Function::find(name, arguments.len()).map_err(|message| SyntaxError {
            kind: ErrorKind::MissingFunction,
            ..error(at, message)
        })?;
        Ok(Expr::Call { function, arguments })
    }

    /// One or more expressions in parentheses.
    fn list(&mut self, what: &str) -> Result<Vec<Expr>, SyntaxError> {
        if !self.take(Symbol::Open) {
            return Err(self.unexpected("an opening parenthesis"));
        }
        if matches!(self.peek(), Token::Symbol(Symbol::Close)) {
            return Err(self.unexpected(what));
        }
        let mut items = vec![self.binary(0)?];
        while self.take(Symbol::Comma) {
            items.push(self.binary(0)?);
        }
        self.close()?;
        Ok(items)
    }

    /// An attribute's name. Capitals are taken for small letters, as names have none.
    fn attribute(&mut self) -> Result<String, SyntaxError> {
        match self.peek() {
            Token::Word(word) if !is_keyword(word) && !word.contains('_') => {
                let name = word.to_ascii_lowercase();
                self.index += 1;
                Ok(name)
            }
            _ => Err(self.unexpected("an attribute")),
        }
    }

    fn close(&mut self) -> Result<(), SyntaxError> {
        if self.take(Symbol::Close) {
            return Ok(());
        }
        Err(self.unexpected("an operator or a closing parenthesis"))
    }

    fn peek(&self) -> &Token<'s> {
        self.tokens.get(self.index).map_or(&Token::End, |placed| &placed.token)
    }

    fn is_at(&self, ahead: usize, symbol: Symbol) -> bool {
        let token = self.tokens.get(self.index + ahead).map(|placed| &placed.token);
        token == Some(&Token::Symbol(symbol))
    }

    fn at(&self) -> usize {
        self.tokens.get(self.index).map_or(0, |placed| placed.at)
    }

    fn take(&mut self, symbol: Symbol) -> bool {
        let found = self.is_at(0, symbol);
        self.index += usize::from(found);
        found
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword));
        self.index += usize::from(found);
        found
    }

    fn unexpected(&self, expected: &str) -> SyntaxError {
        let found = match self.peek() {
            Token::End => "the end".to_owned(),
            Token::Word(word) | Token::Digits(word) => {
                format!("`{}`", word.chars().take(40).collect::<String>())
            }
            Token::Text(_) => "a string".to_owned(),
            Token::Symbol(_) => "an operator or a parenthesis".to_owned(),
        };
        error(self.at(), format!("here is {found}, where {expected} must be"))
    }

    fn too_deep(&self) -> SyntaxError {
        let message = format!("the expression is nested deeper than {DEPTH_MAX}");
        SyntaxError { too_complex: true, ..error(self.at(), message) }
    }
}

fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}
