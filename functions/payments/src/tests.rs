//! The promises of the README: each step, and that no order of requests makes or loses money.

use std::collections::VecDeque;

use triphammer_sdk::testing::{Done, Emitted, Host, TestEvent, event};

use super::*;
use crate::ledger::{AMOUNT_MAX, Entry};

/// The function with its events coming round, as on the real host.
struct Bank {
    host: Host,
    heard: Vec<String>,
}

impl Bank {
    fn new() -> Self {
        Self { host: Host::new().keyed_by("data./currency"), heard: Vec::new() }
    }

    /// With 1,000 in ada's account.
    fn with_deposit() -> Self {
        let mut bank = Self::new();
        bank.ask("deposit.", "d-1", r#"{"currency": "EUR", "customer": "ada", "amount": 1000}"#)
            .unwrap();
        bank.heard.clear();
        bank
    }

    /// Asks for a step, and for those that follow from it.
    fn ask(&mut self, step: &str, id: &str, data: &str) -> Result<Done, Fault> {
        self.deliver(request(step, id, data))
    }

    fn deliver(&mut self, request: TestEvent) -> Result<Done, Fault> {
        let first = self.host.call(payments, request)?;
        let mut waiting = VecDeque::from(first.emitted.clone());
        while let Some(emitted) = waiting.pop_front() {
            self.heard.push(emitted.ty.clone());
            if emitted.ty.ends_with(".requested") {
                waiting.extend(self.host.call(payments, emitted.into())?.emitted);
            }
        }
        self.audit();
        Ok(first)
    }

    fn pay(&mut self, id: &str, amount: i64, automatic: bool) -> Result<Done, Fault> {
        self.ask("", id, &order(amount, automatic))
    }

    fn status(&self, id: &str) -> Status {
        self.payment(id).status
    }

    fn payment(&self, id: &str) -> Payment {
        self.host.state_of(Some("EUR"), &format!("payment/{id}")).unwrap()
    }

    fn balance(&self, account: &str) -> i64 {
        self.host.state_of(Some("EUR"), &format!("account/{account}")).unwrap_or(0)
    }

    /// What is always true, whatever has been asked for.
    fn audit(&self) {
        let names = self.host.state_names(Some("EUR"));
        let accounts: Vec<&str> = names.iter().filter_map(|n| n.strip_prefix("account/")).collect();
        let sum: i64 = accounts.iter().map(|account| self.balance(account)).sum();
        assert_eq!(sum, 0, "money was made or lost");
        for account in accounts.iter().filter(|account| **account != WORLD) {
            assert!(self.balance(account) >= 0, "{account} is below zero");
        }
        let entries = names.iter().filter(|name| name.starts_with("ledger/"));
        let entries: Vec<Entry> =
            entries.map(|name| self.host.state_of(Some("EUR"), name).unwrap()).collect();
        for account in accounts {
            let postings = entries.iter().flat_map(|entry| &entry.postings);
            let posted: i64 = postings.filter(|p| p.account == account).map(|p| p.amount).sum();
            assert_eq!(self.balance(account), posted, "{account} differs from its postings");
        }
    }
}

fn request(step: &str, id: &str, data: &str) -> TestEvent {
    event(format!("payment.{step}requested")).id(format!("{step}{id}")).subject(id).data(data)
}

fn order(amount: i64, automatic: bool) -> String {
    format!(
        r#"{{"currency": "EUR", "customer": "ada", "merchant": "shop", "amount": {amount}, "automatic": {automatic}}}"#
    )
}

const FOLLOW: &str = r#"{"currency": "EUR"}"#;

#[track_caller]
fn refused(result: Result<Done, Fault>, expect: &str) {
    let fault = result.unwrap_err();
    assert!(matches!(&fault, Fault::Reject { .. }), "{fault:?}");
    assert!(fault.message().contains(expect), "{fault:?}");
}

#[test]
fn an_automatic_payment_goes_all_the_way() {
    let mut bank = Bank::with_deposit();
    let done = bank.pay("p-1", 300, true).unwrap();

    let answer: Answer = done.reply_json();
    assert_eq!((answer.id.as_str(), answer.currency.as_str()), ("p-1", "EUR"));
    assert_eq!(
        bank.heard,
        [
            "payment.authorised",
            "payment.capture.requested",
            "payment.captured",
            "payment.settle.requested",
            "payment.settled",
        ]
    );
    assert_eq!(bank.status("p-1"), Status::Settled);
    let balances = ["customer/ada", HELD, "merchant/shop", WORLD].map(|name| bank.balance(name));
    assert_eq!(balances, [700, 0, 0, -700]);
}

#[test]
fn a_manual_payment_waits_for_each_request() {
    let mut bank = Bank::with_deposit();
    bank.pay("p-1", 300, false).unwrap();
    assert_eq!((bank.status("p-1"), bank.balance(HELD)), (Status::Authorised, 300));

    bank.ask("capture.", "p-1", FOLLOW).unwrap();
    assert_eq!((bank.status("p-1"), bank.balance("merchant/shop")), (Status::Captured, 300));

    bank.ask("settle.", "p-1", FOLLOW).unwrap();
    assert_eq!((bank.status("p-1"), bank.balance("merchant/shop")), (Status::Settled, 0));
}

#[test]
fn too_little_money_is_declined_for_good() {
    let mut bank = Bank::with_deposit();
    bank.pay("p-1", 1001, true).unwrap();
    assert_eq!(bank.heard, ["payment.declined"]);

    bank.ask("deposit.", "d-2", r#"{"currency": "EUR", "customer": "ada", "amount": 1}"#).unwrap();
    bank.pay("p-1", 1001, true).unwrap();
    assert_eq!((bank.status("p-1"), bank.balance("customer/ada")), (Status::Declined, 1001));
    refused(bank.ask("capture.", "p-1", FOLLOW), "is declined: it can't be captured");
}

#[test]
fn a_hold_can_be_voided_until_it_is_captured() {
    let mut bank = Bank::with_deposit();
    bank.pay("p-1", 300, false).unwrap();
    bank.ask("void.", "p-1", FOLLOW).unwrap();
    assert_eq!((bank.status("p-1"), bank.balance("customer/ada")), (Status::Voided, 1000));

    bank.pay("p-2", 300, true).unwrap();
    refused(bank.ask("void.", "p-2", FOLLOW), "is settled: it can't be voided");
}

#[test]
fn refunds_add_up_to_no_more_than_the_payment() {
    let mut bank = Bank::with_deposit();
    bank.pay("p-1", 300, false).unwrap();
    refused(bank.ask("refund.", "p-1", FOLLOW), "is authorised: it can't be refunded");

    bank.ask("capture.", "p-1", FOLLOW).unwrap();
    bank.deliver(refund("r-1", Some(100))).unwrap();
    assert_eq!((bank.balance("customer/ada"), bank.balance("merchant/shop")), (800, 200));

    bank.ask("settle.", "p-1", FOLLOW).unwrap();
    refused(bank.deliver(refund("r-2", Some(201))), "200 is left");
    bank.deliver(refund("r-3", None)).unwrap();
    assert_eq!((bank.balance("customer/ada"), bank.balance(WORLD)), (1000, -1000));
    refused(bank.deliver(refund("r-4", None)), "the amount is 0");
    refused(bank.deliver(refund("r-1", Some(99))), "another ledger entry `p-1/refund/r-1`");
    assert_eq!(bank.payment("p-1").refunded, 300);
}

fn refund(request_id: &str, amount: Option<i64>) -> TestEvent {
    let data = match amount {
        Some(amount) => format!(r#"{{"currency": "EUR", "amount": {amount}}}"#),
        None => FOLLOW.to_owned(),
    };
    request("refund.", "p-1", &data).id(request_id)
}

#[test]
fn a_repeated_request_moves_nothing() {
    let mut bank = Bank::with_deposit();
    for _ in 0..2 {
        bank.ask("deposit.", "d-1", r#"{"currency": "EUR", "customer": "ada", "amount": 1000}"#)
            .unwrap();
        bank.pay("p-1", 300, true).unwrap();
        bank.ask("capture.", "p-1", FOLLOW).unwrap();
        bank.ask("settle.", "p-1", FOLLOW).unwrap();
        bank.deliver(refund("r-1", Some(50))).unwrap();
        assert_eq!((bank.balance("customer/ada"), bank.balance(WORLD)), (750, -750));
    }
    assert_eq!(bank.heard.iter().filter(|ty| !ty.ends_with(".requested")).count(), 4);
}

#[test]
fn an_id_stands_for_one_payment() {
    let mut bank = Bank::with_deposit();
    bank.pay("p-1", 300, false).unwrap();
    refused(bank.pay("p-1", 301, false), "another payment `p-1`");
    let deposit = r#"{"currency": "EUR", "customer": "ada", "amount": 1}"#;
    refused(bank.ask("deposit.", "d-1", deposit), "another ledger entry `d-1/deposit`");
    refused(bank.ask("capture.", "p-2", FOLLOW), "no EUR payment `p-2`");
}

#[test]
fn what_is_no_amount_or_name_is_refused() {
    let mut bank = Bank::with_deposit();
    for amount in [0, -1, i64::MIN, i64::MAX, AMOUNT_MAX + 1] {
        refused(bank.pay("p-1", amount, true), "the amount is");
    }
    for amount in ["1.5", "9223372036854775808", "\"1\"", "null"] {
        let data = format!(r#"{{"currency": "EUR", "customer": "ada", "amount": {amount}}}"#);
        refused(bank.ask("deposit.", "d-2", &data), "the payload");
    }
    for id in ["", "a/b", "a b", &"x".repeat(65)] {
        refused(bank.pay(id, 1, true), "the subject must be a name");
    }
    let customer = r#"{"currency": "EUR", "customer": "a/b", "amount": 1}"#;
    refused(bank.ask("deposit.", "d-2", customer), "the customer must be a name");
    refused(bank.ask("capture.", "p-1", r#"{"currency": "euro"}"#), "`currency` must be");
    refused(bank.ask("steal.", "p-1", FOLLOW), "can't be asked for `payment.steal.requested`");
}

#[test]
fn an_account_never_overflows() {
    let mut bank = Bank::with_deposit();
    bank.host.set_state(Some("EUR"), "account/customer/max", &i64::MAX);
    let deposit = r#"{"currency": "EUR", "customer": "max", "amount": 1}"#;
    let event = request("deposit.", "d-2", deposit);
    refused(bank.host.call(payments, event), "`customer/max` can't hold so much");
    assert_eq!(bank.balance(WORLD), -1000);
}

#[test]
fn currencies_have_nothing_in_common() {
    let mut bank = Bank::with_deposit();
    let dollars = order(300, true).replace("EUR", "USD");
    bank.ask("", "p-1", &dollars).unwrap();
    assert_eq!(bank.heard, ["payment.declined"]);
}

/// Requests in any order, repeated, and for ids that other steps are at: each is followed by an
/// audit, and what was emitted is delivered late or twice.
#[test]
fn no_order_of_requests_makes_or_loses_money() {
    for seed in 1..=20 {
        let mut dice = Dice(seed);
        let mut bank = Bank::with_deposit();
        let mut late: Vec<Emitted> = Vec::new();
        for n in 0..300 {
            let event = match late.len() {
                waiting if waiting > 0 && dice.below(3) == 0 => {
                    let index = dice.below(waiting as u64) as usize;
                    // Left in the list at times, and so delivered again.
                    if dice.below(4) == 0 { late[index].clone() } else { late.swap_remove(index) }
                        .into()
                }
                _ => random_request(&mut dice, n),
            };
            if let Ok(done) = bank.host.call(payments, event) {
                late.extend(done.emitted.into_iter().filter(|e| e.ty.ends_with(".requested")));
            }
            bank.audit();
        }
        let names = bank.host.state_names(Some("EUR"));
        assert!(names.iter().any(|name| name.contains("/refund/")), "seed {seed} tried too little");
    }
}

fn random_request(dice: &mut Dice, n: u64) -> TestEvent {
    let amount = [-5, 0, 1, 40, 250, 5000][dice.below(6) as usize];
    let id = format!("p-{}", dice.below(8));
    match dice.below(7) {
        0 => {
            let data = format!(r#"{{"currency": "EUR", "customer": "ada", "amount": {amount}}}"#);
            request("deposit.", &format!("d-{}", dice.below(20)), &data)
        }
        1 | 2 => request("", &id, &order(amount, dice.below(2) == 0)),
        3 => request("capture.", &id, FOLLOW),
        4 => request("settle.", &id, FOLLOW),
        5 => request("void.", &id, FOLLOW),
        _ => {
            let data = format!(r#"{{"currency": "EUR", "amount": {amount}}}"#);
            request("refund.", &id, &data).id(format!("r-{}", n / 2))
        }
    }
}

/// Numbers that are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
