//! When a batch is complete, what is in it, and how it parts.

use std::time::Duration;

use triphammer_model::{Event, EventParts, Hops, Priority, Seq};

use super::*;
use crate::entry::Payload;
use crate::fn_queue::Rules;

const NOW: Timestamp = Timestamp(1000);

struct Fixture {
    queue: Queue,
    id: FnId,
    seq: u64,
}

impl Fixture {
    fn new(keyed: bool, max: u32, wait_ms: u64) -> Self {
        let mut queue = Queue::new(1 << 20);
        let id = queue.function_id(&"f".parse().unwrap());
        let batch = Some(Batch { max, wait: Duration::from_millis(wait_ms) });
        let rules = Rules { runnable: true, concurrency: 2, batch, keyed, ..Rules::default() };
        queue.configure(id, rules);
        Self { queue, id, seq: 0 }
    }

    fn change(&mut self, change: impl FnOnce(&mut Rules)) {
        let mut rules = self.queue.function(self.id).rules.clone();
        change(&mut rules);
        self.queue.configure(self.id, rules);
    }

    fn add_with(&mut self, key: Option<&str>, at: u64, change: impl FnOnce(&mut Entry)) -> Slot {
        self.seq += 1;
        let parts = EventParts {
            id: "1".into(),
            source: "/s".into(),
            ty: "a".into(),
            ..EventParts::default()
        };
        let payload = Payload::new(Some(Box::new(Event::new(&parts).unwrap())), None, 0);
        let key = key.map(|key| OrderingKey::new(key).unwrap());
        let (seq, at) = (Seq::new(self.seq).unwrap(), Timestamp(at));
        let mut entry = Entry::new((seq, self.id), key, (at, Hops(0)), payload);
        change(&mut entry);
        self.queue.insert(entry, at, at)
    }

    fn add(&mut self, key: Option<&str>, at: u64) -> Slot {
        self.add_with(key, at, |_| {})
    }

    fn add_many(&mut self, count: usize, key: Option<&str>, at: u64) {
        for _ in 0..count {
            self.add(key, at);
        }
    }

    /// The slots of the next batch, the first first; empty when nothing may run.
    fn next(&mut self, now: u64) -> Vec<Slot> {
        let now = Timestamp(now);
        self.queue.release_due(now);
        let Some(turn) = self.queue.next(now) else { return Vec::new() };
        let most = self.queue.function(self.id).rules.batch.map_or(1, |batch| batch.max);
        let along = self.queue.gather(turn.slot, most, now, |_| true);
        std::iter::once(turn.slot).chain(along).collect()
    }

    /// The numbers of the next batch.
    fn numbers(&mut self, now: u64) -> Vec<u64> {
        let batch = self.next(now);
        batch.iter().map(|slot| self.queue.entry(*slot).seq.get()).collect()
    }

    #[track_caller]
    fn counts(&self, ready: u64, running: u64, waiting: u64, blocked: u64) {
        let c = self.queue.function(self.id).counts;
        assert_eq!((c.ready, c.running, c.waiting, c.blocked), (ready, running, waiting, blocked));
    }
}

#[test]
fn the_first_of_a_lane_waits_for_the_others() {
    let mut f = Fixture::new(true, 3, 100);
    let first = f.add(Some("a"), 1000);
    f.counts(0, 0, 1, 0);
    assert_eq!(f.queue.forming(first), Some((1, 3)));
    f.add(Some("a"), 1050);
    assert_eq!(f.numbers(1099), Vec::<u64>::new());
    f.counts(0, 0, 1, 1);
    assert_eq!(f.queue.next_due(), Some(Timestamp(1100)), "from when the first was accepted");
    assert_eq!(f.numbers(1100), [1, 2]);
    f.counts(0, 2, 0, 0);
}

