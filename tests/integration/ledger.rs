//! What must be true of the books of `payments`, looked at from outside.

use std::collections::BTreeMap;

use serde_json::Value;

/// The state of one currency: names and values.
pub(crate) type Books = BTreeMap<String, Value>;

/// What is wrong with the books; nothing, as it should be.
pub(crate) fn violations(books: &Books) -> Vec<String> {
    let mut found = Vec::new();
    let mut from_entries: BTreeMap<String, i64> = BTreeMap::new();
    for (name, entry) in books.iter().filter(|(name, _)| name.starts_with("ledger/")) {
        let mut sum = 0;
        for posting in entry["postings"].as_array().into_iter().flatten() {
            let amount = posting["amount"].as_i64().unwrap_or(i64::MAX);
            sum += amount;
            let account = posting["account"].as_str().unwrap_or_default();
            *from_entries.entry(format!("account/{account}")).or_default() += amount;
        }
        if sum != 0 {
            found.push(format!("the postings of {name} add up to {sum}"));
        }
    }
    let accounts: BTreeMap<String, i64> = books
        .iter()
        .filter(|(name, _)| name.starts_with("account/"))
        .map(|(name, balance)| (name.clone(), balance.as_i64().unwrap_or(i64::MAX)))
        .collect();
    let total: i64 = accounts.values().sum();
    if total != 0 {
        found.push(format!("all accounts add up to {total}"));
    }
    if accounts != from_entries {
        found.push(format!("balances {accounts:?} are not those of the entries {from_entries:?}"));
    }
    let below = accounts.iter().filter(|(name, balance)| *name != "account/world" && **balance < 0);
    found.extend(below.map(|(name, balance)| format!("{name} is {balance}")));
    found
}

/// A payment's status, or `none`.
pub(crate) fn status<'b>(books: &'b Books, payment: &str) -> &'b str {
    let payment = books.get(&format!("payment/{payment}"));
    payment.and_then(|payment| payment["status"].as_str()).unwrap_or("none")
}
