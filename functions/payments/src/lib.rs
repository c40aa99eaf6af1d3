//! Authorise, capture, settle and refund over a double-entry ledger.
//!
//! One delivery makes one step: it moves money between two accounts, notes the step in the ledger,
//! and emits what happened, all in one commit. The key is the currency, so that both accounts of
//! every step are in the same state; see the README for why, and for what is kept.

mod ledger;
mod payment;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use triphammer_sdk::{Context, Event, Fault, Json, NewEvent, function};

use crate::ledger::{HELD, Ledger, WORLD};
use crate::payment::{Payment, Status};

/// The payload of `payment.deposit.requested`.
#[derive(Debug, Deserialize)]
struct Deposit {
    customer: String,
    amount: i64,
}

/// The payload of `payment.requested`.
#[derive(Debug, Deserialize)]
struct Order {
    customer: String,
    merchant: String,
    amount: i64,
    /// Whether capture and settlement follow by themselves.
    #[serde(default = "yes")]
    automatic: bool,
}

/// The payload of `payment.refund.requested`.
#[derive(Debug, Deserialize)]
struct Refund {
    /// What is left of the payment when none.
    amount: Option<i64>,
}

fn yes() -> bool {
    true
}

#[function(on = ["payment.requested", "payment.*.requested"], key = "data./currency", timeout = "2s")]
fn payments(event: Event<Vec<u8>>, ctx: &mut Context) -> Result<Json<Answer>, Fault> {
    let id = name("the subject", event.subject().unwrap_or_default())?;
    let currency = currency(ctx.key().unwrap_or_default())?;
    let till = Till { ctx, ledger: Ledger::new(ctx), id, currency };
    match event.ty() {
        "payment.deposit.requested" => till.deposit(&event.json()?),
        "payment.requested" => till.authorise(event.json()?),
        "payment.capture.requested" => till.capture(),
        "payment.settle.requested" => till.settle(),
        "payment.void.requested" => till.void(),
        "payment.refund.requested" => till.refund(&event.json()?, event.id()),
        other => Err(Fault::reject(format!("a payment can't be asked for `{other}`"))),
    }
}

/// The payload of every event, and the reply.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(Deserialize, PartialEq))]
struct Answer {
    /// The id of the payment or deposit.
    id: String,
    currency: String,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(Deserialize, PartialEq))]
#[serde(untagged)]
enum Outcome {
    Payment(Payment),
    Deposited { customer: String, amount: i64 },
}

/// One step of one payment.
struct Till<'a> {
    ctx: &'a Context,
    ledger: Ledger<'a>,
    id: &'a str,
    currency: &'a str,
}

