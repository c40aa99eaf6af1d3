//! The dashboard in a real browser: every page with data and without, by mouse and by keyboard.
//!
//! Where there is no browser these tests say so and pass, unless `TRIPHAMMER_BROWSER=required`.

use serde_json::json;

use crate::harness::{Browser, Host, Request, Setup, component, event, trip_in};

/// Every page, by its address.
const PAGES: [&str; 8] = ["", "functions", "events", "queue", "dead", "state", "send", "settings"];

const ESCAPE: &str = "\u{e00c}";
const ENTER: &str = "\u{e007}";

/// A browser that looks at a page of a host.
struct Page {
    browser: Browser,
    url: String,
}

impl Page {
    fn of(host: &Host) -> Option<Self> {
        let mut page = Self { browser: Browser::find()?, url: host.url() };
        page.browser.open(&format!("{}/", page.url));
        Some(page)
    }

    /// Another page of the dashboard, as a link leads there.
    #[track_caller]
    fn go(&mut self, place: &str) {
        self.browser.run(&format!("location.hash = {}", json!(format!("#/{place}"))));
        // The page before it may have the same headings.
        self.browser.wait("document.querySelector('main .page')?.isConnected");
    }

    #[track_caller]
    fn at(&mut self, place: &str) {
        self.browser.wait(&format!("location.hash === {}", json!(format!("#/{place}"))));
    }

