//! Lanes, turns, timers and counts of the queue.

use triphammer_model::Hops;

use super::*;

const NOW: Timestamp = Timestamp(1000);

struct Fixture {
    queue: Queue,
    function: FnId,
    seq: u64,
}

impl Fixture {
    fn new(concurrency: u32) -> Self {
        let mut queue = Queue::new(1 << 20);
        let function = queue.function_id(&"f".parse().unwrap());
        queue.configure(function, true, concurrency);
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

    fn next(&mut self) -> Option<u64> {
        let slot = self.queue.next()?;
        Some(self.queue.entry(slot).seq.get())
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
    f.queue.configure(other, true, 10);
    f.function = other;
    f.add(None, 0);
    assert_eq!((f.next(), f.next(), f.next()), (Some(1), Some(4), Some(2)));
}

#[test]
fn a_paused_function_does_not_run_and_loses_nothing() {
    let mut f = Fixture::new(10);
    f.queue.configure(f.function, false, 10);
    f.add(None, 0);
    assert_eq!(f.next(), None);
    f.counts(1, 0, 0, 0);
    f.queue.configure(f.function, true, 10);
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
