//! An order: reserve every line, then ship; or, when one is short, give the others back.
//!
//! The key is the order, so its answers are taken in one at a time. Stock is another function: the
//! two know each other by their events alone.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use triphammer_sdk::{Context, Event, Fault, NewEvent, function};

/// More lines would be more events than one commit should have.
const LINES_MAX: usize = 100;

/// The payload of `order.placed`.
#[derive(Deserialize)]
struct Placed {
    lines: Vec<PlacedLine>,
}

#[derive(Deserialize)]
struct PlacedLine {
    article: String,
    quantity: u32,
}

/// The payload of `stock.reserved` and `stock.short`.
#[derive(Deserialize)]
struct Answer {
    article: String,
}

/// The state entry `order`; also the payload of the order's events.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Order {
    status: Status,
    lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Reserving,
    Shipping,
    Cancelled,
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Line {
    article: String,
    quantity: u32,
    stock: Stock,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Stock {
    Asked,
    Reserved,
    Short,
}

#[function(on = ["order.placed", "stock.reserved", "stock.short"], key = "subject", timeout = "2s")]
fn orders(event: Event<Vec<u8>>, ctx: &mut Context) -> Result<(), Fault> {
    let desk = Desk { ctx, id: event.subject().unwrap_or_default() };
    match event.ty() {
        "stock.reserved" => desk.answered(&event.json()?, Stock::Reserved),
        "stock.short" => desk.answered(&event.json()?, Stock::Short),
        _ => desk.placed(event.json()?),
    }
}

/// One delivery's view of the order.
struct Desk<'a> {
    ctx: &'a Context,
    id: &'a str,
}

/// The payload of what is asked of stock, whose subject is the article.
#[derive(Serialize)]
struct Ask<'a> {
    order: &'a str,
    quantity: u32,
}

impl Desk<'_> {
    fn placed(&self, placed: Placed) -> Result<(), Fault> {
        let order = Order::of(placed)?;
        if let Some(known) = self.find()? {
            let again = known.is_for_the_same(&order);
            let other = || Fault::reject(format!("there is another order `{}`", self.id));
            return if again { Ok(()) } else { Err(other()) };
        }
        self.store(&order)?;
        order.lines.iter().try_for_each(|line| self.ask("stock.reserve.requested", line))
    }

    /// Notes the answer for one line. The last one decides.
    fn answered(&self, answer: &Answer, stock: Stock) -> Result<(), Fault> {
        let Some(mut order) = self.find()? else {
            return Err(Fault::reject(format!("there is no order `{}`", self.id)));
        };
        let mut asked = order.lines.iter_mut().filter(|line| line.stock == Stock::Asked);
        // A repeated answer finds its line answered already.
        let Some(line) = asked.find(|line| line.article == answer.article) else { return Ok(()) };
        line.stock = stock;
        if order.lines.iter().all(|line| line.stock != Stock::Asked) {
            self.decide(&mut order)?;
        }
        self.store(&order)
    }

    fn decide(&self, order: &mut Order) -> Result<(), Fault> {
        let complete = order.lines.iter().all(|line| line.stock == Stock::Reserved);
        let (status, end_of_reservation, ty) = match complete {
            true => (Status::Shipping, "stock.ship.requested", "shipment.requested"),
            false => (Status::Cancelled, "stock.release.requested", "order.cancelled"),
        };
        order.status = status;
        let mut reserved = order.lines.iter().filter(|line| line.stock == Stock::Reserved);
        reserved.try_for_each(|line| self.ask(end_of_reservation, line))?;
        Ok(self.ctx.emit(NewEvent::new(ty).subject(self.id).json(order)?)?)
    }

    fn ask(&self, ty: &str, line: &Line) -> Result<(), Fault> {
        let ask = Ask { order: self.id, quantity: line.quantity };
        Ok(self.ctx.emit(NewEvent::new(ty).subject(&line.article).json(&ask)?)?)
    }

    fn find(&self) -> Result<Option<Order>, Fault> {
        Ok(self.ctx.state().get("order")?)
    }

    fn store(&self, order: &Order) -> Result<(), Fault> {
        Ok(self.ctx.state().set("order", order)?)
    }
}

impl Order {
    fn of(placed: Placed) -> Result<Self, Fault> {
        if !(1..=LINES_MAX).contains(&placed.lines.len()) {
            return Err(Fault::reject(format!("an order has 1 to {LINES_MAX} lines")));
        }
        let mut articles = BTreeSet::new();
        for PlacedLine { article, quantity } in &placed.lines {
            if article.is_empty() || *quantity == 0 || !articles.insert(article) {
                return Err(Fault::reject(
                    "each line names an article of its own, and a quantity of 1 or more",
                ));
            }
        }
        let lines = placed.lines.into_iter();
        let lines = lines.map(|PlacedLine { article, quantity }| Line {
            article,
            quantity,
            stock: Stock::Asked,
        });
        Ok(Self { status: Status::Reserving, lines: lines.collect() })
    }

