//! The pictures of the dashboard in the documentation: there, small, and each shown.
//!
//! `docs/screenshots` takes them anew: it runs this test with `TRIPHAMMER_SCREENSHOTS=take`.

use std::f64::consts::TAU;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{Browser, Event, Host, component, event, root, upload};

const NAMES: [&str; 12] = [
    "overview",
    "overview-dark",
    "functions",
    "function",
    "events",
    "event",
    "event-phone",
    "queue",
    "dead",
    "state",
    "send",
    "settings",
];
const BYTES_MAX: u64 = 150_000;

#[test]
fn the_documentation_shows_every_page() {
    if std::env::var_os("TRIPHAMMER_SCREENSHOTS").is_some_and(|value| value == "take") {
        take_all();
    }
    let text = fs::read_to_string(root().join("docs/dashboard.md")).unwrap();
    for name in NAMES {
        assert!(text.contains(&format!("images/{name}.png")), "docs/dashboard.md lacks {name}");
        let file = root().join(format!("docs/images/{name}.png"));
        let bytes = fs::metadata(&file).unwrap_or_else(|e| panic!("{e}: {name}")).len();
        assert!(bytes < BYTES_MAX, "{name}.png has {bytes} bytes");
    }
}

/// How long a host is loaded before its plots have something to show.
const LOADED: Duration = Duration::from_secs(180);

fn take_all() {
    let host = Host::start();
    deploy(&host);
    let order = stories(&host);
    load(&host);
    waiting(&host);
    let mut browser = Browser::find().expect("pictures need a browser");
    let url = host.url();
    let mut take = |name: &str, place: &str, act: &str, ready: &str| {
        let (width, height) = if name.ends_with("phone") { (360, 740) } else { (1280, 800) };
        let theme = if name.ends_with("dark") { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        browser.resize(width, height);
        browser.devtools("Emulation.setEmulatedMedia", &media);
        browser.open(&format!("{url}/#/{place}"));
        browser.wait("document.querySelector('main h1')");
        browser.run(act);
        browser.wait(ready);
        browser.wait("!document.querySelector('[aria-busy]')");
        let image = STANDARD.decode(browser.screenshot()).unwrap();
        fs::write(root().join(format!("docs/images/{name}.png")), image).unwrap();
    };
    let recent = "const range = document.querySelector('select[aria-label=\"How far back\"]');
        range.value = '5'; range.dispatchEvent(new Event('change'));";
    let plotted = "document.querySelectorAll('.plot path.line').length >= 5 && \
        document.querySelector('.heard.on') && document.querySelector('.tile .value').textContent";
    take("overview", "", recent, plotted);
    take("overview-dark", "", recent, plotted);
    take("functions", "functions", "", "document.querySelector('#list tr')");
    let review = "document.querySelector('#revisions button').click()";
    take("function", "functions/devices", review, "document.querySelector('#review .diff')");
    take("events", "events?type=order.**", "", "document.querySelector('#list tr')");
    let drawn = "document.querySelector('#caused li:nth-child(5)')";
    take("event", &format!("events/{order}"), "", drawn);
    take("event-phone", &format!("events/{order}"), "", drawn);
    take("queue", "queue", "", "document.querySelector('#list tr')");
    take("dead", "dead", REDRIVE, "document.querySelector('#after').innerText.includes('0 still')");
    take("state", "state/stock?key=tea&name=stock", "", "document.querySelector('#history .diff')");
    take("send", "send", "", "document.querySelector('#samples tr')");
    take("settings", "settings", "", "document.querySelector('#changes tr')");
}

const REDRIVE: &str = "
    const wait = setInterval(() => {
        const confirm = document.querySelector('dialog .primary');
        if (confirm) { clearInterval(wait); return confirm.click(); }
        if (!document.querySelector('dialog')) document.querySelector('#causes td button')?.click();
    }, 100);";

fn deploy(host: &Host) {
    for name in ["orders", "payments", "stock", "user-registration"] {
        host.deploy(name, name);
    }
    let settings = json!({"limit": "80", "window": "5"});
    host.deploy_with("devices", "devices", settings, json!({}));
    let lower = json!({"limit": "60", "window": "3"}).to_string();
    let second = upload("devices", component("devices")).header("triphammer-config", lower);
    host.send(second.at("/api/v1/functions/devices?activate=false")).expect(201);
    let mail = json!({"on": ["mail.*"], "retry": {"attempts": 3, "initial": "40ms"}});
    host.deploy_with("mailer", "misbehave", json!({}), mail);
}

/// What is looked at closely; the number of an order that was cancelled.
fn stories(host: &Host) -> String {
    let units = |article: &str, quantity: u32| {
        event("stock.received").source("/shop").subject(article).data(json!({"quantity": quantity}))
    };
    host.settle_all(&[units("tea", 500), units("coffee", 3)]);
    let order = |n: u32, coffee: u32| {
        let lines = json!([
            {"article": "tea", "quantity": 2}, {"article": "coffee", "quantity": coffee},
        ]);
        event("order.placed")
            .source("/shop")
            .subject(&format!("o-{n}"))
            .data(json!({"lines": lines}))
    };
    for n in 1..=20 {
        host.accept(&order(n, 1 + n % 2));
    }
    host.settled();
    let mail = |what: &str, n: u32| event(&format!("mail.{what}")).subject(&format!("user-{n}"));
    for n in 1..=4 {
        host.accept(&mail("reject", n));
        host.accept(&mail("flaky", n));
    }
    host.accept(&mail("panic", 5));
    let cancelled = host.settle(&order(21, 9));
    host.settled();
    cancelled["seq"].as_str().unwrap().to_owned()
}

/// Sends more and less, as a day does.
fn load(host: &Host) {
    let began = Instant::now();
    let reading = |n: u64| {
        let device = format!("boiler-{}", n % 7);
        let value = 20.0 + (n % 13) as f64;
        event("device.reading").source("/plant").subject(&device).data(json!({"value": value}))
    };
    let mut n = 0;
    while began.elapsed() < LOADED {
        let phase = began.elapsed().as_secs_f64() / 90.0 * TAU;
        let count = 12 + (8.0 * phase.sin()) as u64;
        let batch: Vec<Event> = (n..n + count).map(reading).collect();
        n += count;
        host.accept_all(&batch);
        if n % 50 < count {
            host.accept(&event("mail.flaky").data(json!({"n": 1})));
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// What stands in the queue while it is looked at.
fn waiting(host: &Host) {
    let nightly = json!({"name": "nightly", "cron": "0 3 * * *", "zone": "Europe/Berlin"});
    let report = json!({"on": ["report.asked"], "key": "subject", "schedule": nightly});
    host.deploy_with("reports", "counter", json!({}), report);
    host.post("/api/v1/functions/payments/pause", Value::Null);
    for n in 1..=6 {
        let currency = if n % 3 == 0 { "USD" } else { "EUR" };
        let data = json!({"currency": currency, "customer": "ada", "amount": 1000});
        host.accept(&event("payment.deposit.requested").subject(&format!("d-{n}")).data(data));
    }
    let later = event("user.registered").subject("user-9").with("delay", "2h");
    host.accept(&later.data(json!({"email": "grace@example.com"})));
}
