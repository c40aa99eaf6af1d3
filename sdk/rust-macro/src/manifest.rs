//! The attribute's arguments, parsed and checked, and the manifest that they make.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, Ident, Lit, Meta, Result, Token, UnOp};

use crate::text;

const MEMBERS: &str = "on, filter, key, retry(…), timeout, memory, concurrency, priority";
const PATTERNS_MAX: usize = 64;
const CONCURRENCY_MAX: u64 = 1024;
const ATTEMPTS_MAX: u64 = 1000;
/// The host's defaults, for a pair of which only one is given.
const INITIAL_DEFAULT: &str = "500ms";
const MAX_DEFAULT: &str = "5m";
const RETRY_MEMBERS: &str = "attempts, initial, factor, max";

/// The members that were given, in the order of the contract, each with its JSON text.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    members: Vec<(&'static str, String)>,
}

impl Manifest {
    /// The members without the enclosing braces, so that the name can be put in front.
    pub(crate) fn json_members(&self) -> String {
        let members = self.members.iter().map(|(name, json)| format!("\"{name}\":{json}"));
        members.collect::<Vec<_>>().join(",")
    }

    fn add(&mut self, ident: &Ident, name: &'static str, json: String) -> Result<()> {
        if self.members.iter().any(|(known, _)| *known == name) {
            return Err(Error::new(ident.span(), format!("`{name}` is given twice")));
        }
        self.members.push((name, json));
        Ok(())
    }
}

impl Parse for Manifest {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let arguments = Punctuated::<Meta, Token![,]>::parse_terminated(input)?;
        let mut manifest = Self::default();
        let mut errors = Errors::default();
        for argument in &arguments {
            errors.note(member(argument, &mut manifest));
        }
        // A wrong `on` has been reported already.
        if !arguments.iter().any(|argument| argument.path().is_ident("on")) {
            errors.note::<()>(Err(Error::new(
                Span::call_site(),
                "which events reach this function? Add `on`: \
                 `#[function(on = \"order.created\")]` or `on = [\"order.*\", \"stock.**\"]`",
            )));
        }
        errors.done().map(|()| manifest)
    }
}

fn member(argument: &Meta, manifest: &mut Manifest) -> Result<()> {
    let path = argument.path();
    let Some(ident) = path.get_ident() else { return Err(unknown(path.span(), MEMBERS)) };
    match ident.to_string().as_str() {
        "on" => manifest.add(ident, "on", on(value(argument)?)?),
        "filter" => manifest.add(ident, "filter", checked(value(argument)?, filter)?),
        "key" => manifest.add(ident, "key", checked(value(argument)?, text::key)?),
        "retry" => manifest.add(ident, "retry", retry(argument)?),
        "timeout" => manifest.add(ident, "timeout", checked(value(argument)?, text::duration)?),
        "memory" => manifest.add(ident, "memory", checked(value(argument)?, text::size)?),
        "concurrency" => {
            let json = whole(value(argument)?, "concurrency", 1, CONCURRENCY_MAX)?;
            manifest.add(ident, "concurrency", json)
        }
        "priority" => manifest.add(ident, "priority", whole(value(argument)?, "priority", 0, 9)?),
        _ => Err(unknown(ident.span(), MEMBERS)),
    }
}

/// One pattern or a list of them; always a list in the manifest.
fn on(value: &Expr) -> Result<String> {
    let Expr::Array(list) = value else {
        return checked(value, text::pattern).map(|json| format!("[{json}]"));
    };
    if list.elems.is_empty() {
        return Err(Error::new_spanned(
            value,
            "`on` has no pattern, so no event would ever arrive",
        ));
    }
    if list.elems.len() > PATTERNS_MAX {
        return Err(Error::new_spanned(
            value,
            format!("`on` has more than {PATTERNS_MAX} patterns"),
        ));
    }
    let mut errors = Errors::default();
    let mut patterns = Vec::new();
    for element in &list.elems {
        let json = errors.note(checked(element, text::pattern)).unwrap_or_default();
        if patterns.contains(&json) && !json.is_empty() {
            errors.note::<()>(Err(Error::new_spanned(element, "this pattern is given twice")));
        }
        patterns.push(json);
    }
    errors.done().map(|()| format!("[{}]", patterns.join(",")))
}

fn filter(text: &str) -> text::Check {
    if text.trim().is_empty() { Err("is an empty filter: leave it out".into()) } else { Ok(()) }
}

