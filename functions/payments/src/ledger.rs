//! Accounts and the entries that move money between them. Knows nothing of payments.
//!
//! An entry takes from one account what it gives to another, so the sum of all accounts is zero
//! after every entry. Entries are never changed or removed.

use serde::{Deserialize, Serialize};
use triphammer_sdk::{Context, Fault};

/// Everything outside: banks that money comes from and goes to. Below zero by what is inside.
pub(crate) const WORLD: &str = "world";
/// What is set aside for authorised payments.
pub(crate) const HELD: &str = "held";

/// Amounts are whole minor units: cents, pence, yen.
pub(crate) const AMOUNT_MAX: i64 = 1_000_000_000_000;

/// One step's postings; their amounts add up to zero.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Entry {
    pub(crate) postings: [Posting; 2],
}

/// What one account lost or gained.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Posting {
    pub(crate) account: String,
    pub(crate) amount: i64,
}

/// The ledger of one currency: state entries `account/NAME`, balances, and `ledger/NAME`, entries.
#[derive(Clone, Copy)]
pub(crate) struct Ledger<'a> {
    ctx: &'a Context,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(ctx: &'a Context) -> Self {
        Self { ctx }
    }

    pub(crate) fn balance(&self, account: &str) -> Result<i64, Fault> {
        Ok(self.ctx.state().get(&account_name(account))?.unwrap_or(0))
    }

    /// What an entry moved, if there is one of this name.
    pub(crate) fn amount(&self, name: &str) -> Result<Option<i64>, Fault> {
        let entry: Option<Entry> = self.ctx.state().get(&entry_name(name))?;
        Ok(entry.map(|Entry { postings: [_, credit] }| credit.amount))
    }

    /// Moves money, unless an entry of this name has moved it already: then nothing happens, or, if
    /// it was another movement, a reject.
    pub(crate) fn post(
        &self,
        name: &str,
        from: &str,
        to: &str,
        amount: i64,
    ) -> Result<bool, Fault> {
        check(amount)?;
        if let Some(posted) = self.ctx.state().get::<Entry>(&entry_name(name))? {
            let [debit, credit] = &posted.postings;
            let same = debit.account == from && credit.account == to && credit.amount == amount;
            let other = || Fault::reject(format!("there is another ledger entry `{name}`"));
            return if same { Ok(false) } else { Err(other()) };
        }
        let debited = self.balance(from)?.checked_sub(amount).ok_or_else(|| full(from))?;
        let credited = self.balance(to)?.checked_add(amount).ok_or_else(|| full(to))?;
        let postings = [
            Posting { account: from.to_owned(), amount: -amount },
            Posting { account: to.to_owned(), amount },
        ];
        let state = self.ctx.state();
        state.set(&account_name(from), &debited)?;
        state.set(&account_name(to), &credited)?;
        state.set(&entry_name(name), &Entry { postings })?;
        Ok(true)
    }
}

/// Refuses what is no amount of money, before anything is moved.
pub(crate) fn check(amount: i64) -> Result<(), Fault> {
    if (1..=AMOUNT_MAX).contains(&amount) {
        return Ok(());
    }
    Err(Fault::reject(format!("the amount is {amount}; it must be 1 to {AMOUNT_MAX} minor units")))
}

fn full(account: &str) -> Fault {
    Fault::reject(format!("the account `{account}` can't hold so much"))
}

fn account_name(account: &str) -> String {
    format!("account/{account}")
}

fn entry_name(entry: &str) -> String {
    format!("ledger/{entry}")
}
