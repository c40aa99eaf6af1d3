//! The dashboard in a real browser: every page with data and without, by mouse and by keyboard.
//!
//! Where there is no browser these tests say so and pass, unless `TRIPHAMMER_BROWSER=required`.

use serde_json::json;

use crate::harness::{Host, Page, component, event};

const ESCAPE: &str = "\u{e00c}";
const ENTER: &str = "\u{e007}";

#[test]
fn empty_pages_say_what_to_do_next() {
    let host = Host::start();
    let Some(mut page) = Page::of(&host) else { return };
    for (place, title) in [
        ("", "No function is deployed yet."),
        ("functions", "No function is deployed yet."),
        ("events", "No event has come in yet."),
        ("events?live=1", "Nothing has happened since this page was opened."),
        ("queue", "Nothing is open."),
        ("queue?status=blocked", "Nothing is blocked behind another."),
        ("queue?status=times", "No function has a schedule."),
        ("dead", "No dead letters."),
        ("state", "No function remembers anything yet."),
    ] {
        page.go(place);
        page.see(".empty .title", title);
        page.wait("document.querySelector('.empty p + p').textContent.length > 10");
    }
    page.go("send");
    page.see("#samples", "Nothing has come in yet");
    page.go("settings");
    page.see("#tokens", "Whoever reaches this host may do everything");
    page.go("nowhere");
    page.see(".problem", "there is no such page");
    page.go("events/99");
    page.see(".problem", "There is no event 99");
    page.is_well(&["404 (Not Found)", "there is no such page", "There is no event 99"]);
}

#[test]
fn the_keyboard_leads_everywhere() {
    let host = Host::start();
    host.deploy("counter", "counter");
    for n in 1..=3 {
        host.settle(&event("counter.add").subject(&format!("s-{n}")));
    }
    let Some(mut page) = Page::of(&host) else { return };
    page.see("h1", "Overview");
    let keys = ["gf", "ge", "gq", "gd", "gs", "gn", "gc", "go"];
    let places = ["functions", "events", "queue", "dead", "state", "send", "settings", ""];
    for (keys, place) in keys.into_iter().zip(places) {
        page.press(keys);
        page.at(place);
    }
    page.press("?");
    page.see("dialog", "Next and previous in a list");
    page.press(ESCAPE);
    page.wait("!document.querySelector('dialog')");
    page.press("ge");
    page.see("#list table", "counter.counted");
    page.press("/");
    page.wait("document.activeElement.name === 'type'");
    page.press(&format!("counter.add{ENTER}"));
    page.at("events?type=counter.add");
    page.wait("document.querySelectorAll('#list tbody tr').length === 3");
    page.wait("document.activeElement.id === 'main'");
    page.press("jjk");
    page.wait("document.activeElement === document.querySelector('#list tbody tr:first-child a')");
    page.press(ENTER);
    page.see("h1", "counter.add");
    page.press(ESCAPE);
    page.at("events?type=counter.add");
    page.press("t");
    page.wait("document.documentElement.dataset.theme === 'light'");
    page.press("t");
    page.wait("document.documentElement.dataset.theme === 'dark'");
    page.wait("getComputedStyle(document.body).backgroundColor === 'rgb(20, 18, 16)'");
    page.is_well(&[]);
}

#[test]
fn an_event_has_its_story_as_a_waterfall() {
    let host = Host::start();
    host.deploy("counter", "counter");
    host.deploy("script", "script");
    host.deploy_with("relay", "relay", json!({"to": "told"}), json!({"on": ["script.done"]}));
    let data = json!({"steps": [{"set": "a"}], "retries": 1});
    let sent = host.settle(&event("script.run").id("one").data(data));
    host.settled();
    let Some(mut page) = Page::of(&host) else { return };
    page.go("events");
    page.fill("form.search [name=type]", "script.*");
    page.fill("form.search [name=id]", "one");
    page.choose("form.search [name=outcome]", "committed");
    page.click("form.search button", "Search");
    page.wait("document.querySelectorAll('#list tbody tr').length === 1");
    page.click("#list tbody a", "#");
    page.see("h1", "script.run");
    let seq = sent["seq"].as_str().unwrap();
    page.at(&format!("events/{seq}"));
    // The event with its two attempts and the wait between them, and what it emitted.
    page.see("#caused li.here", "script.run");
    page.see("#caused li:nth-child(2)", "script.done");
    page.wait("document.querySelectorAll('#caused li.here .bar.retry').length === 1");
    page.wait("document.querySelectorAll('#caused li.here .bar.committed').length === 1");
    page.see("#deliveries .wait-line", "to be tried again");
    page.see("#deliveries .attempt.retry", "invoke.retry");
    page.see("#deliveries .attempt.committed", "Attempt 2");
    page.see("#data", "\"retries\"");
    page.see("#headers", "specversion");
    page.click("#caused li:nth-child(2) a", "script.done");
    page.see("h1", "script.done");
    page.see("#caused li.here", "script.done");
    page.is_well(&[]);
}