#[test]
fn a_full_batch_waits_no_longer_and_takes_no_more() {
    let mut f = Fixture::new(true, 3, 100);
    f.add_many(4, Some("a"), 1000);
    f.add(Some("b"), 1000);
    f.counts(1, 0, 1, 3);
    let batch = f.next(1000);
    assert_eq!(batch.len(), 3);
    f.counts(0, 3, 1, 1);
    assert_eq!(f.next(1000).len(), 0, "the lane is at work, and the other waits");
    batch.iter().for_each(|slot| drop(f.queue.finish(*slot)));
    f.counts(0, 0, 2, 0);
    assert_eq!(f.numbers(1100), [4]);
    assert_eq!(f.numbers(1100), [5]);
}

#[test]
fn what_has_waited_behind_a_batch_does_not_wait_again() {
    let mut f = Fixture::new(true, 2, 100);
    f.add_many(3, Some("a"), 1000);
    let batch = f.next(1000);
    f.queue.seen(Timestamp(1200));
    batch.iter().for_each(|slot| drop(f.queue.finish(*slot)));
    f.counts(1, 0, 0, 0);
}

#[test]
fn without_keys_the_function_waits() {
    let mut f = Fixture::new(false, 3, 100);
    f.add(None, 1000);
    f.add(None, 1040);
    f.counts(2, 0, 0, 0);
    assert_eq!((f.next(1099).len(), f.queue.next_due()), (0, Some(Timestamp(1100))));
    assert_eq!(f.numbers(1100), [1, 2]);
    f.add_many(7, None, 1200);
    assert_eq!(f.numbers(1200), [3, 4, 5]);
    assert_eq!(f.next(1200).len(), 0, "two attempts run: a batch is one");
    f.counts(4, 5, 0, 0);
}

#[test]
fn no_wait_takes_what_is_there() {
    let mut f = Fixture::new(false, 3, 0);
    f.add(None, 1000);
    assert_eq!(f.numbers(1000), [1]);
    f.add_many(4, None, 1000);
    assert_eq!(f.numbers(1000), [2, 3, 4]);
}

#[test]
fn a_batch_that_fails_runs_one_by_one_in_order() {
    let mut f = Fixture::new(true, 3, 100);
    f.add_many(3, Some("a"), 1000);
    let batch = f.next(1000);
    f.queue.part(batch.iter().copied());
    f.queue.put_back(&batch[1..], NOW);
    f.queue.retry(batch[0], NOW, NOW);
    f.counts(1, 0, 0, 2);
    for number in 1..=3 {
        let alone = f.next(1000);
        assert_eq!(alone.iter().map(|s| f.queue.entry(*s).seq.get()).collect::<Vec<_>>(), [number]);
        f.queue.finish(alone[0]);
    }
    f.counts(0, 0, 0, 0);
    assert!(f.queue.function(f.id).lanes.is_empty() && f.queue.function(f.id).busy == 0);
}

#[test]
fn without_keys_a_batch_that_fails_may_have_to_wait() {
    let mut f = Fixture::new(false, 2, 100);
    f.add(None, 1000);
    f.add(None, 1000);
    let batch = f.next(1000);
    f.queue.part(batch.iter().copied());
    f.queue.put_back(&batch[1..], Timestamp(5000));
    f.queue.retry(batch[0], Timestamp(5000), NOW);
    f.counts(0, 0, 2, 0);
    assert_eq!(f.next(4999).len(), 0);
    assert_eq!((f.next(5000).len(), f.next(5000).len()), (1, 1), "each by itself, at once");
}

#[test]
fn the_first_may_go_while_the_others_run() {
    let mut f = Fixture::new(true, 3, 100);
    f.add_many(3, Some("a"), 1000);
    let batch = f.next(1000);
    f.queue.finish(batch[0]);
    f.counts(0, 2, 0, 0);
    f.queue.seen(Timestamp(1100));
    f.queue.put_back(&batch[1..], NOW);
    f.counts(1, 0, 0, 1);
    assert_eq!(f.numbers(1100), [2, 3]);
}