fn retry(argument: &Meta) -> Result<String> {
    let Meta::List(list) = argument else {
        return Err(Error::new_spanned(
            argument,
            "write `retry(attempts = 8, initial = \"200ms\", factor = 2.0, max = \"30s\")`, \
             with the members that are to differ from the default",
        ));
    };
    let arguments = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
    let mut policy = Manifest::default();
    let mut errors = Errors::default();
    for argument in &arguments {
        errors.note(retry_member(argument, &mut policy));
    }
    errors.done()?;
    let wait_ms = |member: &str, default: &str| {
        let text = policy.members.iter().find(|(name, _)| *name == member);
        let text = text.map_or(default, |(_, json)| json.trim_matches('"'));
        text::duration_ms(text).unwrap_or_default()
    };
    if wait_ms("initial", INITIAL_DEFAULT) > wait_ms("max", MAX_DEFAULT) {
        return Err(Error::new_spanned(
            list,
            format!(
                "the first wait, `initial`, is longer than the longest, `max` \
                 (left out, they are {INITIAL_DEFAULT} and {MAX_DEFAULT})"
            ),
        ));
    }
    Ok(format!("{{{}}}", policy.json_members()))
}

fn retry_member(argument: &Meta, policy: &mut Manifest) -> Result<()> {
    let path = argument.path();
    let Some(ident) = path.get_ident() else { return Err(unknown(path.span(), RETRY_MEMBERS)) };
    match ident.to_string().as_str() {
        "attempts" => {
            let json = whole(value(argument)?, "attempts", 1, ATTEMPTS_MAX)?;
            policy.add(ident, "attempts", json)
        }
        "initial" => policy.add(ident, "initial", checked(value(argument)?, text::wait)?),
        "factor" => policy.add(ident, "factor", factor(value(argument)?)?),
        "max" => policy.add(ident, "max", checked(value(argument)?, text::wait)?),
        _ => Err(unknown(ident.span(), RETRY_MEMBERS)),
    }
}

fn unknown(span: Span, accepted: &str) -> Error {
    Error::new(span, format!("no such member; there are: {accepted}"))
}

fn value(argument: &Meta) -> Result<&Expr> {
    match argument {
        Meta::NameValue(pair) => Ok(&pair.value),
        Meta::Path(_) | Meta::List(_) => {
            Err(Error::new_spanned(argument, "this member needs a value: `name = value`"))
        }
    }
}

fn checked(value: &Expr, rule: fn(&str) -> text::Check) -> Result<String> {
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
struct Errors(Option<Error>);

impl Errors {
    fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        match (result, &mut self.0) {
            (Ok(value), _) => return Some(value),
            (Err(error), Some(first)) => first.combine(error),
            (Err(error), none) => *none = Some(error),
        }
        None
    }

    fn done(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &str, expect: std::result::Result<&str, &str>) {
        let manifest = syn::parse_str::<Manifest>(arguments);
        let outcome = manifest.map(|m| m.json_members()).map_err(|e| e.to_string());
        assert_eq!(outcome.as_deref().map_err(String::as_str), expect, "{arguments}");
    }

    #[test]
    fn only_what_is_given_is_in_the_manifest() {
        check(r#"on = "a.*""#, Ok(r#""on":["a.*"]"#));
        check(
            r#"on = ["a", "b.**"], key = "data./a\"b""#,
            Ok(r#""on":["a","b.**"],"key":"data./a\"b""#),
        );
        check(
            r#"on = "a", retry(attempts = 8, initial = "200ms", factor = 2, max = "30s"), timeout = "2s","#,
            Ok(
                r#""on":["a"],"retry":{"attempts":8,"initial":"200ms","factor":2.0,"max":"30s"},"timeout":"2s""#,
            ),
        );
        check(
            r#"on = "a", memory = "16MiB", concurrency = 4, priority = 0"#,
            Ok(r#""on":["a"],"memory":"16MiB","concurrency":4,"priority":0"#),
        );
        check(r#"on = "a", retry()"#, Ok(r#""on":["a"],"retry":{}"#));
    }

    #[test]
    fn control_characters_are_escaped() {
        check(r#"on = "a", filter = "x\n\u{7f}""#, Ok(r#""on":["a"],"filter":"x\u000a\u007f""#));
    }

    #[test]
    fn a_member_is_given_once() {
        check(r#"on = "a", on = "b""#, Err("`on` is given twice"));
        check(r#"on = ["a", "a"]"#, Err("this pattern is given twice"));
    }
}
