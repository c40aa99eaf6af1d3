//! Lanes, turns, dead letters and counts of the queue.

use std::time::Duration;

use triphammer_journal::RowStatus;
use triphammer_model::{ErrorInfo, Hops, Priority, Rate};

use crate::entry::{DeadLetter, Payload};
use crate::gates::Gate;

use super::*;

const NOW: Timestamp = Timestamp(1000);

fn rules(runnable: bool, concurrency: u32) -> Rules {
    Rules { runnable, concurrency, ..Rules::default() }
}

struct Fixture {
    queue: Queue,
    function: FnId,
    seq: u64,
}

impl Fixture {
    fn new(concurrency: u32) -> Self {
        let mut queue = Queue::new(1 << 20);
        let function = queue.function_id(&"f".parse().unwrap());
        queue.configure(function, rules(true, concurrency));
        Self { queue, function, seq: 0 }
    }

    fn add(&mut self, key: Option<&str>, due: u64) -> Slot {
        self.seq += 1;
        let payload = Payload::new(None, None, 0);
        let key = key.map(|k| OrderingKey::new(k).unwrap());
        let seq = Seq::new(self.seq).unwrap();
        let entry = Entry::new((seq, self.function), key, (NOW, Hops(0)), payload);
        self.queue.insert(entry, Timestamp(due), NOW)
    }

    fn die(&mut self, slot: Slot) {
        let error = ErrorInfo { code: "invoke.trap".into(), message: String::new() };
        let status = RowStatus::Dead { at: NOW, error };
        let letter = |entry: Entry| {
            let row = entry.to_row(&"f".parse().unwrap(), status);
            DeadLetter::new(row, entry.payload)
        };
        assert!(self.queue.finish_dead(slot, letter));
    }

    fn next(&mut self) -> Option<u64> {
        let turn = self.queue.next(NOW)?;
        Some(self.queue.entry(turn.slot).seq.get())
    }

    #[track_caller]
    fn counts(&self, ready: u64, running: u64, waiting: u64, blocked: u64) {
        let c = self.queue.function(self.function).counts;
        assert_eq!((c.ready, c.running, c.waiting, c.blocked), (ready, running, waiting, blocked));
    }
}

#[test]
fn a_lane_runs_one_at_a_time_in_order() {
    let mut f = Fixture::new(10);
    let a1 = f.add(Some("a"), 0);
    f.add(Some("a"), 0);
    f.add(Some("b"), 0);
    f.counts(2, 0, 0, 1);
    assert_eq!((f.next(), f.next(), f.next()), (Some(1), Some(3), None));
    f.counts(0, 2, 0, 1);
    f.queue.finish(a1);
    assert_eq!(f.next(), Some(2));
    f.counts(0, 2, 0, 0);
}

#[test]
fn a_retry_keeps_its_place_and_holds_up_only_its_own_lane() {
    let mut f = Fixture::new(10);
    let a1 = f.add(Some("a"), 0);
    f.add(Some("a"), 0);
    f.add(Some("b"), 0);
    assert_eq!(f.next(), Some(1));
    f.queue.retry(a1, Timestamp(2000), NOW);
    f.counts(1, 0, 1, 1);
    assert_eq!((f.next(), f.next()), (Some(3), None));
    assert_eq!(f.queue.release_due(Timestamp(1999)), Some(Timestamp(2000)));
    assert_eq!(f.queue.release_due(Timestamp(2000)), None);
    assert_eq!((f.next(), f.next()), (Some(1), None));
}

#[test]
fn a_delayed_delivery_enters_its_lane_when_it_is_due() {
    let mut f = Fixture::new(10);
    f.add(Some("a"), 2000);
    let second = f.add(Some("a"), 0);
    f.counts(1, 0, 1, 0);
    assert_eq!(f.next(), Some(2));
    f.queue.release_due(Timestamp(2000));
    f.counts(0, 1, 0, 1);
    f.queue.finish(second);
    assert_eq!(f.next(), Some(1));
}

