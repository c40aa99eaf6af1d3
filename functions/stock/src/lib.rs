//! The stock of one article: units are received, reserved for an order, then shipped or released.
//!
//! The key is the article, so orders that want the same one wait for each other here and nowhere
//! else. Units are never made or lost: received = available + reserved + shipped.

use serde::{Deserialize, Serialize};
use triphammer_sdk::{Context, Event, Fault, NewEvent, function};

#[derive(Deserialize)]
struct Received {
    quantity: u32,
}

/// The payload of `stock.reserve.requested`.
#[derive(Deserialize)]
struct Wanted {
    order: String,
    quantity: u32,
}

/// The payload of `stock.release.requested` and `stock.ship.requested`.
#[derive(Deserialize)]
struct About {
    order: String,
}

/// The state entry `stock`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Units {
    available: u64,
    reserved: u64,
    shipped: u64,
}

/// The state entry `order/ID`: what an order has asked of this article.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Reservation {
    quantity: u32,
    status: Status,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Reserved,
    Short,
    Released,
    Shipped,
}

/// The payload of `stock.reserved` and `stock.short`, whose subject is the order.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Answer {
    article: String,
    quantity: u32,
}

#[function(on = ["stock.received", "stock.*.requested"], key = "subject", timeout = "2s")]
fn stock(event: Event<Vec<u8>>, ctx: &mut Context) -> Result<(), Fault> {
    let shelf = Shelf { ctx, article: event.subject().unwrap_or_default() };
    match event.ty() {
        "stock.received" => shelf.receive(&event.json()?),
        "stock.reserve.requested" => shelf.reserve(&event.json()?),
        "stock.release.requested" => shelf.end(&event.json()?, Status::Released),
        "stock.ship.requested" => shelf.end(&event.json()?, Status::Shipped),
        other => Err(Fault::reject(format!("a stock can't be asked for `{other}`"))),
    }
}

/// One delivery's view of the article.
struct Shelf<'a> {
    ctx: &'a Context,
    article: &'a str,
}

impl Shelf<'_> {
    fn receive(&self, received: &Received) -> Result<(), Fault> {
        let mut units = self.units()?;
        units.available = units
            .available
            .checked_add(u64::from(received.quantity))
            .ok_or_else(|| Fault::reject("there is no room for so much"))?;
        self.store(&units)
    }

    /// An order that asks again gets the answer that it got.
    fn reserve(&self, wanted: &Wanted) -> Result<(), Fault> {
        let Wanted { order, quantity } = wanted;
        if *quantity == 0 {
            return Err(Fault::reject("nothing can't be reserved"));
        }
        if let Some(known) = self.reservation(order)? {
            return self.answer(order, known);
        }
        let mut units = self.units()?;
        let enough = units.available >= u64::from(*quantity);
        let status = if enough { Status::Reserved } else { Status::Short };
        if enough {
            units.available -= u64::from(*quantity);
            units.reserved += u64::from(*quantity);
            self.store(&units)?;
        }
        let reservation = Reservation { quantity: *quantity, status };
        self.keep(order, reservation)?;
        self.answer(order, reservation)
    }

    /// Ends a reservation: the units go back on the shelf, or out of the door.
    fn end(&self, about: &About, status: Status) -> Result<(), Fault> {
        let Some(mut reservation) = self.reservation(&about.order)? else {
            return Err(Fault::reject(format!("order `{}` has reserved nothing", about.order)));
        };
        if reservation.status == status {
            return Ok(());
        }
        if reservation.status != Status::Reserved {
            let Reservation { status, .. } = reservation;
            return Err(Fault::reject(format!("the reservation is {status:?} already")));
        }
        let quantity = u64::from(reservation.quantity);
        let mut units = self.units()?;
        units.reserved -= quantity;
        match status {
            Status::Shipped => units.shipped += quantity,
            _ => units.available += quantity,
        }
        self.store(&units)?;
        reservation.status = status;
        self.keep(&about.order, reservation)
    }

    fn answer(&self, order: &str, reservation: Reservation) -> Result<(), Fault> {
        let ty = match reservation.status {
            Status::Short => "stock.short",
            Status::Reserved | Status::Released | Status::Shipped => "stock.reserved",
        };
        let answer = Answer { article: self.article.to_owned(), quantity: reservation.quantity };
        Ok(self.ctx.emit(NewEvent::new(ty).subject(order).json(&answer)?)?)
    }

    fn units(&self) -> Result<Units, Fault> {
        Ok(self.ctx.state().get("stock")?.unwrap_or_default())
    }

    fn store(&self, units: &Units) -> Result<(), Fault> {
        Ok(self.ctx.state().set("stock", units)?)
    }

    fn reservation(&self, order: &str) -> Result<Option<Reservation>, Fault> {
        Ok(self.ctx.state().get(&format!("order/{order}"))?)
    }

    fn keep(&self, order: &str, reservation: Reservation) -> Result<(), Fault> {
        Ok(self.ctx.state().set(&format!("order/{order}"), &reservation)?)
    }
}

