//! Proves from the outside that nothing was lost, repeated or half done. Knows no host: it is given
//! what the senders were told and what the host shows at the end.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{self, Books};

/// All that can be seen of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// The ids of all events from outside, as the host lists them.
    pub(crate) listed: Vec<String>,
    /// What `counter` emitted, in the order of acceptance.
    pub(crate) counted: Vec<Counted>,
    /// The events of a chain after its first, their types, by the id of the first.
    pub(crate) relayed: BTreeMap<String, Vec<String>>,
    /// By currency.
    pub(crate) books: BTreeMap<String, Books>,
    /// The count of the function without a key.
    pub(crate) count: u64,
}

/// An event that a sender was told is on disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acknowledged {
    pub(crate) id: String,
    pub(crate) ty: String,
    pub(crate) subject: String,
    /// What its receipts said; one, however often it was sent.
    pub(crate) seqs: BTreeSet<String>,
    pub(crate) deliveries: Vec<Delivery>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) status: String,
    /// The revisions of the attempts that committed.
    pub(crate) commits: Vec<String>,
    /// The reply of the function without a key: how many it has counted.
    pub(crate) count: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) subject: String,
    pub(crate) n: u64,
    pub(crate) event: String,
}

impl History {
    /// Everything that is wrong with it.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        found.extend(self.acknowledged.iter().flat_map(not_committed_once));
        found.extend(self.not_listed_once());
        found.extend(self.not_counted_in_order());
        found.extend(self.not_relayed_once());
        found.extend(self.not_balanced());
        found.extend(self.updates_lost());
        found
    }

    fn of_type<'h>(&'h self, ty: &'h str) -> impl Iterator<Item = &'h Acknowledged> {
        self.acknowledged.iter().filter(move |event| event.ty == ty)
    }

    fn not_listed_once(&self) -> Vec<String> {
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for id in &self.listed {
            *times.entry(id).or_default() += 1;
        }
        let acknowledged: BTreeSet<&str> =
            self.acknowledged.iter().map(|event| event.id.as_str()).collect();
        let missing = acknowledged.iter().filter(|id| !times.contains_key(*id));
        let missing = missing.map(|id| format!("{id} was acknowledged and is not listed"));
        let twice = times.iter().filter(|(_, times)| **times > 1);
        let twice = twice.map(|(id, times)| format!("{id} is listed {times} times"));
        let unknown = times.keys().filter(|id| !acknowledged.contains(*id));
        let unknown = unknown.map(|id| format!("{id} is listed and was never acknowledged"));
        missing.chain(twice).chain(unknown).collect()
    }

    /// Per subject the counts are 1, 2, 3, …, and each event was counted once.
    fn not_counted_in_order(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut counted: BTreeMap<&str, Vec<&Counted>> = BTreeMap::new();
        for one in &self.counted {
            counted.entry(&one.subject).or_default().push(one);
        }
        let mut sent: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for event in self.of_type("counter.add") {
            sent.entry(&event.subject).or_default().insert(&event.id);
        }
        let subjects: BTreeSet<&str> = counted.keys().chain(sent.keys()).copied().collect();
        for subject in subjects {
            let none = Vec::new();
            let counted = counted.get(subject).unwrap_or(&none);
            for (index, one) in counted.iter().enumerate() {
                if one.n != index as u64 + 1 {
                    let place = index + 1;
                    found.push(format!("{subject}: count {} at place {place}", one.n));
                }
            }
            let events: BTreeSet<&str> = counted.iter().map(|one| one.event.as_str()).collect();
            if events.len() != counted.len() {
                found.push(format!("{subject}: an event was counted twice"));
            }
            if events != sent.get(subject).cloned().unwrap_or_default() {
                found.push(format!("{subject}: what was counted is not what was sent"));
            }
        }
        found
    }

    fn not_relayed_once(&self) -> Vec<String> {
        let mut found = Vec::new();
        for event in self.of_type("chain.0") {
            let mut relayed = self.relayed.get(&event.id).cloned().unwrap_or_default();
            relayed.sort();
            if relayed != ["chain.1", "chain.2"] {
                found.push(format!("{} led to {relayed:?}", event.id));
            }
        }
        if self.relayed.len() > self.of_type("chain.0").count() {
            found.push("there are chains without a beginning".to_owned());
        }
        found
    }

    fn not_balanced(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (currency, books) in &self.books {
            let wrong = ledger::violations(books);
            found.extend(wrong.into_iter().map(|wrong| format!("{currency}: {wrong}")));
        }
        let has = |name: &str| self.books.values().filter(|books| books.contains_key(name)).count();
        for event in self.of_type("payment.deposit.requested") {
            if has(&format!("ledger/{}/deposit", event.subject)) != 1 {
                found.push(format!("deposit {} is not in the books once", event.subject));
            }
        }
        for event in self.of_type("payment.requested") {
            let of = |books| ledger::status(books, &event.subject);
            let statuses: Vec<&str> =
                self.books.values().map(of).filter(|status| *status != "none").collect();
            if !matches!(statuses.as_slice(), ["settled" | "declined"]) {
                found.push(format!("payment {} ended as {statuses:?}", event.subject));
            }
        }
        let payments = self.books.values().flat_map(Books::keys);
        let payments = payments.filter(|name| name.starts_with("payment/")).count();
        if payments != self.of_type("payment.requested").count() {
            found.push(format!("there are {payments} payments in the books"));
        }
        found
    }

    fn updates_lost(&self) -> Vec<String> {
        let mut found = Vec::new();
        let events: Vec<&Acknowledged> = self.of_type("misbehave.count").collect();
        let sent = events.len() as u64;
        if self.count != sent {
            found.push(format!(
                "{sent} were sent to the counter without a key, it has {}",
                self.count
            ));
        }
        let replies = events.iter().flat_map(|event| &event.deliveries);
        let replies: BTreeSet<u64> = replies.filter_map(|delivery| delivery.count).collect();
        if replies != (1..=sent).collect() {
            found.push("a count of the counter without a key was given twice or never".to_owned());
        }
        found
    }
}