#[test]
fn the_oldest_is_next_whatever_its_lane() {
    let mut f = Fixture::new(1);
    let a1 = f.add(Some("a"), 0);
    f.add(Some("a"), 0);
    f.add(Some("b"), 0);
    assert_eq!(f.next(), Some(1));
    f.queue.finish(a1);
    // The lane's second became ready after the other lane's first, and was accepted before it.
    assert_eq!(f.next(), Some(2));
}

#[test]
fn concurrency_is_kept() {
    let mut f = Fixture::new(2);
    let first = f.add(None, 0);
    f.add(None, 0);
    f.add(None, 0);
    assert_eq!((f.next(), f.next(), f.next()), (Some(1), Some(2), None));
    f.queue.finish(first);
    assert_eq!(f.next(), Some(3));
}

#[test]
fn functions_take_turns() {
    let mut f = Fixture::new(10);
    for _ in 0..3 {
        f.add(None, 0);
    }
    let other = f.queue.function_id(&"g".parse().unwrap());
    f.queue.configure(other, rules(true, 10));
    f.function = other;
    f.add(None, 0);
    assert_eq!((f.next(), f.next(), f.next()), (Some(1), Some(4), Some(2)));
}

#[test]
fn a_paused_function_does_not_run_and_loses_nothing() {
    let mut f = Fixture::new(10);
    f.queue.configure(f.function, rules(false, 10));
    f.add(None, 0);
    assert_eq!(f.next(), None);
    f.counts(1, 0, 0, 0);
    f.queue.configure(f.function, rules(true, 10));
    assert_eq!(f.next(), Some(1));
}

#[test]
fn one_that_runs_alone_waits_for_the_others_and_holds_back_the_next() {
    let mut f = Fixture::new(10);
    let first = f.add(None, 0);
    let second = f.add(None, 0);
    f.add(None, 0);
    assert_eq!((f.next(), f.next()), (Some(1), Some(2)));
    f.queue.run_alone(first);
    assert_eq!(f.next(), None);
    f.queue.finish(second);
    assert_eq!((f.next(), f.next()), (Some(1), None));
    f.queue.finish(first);
    assert_eq!(f.next(), Some(3));
}

#[test]
fn whatever_is_removed_leaves_no_count_behind() {
    let mut f = Fixture::new(10);
    let a1 = f.add(Some("a"), 0);
    let a2 = f.add(Some("a"), 0);
    let a3 = f.add(Some("a"), 0);
    let late = f.add(Some("a"), 5000);
    assert!(f.queue.remove(a2).is_some());
    assert!(f.queue.remove(a1).is_some());
    f.counts(1, 0, 1, 0);
    assert_eq!(f.next(), Some(3));
    assert!(f.queue.remove(a3).is_none(), "it runs");
    assert!(f.queue.remove(late).is_some());
    f.queue.finish(a3);
    f.counts(0, 0, 0, 0);
    assert_eq!(f.queue.next_due(), None);
}

#[test]
fn a_lane_stands_for_its_dead_letter_where_that_is_wanted() {
    let mut f = Fixture::new(10);
    f.queue.configure(f.function, Rules { halts: true, ..rules(true, 10) });
    let a1 = f.add(Some("a"), 0);
    f.add(Some("a"), 0);
    f.add(Some("b"), 0);
    assert_eq!(f.next(), Some(1));
    f.die(a1);
    f.add(Some("a"), 0);
    assert_eq!((f.next(), f.next()), (Some(3), None), "the others go on");
    f.counts(0, 1, 0, 2);
    // Redriven, it goes before those that waited for it.
    let letter = f.queue.unbury(f.function, Seq::new(1).unwrap()).unwrap();
    let key = letter.row.key.clone();
    f.queue.insert_again(vec![Entry::from_row(&letter.row, f.function, letter.payload)]);
    f.queue.resume_lane(f.function, key.as_ref());
    f.counts(1, 1, 0, 2);
    assert_eq!((f.next(), f.next()), (Some(1), None));
}

