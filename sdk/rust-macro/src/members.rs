//! How a member of the attribute is read: what its value may be, and the JSON that it becomes.
//! Knows no member by its name.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, Ident, Lit, Meta, Result, Token, UnOp};

use crate::text;

const PATTERNS_MAX: usize = 64;

/// A member: as it is written here and in the manifest, and what its value may be.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) json: &'static str,
    pub(crate) rule: Rule,
}

#[derive(Debug)]
pub(crate) enum Rule {
    /// One pattern, or a list of them.
    Patterns(fn(&str) -> text::Check),
    Text(fn(&str) -> text::Check),
    /// A text, or members of its own in its place.
    TextOrList(fn(&str) -> text::Check, List),
    /// A duration from the first to the second, both included.
    Span(&'static str, &'static str),
    Choice(&'static [&'static str]),
    Whole(u64, u64),
    Factor,
    /// Members of its own.
    List(List),
    /// The same, up to `max` times; the first of the members `unique` that is given must differ.
    Lists {
        list: List,
        max: usize,
        unique: &'static [&'static str],
    },
}

#[derive(Debug)]
pub(crate) struct List {
    pub(crate) example: &'static str,
    pub(crate) members: &'static [Member],
    pub(crate) needs: &'static [&'static str],
    /// What no member can tell alone: the sentence when it is wrong.
    pub(crate) together: fn(&Object) -> Option<String>,
}

/// The members that were given, in their order.
#[derive(Debug, Default)]
pub(crate) struct Object(Vec<Given>);

#[derive(Debug)]
struct Given {
    member: &'static Member,
    span: Span,
    json: String,
    /// What is unique about each repetition.
    marks: Vec<String>,
}

impl Object {
    /// Reads all arguments, whatever is wrong with some of them.
    pub(crate) fn read<'a>(
        arguments: impl IntoIterator<Item = &'a Meta>,
        members: &'static [Member],
        errors: &mut Errors,
    ) -> Self {
        let mut object = Self::default();
        for argument in arguments {
            errors.note(object.take(argument, members));
        }
        object
    }

    fn take(&mut self, argument: &Meta, members: &'static [Member]) -> Result<()> {
        let path = argument.path();
        let named = |ident: &Ident| members.iter().find(|member| ident == member.name);
        let Some(member) = path.get_ident().and_then(named) else {
            let names = members.iter().map(Member::shown).collect::<Vec<_>>().join(", ");
            return Err(Error::new(path.span(), format!("no such member; there are: {names}")));
        };
        let name = member.name;
        let wrong = |problem: String| Err(Error::new(path.span(), problem));
        if let Rule::Lists { list, max, unique } = &member.rule {
            let object = list.read(argument, name)?;
            let given = self.given_or_new(member, argument);
            let mark = unique.iter().find_map(|name| object.json(name)).unwrap_or_default();
            if given.marks.iter().any(|known| known == mark) {
                return wrong(format!("two of `{name}` are called {mark}; give them names"));
            }
            if given.marks.len() == *max {
                return wrong(format!("`{name}` is given more than {max} times"));
            }
            let comma = if given.marks.is_empty() { "" } else { "," };
            given.json.push_str(&format!("{comma}{{{}}}", object.json_members()));
            given.marks.push(mark.to_owned());
            return Ok(());
        }
        let json = member.rule.json(argument, name)?;
        if self.has(name) {
            return wrong(format!("`{name}` is given twice"));
        }
        self.given_or_new(member, argument).json = json;
        Ok(())
    }

    fn given_or_new(&mut self, member: &'static Member, argument: &Meta) -> &mut Given {
        let found = self.0.iter().position(|given| given.member.name == member.name);
        let at = found.unwrap_or(self.0.len());
        if found.is_none() {
            let (json, marks) = (String::new(), Vec::new());
            self.0.push(Given { member, span: argument.span(), json, marks });
        }
        &mut self.0[at]
    }

    /// The members without the enclosing braces, so that others can be put in front.
    pub(crate) fn json_members(&self) -> String {
        let text = |given: &Given| match given.member.rule {
            Rule::Lists { .. } => format!("\"{}\":[{}]", given.member.json, given.json),
            _ => format!("\"{}\":{}", given.member.json, given.json),
        };
        self.0.iter().map(text).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.json(name).is_some()
    }

    /// A member's JSON.
    pub(crate) fn json(&self, name: &str) -> Option<&str> {
        self.given(name).map(|given| given.json.as_str())
    }

    /// A duration, in milliseconds.
    pub(crate) fn ms(&self, name: &str) -> Option<f64> {
        self.json(name).and_then(|json| text::duration_ms(json.trim_matches('"')).ok())
    }

    /// Where a member stands.
    pub(crate) fn span(&self, name: &str) -> Span {
        self.given(name).map_or_else(Span::call_site, |given| given.span)
    }

    fn given(&self, name: &str) -> Option<&Given> {
        self.0.iter().find(|given| given.member.name == name)
    }
}

impl Member {
    fn shown(&self) -> String {
        match self.rule {
            Rule::List(_) | Rule::Lists { .. } => format!("{}(…)", self.name),
            _ => self.name.to_owned(),
        }
    }
}

