//! Tokens while they change.

use super::*;
use crate::scope::Scope;
use crate::token::NewToken;

const NOW: Timestamp = Timestamp(1_000_000);

fn new(name: &str) -> NewToken {
    let scopes = [Scope::Send].into_iter().collect();
    NewToken { name: name.into(), scopes, ..NewToken::default() }
}

fn scratch() -> (tempfile::TempDir, TokenFile) {
    let dir = tempfile::tempdir().unwrap();
    let file = TokenFile::new(dir.path().join("tokens.toml"));
    (dir, file)
}

fn find(tokens: &Tokens, text: &str, now: Timestamp) -> Result<String, Refusal> {
    tokens.find(text.as_bytes(), now).map(|found| found.token().name.clone())
}

#[test]
fn a_host_asks_for_tokens_once_there_is_a_file_and_never_stops() {
    let (_dir, file) = scratch();
    let tokens = Tokens::open(file.clone(), false, None).unwrap();
    assert!(!tokens.is_required() && tokens.is_empty());
    file.create(new("ci"), NOW).unwrap();
    let changed = tokens.refresh().unwrap().unwrap();
    assert_eq!(changed, Changed { added: vec!["ci".into()], ..Changed::default() });
    assert!(tokens.is_required() && !tokens.is_empty());
    assert_eq!(tokens.refresh().unwrap(), None);
    file.revoke("ci").unwrap();
    assert_eq!(tokens.refresh().unwrap().unwrap().removed, ["ci"]);
    assert!(tokens.is_required() && tokens.is_empty());
    std::fs::remove_file(file.path()).unwrap();
    assert_eq!(tokens.refresh().unwrap(), None);
    assert!(tokens.is_required());
    assert!(Tokens::open(file.clone(), true, None).unwrap().is_required());
    assert!(Tokens::open(file.clone(), false, Some(b"x")).unwrap().is_required());
    std::fs::write(file.path(), "version = 1").unwrap();
    assert!(Tokens::open(file, false, None).unwrap().is_required());
}

#[test]
fn a_token_is_found_by_its_whole_text() {
    let (_dir, file) = scratch();
    let (_, text) = file.create(new("ci"), NOW).unwrap();
    let (_, other) = file.create(new("other"), NOW).unwrap();
    let tokens = Tokens::open(file, false, Some(b"s3cret")).unwrap();
    let text = text.reveal();
    assert_eq!(find(&tokens, text, NOW).unwrap(), "ci");
    assert_eq!(find(&tokens, "s3cret", NOW).unwrap(), "configuration");
    assert_eq!(tokens.names(), ["ci", "configuration", "other"]);
    let mixed = format!("{}{}", &text[..18], &other.reveal()[18..]);
    let long = "x".repeat(100_000);
    for wrong in ["", "s3cre", "S3cret", &text.to_uppercase(), &mixed, &text[..65], &long] {
        assert_eq!(find(&tokens, wrong, NOW), Err(Refusal::Unknown), "{wrong}");
    }
    assert_eq!(tokens.find(b"\xff", NOW).unwrap_err(), Refusal::Unknown);
}

#[test]
fn what_is_over_is_over_without_anybody_looking() {
    let (_dir, file) = scratch();
    let (_, old) = file.create(new("ci"), NOW).unwrap();
    let expires = Some(NOW.plus(Duration::from_secs(60)));
    let (_, short) = file.create(NewToken { expires, ..new("short") }, NOW).unwrap();
    let (_, newer) = file.rotate("ci", Duration::from_secs(60), NOW).unwrap();
    let tokens = Tokens::open(file, false, None).unwrap();
    let found = tokens.find(old.reveal().as_bytes(), NOW).unwrap();
    let end = NOW.plus(Duration::from_secs(60));
    assert!(tokens.still_holds(&found, NOW) && !tokens.still_holds(&found, end));
    for text in [&old, &short] {
        assert!(find(&tokens, text.reveal(), Timestamp(end.ms() - 1)).is_ok());
        assert_eq!(find(&tokens, text.reveal(), end), Err(Refusal::Expired));
    }
    assert!(find(&tokens, newer.reveal(), end).is_ok());
}

#[test]
fn what_was_found_holds_until_it_is_changed_or_revoked() {
    let (_dir, file) = scratch();
    let (_, text) = file.create(new("ci"), NOW).unwrap();
    file.create(new("other"), NOW).unwrap();
    let tokens = Tokens::open(file.clone(), false, Some(b"fixed")).unwrap();
    let found = tokens.find(text.reveal().as_bytes(), NOW).unwrap();
    let fixed = tokens.find(b"fixed", NOW).unwrap();
    file.revoke("other").unwrap();
    tokens.refresh().unwrap();
    assert!(tokens.still_holds(&found, NOW));
    let narrowed = std::fs::read_to_string(file.path()).unwrap().replace("send", "read");
    std::fs::write(file.path(), narrowed).unwrap();
    assert_eq!(tokens.refresh().unwrap().unwrap().changed, ["ci"]);
    assert!(!tokens.still_holds(&found, NOW));
    file.revoke("ci").unwrap();
    tokens.refresh().unwrap();
    assert!(!tokens.still_holds(&found, NOW) && tokens.still_holds(&fixed, NOW));
}

#[test]
fn a_broken_file_changes_nothing_and_is_told_once() {
    let (_dir, file) = scratch();
    let (_, text) = file.create(new("ci"), NOW).unwrap();
    let tokens = Tokens::open(file.clone(), false, None).unwrap();
    std::fs::write(file.path(), "nonsense").unwrap();
    assert_eq!(tokens.refresh().unwrap_err().code(), "access.file");
    assert_eq!(tokens.refresh().unwrap(), None);
    assert_eq!(find(&tokens, text.reveal(), NOW).unwrap(), "ci");
    assert!(Tokens::open(file, false, None).is_err());
}

#[test]
fn what_was_used_of_a_limit_stays_used() {
    let (_dir, file) = scratch();
    let limited = |name| NewToken { rate: Some("5/d".parse().unwrap()), ..new(name) };
    let (_, text) = file.create(limited("ci"), NOW).unwrap();
    let tokens = Tokens::open(file.clone(), false, Some(b"free")).unwrap();
    let found = || tokens.find(text.reveal().as_bytes(), NOW).unwrap();
    assert_eq!(tokens.take(&found(), 5).unwrap().unwrap().remaining, 0);
    assert!(tokens.take(&found(), 1).is_err());
    // Another secret is no new limit.
    file.rotate("ci", Duration::from_secs(60), NOW).unwrap();
    tokens.refresh().unwrap();
    assert!(tokens.take(&found(), 1).is_err());
    assert_eq!(tokens.left(&found()).unwrap().remaining, 0);
    let free = tokens.find(b"free", NOW).unwrap();
    assert_eq!((tokens.take(&free, 1000), tokens.left(&free)), (Ok(None), None));
}
