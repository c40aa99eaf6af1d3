//! The functions under `functions/`, end to end: built, uploaded, fed over HTTP.

use serde_json::{Value, json};

use crate::harness::{Event, Host, Request, committed, dead, event};
use crate::ledger;

#[test]
fn user_registration_stores_the_user_and_greets_once() {
    let host = Host::start();
    host.deploy("user-registration", "user-registration");
    let registered = |data: Value| event("user.registered").subject("user-1").data(data);
    let ada = json!({"email": "ada@example.com", "name": "Ada"});
    let receipt = host.settle(&registered(ada.clone()));
    committed(&receipt);
    let mails = host.events("email.requested");
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["subject"], "ada@example.com");
    assert_eq!(mails[0]["data"], json!({"template": "welcome", "to": ada}));
    assert_eq!(host.state("user-registration", Some("user-1"))["user"], ada);

    let moved = json!({"email": "ada@example.org", "name": "Ada"});
    committed(&host.settle(&registered(moved.clone())));
    assert_eq!(host.events("email.requested").len(), 1, "no second mail");
    assert_eq!(host.state("user-registration", Some("user-1"))["user"], moved);
    let (code, _) = dead(&host.settle(&registered(json!({"name": "Bob"}))));
    assert_eq!(code, "invoke.rejected");
}

fn pay(ty: &str, subject: &str, data: Value) -> Event {
    event(&format!("payment.{ty}")).subject(subject).data(data)
}

fn deposit(host: &Host, id: &str, currency: &str, amount: i64) {
    let data = json!({"currency": currency, "customer": "ada", "amount": amount});
    committed(&host.settle(&pay("deposit.requested", id, data)));
}

fn request(id: &str, amount: i64, automatic: bool) -> Event {
    let data = json!({"currency": "EUR", "customer": "ada", "merchant": "shop",
        "amount": amount, "automatic": automatic});
    pay("requested", id, data)
}

#[track_caller]
fn balances(host: &Host, expect: Value) {
    let books = host.state("payments", Some("EUR"));
    assert_eq!(ledger::violations(&books), Vec::<String>::new());
    let found: serde_json::Map<String, Value> = books
        .into_iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("account/")?.to_owned(), value)))
        .collect();
    assert_eq!(Value::Object(found), expect);
}

#[test]
fn a_payment_is_authorised_captured_and_settled_by_itself() {
    let host = Host::start();
    host.deploy("payments", "payments");
    deposit(&host, "d-1", "EUR", 1000);
    committed(&host.settle(&request("p-1", 300, true)));
    host.settled();
    balances(&host, json!({"world": -700, "held": 0, "customer/ada": 700, "merchant/shop": 0}));
    let books = host.state("payments", Some("EUR"));
    assert_eq!(ledger::status(&books, "p-1"), "settled");
    for ty in ["payment.authorised", "payment.captured", "payment.settled"] {
        assert_eq!(host.events(ty).len(), 1, "{ty}");
    }
}

#[test]
fn payments_are_declined_voided_and_refunded() {
    let host = Host::start();
    host.deploy("payments", "payments");
    deposit(&host, "d-1", "EUR", 500);
    deposit(&host, "d-2", "USD", 900);
    let declined = committed(&host.settle(&request("p-1", 501, true)));
    assert_eq!(declined.reply["data"]["status"], "declined", "another currency does not help");
    let eur = || json!({"currency": "EUR"});
    committed(&host.settle(&request("p-2", 200, false)));
    committed(&host.settle(&pay("void.requested", "p-2", eur())));
    committed(&host.settle(&request("p-3", 400, false)));
    committed(&host.settle(&pay("capture.requested", "p-3", eur())));
    let refund = json!({"currency": "EUR", "amount": 150});
    committed(&host.settle(&pay("refund.requested", "p-3", refund)));
    host.settled();
    balances(&host, json!({"world": -500, "held": 0, "customer/ada": 250, "merchant/shop": 250}));
    let too_much = json!({"currency": "EUR", "amount": 251});
    let (code, message) = dead(&host.settle(&pay("refund.requested", "p-3", too_much)));
    assert_eq!(code, "invoke.rejected");
    assert!(message.contains("250 is left"), "{message}");
    let (code, _) = dead(&host.settle(&pay("capture.requested", "p-1", eur())));
    assert_eq!(code, "invoke.rejected");
    assert_eq!(ledger::violations(&host.state("payments", Some("USD"))), Vec::<String>::new());
}