#[cfg(test)]
mod tests {
    use triphammer_sdk::testing::{Done, Host, event};

    use super::*;

    struct Shop(Host);

    impl Shop {
        fn with(units: u32) -> Self {
            let mut shop = Self(Host::new().keyed_by("subject"));
            shop.ask("received", &format!(r#"{{"quantity": {units}}}"#)).unwrap();
            shop
        }

        fn ask(&mut self, what: &str, data: &str) -> Result<Done, Fault> {
            let event = event(format!("stock.{what}")).subject("tea").data(data);
            self.0.call(stock, event)
        }

        /// The type of the answer.
        fn reserve(&mut self, order: &str, quantity: u32) -> String {
            let data = format!(r#"{{"order": "{order}", "quantity": {quantity}}}"#);
            let done = self.ask("reserve.requested", &data).unwrap();
            let answer = done.only_emitted();
            assert_eq!(answer.subject.as_deref(), Some(order));
            assert_eq!(answer.json::<Answer>(), Answer { article: "tea".into(), quantity });
            answer.ty.clone()
        }

        fn end(&mut self, what: &str, order: &str) -> Result<Done, Fault> {
            self.ask(&format!("{what}.requested"), &format!(r#"{{"order": "{order}"}}"#))
        }

        fn units(&self) -> [u64; 3] {
            let units: Units = self.0.state_of(Some("tea"), "stock").unwrap();
            [units.available, units.reserved, units.shipped]
        }
    }

    #[test]
    fn units_are_reserved_then_shipped_or_released() {
        let mut shop = Shop::with(10);
        assert_eq!(shop.reserve("o-1", 4), "stock.reserved");
        assert_eq!(shop.reserve("o-2", 5), "stock.reserved");
        assert_eq!(shop.units(), [1, 9, 0]);
        shop.end("ship", "o-1").unwrap();
        shop.end("release", "o-2").unwrap();
        assert_eq!(shop.units(), [6, 0, 4]);
    }

    #[test]
    fn too_few_units_are_none() {
        let mut shop = Shop::with(10);
        assert_eq!(shop.reserve("o-1", 11), "stock.short");
        assert_eq!(shop.units(), [10, 0, 0]);
        assert!(matches!(shop.end("ship", "o-1"), Err(Fault::Reject { .. })));
    }

    #[test]
    fn a_repeated_request_changes_nothing() {
        let mut shop = Shop::with(10);
        for _ in 0..2 {
            assert_eq!(shop.reserve("o-1", 4), "stock.reserved");
            assert_eq!(shop.units(), [6, 4, 0]);
        }
        for _ in 0..2 {
            shop.end("ship", "o-1").unwrap();
            assert_eq!(shop.units(), [6, 0, 4]);
        }
        assert!(matches!(shop.end("release", "o-1"), Err(Fault::Reject { .. })));
    }

    #[test]
    fn nonsense_is_refused() {
        let mut shop = Shop::with(10);
        let cases = [
            ("received", r#"{"quantity": -1}"#),
            ("reserve.requested", r#"{"order": "o-1", "quantity": 0}"#),
            ("reserve.requested", r#"{"quantity": 1}"#),
            ("ship.requested", r#"{"order": "o-9"}"#),
            ("burn.requested", "{}"),
        ];
        for (what, data) in cases {
            assert!(matches!(shop.ask(what, data), Err(Fault::Reject { .. })), "{what} {data}");
        }
        assert_eq!(shop.units(), [10, 0, 0]);
    }
}
