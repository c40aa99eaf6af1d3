//! Step: the host is killed in the middle of payments, started again, and the books are checked.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::senders::{Sent, send, send_during};
use super::stage::Stage;
use crate::client::types::{StateEntries, StateEntry};
use crate::client::{Client, Path};
use crate::clock;
use crate::commands::API;
use crate::error::Error;
use crate::output::{count, elapsed_ms};

const PER_SECOND: f64 = 1_000.0;
/// Before the kill.
const PAYMENTS_MIN: u64 = 1_200;
/// Some more, so that the kill is at no particular moment.
const PAYMENTS_MORE: u64 = 400;
/// Sent once the host is back.
const PAYMENTS_AFTER: u64 = 200;
const WAIT_MAX: Duration = Duration::from_secs(20);

const CURRENCIES: [&str; 4] = ["EUR", "GBP", "JPY", "USD"];
const CUSTOMERS: u64 = 20;
const DEPOSIT: i64 = 10_000_000;
const AMOUNT: i64 = 300;
/// Authorise, capture, settle.
const STEPS: u64 = 3;

/// `devices` is the revision that must still be active there.
pub(super) fn run(stage: &mut Stage<'_>, devices: &str) -> Result<(), Error> {
    deposit(stage)?;
    let (sent, step) = stage.wait("sending payments, killing the host", kill_under_load)?;
    stage.step(step)?;
    let was_waiting = stage.counts("payments")?.open();
    let back = stage.wait("sending all payments once more", |stage| {
        let back = again(stage, &sent)?;
        stage.settled(&["payments"])?;
        Ok(back)
    })?;

    let acknowledged = sent.receipts.len() as u64;
    let payments = acknowledged + back.resent + PAYMENTS_AFTER;
    // Often none is left: they went on while the host was being asked whether it is ready.
    let went_on = match was_waiting {
        0 => String::new(),
        waiting => format!("; {} deliveries went on", count(waiting)),
    };
    stage.check(
        back.missing == 0 && back.differing == 0,
        format_args!(
            "nothing acknowledged is lost: {} of {} still known, as the same events{went_on}",
            count(acknowledged - back.missing - back.differing),
            count(acknowledged),
        ),
    )?;
    let committed = stage.counts("payments")?.committed;
    let expected = payments * STEPS + CUSTOMERS * CURRENCIES.len() as u64;
    stage.check(
        committed == expected,
        format_args!(
            "nothing is repeated: {} commits for {} payments of {STEPS} steps and {} deposits",
            count(committed),
            count(payments),
            CUSTOMERS * CURRENCIES.len() as u64
        ),
    )?;
    let settled = stage.events("payment.settled")?.len() as u64;
    stage.check(
        settled == payments,
        format_args!("{} `payment.settled` emitted, one for each payment", count(settled)),
    )?;
    check_books(stage, payments)?;
    let active = stage.active("devices")?.unwrap_or_default();
    stage.check(active == devices, format_args!("devices still runs {active}, as before the kill"))
}

fn deposit(stage: &Stage<'_>) -> Result<(), Error> {
    for currency in CURRENCIES {
        for customer in 0..CUSTOMERS {
            let event = json!({
                "specversion": "1.0", "id": format!("deposit-{currency}-{customer}"),
                "source": "/demo", "type": "payment.deposit.requested",
                "subject": format!("deposit-{currency}-{customer}"),
                "data": {"currency": currency, "customer": format!("c-{customer}"), "amount": DEPOSIT},
            });
            send(&stage.client, &event)?;
        }
    }
    stage.settled(&["payments"])
}

fn payment(number: u64) -> Value {
    let currency = CURRENCIES[(number % CURRENCIES.len() as u64) as usize];
    json!({
        "specversion": "1.0", "id": format!("payment-{number}"), "source": "/demo",
        "type": "payment.requested", "subject": format!("p-{number}"),
        "data": {
            "currency": currency, "customer": format!("c-{}", number % CUSTOMERS),
            "merchant": "shop", "amount": AMOUNT,
        },
    })
}

