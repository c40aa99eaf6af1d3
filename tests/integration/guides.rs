//! The pages of the book that lead through something do what they say: each is walked from its
//! first command to its last, with hosts that it starts itself, and prints what it shows.

use std::os::unix::fs::symlink;
use std::process;

use crate::docs::cargo_target;
use crate::harness::{Kind, Ran, Script, blocks_of, root};

/// Walked by the tests below, each in a directory of its own.
pub(crate) const PAGES: [&str; 10] = [
    "docs/first-function.md",
    "docs/guides/deploying.md",
    "docs/guides/devices.md",
    "docs/guides/operating.md",
    "docs/guides/ordering.md",
    "docs/guides/payments.md",
    "docs/guides/recovering.md",
    "docs/guides/testing.md",
    "docs/guides/timers.md",
    "docs/guides/webhooks.md",
];

/// Where the pages say that the host is, up to the last digit of its port.
const ADDRESS: &str = "127.0.0.1:707";

/// An address of loopback that no other page has, and no other run of the tests.
fn address_of(page: &str) -> String {
    let number = PAGES.iter().position(|other| *other == page).expect("the page is in the list");
    let [_, high, middle, low] = process::id().to_be_bytes();
    format!("127.{}.{middle}.{low}", (number as u8 + 1) << 4 | (high & 0xf))
}

/// Runs the commands of a page. The directory is as that of a checkout, as far as the samples go.
#[track_caller]
fn walk(page: &str) {
    let scratch = tempfile::tempdir().unwrap();
    symlink(root().join("functions"), scratch.path().join("functions")).unwrap();
    let mut script = Script::new();
    let mut shown = Vec::new();
    for block in blocks_of(page) {
        match block.kind() {
            Some(Kind::Shell) => script.run(&block.place(), &block.text),
            Some(Kind::ShellFails) => script.run_failing(&block.place(), &block.text),
            Some(Kind::Rust) => script.write(&block, "src/lib.rs"),
            Some(Kind::Toml) => script.write(&block, "triphammer.toml"),
            Some(Kind::Text) => shown.push((block.place(), block.text)),
            _ => {}
        }
    }
    let address = address_of(page);
    let script = script.substituted(|text| {
        let text = text.replace(ADDRESS, &format!("{address}:707"));
        text.replace("IP:127.0.0.1", &format!("IP:{address}"))
    });
    let ran = script.finish_alone(scratch.path(), &format!("{address}:7070"), &cargo_target());
    for (place, text) in shown {
        let missing: Vec<&str> = text.lines().filter(|line| !is_said(line, &ran)).collect();
        assert!(
            missing.is_empty(),
            "{place}: {missing:#?} is not in:\n{}{}",
            ran.stdout,
            ran.stderr
        );
    }
}

fn is_said(line: &str, ran: &Ran) -> bool {
    ran.stdout.lines().chain(ran.stderr.lines()).any(|said| is_like(said, line))
}

/// Whether a line is the one that is shown: any number is like any other, and `…` is anything.
fn is_like(said: &str, shown: &str) -> bool {
    let (said, shown) = (numbers_alike(said), numbers_alike(shown));
    let parts: Vec<&str> = shown.split('…').collect();
    let [first, middle @ .., last] = &parts[..] else { return said == shown };
    let Some(mut rest) = said.strip_prefix(first) else { return false };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// One space for several, and 0 for each number.
fn numbers_alike(line: &str) -> String {
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::new();
    for c in line.chars() {
        match c {
            '0'..='9' if out.ends_with('0') => {}
            '0'..='9' => out.push('0'),
            c => out.push(c),
        }
    }
    out
}

#[test]
fn the_first_function_takes_its_way_to_a_rollback() {
    walk("docs/first-function.md");
}

#[test]
fn a_deploy_is_tried_promoted_and_taken_back() {
    walk("docs/guides/deploying.md");
}

#[test]
fn devices_have_their_state_and_their_order() {
    walk("docs/guides/devices.md");
}

#[test]
fn a_host_is_watched_backed_up_and_protected() {
    walk("docs/guides/operating.md");
}

#[test]
fn a_lane_halts_and_others_go_on() {
    walk("docs/guides/ordering.md");
}

#[test]
fn money_is_moved_once() {
    walk("docs/guides/payments.md");
}

#[test]
fn a_killed_host_and_a_damaged_file_are_recovered_from() {
    walk("docs/guides/recovering.md");
}

#[test]
fn a_function_is_tested_natively_and_on_a_host() {
    walk("docs/guides/testing.md");
}

#[test]
fn timers_and_schedules_come_due() {
    walk("docs/guides/timers.md");
}

#[test]
fn a_webhook_is_proven_filtered_and_taken_in_once() {
    walk("docs/guides/webhooks.md");
}

#[test]
fn what_is_shown_is_what_is_said_but_for_numbers() {
    let check = |said, shown, expect| assert_eq!(is_like(said, shown), expect, "{said}: {shown}");
    check("r1  147 KB  12:30", "r2 1 KB 00:00", true);
    check("a committed in 2.00 ms", "a committed in …", true);
    check("a committed in 2.00 ms", "a … in … ms", true);
    check("a dead in 2.00 ms", "a committed in …", false);
    check("a committed in 2.00 ms", "a committed", false);
    check("ab", "ab…b", false);
}