#[test]
fn an_event_is_replayed_with_another_payload_and_run_dry() {
    let host = Host::start();
    host.deploy("script", "script");
    host.deploy_with("script", "script", json!({"a": "b"}), json!({}));
    let sent = host.settle(&event("script.run").data(json!({"steps": [{"set": "before"}]})));
    let Some(mut page) = Page::of(&host) else { return };
    page.go(&format!("events/{}", sent["seq"].as_str().unwrap()));
    page.click("button", "Dry run");
    page.choose("#trial [name=against]", "r1");
    page.click("#trial button", "Run, keep nothing");
    page.see("#trial .attempt", "would write");
    page.see("#trial .difference", "the same");
    page.click("button", "Replay");
    page.fill("dialog [name=data]", "{\"steps\": [");
    page.click("dialog button", "Replay with this payload");
    page.see("dialog .problem", "This is not JSON");
    page.fill("dialog [name=data]", "{\"steps\":[{\"set\":\"after\"}],\"n\":12345678901234567890}");
    page.click("dialog button", "Replay with this payload");
    page.wait("!document.querySelector('dialog')");
    page.see("#deliveries .attempt.committed", "after");
    // No digit of a number is lost on the way there and back.
    page.see("#data", "12345678901234567890");
    page.is_well(&[]);
}

/// A file let go over the place for it.
const DROP: &str = "
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(['no'], 'dropped.wasm'));
    document.querySelector('.drop').dispatchEvent(new DragEvent('drop', { dataTransfer }));";

#[test]
fn a_component_is_reviewed_before_it_serves() {
    let host = Host::start();
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("Counter_Two.wasm");
    std::fs::write(&file, component("counter")).unwrap();
    let wrong = files.path().join("wrong.wasm");
    std::fs::write(&wrong, b"no component").unwrap();
    let Some(mut page) = Page::of(&host) else { return };
    page.go("functions");
    page.upload("input[type=file]", &wrong);
    page.click("#upload button", "Upload");
    page.see("#upload .problem", "module.");
    page.run(DROP);
    page.see("#upload h2", "Upload dropped.wasm (2 B)");
    page.click("#upload button", "Cancel");
    page.wait("!document.querySelector('#upload')");
    page.upload("input[type=file]", &file);
    page.see("#upload input[name=name]", "counter-two");
    page.click("#upload button", "Upload");
    page.see("#review", "would be the first revision of counter-two");
    page.see("#review .chip", "emit");
    assert_eq!(host.get("/api/v1/functions/counter-two")["active"], json!(null));
    page.click("#review button", "Activate");
    page.wait("!document.querySelector('#review')");
    assert_eq!(host.get("/api/v1/functions/counter-two")["active"], "r1");
    page.go("functions/counter-two");
    page.see("#revisions", "active");
    page.upload("input[type=file]", &file);
    page.fill("#upload [name=config]", "{\"limit\": \"größer\"}");
    page.click("#upload button", "Upload");
    page.see("#review h2", "from r1 to r2");
    page.see("#review .diff .plus", "größer");
    page.click("#review button", "Leave it");
    page.click("#revisions button", "Activate");
    page.see("#review h2", "from r1 to r2");
    page.click("#review summary", "only a share");
    page.click("#review button", "Start a canary");
    page.see("#revisions .split", "r2 · 10 %");
    page.click("#revisions button", "Promote");
    page.click("#review button", "Activate r2");
    page.click(".head button", "Roll back to r1");
    page.click("dialog button", "Roll back");
    page.wait("document.querySelector('#revisions tr:nth-child(2) .chip.good')");
    assert_eq!(host.get("/api/v1/functions/counter-two")["active"], "r1");
    page.click(".head button", "Pause");
    page.see(".note", "Deliveries wait until it is resumed");
    page.click(".head button", "Resume");
    page.wait("!document.body.innerText.includes('until it is resumed')");
    page.is_well(&["422"]);
}