/// What was sent, and what happened.
fn kill_under_load(stage: &mut Stage<'_>) -> Result<(Sent, String), Error> {
    let base = stage.client.base().clone();
    let pid = stage.host.id();
    let target = PAYMENTS_MIN + clock::random() % PAYMENTS_MORE;
    let host = &mut stage.host;
    let (sent, killed) = send_during(&base, PER_SECOND, payment, |acknowledged| {
        let began = Instant::now();
        while acknowledged.load(std::sync::atomic::Ordering::Relaxed) < target {
            if began.elapsed() > WAIT_MAX {
                return Err(Error::Failed(format!("{target} payments are not acknowledged")));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(host.kill()?)
    })?;
    killed?;
    let began = Instant::now();
    stage.host.restart()?;
    let back = began.elapsed();
    stage.client = stage.host.client()?;
    let step = format!(
        "kill -9 {pid} after {} acknowledged payments; up again after {}",
        count(sent.receipts.len() as u64),
        elapsed_ms(back)
    );
    Ok((sent, step))
}

/// What the host says when everything is sent again.
#[derive(Default)]
struct Again {
    /// Acknowledged, and not known any more.
    missing: u64,
    /// Known as another event than the receipt said.
    differing: u64,
    /// Had no answer before: in now, whether or not they were.
    resent: u64,
}

/// Sends everything once more, as a sender would that has lost its notes, and then some.
fn again(stage: &Stage<'_>, sent: &Sent) -> Result<Again, Error> {
    let mut again = Again::default();
    for (number, receipt) in &sent.receipts {
        let known = send(&stage.client, &payment(*number))?;
        again.missing += u64::from(!known.duplicate);
        again.differing += u64::from(known.duplicate && known.seq != receipt.seq);
    }
    for number in &sent.unanswered {
        send(&stage.client, &payment(*number))?;
        again.resent += 1;
    }
    let highest =
        sent.receipts.iter().map(|(number, _)| *number).chain(sent.unanswered.clone()).max();
    let next = highest.map_or(0, |highest| highest + 1);
    for number in next..next + PAYMENTS_AFTER {
        send(&stage.client, &payment(number))?;
    }
    Ok(again)
}

/// The ledger's state, read through the API.
#[derive(Default)]
struct Books {
    sum: i64,
    customers: i64,
    lowest: i64,
    entries: u64,
    statuses: BTreeMap<String, u64>,
}

fn check_books(stage: &mut Stage<'_>, payments: u64) -> Result<(), Error> {
    let mut books = Books::default();
    for currency in CURRENCIES {
        for account in entries(&stage.client, currency, "account/")? {
            let balance = account.value.as_ref().and_then(Value::as_i64).unwrap_or(i64::MIN / 64);
            books.sum += balance;
            if account.name.starts_with("account/customer/") {
                books.customers += balance;
            }
            if account.name != "account/world" {
                books.lowest = books.lowest.min(balance);
            }
        }
        for payment in entries(&stage.client, currency, "payment/")? {
            let status = payment.value.as_ref().and_then(|value| value["status"].as_str());
            *books.statuses.entry(status.unwrap_or("?").to_owned()).or_default() += 1;
        }
        books.entries += entries(&stage.client, currency, "ledger/")?.len() as u64;
    }
    let accounts = CUSTOMERS * CURRENCIES.len() as u64;
    let all_settled = books.statuses.get("settled") == Some(&payments) && books.statuses.len() == 1;
    stage.check(
        all_settled && books.entries == payments * STEPS + accounts,
        format_args!(
            "the ledger has {} entries: each payment authorised, captured and settled once",
            count(books.entries)
        ),
    )?;
    let expected = DEPOSIT * accounts as i64 - AMOUNT * payments as i64;
    stage.check(
        books.sum == 0 && books.lowest >= 0 && books.customers == expected,
        format_args!(
            "its accounts sum to {}, none is below zero, customers paid {} × {AMOUNT}",
            books.sum,
            count(payments)
        ),
    )
}

/// All state entries of one currency whose names begin with `prefix`.
fn entries(client: &Client, currency: &str, prefix: &str) -> Result<Vec<StateEntry>, Error> {
    let mut all = Vec::new();
    let mut cursor = None::<String>;
    loop {
        let path = Path::new(API)
            .segment("functions")
            .segment("payments")
            .segment("state")
            .query("key", currency)
            .query("prefix", prefix)
            .query("limit", 1000)
            .maybe("cursor", cursor.as_deref());
        let page: StateEntries = client.get(path)?.json()?;
        all.extend(page.entries);
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}