#[test]
fn what_was_tried_recovered_or_named_runs_alone() {
    let alone: [fn(&mut Entry); 3] = [
        |entry| entry.tried = true,
        |entry| entry.recovered = true,
        |entry| entry.set_expiry_and_name(None, Some("timer")),
    ];
    for (key, change) in alone.iter().flat_map(|change| [(None, change), (Some("a"), change)]) {
        let mut f = Fixture::new(key.is_some(), 3, 100);
        f.add_with(key, 1000, change);
        assert_eq!(f.numbers(1000), [1], "at once");
        let mut f = Fixture::new(key.is_some(), 3, 0);
        f.add(key, 1000);
        f.add_with(key, 1000, change);
        f.add(key, 1000);
        assert_eq!(f.numbers(1000), [1]);
    }
}

#[test]
fn what_has_expired_is_not_taken_along() {
    let mut f = Fixture::new(true, 3, 0);
    f.add(Some("a"), 1000);
    f.add_with(Some("a"), 1000, |entry| {
        entry.set_expiry_and_name(Some(Timestamp(1500)), None);
    });
    assert_eq!(f.numbers(1500), [1]);
}

#[test]
fn what_does_not_fit_is_the_first_of_the_next_batch() {
    let mut f = Fixture::new(false, 10, 0);
    f.add_many(4, None, 1000);
    let turn = f.queue.next(NOW).unwrap();
    let along = f.queue.gather(turn.slot, 10, NOW, |entry| entry.seq.get() < 3);
    assert_eq!(along.len(), 1);
    assert_eq!(f.numbers(1000), [3, 4]);
}

#[test]
fn new_rules_end_the_wait() {
    for keyed in [false, true] {
        let mut f = Fixture::new(keyed, 3, 1000);
        f.add(keyed.then_some("a"), 1000);
        assert_eq!(f.next(1000).len(), 0);
        f.change(|rules| rules.batch = None);
        assert_eq!(f.numbers(1000), [1], "keyed: {keyed}");
    }
}

#[test]
fn one_that_waits_for_others_can_be_dropped() {
    let mut f = Fixture::new(true, 3, 100);
    let first = f.add(Some("a"), 1000);
    f.add(Some("a"), 1020);
    f.queue.remove(first);
    f.counts(0, 0, 1, 0);
    assert_eq!((f.next(1119).len(), f.numbers(1120)), (0, vec![2]), "the next one's own wait");
}

#[test]
fn one_that_runs_alone_waits_for_nobody() {
    let mut f = Fixture::new(false, 3, 100);
    f.add(None, 1000);
    f.add(None, 1000);
    f.add(None, 1000);
    let batch = f.next(1000);
    f.queue.put_back(&batch[1..], NOW);
    f.queue.run_alone(batch[0]);
    assert_eq!(f.numbers(1000), [1, 2, 3], "with the rest of its batch, and nothing beside it");
}

#[test]
fn a_higher_priority_is_first_in_the_batch() {
    let mut f = Fixture::new(false, 2, 0);
    f.add(None, 1000);
    f.add_with(None, 1000, |entry| entry.priority = Priority::of(9));
    f.add(None, 1000);
    assert_eq!(f.numbers(1000)[0], 2);
}

#[test]
fn another_function_s_delivery_in_the_place_of_a_lane_s_head_is_left_alone() {
    let mut f = Fixture::new(true, 3, 1000);
    let other = f.queue.function_id(&"other".parse().unwrap());
    let two = Rules { runnable: true, concurrency: 4, key_concurrency: 2, ..Rules::default() };
    f.queue.configure(other, two.clone());
    let own = std::mem::replace(&mut f.id, other);
    f.add_many(2, Some("a"), 1000);
    let slots = [f.queue.next(NOW).unwrap().slot, f.queue.next(NOW).unwrap().slot];
    // The head of the lane is gone, and its place is taken by what gathers its batch.
    f.queue.finish(slots[1]);
    f.id = own;
    let gathers = f.add(Some("a"), 1000);
    assert_eq!(gathers, slots[1]);
    f.queue.configure(other, Rules { key_concurrency: 1, ..two });
    assert_eq!(f.queue.status(gathers), crate::info::Status::Waiting);
}
