//! The book is whole: every page has its place in the summary, and every link leads somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::harness::{documents, root};

const SUMMARY: &str = "docs/SUMMARY.md";

/// The targets of the links of a document, code left out, each with its line.
fn links(document: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(document) {
        for part in line.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            found.push((number, target.to_owned()));
        }
    }
    found
}

/// The lines that are no code, without what stands between backticks.
fn prose(document: &str) -> Vec<(usize, String)> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let mut in_code = false;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            found.push((number + 1, without_code(line)));
        }
    }
    found
}

/// The target of a link stays, though its text is code.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The anchors of a document's headings, as GitHub and mdBook make them.
fn anchors(document: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let mut in_code = false;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for line in text.lines() {
        in_code ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if in_code || title == line || !title.starts_with(' ') {
            continue;
        }
        let anchor = anchor(title.trim());
        let before = seen.entry(anchor.clone()).or_default();
        found.insert(if *before == 0 { anchor } else { format!("{anchor}-{before}") });
        *before += 1;
    }
    found
}

fn anchor(title: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    title.chars().filter(kept).collect::<String>().to_lowercase().replace(' ', "-")
}

/// Where a link of a document leads, from the root of the workspace.
fn resolved(document: &str, target: &str) -> String {
    let mut path = PathBuf::from(document);
    path.pop();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{document}: {target} leaves the checkout"),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path.to_str().unwrap().to_owned()
}

fn is_page(document: &str) -> bool {
    document.starts_with("docs/") && document != SUMMARY
}

#[test]
fn every_page_is_in_the_summary_and_every_entry_is_a_page() {
    let pages: BTreeSet<String> = documents().into_iter().filter(|name| is_page(name)).collect();
    let entries: Vec<String> =
        links(SUMMARY).iter().map(|(_, target)| resolved(SUMMARY, target)).collect();
    let distinct: BTreeSet<String> = entries.iter().cloned().collect();
    assert_eq!(distinct, pages);
    assert_eq!(distinct.len(), entries.len(), "a page has one place: {entries:#?}");
}

#[test]
fn no_merge_is_left_half_done() {
    let is_mark = |line: &str| ["<<<<<<< ", ">>>>>>> "].iter().any(|mark| line.starts_with(mark));
    for document in documents() {
        let text = fs::read_to_string(root().join(&document)).unwrap();
        let found = text.lines().position(|line| is_mark(line) || line == "=======");
        assert_eq!(found, None, "{document} has both sides of a merge from this line on");
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for document in documents() {
        for (line, target) in links(&document) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, fragment) = target.split_once('#').unwrap_or((&target, ""));
            let to = if path.is_empty() { document.clone() } else { resolved(&document, path) };
            let is_there = root().join(&to).exists();
            let is_named = fragment.is_empty() || is_there && anchors(&to).contains(fragment);
            // The book is these pages alone.
            let leaves = is_page(&document) && !to.starts_with("docs/");
            if !is_there || !is_named || leaves {
                wrong.push(format!("{document}:{line}: {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_anchor_is_made_as_readers_make_it() {
    let check = |title, expect| assert_eq!(anchor(title), expect);
    check("`kill -9`", "kill--9");
    check("Who may do what", "who-may-do-what");
    check("`[hooks.NAME]`", "hooksname");
    check("GET /api/v1/functions/{name}", "get-apiv1functionsname");
    check("Why is this waiting?", "why-is-this-waiting");
}