    #[track_caller]
    fn is_well(&mut self, expected: &[&str]) {
        let complaints = self.browser.complaints(expected);
        assert!(complaints.is_empty(), "the browser complains: {complaints:#?}");
        assert_eq!(self.browser.run("return window.hit ?? null"), json!(null), "markup was read");
    }
}

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
        page.browser.see(".empty .title", title);
        page.browser.wait("document.querySelector('.empty p + p').textContent.length > 10");
    }
    page.go("send");
    page.browser.see("#samples", "Nothing has come in yet");
    page.go("settings");
    page.browser.see("#tokens", "Whoever reaches this host may do everything");
    page.go("nowhere");
    page.browser.see(".problem", "there is no such page");
    page.go("events/99");
    page.browser.see(".problem", "There is no event 99");
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
    page.browser.see("h1", "Overview");
    let keys = ["gf", "ge", "gq", "gd", "gs", "gn", "gc", "go"];
    let places = ["functions", "events", "queue", "dead", "state", "send", "settings", ""];
    for (keys, place) in keys.into_iter().zip(places) {
        page.browser.press(keys);
        page.at(place);
    }
    page.browser.press("?");
    page.browser.see("dialog", "Next and previous in a list");
    page.browser.press(ESCAPE);
    page.browser.wait("!document.querySelector('dialog')");
    page.browser.press("ge");
    page.browser.see("#list table", "counter.counted");
    page.browser.press("/");
    page.browser.wait("document.activeElement.name === 'type'");
    page.browser.press(&format!("counter.add{ENTER}"));
    page.at("events?type=counter.add");
    page.browser.wait("document.querySelectorAll('#list tbody tr').length === 3");
    page.browser.wait("document.activeElement.id === 'main'");
    page.browser.press("jjk");
    page.browser
        .wait("document.activeElement === document.querySelector('#list tbody tr:first-child a')");
    page.browser.press(ENTER);
    page.browser.see("h1", "counter.add");
    page.browser.press(ESCAPE);
    page.at("events?type=counter.add");
    page.browser.press("t");
    page.browser.wait("document.documentElement.dataset.theme === 'light'");
    page.browser.press("t");
    page.browser.wait("document.documentElement.dataset.theme === 'dark'");
    page.browser.wait("getComputedStyle(document.body).backgroundColor === 'rgb(20, 18, 16)'");
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
    page.browser.fill("form.search [name=type]", "script.*");
    page.browser.fill("form.search [name=id]", "one");
    page.browser.choose("form.search [name=outcome]", "committed");
    page.browser.click("form.search button", "Search");
    page.browser.wait("document.querySelectorAll('#list tbody tr').length === 1");
    page.browser.click("#list tbody a", "#");
    page.browser.see("h1", "script.run");
    let seq = sent["seq"].as_str().unwrap();
    page.at(&format!("events/{seq}"));
    // The event with its two attempts and the wait between them, and what it emitted.
    page.browser.see("#caused li.here", "script.run");
    page.browser.see("#caused li:nth-child(2)", "script.done");
    page.browser.wait("document.querySelectorAll('#caused li.here .bar.retry').length === 1");
    page.browser.wait("document.querySelectorAll('#caused li.here .bar.committed').length === 1");
    page.browser.see("#deliveries .wait-line", "to be tried again");
    page.browser.see("#deliveries .attempt.retry", "invoke.retry");
    page.browser.see("#deliveries .attempt.committed", "Attempt 2");
    page.browser.see("#data", "\"retries\"");
    page.browser.see("#headers", "specversion");
    page.browser.click("#caused li:nth-child(2) a", "script.done");
    page.browser.see("h1", "script.done");
    page.browser.see("#caused li.here", "script.done");
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
    page.browser.click("button", "Dry run");
    page.browser.choose("#trial [name=against]", "r1");
    page.browser.click("#trial button", "Run, keep nothing");
    page.browser.see("#trial .attempt", "would write");
    page.browser.see("#trial .difference", "the same");
    page.browser.click("button", "Replay");
    page.browser.fill("dialog [name=data]", "{\"steps\": [");
    page.browser.click("dialog button", "Replay with this payload");
    page.browser.see("dialog .problem", "This is not JSON");
    page.browser
        .fill("dialog [name=data]", "{\"steps\":[{\"set\":\"after\"}],\"n\":12345678901234567890}");
    page.browser.click("dialog button", "Replay with this payload");
    page.browser.wait("!document.querySelector('dialog')");
    page.browser.see("#deliveries .attempt.committed", "after");
    // No digit of a number is lost on the way there and back.
    page.browser.see("#data", "12345678901234567890");
    page.is_well(&[]);
}

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
    page.browser.upload("input[type=file]", &wrong);
    page.browser.click("#upload button", "Upload");
    page.browser.see("#upload .problem", "module.");
    page.browser.upload("input[type=file]", &file);
    page.browser.see("#upload input[name=name]", "counter-two");
    page.browser.click("#upload button", "Upload");
    page.browser.see("#review", "would be the first revision of counter-two");
    page.browser.see("#review .chip", "emit");
    assert_eq!(host.get("/api/v1/functions/counter-two")["active"], json!(null));
    page.browser.click("#review button", "Activate");
    page.browser.wait("!document.querySelector('#review')");
    assert_eq!(host.get("/api/v1/functions/counter-two")["active"], "r1");
    page.go("functions/counter-two");
    page.browser.see("#revisions", "active");
    page.browser.upload("input[type=file]", &file);
    page.browser.fill("#upload [name=config]", "{\"limit\": \"größer\"}");
    page.browser.click("#upload button", "Upload");
    page.browser.see("#review h2", "from r1 to r2");
    page.browser.see("#review .diff .plus", "größer");
    page.browser.click("#review button", "Leave it");
    page.browser.click("#revisions button", "Activate");
    page.browser.see("#review h2", "from r1 to r2");
    page.browser.click("#review summary", "only a share");
    page.browser.click("#review button", "Start a canary");
    page.browser.see("#revisions .split", "r2 · 10 %");
    page.browser.click("#revisions button", "Promote");
    page.browser.click("#review button", "Activate r2");
    page.browser.click(".head button", "Roll back to r1");
    page.browser.click("dialog button", "Roll back");
    page.browser.wait("document.querySelector('#revisions tr:nth-child(2) .chip.good')");
    assert_eq!(host.get("/api/v1/functions/counter-two")["active"], "r1");
    page.browser.click(".head button", "Pause");
    page.browser.see(".note", "Deliveries wait until it is resumed");
    page.browser.click(".head button", "Resume");
    page.browser.wait("!document.body.innerText.includes('until it is resumed')");
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
    page.browser.see("#causes tr:first-child", "the configuration has no `to`");
    page.browser.click("#causes tr:first-child a", "invoke.rejected");
    page.browser.wait("document.querySelectorAll('#list tbody tr').length === 3");
    page.browser.click("#causes button", "Redrive");
    page.browser.click("dialog button", "Redrive");
    page.browser.see("#after", "3 committed, 0 dead again, 0 still open");
    page.browser.see("#causes", "No dead letters");
    page.go("dead");
    page.browser.click("#causes button", "Redrive");
    page.browser.click("dialog button", "Redrive");
    page.browser.see("#after", "0 committed, 1 dead again, 0 still open");
    page.browser.see("#causes", "it will not pass");
    page.is_well(&[]);
}

