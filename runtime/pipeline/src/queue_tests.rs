//! Lanes, turns, timers and counts of the queue.

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
    f.queue.insert_first(Entry::from_row(&letter.row, f.function, letter.payload));
    f.queue.resume_lane(f.function, key.as_ref());
    f.counts(1, 1, 0, 2);
    assert_eq!((f.next(), f.next()), (Some(1), None));
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
    assert_eq!(f.queue.next(Timestamp(1500)), Some(Turn { slot, expired: true, closes: false }));
    f.queue.finish(slot);
    let slot = f.add(None, 0);
    f.queue.entry_mut(slot).set_expiry_and_name(Some(Timestamp(1500)), None);
    assert_eq!(f.queue.next(Timestamp(1499)), Some(Turn { slot, expired: false, closes: false }));
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

fn throttled(limit: u32, period_ms: u64) -> Rules {
    let period = Duration::from_millis(period_ms);
    Rules { throttle: Some(Rate { limit, period }), ..rules(true, 10) }
}

#[test]
fn a_throttled_function_has_no_turn_until_its_window_has_slid() {
    let mut f = Fixture::new(10);
    f.queue.configure(f.function, throttled(2, 500));
    let first = f.add(None, 0);
    (0..4).for_each(|_| _ = f.add(None, 0));
    assert!(!f.queue.next(Timestamp(1000)).unwrap().closes);
    assert!(f.queue.next(Timestamp(1200)).unwrap().closes, "somebody must be told of the time");
    // A retry is a start as well: it waits with the others.
    f.queue.retry(first, Timestamp(1300), Timestamp(1250));
    assert!(!f.queue.has_next(), "it is not asked in vain");
    assert_eq!(f.queue.release_due(Timestamp(1499)), Some(Timestamp(1500)));
    assert!(!f.queue.has_next());
    f.queue.release_due(Timestamp(1500));
    let seq = |queue: &Queue, turn: Turn| queue.entry(turn.slot).seq.get();
    let turn = f.queue.next(Timestamp(1500)).unwrap();
    assert_eq!((seq(&f.queue, turn), f.queue.next(Timestamp(1500))), (1, None));
    f.queue.release_due(Timestamp(1700));
    let turn = f.queue.next(Timestamp(1700)).unwrap();
    assert_eq!((seq(&f.queue, turn), f.queue.next(Timestamp(1700))), (3, None));
}

#[test]
fn what_expired_at_its_turn_has_not_begun() {
    let mut f = Fixture::new(10);
    f.queue.configure(f.function, throttled(1, 500));
    let slot = f.add(None, 0);
    f.queue.entry_mut(slot).set_expiry_and_name(Some(Timestamp(999)), None);
    f.add(None, 0);
    assert!(f.queue.next(NOW).unwrap().expired);
    f.queue.finish(slot);
    assert_eq!((f.next(), f.queue.next_due()), (Some(2), Some(Timestamp(1500))));
}

#[test]
fn a_throttle_begins_used_up_after_a_restart_and_ends_with_its_rule() {
    let mut f = Fixture::new(10);
    let rate = throttled(2, 500).throttle.unwrap();
    f.queue.configure(f.function, throttled(2, 500));
    f.queue.use_up_throttle(f.function, rate, NOW);
    f.add(None, 0);
    f.add(None, 0);
    f.queue.configure(f.function, Rules { runnable: false, ..Rules::default() });
    f.queue.configure(f.function, throttled(2, 500));
    assert_eq!((f.next(), f.queue.next_due()), (None, Some(Timestamp(1500))));
    f.queue.configure(f.function, rules(true, 10));
    assert_eq!((f.next(), f.queue.next_due()), (Some(1), None));
}

#[test]
fn a_function_takes_in_so_many_in_any_period() {
    let mut f = Fixture::new(10);
    let id = f.function;
    assert!((0..100).all(|_| f.queue.count_accepted(id, NOW)), "without a rule all");
    let rate = Rate { limit: 2, period: Duration::from_millis(100) };
    let limited = Rules { rate_limit: Some(rate), ..rules(true, 10) };
    f.queue.configure(id, limited.clone());
    let mut taken = |ms| f.queue.count_accepted(id, Timestamp(ms));
    let first = [taken(1000), taken(1050), taken(1060), taken(1099)];
    assert_eq!(first, [true, true, false, false]);
    assert_eq!([taken(1100), taken(1101), taken(1150)], [true, false, true]);
    // The same rule again, as with another revision, forgets nothing.
    f.queue.configure(id, limited);
    assert!(!f.queue.count_accepted(id, Timestamp(1160)));
    f.queue.configure(id, rules(true, 10));
    assert!(f.queue.count_accepted(id, Timestamp(1160)));
}

impl Fixture {
    /// A debounced delivery, accepted and due then.
    fn put_off(&mut self, key: Option<&str>, accepted: u64, due: u64) -> (Slot, Option<Slot>) {
        self.seq += 1;
        let key = key.map(|k| OrderingKey::new(k).unwrap());
        let seq = Seq::new(self.seq).unwrap();
        let accepted = Timestamp(accepted);
        let payload = Payload::new(None, None, 0);
        let mut entry = Entry::new((seq, self.function), key, (accepted, Hops(0)), payload);
        entry.set_expiry_and_name(None, Some("\u{0}debounce"));
        let slot = self.queue.insert(entry, Timestamp(due), accepted);
        (slot, self.queue.debounce(slot))
    }
}

