//! The dashboard among hostile text, on small screens, while things happen, and with tokens.

use std::path::Path;
use std::thread;

use serde_json::json;

use crate::harness::{Browser, Host, Page, Request, Setup, event, trip_in, until};

/// Every page, by its address.
const PAGES: [&str; 8] = ["", "functions", "events", "queue", "dead", "state", "send", "settings"];

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
        page.resize(width, 740);
        for place in &places {
            page.go(place);
            page.wait("!document.querySelector('[aria-busy]')");
            let markup = "return document.querySelectorAll('main img, main script, main svg[onload]').length";
            assert_eq!(page.run(markup), json!(0), "{place}");
            let wide = page.run("return document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(wide <= u64::from(width), "{place} is {wide} wide on {width}");
        }
    }
    page.click("#menu", "Menu");
    page.click("#nav a", "Events");
    page.see("#list", HOSTILE);
    page.is_well(&[]);
}

#[test]
fn the_overview_is_live() {
    let host = Host::start();
    host.deploy("counter", "counter");
    let Some(mut page) = Page::of(&host) else { return };
    page.see(".heard.on", "live");
    page.see(".tile", "0 since the start");
    host.settle(&event("counter.add").subject("tea"));
    // The event, and the one that its handler emitted.
    page.see(".tile", "2 since the start");
    page.wait("document.querySelectorAll('.plot svg path.line').length > 0");
    page.choose("select[aria-label='Of which function']", "counter");
    page.go("events?live=1");
    page.see(".heard.on", "live");
    host.settle(&event("counter.add").subject("tea"));
    page.see(".feed", "counter.add · tea → counter");
    page.see(".feed", "emitted");
    page.is_well(&[]);
}

#[test]
fn a_token_is_the_password_and_bounds_what_can_be_done() {
    let host = Setup::new().set("ACCESS_REQUIRED", "true").start();
    let data = host.data_dir().to_str().unwrap();
    let token = |name: &str, scopes: &str| {
        let args = ["token", "create", name, "--scope", scopes, "--data", data];
        trip_in(Path::new("/"), &args).expect(0).stdout.trim().to_owned()
    };
    let (all, reader) = (token("all", "send,read,deploy,operate"), token("reader", "read"));
    let with = |token: &str| Request::get("/").header("authorization", format!("Bearer {token}"));
    until("the host to know the tokens", thread::yield_now, || {
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