#[test]
fn the_queue_says_what_waits_for_what() {
    let host = Host::start();
    let schedule = json!({
        "on": ["counter.add"], "key": "subject", "schedule": {"name": "nightly", "cron": "0 3 * * *"},
    });
    host.deploy_with("counter", "counter", json!({}), schedule);
    host.post("/api/v1/functions/counter/pause", json!(null));
    for _ in 0..3 {
        host.accept(&event("counter.add").subject("tea"));
    }
    host.accept(&event("counter.add").subject("later").with("delay", "1h"));
    let Some(mut page) = Page::of(&host) else { return };
    page.go("queue");
    page.browser.see("#list tr", "tea");
    page.browser.see("[data-stopped=counter]", "paused");
    page.browser.click(".tabs a", "Blocked");
    page.browser.see("#list", "behind delivery");
    page.browser.wait("document.querySelectorAll('#list tbody tr').length === 2");
    page.browser.click(".tabs a", "Timers");
    page.browser.see("#list", "nightly");
    page.browser.see("#list", "for later");
    page.browser.click("[data-stopped=counter] button", "Resume");
    page.browser.wait("!document.querySelector('[data-stopped]')");
    page.browser.choose(".head select", "counter");
    page.browser.click("button", "Pause counter");
    page.browser.see("[data-stopped=counter]", "paused");
    page.is_well(&[]);
}

#[test]
fn what_is_sent_is_found_in_the_state_and_its_history() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let Some(mut page) = Page::of(&host) else { return };
    page.go("send");
    page.browser.click("#samples button.pick", "counter.add");
    page.browser.fill("[name=subject]", "tea");
    page.browser.fill("[name=data]", "[1, 2");
    page.browser.click("form button", "Send");
    page.browser.see("#receipt .problem", "This is not JSON");
    page.browser.fill("[name=data]", "");
    page.browser.click("form button", "Send");
    page.browser.see("#receipt", "for counter.");
    page.browser.see("#receipt .chip", "committed");
    page.go("");
    page.go("send");
    page.browser.click("#samples td button", "counter.add");
    page.browser.wait("document.querySelector('[name=subject]').value === 'tea'");
    page.browser.click("form button", "Send");
    page.browser.see("#receipt .chip", "committed");
    page.go("state");
    page.browser.click("#list a", "counter");
    page.browser.click("#list tbody a", "");
    page.browser.wait("document.querySelectorAll('#history li').length === 2");
    page.browser.see("#history .diff .plus", "2");
    page.browser.click("#history li:first-child a", "#");
    page.browser.see("h1", "counter.add");
    page.go("settings");
    page.browser.see("#changes", "deploy counter");
    page.is_well(&[]);
}

/// Text that is markup wherever it is read as such.
const HOSTILE: &str = "<img src=x onerror=\"window.hit=1\">";