    /// Whether it asks for the same, however far it is.
    fn is_for_the_same(&self, other: &Self) -> bool {
        let asked = |order: &Self| -> Vec<(String, u32)> {
            order.lines.iter().map(|line| (line.article.clone(), line.quantity)).collect()
        };
        asked(self) == asked(other)
    }
}

#[cfg(test)]
mod tests {
    use triphammer_sdk::testing::{Done, Emitted, Host, event};

    use super::*;

    const TWO_LINES: &str =
        r#"{"lines": [{"article": "tea", "quantity": 2}, {"article": "cup", "quantity": 1}]}"#;

    struct Shop(Host);

    impl Shop {
        fn new() -> Self {
            Self(Host::new().keyed_by("subject"))
        }

        fn send(&mut self, ty: &str, data: &str) -> Result<Done, Fault> {
            self.0.call(orders, event(ty).subject("o-1").data(data))
        }

        /// What follows from the answer for one article: types and subjects.
        fn answer(&mut self, ty: &str, article: &str) -> Vec<String> {
            let data = format!(r#"{{"article": "{article}", "quantity": 1}}"#);
            names(&self.send(ty, &data).unwrap().emitted)
        }

        fn status(&self) -> Status {
            self.0.state_of::<Order>(Some("o-1"), "order").unwrap().status
        }
    }

    fn names(emitted: &[Emitted]) -> Vec<String> {
        let subject = |event: &Emitted| event.subject.clone().unwrap_or_default();
        emitted.iter().map(|event| format!("{} {}", event.ty, subject(event))).collect()
    }

    #[test]
    fn a_complete_order_is_shipped() {
        let mut shop = Shop::new();
        let asked = names(&shop.send("order.placed", TWO_LINES).unwrap().emitted);
        assert_eq!(asked, ["stock.reserve.requested tea", "stock.reserve.requested cup"]);
        assert!(shop.answer("stock.reserved", "cup").is_empty());
        assert_eq!(
            shop.answer("stock.reserved", "tea"),
            ["stock.ship.requested tea", "stock.ship.requested cup", "shipment.requested o-1"]
        );
        assert_eq!(shop.status(), Status::Shipping);
    }

    #[test]
    fn what_was_reserved_for_a_short_order_is_given_back() {
        for (first, second) in
            [("stock.reserved", "stock.short"), ("stock.short", "stock.reserved")]
        {
            let mut shop = Shop::new();
            shop.send("order.placed", TWO_LINES).unwrap();
            assert!(shop.answer(first, "tea").is_empty());
            let given_back = if first == "stock.reserved" { "tea" } else { "cup" };
            assert_eq!(
                shop.answer(second, "cup"),
                [format!("stock.release.requested {given_back}"), "order.cancelled o-1".into()]
            );
            assert_eq!(shop.status(), Status::Cancelled);
        }
    }

    #[test]
    fn a_repeated_event_changes_nothing() {
        let mut shop = Shop::new();
        shop.send("order.placed", TWO_LINES).unwrap();
        assert!(shop.send("order.placed", TWO_LINES).unwrap().emitted.is_empty());
        shop.answer("stock.reserved", "tea");
        assert!(shop.answer("stock.reserved", "tea").is_empty());
        assert_eq!(shop.status(), Status::Reserving);
        shop.answer("stock.reserved", "cup");
        assert!(shop.answer("stock.short", "cup").is_empty());
        assert_eq!(shop.status(), Status::Shipping);
    }

    #[test]
    fn nonsense_is_refused() {
        let line = r#"{"article": "tea", "quantity": 1}"#;
        let cases = [
            r#"{"lines": []}"#.to_owned(),
            format!(r#"{{"lines": [{line}, {line}]}}"#),
            line.to_owned(),
            r#"{"lines": [{"article": "tea", "quantity": 0}]}"#.to_owned(),
            r#"{"lines": [{"article": "", "quantity": 1}]}"#.to_owned(),
        ];
        for data in cases {
            let fault = Shop::new().send("order.placed", &data);
            assert!(matches!(fault, Err(Fault::Reject { .. })), "{data}");
        }
        let stray = Shop::new().send("stock.reserved", r#"{"article": "tea"}"#);
        assert!(matches!(stray, Err(Fault::Reject { .. })));
    }

    #[test]
    fn an_id_stands_for_one_order() {
        let mut shop = Shop::new();
        shop.send("order.placed", TWO_LINES).unwrap();
        let other = shop.send("order.placed", r#"{"lines": [{"article": "tea", "quantity": 9}]}"#);
        assert_eq!(other.unwrap_err(), Fault::reject("there is another order `o-1`"));
    }
}
