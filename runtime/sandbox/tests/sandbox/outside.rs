//! What is outside the sandbox stays outside.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::harness::{misbehaved, reply};

#[tokio::test]
async fn there_are_no_files() {
    let said = reply(misbehaved("read-file", "{}").await);
    assert!(said.starts_with("refused: "), "{said}");
}

#[tokio::test]
async fn the_hosts_environment_is_not_the_guests() {
    assert!(std::env::var_os("PATH").is_some());
    assert_eq!(reply(misbehaved("env", "{}").await), "{}");
}

#[tokio::test]
async fn the_clock_is_the_hosts() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the guest's clock is compared with the real one"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let theirs: u128 = reply(misbehaved("clock", "{}").await).parse().unwrap();
    assert!(theirs.abs_diff(now.as_millis()) < 60_000, "{theirs}");
}

#[tokio::test]
async fn random_numbers_differ_from_attempt_to_attempt() {
    let first = reply(misbehaved("random", "{}").await);
    assert_ne!(first, reply(misbehaved("random", "{}").await));
}