#[test]
fn dead_letters_are_redriven_and_followed() {
    let host = Host::start();
    host.deploy("relay", "relay");
    for _ in 0..3 {
        host.settle(&event("relay.a"));
    }
    host.deploy("misbehave", "misbehave");
    host.settle(&event("misbehave.reject"));
    host.deploy_with("relay", "relay", json!({"to": "relayed"}), json!({}));
    let Some(mut page) = Page::of(&host) else { return };
    page.go("dead");
    page.see("#causes tr:first-child", "the configuration has no `to`");
    page.click("#causes tr:first-child a", "invoke.rejected");
    page.wait("document.querySelectorAll('#list tbody tr').length === 3");
    page.click("#causes button", "Redrive");
    page.click("dialog button", "Redrive");
    page.see("#after", "3 committed, 0 dead again, 0 still open");
    page.see("#causes", "No dead letters");
    page.go("dead");
    page.click("#causes button", "Redrive");
    page.click("dialog button", "Redrive");
    page.see("#after", "0 committed, 1 dead again, 0 still open");
    page.see("#causes", "it will not pass");
    page.is_well(&[]);
}

#[test]
fn the_queue_says_what_waits_for_what() {
    let host = Host::start();
    let schedule = json!({
        "on": ["counter.add"], "key": "subject",
        "schedule": {"name": "nightly", "cron": "30 3 * * *", "zone": "Asia/Kolkata"},
    });
    host.deploy_with("counter", "counter", json!({}), schedule);
    host.post("/api/v1/functions/counter/pause", json!(null));
    for _ in 0..3 {
        host.accept(&event("counter.add").subject("tea"));
    }
    host.accept(&event("counter.add").subject("later").with("delay", "1h"));
    let Some(mut page) = Page::of(&host) else { return };
    page.go("queue");
    page.see("#list tr", "tea");
    page.see("[data-stopped=counter]", "paused");
    page.click(".tabs a", "Blocked");
    page.see("#list", "behind delivery");
    page.wait("document.querySelectorAll('#list tbody tr').length === 2");
    page.click(".tabs a", "Timers");
    page.see("#list", "nightly");
    page.see("#list", "03:30 GMT+5:30");
    page.see("#list", "for later");
    page.click("[data-stopped=counter] button", "Resume");
    page.wait("!document.querySelector('[data-stopped]')");
    page.choose(".head select", "counter");
    page.click("button", "Pause counter");
    page.see("[data-stopped=counter]", "paused");
    page.is_well(&[]);
}

#[test]
fn what_is_sent_is_found_in_the_state_and_its_history() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let Some(mut page) = Page::of(&host) else { return };
    page.go("send");
    page.click("#samples button.pick", "counter.add");
    page.fill("[name=subject]", "tea");
    page.fill("[name=data]", "[1, 2");
    page.click("form button", "Send");
    page.see("#receipt .problem", "This is not JSON");
    page.fill("[name=data]", "");
    page.click("form button", "Send");
    page.see("#receipt", "for counter.");
    page.see("#receipt .chip", "committed");
    page.go("");
    page.go("send");
    page.click("#samples td button", "counter.add");
    page.wait("document.querySelector('[name=subject]').value === 'tea'");
    page.click("form button", "Send");
    page.see("#receipt .chip", "committed");
    page.go("state");
    page.click("#list a", "counter");
    page.click("#list tbody a", "");
    page.wait("document.querySelectorAll('#history li').length === 2");
    page.see("#history .diff .plus", "2");
    page.click("#history li:first-child a", "#");
    page.see("h1", "counter.add");
    page.go("settings");
    page.see("#changes", "deploy counter");
    page.is_well(&[]);
}

#[test]
fn functions_come_page_by_page_and_are_found_by_the_host() {
    let host = Host::start();
    (0..52).for_each(|n| drop(host.deploy(&format!("f-{n:02}"), "counter")));
    host.deploy("mail-order", "counter");
    let Some(mut page) = Page::of(&host) else { return };
    page.go("functions");
    page.wait("document.querySelectorAll('#list tbody tr').length === 50");
    page.click(".pager a", "Next page");
    page.at("functions?cursor=f-49");
    page.wait("document.querySelectorAll('#list tbody tr').length === 3");
    page.see("#list", "mail-order");
    page.press("/");
    page.wait("document.activeElement.type === 'search'");
    page.press("f-1");
    page.at("functions?name=f-1");
    page.wait("document.querySelectorAll('#list tbody tr').length === 10");
    page.wait("document.activeElement.type === 'search'");
    page.press("x");
    page.see("#list", "No function has this in its name.");
    page.is_well(&[]);
}
