//! State that is over after a while, and how much state there is.

use triphammer_model::{StateWrite, Timestamp};

use crate::state::ReadVersion;
use crate::state_list::StateListQuery;
use crate::state_tests::{Fixture, space, write};

fn write_for(name: &str, value: &str, ttl_ms: u64) -> StateWrite {
    StateWrite { ttl_ms: Some(ttl_ms), ..write(name, Some(value)) }
}

#[test]
fn an_entry_is_there_until_its_time_is_over() {
    let mut f = Fixture::new(1 << 20);
    let s = space("f", None);
    f.now = Timestamp(1000);
    f.commit(&s, vec![write_for("a", "1", 10), write_for("b", "1", 20), write("c", Some("1"))]);
    f.commit(&s, vec![write_for("gone", "1", 0), write_for("kept", "1", u64::MAX)]);
    for round in 0..3 {
        for (now, expect) in [
            (1009, "a=1 b=1 c=1 kept=1 "),
            (1010, "b=1 c=1 kept=1 "),
            (1019, "b=1 c=1 kept=1 "),
            (1020, "c=1 kept=1 "),
        ] {
            f.now = Timestamp(now);
            assert_eq!(f.names(&s, "", None, 10), expect);
            assert_eq!(
                f.names(&s, "", None, 2),
                expect.split_inclusive(' ').take(2).collect::<String>()
            );
            assert_eq!(f.value(&s, "a").is_some(), now < 1010);
            let query = StateListQuery { key: None, prefix: "", after: None, limit: 10 };
            let list = f.state.list(&"f".parse().unwrap(), &query, f.now).unwrap();
            let names: String = list.entries.iter().map(|e| format!("{}=1 ", e.name)).collect();
            assert_eq!(names, expect);
            let b = list.entries.iter().find(|entry| entry.name == "b");
            assert_eq!(b.and_then(|b| b.expires), b.map(|_| Timestamp(1020)));
        }
        match round {
            0 => f.checkpoint(),
            _ => f.reopen(),
        }
    }
}

#[test]
fn time_that_passes_is_no_conflict_and_a_write_is_one() {
    let mut f = Fixture::new(1 << 20);
    let s = space("f", None);
    f.now = Timestamp(1000);
    let one = f.commit(&s, vec![write_for("a", "1", 10), write_for("b", "1", 500)]);
    let read = |version| [ReadVersion::Name { name: "a".into(), version }];
    let (before, after) = (Timestamp(1009), Timestamp(1010));
    for _ in 0..2 {
        assert!(f.state.unchanged(&s, &read(Some(one)), before), "whenever it is asked");
        assert!(f.state.unchanged(&s, &read(None), after));
        assert!(!f.state.unchanged(&s, &read(Some(one)), after));
        let seen = |names: &[&str]| {
            [ReadVersion::Range {
                prefix: String::new(),
                after: None,
                limit: 5,
                seen: names.iter().map(|name| ((*name).to_owned(), one)).collect(),
            }]
        };
        assert!(f.state.unchanged(&s, &seen(&["a", "b"]), before));
        assert!(f.state.unchanged(&s, &seen(&["b"]), after));
        f.checkpoint();
    }
    f.now = after;
    let two = f.commit(&s, vec![write("a", Some("1"))]);
    assert!(!f.state.unchanged(&s, &read(Some(one)), before));
    assert!(!f.state.unchanged(&s, &read(None), after));
    f.now = Timestamp(u64::MAX);
    assert_eq!(f.state.version(&s, "a", f.now).unwrap(), Some(two), "it has no time any more");
}

