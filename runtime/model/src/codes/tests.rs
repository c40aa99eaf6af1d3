//! The table of error codes as a whole: each once, in the form of the others, and the document that is
//! written from it. Whether the sources have them all is asked by `tests/integration/tidy.rs`.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{SECTIONS, Section, all, find};

#[path = "../../../../tests/harness/reference.rs"]
mod reference;

const HEAD: &str = "# Error codes

A code never changes its meaning. Over HTTP it is the member `code` of an `application/problem+json` answer; on a dead
letter and in an event's story it is the attempt's error; the command line prints it in brackets, and `trip explain CODE`
prints its row. This page is written from the table that `trip explain` reads.
";

/// `docs/errors.md`. A section none of whose codes is an answer has no column of statuses.
fn document() -> String {
    let mut out = HEAD.to_owned();
    for section in SECTIONS {
        write_section(&mut out, section);
    }
    out
}

fn write_section(out: &mut String, section: &Section) {
    write!(out, "\n## {}\n\n", section.title).unwrap();
    if !section.about.is_empty() {
        write!(out, "{}\n\n", section.about).unwrap();
    }
    let statuses = section.codes.iter().any(|code| code.status.is_some());
    let (head, rule) = if statuses { ("status | ", "---|") } else { ("", "") };
    write!(out, "| code | {head}what it says | what to do |\n|---|{rule}---|---|\n").unwrap();
    for code in section.codes {
        let status = match (statuses, code.status) {
            (false, _) => String::new(),
            (true, None) => "– | ".to_owned(),
            (true, Some(status)) => format!("{status} | "),
        };
        writeln!(out, "| `{}` | {status}{} | {} |", code.code, code.says, code.next).unwrap();
    }
}

#[test]
fn the_reference_is_that_of_the_codes() {
    reference::agrees("docs/errors.md", &document());
}

#[test]
fn a_code_is_there_once_and_found() {
    let codes: BTreeSet<&str> = all().map(|code| code.code).collect();
    assert_eq!(codes.len(), all().count());
    assert!(all().all(|code| find(code.code) == Some(code)));
    assert_eq!(find("filter.syntax").unwrap().status, Some(422));
    assert_eq!(find("filter.syntax "), None);
}

#[test]
fn each_says_something_in_the_form_of_the_others() {
    for code in all() {
        let plain = |c: char| c.is_ascii_lowercase() || c == '_';
        let (family, name) = code.code.split_once('.').unwrap();
        assert!(family.chars().all(plain) && name.chars().all(plain), "{}", code.code);
        for text in [code.says, code.next] {
            assert!(!text.is_empty() && !text.contains(['|', '\n']), "{}: {text}", code.code);
            assert!(!text.ends_with('.'), "{}: {text}", code.code);
            assert_eq!(text.matches('`').count() % 2, 0, "{}: {text}", code.code);
        }
        assert!(code.status.is_none_or(|status| (400..600).contains(&status)), "{}", code.code);
    }
}
