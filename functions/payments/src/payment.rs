//! A payment: its parties, its amount, and how far it is. Moves no money.

use serde::{Deserialize, Serialize};
use triphammer_sdk::Fault;

use crate::ledger;

/// How far a payment is. A refund changes `refunded`, not this.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// The customer's money is set aside.
    Authorised,
    /// The merchant has it.
    Captured,
    /// The customer has too little.
    Declined,
    /// The merchant has been paid out.
    Settled,
    /// Given back before it was captured.
    Voided,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Authorised => "authorised",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Settled => "settled",
            Self::Voided => "voided",
        }
    }

    /// The event that says that a payment has come this far. None of them is a request, so the
    /// function never hears itself by accident.
    pub(crate) fn event(self) -> &'static str {
        match self {
            Self::Authorised => "payment.authorised",
            Self::Captured => "payment.captured",
            Self::Declined => "payment.declined",
            Self::Settled => "payment.settled",
            Self::Voided => "payment.voided",
        }
    }
}

/// The state entry `payment/ID`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Payment {
    pub(crate) status: Status,
    pub(crate) customer: String,
    pub(crate) merchant: String,
    pub(crate) amount: i64,
    pub(crate) refunded: i64,
    pub(crate) automatic: bool,
}

impl Payment {
    pub(crate) fn new(
        customer: String,
        merchant: String,
        amount: i64,
        automatic: bool,
    ) -> Result<Self, Fault> {
        ledger::check(amount)?;
        Ok(Self { status: Status::Authorised, customer, merchant, amount, refunded: 0, automatic })
    }

    /// Whether it was asked for in the same words, however far it is.
    pub(crate) fn is_for_the_same(&self, other: &Self) -> bool {
        let asked = |payment: &Self| {
            (payment.customer.clone(), payment.merchant.clone(), payment.amount, payment.automatic)
        };
        asked(self) == asked(other)
    }

    pub(crate) fn customer_account(&self) -> String {
        format!("customer/{}", self.customer)
    }

    pub(crate) fn merchant_account(&self) -> String {
        format!("merchant/{}", self.merchant)
    }

    /// What was not refunded; never below zero.
    pub(crate) fn left(&self) -> i64 {
        self.amount - self.refunded
    }

    pub(crate) fn give_back(&mut self, amount: i64) -> Result<(), Fault> {
        if amount > self.left() {
            let left = self.left();
            return Err(Fault::reject(format!("{amount} can't be refunded: {left} is left")));
        }
        ledger::check(amount)?;
        self.refunded += amount;
        Ok(())
    }

    /// The request that follows by itself.
    pub(crate) fn next_step(&self) -> Option<&'static str> {
        match self.status {
            Status::Authorised if self.automatic => Some("payment.capture.requested"),
            Status::Captured if self.automatic => Some("payment.settle.requested"),
            _ => None,
        }
    }
}