#[test]
fn a_replayed_payment_moves_nothing_twice() {
    let host = Host::start();
    host.deploy("payments", "payments");
    deposit(&host, "d-1", "EUR", 1000);
    host.settle(&request("p-1", 300, true));
    host.settled();
    let all = json!({"function": "payments", "type": "payment.**"});
    let replay =
        host.send(Request::post("/api/v1/replay").json(&all)).expect(202)["replay"].clone();
    let replay = super::replay::ended(&host, &replay);
    assert!(replay["done"].as_u64().unwrap() >= 4, "{replay}");
    host.settled();
    balances(&host, json!({"world": -700, "held": 0, "customer/ada": 700, "merchant/shop": 0}));
}

fn shop() -> Host {
    let host = Host::start();
    host.deploy("stock", "stock");
    host.deploy("orders", "orders");
    for article in ["tea", "cups"] {
        let received = event("stock.received").subject(article).data(json!({"quantity": 10}));
        committed(&host.settle(&received));
    }
    host
}

fn order(id: &str, lines: Value) -> Event {
    event("order.placed").subject(id).data(json!({"lines": lines}))
}

#[track_caller]
fn units(host: &Host, article: &str, available: u64, reserved: u64, shipped: u64) {
    let expect = json!({"available": available, "reserved": reserved, "shipped": shipped});
    assert_eq!(host.state("stock", Some(article))["stock"], expect, "{article}");
}

#[test]
fn an_order_is_reserved_and_shipped() {
    let host = shop();
    let lines = json!([{"article": "tea", "quantity": 2}, {"article": "cups", "quantity": 3}]);
    host.settle(&order("o-1", lines));
    host.settled();
    assert_eq!(host.state("orders", Some("o-1"))["order"]["status"], "shipping");
    units(&host, "tea", 8, 0, 2);
    units(&host, "cups", 7, 0, 3);
    assert_eq!(host.events("shipment.requested").len(), 1);
}

#[test]
fn an_order_that_is_short_gives_back_what_it_had_reserved() {
    let host = shop();
    let lines = json!([{"article": "tea", "quantity": 9}, {"article": "cups", "quantity": 11}]);
    host.settle(&order("o-1", lines));
    host.settled();
    assert_eq!(host.state("orders", Some("o-1"))["order"]["status"], "cancelled");
    units(&host, "tea", 10, 0, 0);
    units(&host, "cups", 10, 0, 0);
    assert_eq!(host.events("order.cancelled").len(), 1);
    assert_eq!(host.events("shipment.requested").len(), 0);
}

#[test]
fn the_last_units_are_sold_once() {
    let host = shop();
    let orders: Vec<Event> = (0..8)
        .map(|n| order(&format!("o-{n}"), json!([{"article": "tea", "quantity": 3}])))
        .collect();
    host.accept_all(&orders);
    host.settled();
    units(&host, "tea", 1, 0, 9);
    assert_eq!(host.events("shipment.requested").len(), 3);
    assert_eq!(host.events("order.cancelled").len(), 5);
}

#[test]
fn devices_raise_one_alarm_and_take_it_back_once() {
    let host = Host::start();
    let config = json!({"window": "3", "limit": "50"});
    host.deploy_with("devices", "devices", config, json!({}));
    let readings: Vec<Event> = [40.0, 40.0, 90.0, 90.0, 90.0, 10.0, 10.0, 10.0]
        .iter()
        .map(|value| event("device.reading").subject("boiler").data(json!({"value": value})))
        .collect();
    let receipts = host.settle_all(&readings);
    assert_eq!(committed(&receipts[2]).reply["data"]["alarmed"], true);
    assert_eq!(committed(&receipts[7]).reply["data"]["average"], 10.0);
    assert_eq!(host.events("device.alarm").len(), 1);
    assert_eq!(host.events("device.recovered").len(), 1);
    let kept = host.state("devices", Some("boiler"))["device"]["recent"].clone();
    assert_eq!(kept, json!([10.0, 10.0, 10.0]));
}

#[test]
fn the_handler_of_the_benchmarks_does_each_thing_once() {
    let host = Host::start();
    host.deploy("bench", "bench");
    let job = json!({"customer": "c-1", "amount": 5, "items": [{"quantity": 2}], "rest": "x"});
    for count in 1..=3 {
        committed(&host.settle(&event("bench.event").subject("s").data(job.clone())));
        let done = host.events("bench.done");
        assert_eq!(done.len(), count);
        let expect = json!({"customer": "c-1", "amount": 5, "quantity": 2, "count": count});
        assert_eq!(done[count - 1]["data"], expect);
    }
}
