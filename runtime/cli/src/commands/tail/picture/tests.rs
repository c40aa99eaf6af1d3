//! What stands on the screen for a state of the view, and what keys make of it. Knows no terminal: a
//! picture is text.

use ratatui::crossterm::event::KeyCode;

use super::super::groups::tests::{accepted, attempted, committed, dead, retried};
use super::*;
use crate::screen::testing::picture;

fn state(items: &[serde_json::Value]) -> State {
    let mut state = State::new("http://127.0.0.1:7070 · type a.*".to_owned());
    for item in items {
        state.take(&serde_json::from_value(item.clone()).unwrap());
    }
    state
}

#[track_caller]
fn check(state: &mut State, (width, height): (u16, u16), expect: &str) {
    let found = picture(width, height, |frame| draw(state, frame));
    assert_eq!(found.trim_end(), expect.trim_end(), "\n{found}");
}

fn chain() -> State {
    state(&[
        accepted(41, "user.registered", &["welcome", "audit"]),
        attempted(41, "audit", 1),
        retried(41, "audit"),
        attempted(41, "audit", 2),
        attempted(41, "welcome", 1),
        accepted(42, "other", &[]),
        committed(41, "welcome", &["43"]),
        accepted(43, "email.requested", &["mail"]),
        attempted(43, "mail", 1),
        dead(43, "mail"),
        attempted(40, "late", 3),
    ])
}

#[test]
fn chains_are_groups_with_their_attempts() {
    check(
        &mut chain(),
        (96, 12),
        "\
trip tail  http://127.0.0.1:7070 · type a.*                                        0/s · follows
  03:04:05.000 user.registered · s → welcome, audit  #41
                 audit r1 ↻ attempt 1 failed after 12.0 ms, again at 03:04:06.000  invoke.trap o
                 audit r1 … attempt 2 runs
                 welcome r1 ✓ committed 1.25 ms
  03:04:05.000 └ email.requested · s → mail  #43
                   mail r1 ✗ dead after 20.0 ms  invoke.rejected no
  03:04:05.000 other · s  no function  #42
› 03:04:05.010 #40
                 late r1 … attempt 3 runs

? help  / find  space stop  ↑↓ move  enter story  q quit",
    );
}

#[test]
fn the_list_moves_with_the_cursor_and_follows_at_its_end() {
    let mut state = chain();
    check(
        &mut state,
        (44, 5),
        "\
trip tail  http://127.0.0.1:7  0/s · follows
  03:04:05.000 other · s  no function  #42
› 03:04:05.010 #40
                 late r1 … attempt 3 runs
? help  / find  space stop  ↑↓ move  enter s",
    );
    state.key(KeyCode::Home);
    let top = picture(30, 5, |frame| draw(&mut state, frame));
    assert!(top.contains("› 03:04:05.000 user.registered"), "{top}");
    state.take(&serde_json::from_value(accepted(44, "new", &[])).unwrap());
    assert_eq!(picture(30, 5, |frame| draw(&mut state, frame)), top, "it does not move away");
    state.key(KeyCode::End);
    let end = picture(30, 5, |frame| draw(&mut state, frame));
    assert!(end.contains("› 03:04:05.000 new"), "{end}");
}

#[test]
fn what_is_looked_for_missed_or_stopped_is_said() {
    let mut state = chain();
    state.set_rate(1234);
    let lagged = serde_json::json!({"kind": "lagged", "missed": 50_000});
    state.take(&serde_json::from_value(lagged).unwrap());
    for c in "/rejected".chars() {
        state.key(KeyCode::Char(c));
    }
    let found = picture(110, 12, |frame| draw(&mut state, frame));
    assert!(found.contains("\n/rejected▏\n") && !found.contains("other"), "{found}");
    state.key(KeyCode::Enter);
    state.key(KeyCode::Char(' '));
    state.set_lost(true);
    let found = picture(110, 12, |frame| draw(&mut state, frame));
    let counters = "1,234/s · 50,000 missed · no connection, trying again · stopped, 0 since";
    assert!(found.contains(counters) && found.contains("found: rejected"), "{found}");
}

#[test]
fn a_story_and_the_help_are_over_the_list() {
    let mut state = chain();
    state.key(KeyCode::Enter);
    let reading = picture(60, 6, |frame| draw(&mut state, frame));
    assert!(reading.contains("#40") && reading.contains("reading …"), "{reading}");
    let seq = state.wanted_story().unwrap();
    let text = format!("{}\n├─ two\n└─ three", crate::output::paint(BAD, "one"));
    state.show_story(seq, Ok(text));
    state.key(KeyCode::Down);
    check(
        &mut state,
        (60, 5),
        "\
trip tail  http://127.0.0.1:7070 · type a.*  #40
├─ two
└─ three

↑↓ move  r read again  esc back  q quit",
    );
    state.key(KeyCode::Esc);
    state.key(KeyCode::Char('?'));
    let help = picture(100, 14, |frame| draw(&mut state, frame));
    assert!(help.contains("keys") && help.contains("the event's whole tree"), "{help}");
}

#[test]
fn nothing_and_no_room_are_drawn_too() {
    let mut state = state(&[]);
    let empty = picture(80, 5, |frame| draw(&mut state, frame));
    assert!(empty.contains("nothing has happened yet"), "{empty}");
    let mut state = chain();
    for (width, height) in [(1, 1), (3, 2), (10, 3), (200, 60)] {
        picture(width, height, |frame| draw(&mut state, frame));
        state.key(KeyCode::Up);
    }
    state.key(KeyCode::Char('?'));
    picture(5, 3, |frame| draw(&mut state, frame));
}

#[test]
fn the_cursor_keeps_its_place_on_the_screen() {
    // Ten events of two lines in a window of six.
    let heights = [2; 10];
    assert_eq!(first_line(&heights, 9, 0, 6), 14, "the last is at the bottom");
    assert_eq!(first_line(&heights, 8, 4, 6), 12);
    assert_eq!(first_line(&heights, 5, 4, 6), 6);
    assert_eq!(first_line(&heights, 2, 0, 6), 4);
    assert_eq!(first_line(&heights, 0, 4, 6), 0);
    assert_eq!(first_line(&[9, 1], 0, 0, 4), 0, "of what does not fit, the beginning");
}