#[test]
fn what_is_redriven_in_parts_is_in_order_in_its_lane() {
    let mut f = Fixture::new(10);
    f.queue.configure(f.function, Rules { halts: true, ..rules(true, 10) });
    for number in 1..=4 {
        let slot = f.add(Some("a"), 0);
        f.queue.configure(f.function, rules(true, 10));
        assert_eq!(f.next(), Some(number));
        f.queue.configure(f.function, Rules { halts: true, ..rules(true, 10) });
        f.die(slot);
    }
    f.add(Some("a"), 0);
    for part in [[3, 4], [1, 2]] {
        let letters = part.map(|seq| f.queue.unbury(f.function, Seq::new(seq).unwrap()).unwrap());
        let key = letters[0].row.key.clone();
        let again = letters.map(|letter| {
            let mut row = letter.row.clone();
            row.status = RowStatus::Due(Timestamp(0));
            Entry::from_row(&row, f.function, letter.payload)
        });
        f.queue.insert_again(again.into());
        f.queue.resume_lane(f.function, key.as_ref());
    }
    for number in 1..=5 {
        assert_eq!(f.next(), Some(number));
        let slot = f.queue.entries().find(|(_, e)| e.state == State::Running).unwrap().0;
        f.queue.finish(slot);
    }
}

#[test]
fn many_are_taken_out_at_once_and_what_is_left_keeps_its_order() {
    let mut f = Fixture::new(1);
    let keyed: Vec<Slot> = (0..200_000).map(|_| f.add(Some("a"), 0)).collect();
    let plain: Vec<Slot> = (0..200_000).map(|_| f.add(None, 0)).collect();
    f.counts(200_001, 0, 0, 199_999);
    let mut all: Vec<Slot> = [&keyed[..199_999], &plain[1..]].concat();
    // Named twice, and in no order.
    all.reverse();
    all.push(keyed[7]);
    assert_eq!(f.queue.remove_all(&all).len(), 399_998);
    f.counts(2, 0, 0, 0);
    assert_eq!(f.next(), Some(200_000), "the last of the lane");
    assert_eq!(f.queue.remove_all(&keyed).len(), 0, "it runs");
}

#[test]
fn a_halted_lane_goes_on_when_its_dead_letter_is_dropped_or_the_rule() {
    for by_rule in [false, true] {
        let mut f = Fixture::new(10);
        f.queue.configure(f.function, Rules { halts: true, ..rules(true, 10) });
        let a1 = f.add(Some("a"), 0);
        f.add(Some("a"), 0);
        assert_eq!(f.next(), Some(1));
        f.die(a1);
        assert_eq!(f.next(), None);
        if by_rule {
            f.queue.configure(f.function, rules(true, 10));
        } else {
            let letter = f.queue.unbury(f.function, Seq::new(1).unwrap()).unwrap();
            f.queue.resume_lane(f.function, letter.row.key.as_ref());
        }
        assert_eq!((f.next(), f.next()), (Some(2), None));
        f.counts(0, 1, 0, 0);
    }
}

#[test]
fn lanes_are_called_back_when_the_rule_comes_after_the_dead_letter() {
    let mut f = Fixture::new(10);
    let a1 = f.add(Some("a"), 0);
    f.add(Some("a"), 0);
    f.add(Some("a"), 0);
    f.add(Some("b"), 0);
    assert_eq!(f.next(), Some(1));
    f.die(a1);
    f.counts(2, 0, 0, 1);
    f.queue.configure(f.function, Rules { halts: true, ..rules(true, 10) });
    f.counts(1, 0, 0, 2);
    assert_eq!((f.next(), f.next()), (Some(4), None));
    f.queue.configure(f.function, rules(true, 10));
    assert_eq!((f.next(), f.next()), (Some(2), None));
}

#[test]
fn a_key_s_concurrency_lets_so_many_of_a_lane_run() {
    let mut f = Fixture::new(10);
    f.queue.configure(f.function, Rules { key_concurrency: 2, ..rules(true, 10) });
    let a1 = f.add(Some("a"), 0);
    f.add(Some("a"), 0);
    f.add(Some("a"), 0);
    f.add(Some("b"), 0);
    f.counts(3, 0, 0, 1);
    assert_eq!((f.next(), f.next(), f.next(), f.next()), (Some(1), Some(2), Some(4), None));
    f.queue.finish(a1);
    assert_eq!(f.next(), Some(3));
    f.add(Some("a"), 0);
    f.counts(0, 3, 0, 1);
    f.queue.configure(f.function, Rules { key_concurrency: 3, ..rules(true, 10) });
    assert_eq!(f.next(), Some(5));
}

