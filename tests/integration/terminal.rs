//! The views on a real terminal: what they show, what their keys do, and that the terminal is
//! given back however they end.

use rustix::process::Signal;

use crate::harness::{Host, Setup, Terminal, event};

#[test]
fn the_feed_is_a_view_on_a_terminal() {
    let host = Host::start();
    host.deploy("misbehave", "misbehave");
    let mut tail = Terminal::start(&host.url(), &["tail"]);
    tail.shows("follows");
    tail.shows("nothing has happened yet");
    host.settle(&event("misbehave.reject").subject("first"));
    tail.shows("misbehave.reject · first → misbehave");
    tail.shows("misbehave r1 ✗ dead after");
    tail.shows("invoke.rejected");
    tail.press("\r");
    tail.shows("attempt 1 r1");
    tail.press("\u{1b}");
    tail.shows("space stop");
    tail.press("/nothing-like-it\r");
    tail.shows("found: nothing-like-it");
    tail.shows("nothing has it");
    tail.press("\u{1b}");
    tail.shows("first → misbehave");
    tail.press("?");
    tail.shows("the event's whole tree");
    tail.press("x ");
    tail.shows("stopped, 0 since");
    host.settle(&event("misbehave.reject").subject("second"));
    tail.hides("stopped, 0 since");
    tail.hides("second");
    tail.press(" ");
    tail.shows("second → misbehave");
    tail.press("q");
    tail.gives_back(0);
}

#[test]
fn a_view_gives_the_terminal_back_when_it_is_interrupted_or_ended() {
    let host = Host::start();
    for view in ["tail", "top"] {
        let mut interrupted = Terminal::start(&host.url(), &[view]);
        interrupted.shows("quit");
        interrupted.press("\u{3}");
        interrupted.gives_back(0);
        let ended = Terminal::start(&host.url(), &[view]);
        ended.shows("quit");
        ended.signal(Signal::TERM);
        ended.gives_back(0);
    }
}

#[test]
fn a_view_goes_on_over_a_restart_of_the_host() {
    let host = Host::start();
    let listen = host.address().to_string();
    let mut tail = Terminal::start(&host.url(), &["tail"]);
    tail.shows("quit");
    let setup: Setup = host.kill_9();
    tail.shows("no connection, trying again");
    let host = setup.listen(&listen).start();
    tail.hides("no connection");
    host.accept(&event("counter.add").subject("after"));
    tail.shows("counter.add · after");
    tail.press("q");
    tail.gives_back(0);
}

#[test]
fn the_host_and_its_functions_are_a_view_on_a_terminal() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.settle(&event("counter.add").subject("a"));
    let mut top = Terminal::start(&host.url(), &["top"]);
    top.shows("FUNCTION");
    top.shows("counter   r1");
    top.shows("live");
    top.press("?");
    top.shows("by dead letters");
    top.press("x ");
    top.shows("stopped");
    top.press("q");
    top.gives_back(0);
}

#[test]
fn a_terminal_is_not_taken_over_for_nothing() {
    for view in ["tail", "top"] {
        let mut refused = Terminal::start("http://127.0.0.1:9", &[view]);
        let (status, said) = refused.ended();
        assert_eq!(status.code(), Some(1));
        assert!(said.contains("no host answers") && said.contains("trip up"), "{said}");
    }
    let host = Host::start();
    let mut once = Terminal::start(&host.url(), &["top", "--once"]);
    let (status, said) = once.ended();
    assert_eq!(status.code(), Some(0));
    assert!(said.contains("queue 0 ready"), "{said}");
}
