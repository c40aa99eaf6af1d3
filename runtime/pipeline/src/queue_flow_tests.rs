//! Throttles, open breakers, rate limits and debouncing in the queue.

use super::*;

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
    f.queue.next(Timestamp(1000)).unwrap();
    assert_eq!(f.queue.next_due(), None);
    f.queue.next(Timestamp(1200)).unwrap();
    assert_eq!(f.queue.next_due(), Some(Timestamp(1500)), "somebody must be told of the time");
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

fn broken(until: u64) -> Rules {
    Rules { probe: Some(Timestamp(until)), ..rules(true, 10) }
}

#[test]
fn nothing_runs_while_a_breaker_is_open_and_then_one_at_a_time() {
    let mut f = Fixture::new(10);
    let [a, b] = [f.add(None, 0), f.add(None, 0)];
    (0..3).for_each(|_| _ = f.add(None, 0));
    assert_eq!((f.next(), f.next()), (Some(1), Some(2)));
    f.queue.configure(f.function, broken(1500));
    assert_eq!((f.next(), f.queue.next_due()), (None, Some(Timestamp(1500))));
    f.queue.finish(a);
    assert!(!f.queue.has_next(), "it is not asked in vain");
    f.queue.release_due(Timestamp(1500));
    assert_eq!(f.next(), None, "one that began before still runs");
    f.queue.finish(b);
    let probe = f.queue.next(Timestamp(1500)).unwrap().slot;
    assert_eq!(f.next(), None, "the probe runs");
    // It decides nothing, so it is another's turn.
    f.queue.retry(probe, Timestamp(1600), Timestamp(1500));
    let probe = f.queue.next(Timestamp(1500)).unwrap().slot;
    f.queue.retry(probe, Timestamp(1600), Timestamp(1500));
    f.queue.configure(f.function, broken(2000));
    f.queue.release_due(Timestamp(1600));
    assert_eq!((f.next(), f.queue.next_due()), (None, Some(Timestamp(2000))));
    f.queue.configure(f.function, rules(true, 10));
    assert_eq!((0..4).map(|_| f.next()).collect::<Vec<_>>(), [Some(3), Some(4), Some(5), None]);
    assert_eq!(f.queue.next_due(), None);
}

#[test]
fn a_breaker_and_a_throttle_hold_a_function_for_as_long_as_the_longer_of_them() {
    for (probe, opens, gate) in [(1200, 1500, Gate::Throttle), (1700, 1700, Gate::Breaker)] {
        let mut f = Fixture::new(10);
        f.queue.configure(f.function, throttled(1, 500));
        (0..2).for_each(|_| _ = f.add(None, 0));
        let first = f.queue.next(NOW).unwrap().slot;
        f.queue.finish(first);
        let both = Rules { probe: Some(Timestamp(probe)), ..throttled(1, 500) };
        f.queue.configure(f.function, both.clone());
        let closed = f.queue.function(f.function).gates.closed();
        assert_eq!(closed, Some((Timestamp(opens), gate)));
        f.queue.release_due(Timestamp(opens - 1));
        assert!(!f.queue.has_next());
        f.queue.release_due(Timestamp(opens));
        // A pause changes neither.
        f.queue.configure(f.function, Rules { runnable: false, ..both.clone() });
        assert!(f.queue.next(Timestamp(opens)).is_none());
        f.queue.configure(f.function, both);
        f.queue.release_due(Timestamp(opens));
        assert!(f.queue.next(Timestamp(opens)).is_some());
    }
}

#[test]
fn a_breaker_that_closes_leaves_the_throttle_closed() {
    let mut f = Fixture::new(10);
    f.queue.configure(f.function, throttled(1, 500));
    (0..2).for_each(|_| _ = f.add(None, 0));
    let first = f.queue.next(NOW).unwrap().slot;
    f.queue.finish(first);
    f.queue.configure(f.function, Rules { probe: Some(Timestamp(9000)), ..throttled(1, 500) });
    f.queue.configure(f.function, throttled(1, 500));
    assert_eq!((f.next(), f.queue.next_due()), (None, Some(Timestamp(1500))));
    f.queue.release_due(Timestamp(1500));
    assert_eq!(f.next(), Some(2));
}

#[test]
fn one_that_expired_is_no_probe() {
    let mut f = Fixture::new(10);
    let old = f.add(None, 0);
    f.queue.entry_mut(old).set_expiry_and_name(Some(Timestamp(999)), None);
    f.add(None, 0);
    f.queue.configure(f.function, broken(1000));
    f.queue.release_due(NOW);
    assert!(f.queue.next(NOW).unwrap().expired);
    f.queue.finish(old);
    assert_eq!(f.next(), Some(2));
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