fn not_committed_once(event: &Acknowledged) -> Vec<String> {
    let mut found = Vec::new();
    let Acknowledged { id, seqs, deliveries, .. } = event;
    if seqs.len() != 1 {
        found.push(format!("{id} was acknowledged as {seqs:?}"));
    }
    let [delivery] = deliveries.as_slice() else {
        found.push(format!("{id} has {} deliveries", deliveries.len()));
        return found;
    };
    if delivery.status != "committed" || delivery.commits.len() != 1 {
        let Delivery { status, commits, .. } = delivery;
        found.push(format!("{id} is {status}, and was committed by {commits:?}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn acknowledged(id: &str, ty: &str, subject: &str) -> Acknowledged {
        let (id, ty, subject) = (id.to_owned(), ty.to_owned(), subject.to_owned());
        let count = (ty == "misbehave.count").then(|| id[2..].parse().unwrap());
        let delivery = Delivery { status: "committed".into(), commits: vec!["r1".into()], count };
        let seqs = [format!("seq-{id}")].into();
        Acknowledged { id, ty, subject, seqs, deliveries: vec![delivery] }
    }

    /// A run in which all went well.
    fn sound() -> History {
        let acknowledged = vec![
            acknowledged("c-1", "counter.add", "a"),
            acknowledged("c-2", "counter.add", "a"),
            acknowledged("r-1", "chain.0", "s"),
            acknowledged("d-1", "payment.deposit.requested", "d-1"),
            acknowledged("p-1", "payment.requested", "p-1"),
            acknowledged("n-1", "misbehave.count", "s"),
            acknowledged("n-2", "misbehave.count", "s"),
        ];
        let counted = |n: u64| Counted { subject: "a".into(), n, event: format!("c-{n}") };
        let posting = |account: &str, amount: i64| json!({"account": account, "amount": amount});
        let entry = |from: &str, to: &str, amount: i64| json!({"postings": [posting(from, -amount), posting(to, amount)]});
        let books = [
            ("account/world", json!(-70)),
            ("account/customer/ada", json!(70)),
            ("ledger/d-1/deposit", entry("world", "customer/ada", 70)),
            ("payment/p-1", json!({"status": "declined"})),
        ];
        let books: Books = books.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        History {
            listed: acknowledged.iter().map(|event| event.id.clone()).collect(),
            acknowledged,
            counted: vec![counted(1), counted(2)],
            relayed: [("r-1".to_owned(), vec!["chain.1".to_owned(), "chain.2".to_owned()])].into(),
            books: [("EUR".to_owned(), books)].into(),
            count: 2,
        }
    }

    #[track_caller]
    fn finds(doctor: impl FnOnce(&mut History), expect: &str) {
        let mut history = sound();
        doctor(&mut history);
        let found = history.violations();
        assert!(found.iter().any(|one| one.contains(expect)), "{found:?}");
    }

    #[test]
    fn a_sound_history_passes() {
        assert_eq!(sound().violations(), Vec::<String>::new());
    }

    #[test]
    fn what_was_acknowledged_and_lost_is_found() {
        finds(|h| drop(h.listed.remove(0)), "c-1 was acknowledged and is not listed");
        finds(|h| h.acknowledged[0].deliveries.clear(), "c-1 has 0 deliveries");
        let open = |h: &mut History| {
            h.acknowledged[0].deliveries[0] =
                Delivery { status: "ready".into(), ..Delivery::default() };
        };
        finds(open, "c-1 is ready");
    }

    #[test]
    fn what_happened_twice_is_found() {
        finds(|h| h.listed.push("c-1".into()), "c-1 is listed 2 times");
        finds(|h| h.acknowledged[0].deliveries[0].commits.push("r2".into()), "committed by");
        finds(|h| h.acknowledged[0].seqs.extend(["other".to_owned()]), "acknowledged as");
        let again = |h: &mut History| h.counted.push(Counted { n: 3, ..h.counted[0].clone() });
        finds(again, "an event was counted twice");
        let thrice = |h: &mut History| h.relayed.get_mut("r-1").unwrap().push("chain.2".into());
        finds(thrice, "r-1 led to");
    }

    #[test]
    fn gaps_and_disorder_are_found() {
        finds(|h| h.counted[1].n = 3, "count 3 at place 2");
        finds(|h| h.counted.swap(0, 1), "count 2 at place 1");
        finds(|h| drop(h.counted.pop()), "what was counted is not what was sent");
        finds(|h| h.relayed.clear(), "r-1 led to []");
    }

    #[test]
    fn money_made_or_lost_is_found() {
        let set = |h: &mut History, name: &str, value| {
            h.books.get_mut("EUR").unwrap().insert(name.to_owned(), value);
        };
        finds(|h| set(h, "account/customer/ada", json!(71)), "all accounts add up to 1");
        let moved = |h: &mut History| {
            set(h, "account/customer/ada", json!(69));
            set(h, "account/held", json!(1));
        };
        finds(moved, "are not those of the entries");
        let half = json!({"postings": [{"account": "world", "amount": -1}]});
        finds(
            |h| set(h, "ledger/x/capture", half),
            "the postings of ledger/x/capture add up to -1",
        );
        finds(|h| set(h, "payment/p-1", json!({"status": "captured"})), "payment p-1 ended as");
        finds(|h| set(h, "payment/p-9", json!({"status": "settled"})), "2 payments in the books");
        finds(|h| h.books.clear(), "deposit d-1 is not in the books once");
    }

    #[test]
    fn lost_updates_are_found() {
        finds(|h| h.count = 1, "it has 1");
        finds(|h| h.acknowledged[6].deliveries[0].count = Some(1), "twice or never");
    }
}
