//! Slots over the days on which clocks are set.

use super::*;

fn schedule(cron: &str, zone: &str) -> Schedule {
    let (cron, zone) = (Cron::parse(cron).unwrap(), Zone::find(zone).unwrap());
    Schedule { name: "s".into(), cron, zone, missed: Missed::Once }
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

#[track_caller]
fn check(cron: &str, zone: &str, after: &str, expect: &[&str]) {
    let schedule = schedule(cron, zone);
    let mut at = time(after);
    let slots: Vec<_> = expect
        .iter()
        .map(|_| {
            at = schedule.next_after(at).unwrap();
            assert!(schedule.has_slot(at), "{at:?}");
            at.to_rfc3339().replace(":00.000Z", "Z")
        })
        .collect();
    assert_eq!(slots, expect, "{cron} in {zone}");
}

#[test]
fn slots_follow_each_other() {
    let eve = ["2027-01-01T00:00Z", "2027-01-01T00:15Z"];
    check("*/15 * * * *", "UTC", "2026-12-31T23:45:00Z", &eve);
    check("*/15 * * * *", "UTC", "2026-12-31T23:59:59.999Z", &eve);
    check("30 9 * * mon-fri", "UTC", "2026-11-20T10:00:00Z", &["2026-11-23T09:30Z"]);
    let thirteenths =
        ["2026-11-27T00:00Z", "2026-12-04T00:00Z", "2026-12-11T00:00Z", "2026-12-13T00:00Z"];
    check("0 0 13 * fri", "UTC", "2026-11-20T00:00:00Z", &thirteenths);
    check("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29T00:00Z"]);
    check("0 12 * * *", "Asia/Tokyo", "2026-01-01T00:00:00Z", &["2026-01-01T03:00Z"]);
    check("30 * * * *", "Asia/Kolkata", "2026-01-01T00:00:00Z", &["2026-01-01T01:00Z"]);
}

#[test]
fn a_time_that_is_left_out_fires_later_and_one_that_comes_twice_fires_once() {
    // In Berlin 02:00 is 03:00 on 29 March 2026, and 03:00 is 02:00 on 25 October.
    let spring = ["2026-03-28T01:30Z", "2026-03-29T01:30Z", "2026-03-30T00:30Z"];
    check("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", &spring);
    let autumn = ["2026-10-24T00:30Z", "2026-10-25T00:30Z", "2026-10-26T01:30Z"];
    check("30 2 * * *", "Europe/Berlin", "2026-10-23T12:00:00Z", &autumn);
    // What is left out meets what comes anyway: one slot, and none is passed over.
    let met = ["2026-03-29T01:15Z", "2026-03-29T01:45Z", "2026-03-30T00:15Z"];
    check("15,45 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", &met);
    let mixed = ["2026-03-29T01:10Z", "2026-03-29T01:50Z", "2026-03-29T02:10Z"];
    check("10 3,4 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", &[mixed[0], mixed[2]]);
}

#[test]
fn intervals_go_on_whatever_clocks_are_set_to() {
    let spring = ["2026-03-29T00:30Z", "2026-03-29T01:00Z", "2026-03-29T01:30Z"];
    check("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", &spring);
    let autumn =
        ["2026-10-25T00:00Z", "2026-10-25T00:30Z", "2026-10-25T01:00Z", "2026-10-25T01:30Z"];
    check("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", &autumn);
    // Clocks that are set by half an hour.
    let howe = ["2026-04-04T14:00Z", "2026-04-04T14:30Z", "2026-04-04T15:30Z"];
    check("0 * * * *", "Australia/Lord_Howe", "2026-04-04T13:30:00Z", &howe[..1]);
}

/// Every minute of two years, asked one by one, names the same slots.
#[test]
fn no_slot_is_passed_over_and_none_comes_twice() {
    for (cron, zone) in [
        ("*/20 * * * *", "America/New_York"),
        ("7 */5 * * *", "Europe/London"),
        ("0 1,2,3 * * *", "Australia/Lord_Howe"),
        ("59 23 28-31 * *", "America/Sao_Paulo"),
        ("0 0 * 3,10 0", "Europe/Berlin"),
    ] {
        let schedule = schedule(cron, zone);
        let end = time("2027-01-01T00:00:00Z");
        let mut at = time("2025-01-01T00:00:00Z");
        let mut slots = Vec::new();
        while let Some(next) = schedule.next_after(at).filter(|next| *next < end) {
            assert!(next > at);
            slots.push(next);
            at = next;
        }
        // From anywhere between two slots it is the same one that comes next.
        for pair in slots.windows(2) {
            let middle = Timestamp((pair[0].ms() + pair[1].ms()) / 2);
            assert_eq!(schedule.next_after(middle), Some(pair[1]), "{cron} in {zone}");
            assert_eq!(schedule.next_after(Timestamp(pair[1].ms() - 1)), Some(pair[1]));
        }
        let shown = |slot: &Timestamp| schedule.zone.local(*slot).unwrap();
        let mut dates: Vec<_> = slots.iter().map(|slot| shown(slot).date()).collect();
        dates.dedup();
        let (first, last) = (dates[0], dates[dates.len() - 1]);
        let named =
            first.series(1.day()).take_while(|d| *d <= last).filter(|d| schedule.cron.has_date(*d));
        assert_eq!(dates, named.collect::<Vec<_>>(), "{cron} in {zone}");
    }
}

#[test]
fn zones_are_found_by_name() {
    assert_eq!(Zone::find("europe/berlin").unwrap().as_str(), "Europe/Berlin");
    assert_eq!(Zone::find("UTC").unwrap().as_str(), "UTC");
    for name in ["", "Mars/Base", "Berlin", "+01:00", "../etc"] {
        assert!(Zone::find(name).is_none(), "{name}");
    }
}

#[test]
fn a_clock_is_shown_with_how_far_it_is_from_utc() {
    let shown = |zone: &str, time: &str| {
        Zone::find(zone).unwrap().shows(Timestamp::parse_rfc3339(time).unwrap()).unwrap()
    };
    assert_eq!(shown("Europe/Berlin", "2026-07-01T00:30:00Z"), "2026-07-01 02:30:00+02:00");
    assert_eq!(shown("Europe/Berlin", "2026-12-31T23:00:00Z"), "2027-01-01 00:00:00+01:00");
    assert_eq!(shown("America/St_Johns", "2026-01-01T00:00:00Z"), "2025-12-31 20:30:00-03:30");
    assert_eq!(shown("UTC", "2026-01-01T00:00:00Z"), "2026-01-01 00:00:00+00:00");
    assert_eq!(Zone::find("UTC").unwrap().shows(Timestamp(u64::MAX)), None);
}
