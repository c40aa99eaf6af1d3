//! Timers in the queue: found by name, a million of them, and whatever the clock does.

use super::*;

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
    named(Some("\0cron:1:0:t\0* * * * * UTC"), 5000);
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