impl Rule {
    fn json(&self, argument: &Meta, name: &str) -> Result<String> {
        if let Self::List(list) | Self::Lists { list, .. } = self {
            return list.read(argument, name).map(|o| format!("{{{}}}", o.json_members()));
        }
        if let (Self::TextOrList(_, list), Meta::List(_)) = (self, argument) {
            return list.read(argument, name).map(|o| format!("{{{}}}", o.json_members()));
        }
        let Meta::NameValue(pair) = argument else {
            return Err(Error::new_spanned(argument, "this member needs a value: `name = value`"));
        };
        let value = &pair.value;
        match self {
            Self::Patterns(rule) => patterns(value, name, *rule),
            Self::Text(rule) | Self::TextOrList(rule, _) => checked(value, rule),
            Self::Span(min, max) => checked(value, |text| text::span(text, min, max)),
            Self::Choice(choices) => checked(value, |text| text::choice(text, choices)),
            Self::Whole(min, max) => whole(value, name, *min, *max),
            Self::Factor => factor(value),
            Self::List(_) | Self::Lists { .. } => unreachable!("read above"),
        }
    }
}

impl List {
    fn read(&self, argument: &Meta, name: &str) -> Result<Object> {
        let Meta::List(list) = argument else {
            let message = format!("write `{name}({})`", self.example);
            return Err(Error::new_spanned(argument, message));
        };
        let arguments = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
        let mut errors = Errors::default();
        let object = Object::read(&arguments, self.members, &mut errors);
        let given = |needed: &str| arguments.iter().any(|a| a.path().is_ident(needed));
        for needed in self.needs.iter().filter(|needed| !given(needed)) {
            let message = format!("`{name}` needs `{needed}`: `{name}({})`", self.example);
            errors.note::<()>(Err(Error::new_spanned(argument, message)));
        }
        errors.done()?;
        match (self.together)(&object) {
            Some(problem) => Err(Error::new_spanned(list, problem)),
            None => Ok(object),
        }
    }
}

/// Always a list in the manifest.
fn patterns(value: &Expr, name: &str, rule: fn(&str) -> text::Check) -> Result<String> {
    let Expr::Array(list) = value else {
        return checked(value, rule).map(|json| format!("[{json}]"));
    };
    let wrong = |message: String| Err(Error::new_spanned(value, message));
    if list.elems.is_empty() {
        return wrong(match name {
            "on" => "`on` has no pattern, so no event would ever arrive".to_owned(),
            _ => format!("`{name}` has no pattern"),
        });
    }
    if list.elems.len() > PATTERNS_MAX {
        return wrong(format!("`{name}` has more than {PATTERNS_MAX} patterns"));
    }
    let mut errors = Errors::default();
    let mut patterns = Vec::new();
    for element in &list.elems {
        let json = errors.note(checked(element, rule)).unwrap_or_default();
        if patterns.contains(&json) && !json.is_empty() {
            errors.note::<()>(Err(Error::new_spanned(element, "this pattern is given twice")));
        }
        patterns.push(json);
    }
    errors.done().map(|()| format!("[{}]", patterns.join(",")))
}

fn checked(value: &Expr, rule: impl FnOnce(&str) -> text::Check) -> Result<String> {
    let Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) = value else {
        return Err(Error::new_spanned(value, "this must be a text in double quotes"));
    };
    let text = literal.value();
    rule(&text).map_err(|problem| Error::new(literal.span(), format!("`{text}` {problem}")))?;
    Ok(json_text(&text))
}

fn whole(value: &Expr, name: &str, min: u64, max: u64) -> Result<String> {
    let rule =
        || Error::new_spanned(value, format!("{name} must be a whole number, {min} to {max}"));
    let Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) = value else { return Err(rule()) };
    let number = literal.base10_parse::<u64>().ok().filter(|n| (min..=max).contains(n));
    match number {
        Some(number) if literal.suffix().is_empty() => Ok(number.to_string()),
        _ => Err(rule()),
    }
}

fn factor(value: &Expr) -> Result<String> {
    let rule = || Error::new_spanned(value, "factor must be a number from 1.0 to 100.0");
    if matches!(value, Expr::Unary(minus) if matches!(minus.op, UnOp::Neg(_))) {
        return Err(rule());
    }
    let Expr::Lit(literal) = value else { return Err(rule()) };
    let number = match &literal.lit {
        Lit::Float(float) => float.base10_parse::<f64>().ok(),
        Lit::Int(int) => int.base10_parse::<f64>().ok(),
        _ => None,
    };
    let number = number.filter(|n| (1.0..=100.0).contains(n)).ok_or_else(rule)?;
    // Debug keeps the `.0`, and what is in range has no exponent.
    Ok(format!("{number:?}"))
}

/// A JSON string literal.
fn json_text(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if c.is_control() => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

/// Every mistake is shown at once, each at its own place.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        match (result, &mut self.0) {
            (Ok(value), _) => return Some(value),
            (Err(error), Some(first)) => first.combine(error),
            (Err(error), none) => *none = Some(error),
        }
        None
    }

    pub(crate) fn done(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