#[test]
fn the_size_of_state_is_exact_at_every_moment() {
    let mut f = Fixture::new(1 << 20);
    let (s, k) = (space("f", None), space("f", Some("k")));
    f.now = Timestamp(1000);
    assert_eq!(f.usage("f"), (0, 0));
    f.commit(&s, vec![write("ab", Some("123")), write_for("c", "1", 50)]);
    f.commit(&k, vec![write("ab", Some("1")), write("none", None)]);
    f.commit(&space("g", None), vec![write("ab", Some(""))]);
    assert_eq!((f.usage("f"), f.usage("g")), ((3, 10), (1, 2)));
    f.checkpoint();
    f.reopen();
    assert_eq!((f.usage("f"), f.usage("g")), ((3, 10), (1, 2)));
    f.commit(&s, vec![write("ab", Some("1")), write("c", Some("12"))]);
    f.commit(&k, vec![write("ab", None), write_for("d", "1", 20), write_for("e", "1", 10)]);
    assert_eq!(f.usage("f"), (4, 10));
    f.now = Timestamp(1015);
    assert_eq!(f.usage("f"), (3, 8), "e is over");
    f.checkpoint();
    f.now = Timestamp(1050);
    assert_eq!(f.usage("f"), (2, 6), "d is over, and c has no time any more");
    f.reopen();
    assert_eq!(f.usage("f"), (2, 6));
    f.commit(&k, vec![write("d", Some("9"))]);
    assert_eq!(f.usage("f"), (3, 8));
    f.wipe("f");
    assert_eq!((f.usage("f"), f.usage("g")), ((0, 0), (1, 2)));
    f.commit(&k, vec![write("d", Some("9"))]);
    for _ in 0..2 {
        assert_eq!(f.usage("f"), (1, 2));
        f.checkpoint();
        f.reopen();
    }
}

#[test]
fn thousands_that_expire_together_leave_the_count_and_then_the_disk() {
    let mut f = Fixture::new(0);
    let s = space("f", None);
    f.now = Timestamp(1000);
    for n in 0..3000u64 {
        f.commit(&s, vec![write_for(&format!("n{n:04}"), "1", 10 + n / 1000)]);
        if n == 1500 {
            f.checkpoint();
        }
    }
    f.commit(&s, vec![write("n0007", Some("1")), write("n2007", None)]);
    f.wipe("g");
    for (now, left) in [(1009, 2999), (1010, 2000), (1011, 1000), (1012, 1)] {
        f.now = Timestamp(now);
        assert_eq!(f.usage("f"), (left, 6 * left), "at {now}");
    }
    f.checkpoint();
    let rows = |f: &Fixture| f.store.usage().unwrap()[&"f".parse().unwrap()].entries;
    assert_eq!((rows(&f), f.sweep(1010)), (2999, 0), "nothing before its time");
    while f.sweep(1012) > 0 {}
    assert_eq!(rows(&f), 1000);
    while f.sweep(1013) > 0 {}
    assert_eq!((rows(&f), f.usage("f"), f.store.view().first_expiry), (1, (1, 6), None));
    f.reopen();
    assert_eq!((f.usage("f"), f.names(&s, "", None, 9)), ((1, 6), "n0007=1 ".into()));
}

#[test]
fn what_would_be_too_much_does_not_fit() {
    let mut f = Fixture::new(1 << 20);
    let s = space("f", None);
    f.now = Timestamp(1000);
    f.commit(&s, vec![write("a", Some("123456789")), write_for("b", "123456789", 10)]);
    let fits = |f: &Fixture, writes: &[StateWrite]| f.state.fits(&s, writes, 25, f.now);
    assert!(fits(&f, &[write("c", Some("1234"))]));
    assert!(!fits(&f, &[write("c", Some("12345"))]));
    assert!(fits(&f, &[write("a", Some("12345678901234"))]), "in the place of what was there");
    assert!(!fits(&f, &[write("a", Some("123456789012345"))]));
    assert!(fits(&f, &[write("b", None), write("c", Some("12345"))]));
    f.now = Timestamp(1010);
    assert!(fits(&f, &[write("c", Some("12345678901234"))]), "b is over");
    f.commit(&s, vec![write("c", Some(&"x".repeat(99)))]);
    assert!(fits(&f, &[write("c", Some(&"x".repeat(98)))]), "less than before always fits");
    assert!(!fits(&f, &[write("d", Some(""))]));
}
