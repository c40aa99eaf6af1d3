//! `trip explain`: what an error code says, and what to do next. Asks no host.

use serde_json::{Value, json};
use triphammer_model::codes::{self, Code, SECTIONS};

use crate::error::Error;
use crate::output::{Cell, DIM, NAME, Output, Table, paint};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A code such as `journal.disk_full`, or what codes begin with, such as `journal`; all without
    /// it
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// How alike two codes must be for one to be meant by the other, from 0 to 1.
const LIKENESS_MIN: f64 = 0.7;

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<(), Error> {
    let text = args.code.as_deref().unwrap_or_default().trim();
    if let Some(code) = codes::find(text) {
        return show(code, output);
    }
    let family: Vec<&Code> = codes::all().filter(|code| is_of(code, text)).collect();
    if family.is_empty() {
        return Err(Error::Failed(unknown(text)));
    }
    list(&family, output)
}

/// Whether the code begins with this text, as a whole word. Every code begins with nothing.
fn is_of(code: &Code, family: &str) -> bool {
    let family = family.strip_suffix('.').unwrap_or(family);
    family.is_empty() || code.code.split_once('.').is_some_and(|(word, _)| word == family)
}

fn show(code: &Code, output: &mut Output) -> Result<(), Error> {
    if output.is_json() {
        return output.json(&view(code));
    }
    let place = match code.status {
        Some(status) => format!("{} · HTTP {status}", section(code)),
        None => section(code).to_owned(),
    };
    output.line(format_args!("{} · {}", paint(NAME, code.code), paint(DIM, place)))?;
    output.line(format_args!("  {}", code.says))?;
    output.line(format_args!("  next: {}", code.next))
}

fn list(codes: &[&Code], output: &mut Output) -> Result<(), Error> {
    if output.is_json() {
        let codes: Vec<Value> = codes.iter().map(|code| view(code)).collect();
        return output.json(&json!({ "codes": codes }));
    }
    let mut table = Table::new(["CODE", "HTTP", "SAYS"]);
    for code in codes {
        let status = code.status.map_or_else(|| "–".to_owned(), |status| status.to_string());
        table.row([Cell::styled(NAME, code.code), status.into(), code.says.into()]);
    }
    output.text(&table.render())
}

fn view(code: &Code) -> Value {
    json!({
        "code": code.code,
        "status": code.status,
        "section": section(code),
        "says": code.says,
        "next": code.next,
    })
}

fn section(code: &Code) -> &'static str {
    let section = SECTIONS.iter().find(|section| section.codes.contains(code));
    section.map_or("", |section| section.title)
}

fn unknown(text: &str) -> String {
    let text: String = text.chars().take(80).collect();
    let family = text.split('.').next().unwrap_or_default();
    match nearest(&text) {
        Some(code) => format!("there is no code `{text}`: did you mean `{}`?", code.code),
        None if codes::all().any(|code| is_of(code, family)) => {
            format!("there is no code `{text}`: `trip explain {family}` lists those of its kind")
        }
        None => format!("there is no code `{text}`: `trip explain` lists them all"),
    }
}

fn nearest(text: &str) -> Option<&'static Code> {
    let likeness = |code: &&Code| strsim::normalized_damerau_levenshtein(text, code.code);
    codes::all()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|code| likeness(code) >= LIKENESS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(nearest(text).map(|code| code.code), expect, "{text}");
    }

    #[test]
    fn a_slip_finds_the_code_that_was_meant() {
        check("journal.diskfull", Some("journal.disk_full"));
        check("hook.signature_worng", Some("hook.signature_wrong"));
        check("filter.sintax", Some("filter.syntax"));
        check("nothing.of.the.kind", None);
        check("", None);
    }

    #[test]
    fn a_family_is_a_whole_word() {
        let of = |family| codes::all().filter(|code| is_of(code, family)).count();
        assert_eq!(of(""), codes::all().count());
        assert_eq!(of("hook"), of("hook."));
        assert!(of("hook") > 20);
        assert_eq!(of("hoo"), 0);
    }

    #[test]
    fn every_code_has_a_section() {
        assert!(codes::all().all(|code| !section(code).is_empty()));
    }

    #[test]
    fn an_unknown_code_is_told_in_few_words() {
        let told = unknown(&"ä".repeat(5000));
        assert!(told.chars().count() < 160, "{told}");
        assert!(unknown("trust.unsigend").contains("did you mean `trust.unsigned`?"));
        assert!(unknown("journal.burns_brightly").contains("`trip explain journal` lists"));
        assert!(unknown("x").contains("`trip explain` lists them all"));
    }
}