impl Till<'_> {
    fn deposit(&self, deposit: &Deposit) -> Result<Json<Answer>, Fault> {
        let Deposit { customer, amount } = deposit;
        let account = format!("customer/{}", name("the customer", customer)?);
        let posted = self.ledger.post(&format!("{}/deposit", self.id), WORLD, &account, *amount)?;
        let outcome = Outcome::Deposited { customer: customer.clone(), amount: *amount };
        let answer = self.answer(outcome);
        if posted {
            self.emit("payment.deposited", &answer)?;
        }
        Ok(Json(answer))
    }

    /// Sets the customer's money aside, or declines.
    fn authorise(&self, order: Order) -> Result<Json<Answer>, Fault> {
        name("the merchant", &order.merchant)?;
        let account = format!("customer/{}", name("the customer", &order.customer)?);
        let asked = Payment::new(order.customer, order.merchant, order.amount, order.automatic)?;
        if let Some(known) = self.find()? {
            if !known.is_for_the_same(&asked) {
                return Err(Fault::reject(format!("there is another payment `{}`", self.id)));
            }
            return Ok(Json(self.answer(Outcome::Payment(known))));
        }
        if self.ledger.balance(&account)? < asked.amount {
            return self.step(asked, Status::Declined);
        }
        self.ledger.post(&format!("{}/authorise", self.id), &account, HELD, asked.amount)?;
        self.step(asked, Status::Authorised)
    }

    /// Passes what was set aside to the merchant.
    fn capture(&self) -> Result<Json<Answer>, Fault> {
        let payment = self.existing()?;
        match payment.status {
            Status::Authorised => {
                let merchant = payment.merchant_account();
                let entry = format!("{}/capture", self.id);
                self.ledger.post(&entry, HELD, &merchant, payment.amount)?;
                self.step(payment, Status::Captured)
            }
            Status::Captured | Status::Settled => self.already(payment),
            Status::Declined | Status::Voided => Err(self.impossible("captured", &payment)),
        }
    }

    /// Pays the merchant what is left of a captured payment.
    fn settle(&self) -> Result<Json<Answer>, Fault> {
        let payment = self.existing()?;
        match payment.status {
            Status::Captured => {
                // A payment that was refunded in full is settled by moving nothing.
                if payment.left() > 0 {
                    let merchant = payment.merchant_account();
                    let entry = format!("{}/settle", self.id);
                    self.ledger.post(&entry, &merchant, WORLD, payment.left())?;
                }
                self.step(payment, Status::Settled)
            }
            Status::Settled => self.already(payment),
            Status::Authorised | Status::Declined | Status::Voided => {
                Err(self.impossible("settled", &payment))
            }
        }
    }

    /// Gives back what was set aside and not captured.
    fn void(&self) -> Result<Json<Answer>, Fault> {
        let payment = self.existing()?;
        match payment.status {
            Status::Authorised => {
                let customer = payment.customer_account();
                self.ledger.post(&format!("{}/void", self.id), HELD, &customer, payment.amount)?;
                self.step(payment, Status::Voided)
            }
            Status::Voided => self.already(payment),
            Status::Captured | Status::Declined | Status::Settled => {
                Err(self.impossible("voided", &payment))
            }
        }
    }

    /// Gives back all or part of what was captured. The request's id says which refund it is.
    fn refund(&self, refund: &Refund, request: &str) -> Result<Json<Answer>, Fault> {
        let mut payment = self.existing()?;
        let from = match payment.status {
            Status::Captured => payment.merchant_account(),
            // The merchant has been paid: the money comes back from outside.
            Status::Settled => WORLD.to_owned(),
            Status::Authorised | Status::Declined | Status::Voided => {
                return Err(self.impossible("refunded", &payment));
            }
        };
        let entry = format!("{}/refund/{request}", self.id);
        if let Some(given_back) = self.ledger.amount(&entry)? {
            return match refund.amount {
                Some(amount) if amount != given_back => {
                    Err(Fault::reject(format!("there is another ledger entry `{entry}`")))
                }
                _ => self.already(payment),
            };
        }
        let amount = refund.amount.unwrap_or_else(|| payment.left());
        payment.give_back(amount)?;
        self.ledger.post(&entry, &from, &payment.customer_account(), amount)?;
        self.store(&payment)?;
        let answer = self.answer(Outcome::Payment(payment));
        self.emit("payment.refunded", &answer)?;
        Ok(Json(answer))
    }

    /// Stores the payment in its new status, says so, and asks for the step that follows.
    fn step(&self, mut payment: Payment, status: Status) -> Result<Json<Answer>, Fault> {
        payment.status = status;
        self.store(&payment)?;
        let next = payment.next_step();
        let answer = self.answer(Outcome::Payment(payment));
        self.emit(status.event(), &answer)?;
        if let Some(next) = next {
            self.emit(next, &Follow { currency: self.currency })?;
        }
        Ok(Json(answer))
    }

    /// The step was made before: nothing happens again.
    fn already(&self, payment: Payment) -> Result<Json<Answer>, Fault> {
        Ok(Json(self.answer(Outcome::Payment(payment))))
    }

    fn impossible(&self, what: &str, payment: &Payment) -> Fault {
        let status = payment.status.name();
        Fault::reject(format!("payment `{}` is {status}: it can't be {what}", self.id))
    }

    fn find(&self) -> Result<Option<Payment>, Fault> {
        Ok(self.ctx.state().get(&format!("payment/{}", self.id))?)
    }

    /// A request can overtake nothing: it is in the same lane as the payment it is about.
    fn existing(&self) -> Result<Payment, Fault> {
        let Self { id, currency, .. } = self;
        self.find()?.ok_or_else(|| Fault::reject(format!("there is no {currency} payment `{id}`")))
    }

    fn store(&self, payment: &Payment) -> Result<(), Fault> {
        Ok(self.ctx.state().set(&format!("payment/{}", self.id), payment)?)
    }

    fn answer(&self, outcome: Outcome) -> Answer {
        Answer { id: self.id.to_owned(), currency: self.currency.to_owned(), outcome }
    }

    fn emit(&self, ty: &str, data: &impl Serialize) -> Result<(), Fault> {
        Ok(self.ctx.emit(NewEvent::new(ty).subject(self.id).json(data)?)?)
    }
}

/// The payload of a request that follows from a step.
#[derive(Serialize)]
struct Follow<'a> {
    currency: &'a str,
}

/// Names are parts of the names of state entries, so they have no `/` and an end.
fn name<'a>(what: &str, text: &'a str) -> Result<&'a str, Fault> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if plain && (1..=64).contains(&text.len()) {
        return Ok(text);
    }
    Err(Fault::reject(format!("{what} must be a name: 1 to 64 letters, digits, `-`, `_` or `.`")))
}

fn currency(text: &str) -> Result<&str, Fault> {
    if text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
        return Ok(text);
    }
    Err(Fault::reject("`currency` must be three capital letters, such as EUR"))
}