#[test]
fn priority_chooses_between_lanes_and_never_within_one() {
    let mut f = Fixture::new(10);
    let low = f.add(Some("a"), 0);
    f.queue.entry_mut(low).priority = Priority::of(0);
    let mut urgent = |key| {
        f.seq += 1;
        let key = Some(OrderingKey::new(key).unwrap());
        let seq = Seq::new(f.seq).unwrap();
        let payload = Payload::new(None, None, 0);
        let mut entry = Entry::new((seq, f.function), key, (NOW, Hops(0)), payload);
        entry.priority = Priority::of(9);
        f.queue.insert(entry, NOW, NOW);
    };
    urgent("a");
    urgent("b");
    urgent("c");
    let order: Vec<_> = std::iter::from_fn(|| f.next()).collect();
    assert_eq!(order, [3, 4, 1], "the lane's second waits for its first, however urgent it is");
}

#[test]
fn functions_have_shares_by_priority() {
    let mut f = Fixture::new(1000);
    f.queue.configure(f.function, Rules { priority: Priority::of(6), ..rules(true, 1000) });
    (0..300).for_each(|_| _ = f.add(None, 0));
    let other = f.queue.function_id(&"g".parse().unwrap());
    f.queue.configure(other, rules(true, 1000));
    f.function = other;
    (0..300).for_each(|_| _ = f.add(None, 0));
    let first: Vec<u64> = (0..300).filter_map(|_| f.next()).collect();
    let of_f = first.iter().filter(|seq| **seq <= 300).count();
    assert!((199..=201).contains(&of_f), "{of_f} of 300 turns, not two in three");
}

#[test]
fn what_has_expired_is_given_up_at_its_turn() {
    let mut f = Fixture::new(10);
    let slot = f.add(None, 0);
    f.queue.entry_mut(slot).set_expiry_and_name(Some(Timestamp(1500)), None);
    assert_eq!(f.queue.next(Timestamp(1500)), Some(Turn { slot, expired: true }));
    f.queue.finish(slot);
    let slot = f.add(None, 0);
    f.queue.entry_mut(slot).set_expiry_and_name(Some(Timestamp(1500)), None);
    assert_eq!(f.queue.next(Timestamp(1499)), Some(Turn { slot, expired: false }));
}

#[test]
fn a_closed_function_opens_at_its_time() {
    let mut f = Fixture::new(10);
    f.queue.gate(f.function, Gate::Throttle, Some(Timestamp(3000)));
    f.add(None, 0);
    assert_eq!((f.next(), f.queue.next_due()), (None, Some(Timestamp(3000))));
    f.queue.gate(f.function, Gate::Throttle, Some(Timestamp(2000)));
    assert_eq!(f.queue.release_due(Timestamp(1999)), Some(Timestamp(2000)));
    assert_eq!(f.next(), None);
    assert_eq!(f.queue.release_due(Timestamp(2000)), None);
    assert_eq!(f.next(), Some(1));
}

#[test]
fn dead_letters_are_kept_as_long_as_is_said() {
    let mut f = Fixture::new(10);
    let slot = f.add(None, 0);
    f.next();
    f.die(slot);
    assert_eq!(f.queue.next_due(), None);
    f.queue.configure(f.function, Rules { keep_dead_ms: Some(500), ..rules(true, 10) });
    assert_eq!(f.queue.next_due(), Some(Timestamp(1500)));
    assert_eq!(f.queue.old_letters(Timestamp(1499), 10).len(), 0);
    assert_eq!(f.queue.old_letters(Timestamp(1500), 10)[0].to_string(), "1/f");
}

#[path = "queue_flow_tests.rs"]
mod flow;
#[path = "queue_time_tests.rs"]
mod time;