#[test]
fn a_debounced_delivery_takes_the_place_of_one_of_its_key_that_still_waits() {
    let mut f = Fixture::new(10);
    let (a1, replaced) = f.put_off(Some("a"), 1000, 1100);
    assert_eq!(replaced, None);
    assert_eq!(f.put_off(Some("b"), 1010, 1110).1, None);
    let (a2, replaced) = f.put_off(Some("a"), 1050, 1150);
    assert_eq!(replaced, Some(a1));
    f.queue.remove(a1);
    f.queue.release_due(Timestamp(1149));
    assert_eq!((f.next(), f.next()), (Some(2), None));
    f.queue.release_due(Timestamp(1150));
    // Its time has come, so the next one is another.
    let (a4, replaced) = f.put_off(Some("a"), 1150, 1250);
    assert_eq!((replaced, f.next()), (None, Some(3)));
    // A retry of it waits as well, and its place is its own.
    f.queue.retry(a2, Timestamp(1300), Timestamp(1160));
    assert_eq!(f.put_off(Some("a"), 1170, 1270).1, Some(a4));
    f.queue.remove(a4);
    assert_eq!(f.queue.function(f.function).waits.len(), 1);
}

#[test]
fn a_restart_knows_which_debounced_deliveries_others_took_the_place_of() {
    let mut f = Fixture::new(10);
    let none = [
        f.put_off(None, 1000, 1100).0,
        f.put_off(None, 1090, 1190).0,
        f.put_off(None, 1195, 1295).0,
    ];
    f.queue.function_mut(f.function).waits.clear();
    let dues = [1100, 1190, 1295].map(Timestamp);
    let debounced: Vec<_> = none.into_iter().zip(dues).collect();
    // The second came while the first waited; the third when the second's time had come.
    assert_eq!(f.queue.debounce_again(&debounced), [none[0]]);
    f.queue.remove(none[0]);
    f.queue.release_due(Timestamp(1200));
    assert_eq!(f.put_off(None, 1200, 1300).1, Some(none[2]));
}

#[test]
fn a_delivery_is_found_by_its_name_until_it_leaves() {
    let mut f = Fixture::new(10);
    let key = OrderingKey::new("a").unwrap();
    let mut named = |name: Option<&str>, due| {
        f.seq += 1;
        let seq = Seq::new(f.seq).unwrap();
        let payload = Payload::new(None, None, 0);
        let mut entry = Entry::new((seq, f.function), Some(key.clone()), (NOW, Hops(0)), payload);
        entry.set_expiry_and_name(None, name);
        f.queue.insert(entry, Timestamp(due), NOW)
    };
    let (first, second) = (named(Some("t"), 0), named(Some("t"), 5000));
    named(Some("tt"), 5000);
    named(Some("\0cron:1:0:t"), 5000);
    named(None, 5000);
    let find = |f: &Fixture, name| f.queue.function(f.function).timers.find(Some(&key), name);
    assert_eq!(find(&f, "t"), [first, second]);
    assert_eq!(f.queue.function(f.function).timers.find(None, "t"), []);
    assert_eq!(f.queue.function(f.function).timers.len(), 2 + 1, "the host's own are not there");
    assert_eq!(f.next(), Some(1));
    f.queue.retry(first, Timestamp(6000), NOW);
    assert_eq!(find(&f, "t"), [first, second]);
    f.queue.release_due(Timestamp(6000));
    assert_eq!(f.next(), Some(1));
    f.queue.finish(first);
    f.queue.remove(second);
    assert_eq!(find(&f, "t"), []);
}

/// Resident memory of this process, in bytes.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

/// Looking at them a million times takes a moment, so one look takes no notice of how many sleep.
#[test]
fn a_million_sleepers_cost_memory_and_nothing_else() {
    const MILLION: u64 = 1_000_000;
    let before = resident();
    let mut f = Fixture::new(10);
    for n in 0..MILLION {
        f.seq += 1;
        let payload = Payload::new(None, None, 0);
        let seq = Seq::new(f.seq).unwrap();
        let mut entry = Entry::new((seq, f.function), None, (NOW, Hops(0)), payload);
        entry.set_expiry_and_name(None, Some("reminder"));
        // In no order, as timers are set.
        let due = 1_000_000 + n * 7919 % MILLION;
        f.queue.insert(entry, Timestamp(due), NOW);
    }
    if let (Some(before), Some(after)) = (before, resident()) {
        let each = after.saturating_sub(before) / MILLION;
        assert!(each < 500, "a sleeper takes {each} bytes");
    }
    for _ in 0..MILLION {
        assert_eq!(f.queue.release_due(Timestamp(999_999)), Some(Timestamp(1_000_000)));
    }
    f.counts(0, 0, MILLION, 0);
    f.queue.release_due(Timestamp(1_000_009));
    f.counts(10, 0, MILLION - 10, 0);
}

#[test]
fn whatever_the_clock_does_nothing_is_lost_and_what_is_due_comes_in_order() {
    let mut f = Fixture::new(10);
    for due in [5000, 2000, 3_700_000, 3000] {
        f.add(None, due);
    }
    // Set back, the clock stands still: see `Clock`. Set forward by an hour, all that was due in it is.
    assert_eq!(f.queue.release_due(NOW), Some(Timestamp(2000)));
    f.queue.release_due(Timestamp(3_601_000));
    f.counts(3, 0, 1, 0);
    assert_eq!([f.next(), f.next(), f.next(), f.next()], [Some(1), Some(2), Some(4), None]);
}