#[test]
fn hostile_text_stays_text_on_every_page_and_fits_a_phone() {
    let host = Host::start();
    host.deploy("script", "script");
    host.deploy_with("any", "counter", json!({}), json!({"on": ["**"], "key": "subject"}));
    let wild = event(HOSTILE).source("/<svg/onload=window.hit=1>").subject(HOSTILE);
    let seen = host.settle(&wild.data(json!({ HOSTILE: HOSTILE })));
    let steps = json!({"steps": [{"set": HOSTILE}], "reject": true});
    let dead = host.settle(&event("script.run").subject(HOSTILE).data(steps));
    host.settle(&event("script.run").data(json!({"steps": [{"set": HOSTILE}]})));
    host.post("/api/v1/functions/any/pause", json!(null));
    host.accept(&event("more").subject(HOSTILE));
    let Some(mut page) = Page::of(&host) else { return };
    let events = [&seen, &dead].map(|sent| format!("events/{}", sent["seq"].as_str().unwrap()));
    let mut places: Vec<String> = PAGES.map(str::to_owned).into();
    places.extend(events);
    places.extend(
        ["functions/any", "state/any", "state/script", "queue?status=ready", "events?live=1"]
            .map(str::to_owned),
    );
    for width in [1280, 360] {
        page.browser.resize(width, 740);
        for place in &places {
            page.go(place);
            page.browser.wait(
                "document.querySelector('main h1') && !document.querySelector('[aria-busy]')",
            );
            let markup = "return document.querySelectorAll('main img, main script, main svg[onload]').length";
            assert_eq!(page.browser.run(markup), json!(0), "{place}");
            let wide = "return document.documentElement.scrollWidth - innerWidth";
            assert!(page.browser.run(wide).as_i64().unwrap() <= 0, "{place} scrolls sideways");
        }
    }
    page.browser.click("#menu", "Menu");
    page.browser.click("#nav a", "Events");
    page.browser.see("#list", HOSTILE);
    page.is_well(&[]);
}

#[test]
fn the_overview_is_live() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let Some(mut page) = Page::of(&host) else { return };
    page.browser.see(".heard.on", "live");
    page.browser.see(".tile", "0 since the start");
    host.settle(&event("counter.add").subject("tea"));
    // The event, and the one that its handler emitted.
    page.browser.see(".tile", "2 since the start");
    page.browser.wait("document.querySelectorAll('.plot svg path.line').length > 0");
    page.browser.choose("select[aria-label='Of which function']", "counter");
    page.go("events?live=1");
    page.browser.see(".heard.on", "live");
    host.settle(&event("counter.add").subject("tea"));
    page.browser.see(".feed", "counter.add · tea → counter");
    page.browser.see(".feed", "emitted");
    page.is_well(&[]);
}

#[test]
fn a_token_is_the_password_and_bounds_what_can_be_done() {
    let host = Setup::new().set("ACCESS_REQUIRED", "true").start();
    let data = host.data_dir().to_str().unwrap();
    let token = |name: &str, scopes: &str| {
        let args = ["token", "create", name, "--scope", scopes, "--data", data];
        trip_in(std::path::Path::new("/"), &args).expect(0).stdout.trim().to_owned()
    };
    let (all, reader) = (token("all", "send,read,deploy,operate"), token("reader", "read"));
    let with = |token: &str| Request::get("/").header("authorization", format!("Bearer {token}"));
    crate::harness::until("the host to know the tokens", std::thread::yield_now, || {
        (host.send(with(&reader)).status == 200).then_some(())
    });
    let refused = host.send(Request::get("/"));
    assert_eq!(refused.status, 401);
    let Some(mut browser) = Browser::find() else { return };
    let address = host.address();
    for (token, may_read) in [(&all, true), (&reader, false)] {
        browser.open(&format!("http://me:{token}@{address}/"));
        browser.see(".heard.on", "live");
        browser.run("location.hash = '#/settings'");
        match may_read {
            true => browser.see("#tokens", "reader"),
            false => browser.see(".problem", "You may not do this: this needs the scope"),
        }
    }
    let complaints = browser.complaints(&["403", "You may not do this"]);
    assert!(complaints.is_empty(), "{complaints:#?}");
}
