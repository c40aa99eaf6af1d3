//! How long a signature is good for, and how secrets change.

use super::{Sample, by_name, hook, samples};

const WINDOW_MS: u64 = 5 * 60 * 1000;

#[test]
fn a_signature_is_good_for_five_minutes_either_way() {
    let timed: Vec<_> = samples().into_iter().filter(|sample| sample.now_ms > 0).collect();
    assert!(timed.len() >= 7);
    for sample in timed {
        let at = |now_ms| Sample { now_ms, ..sample.clone() };
        let now = sample.now_ms;
        let code = |now_ms| at(now_ms).verify().err().map(|refused| refused.code());
        let near = code(now);
        for fresh in [now - WINDOW_MS, now - 1, now + 1, now + WINDOW_MS] {
            assert_eq!(code(fresh), near, "{}", sample.provider);
        }
        for stale in [0, now - WINDOW_MS - 1, now + WINDOW_MS + 1, u64::MAX] {
            at(stale).refused("hook.timestamp_stale");
        }
    }
}

#[test]
fn the_window_can_be_set() {
    let sample = by_name("stripe");
    let short = hook("provider='stripe'\nsecrets=['x']\ntolerance='1ms'", &[sample.secret]);
    let short = short.unwrap();
    let at = |late_ms| {
        let sample = Sample { now_ms: sample.now_ms + late_ms, ..sample.clone() };
        sample.verify_with(&short, &sample.header_map(), sample.body.as_bytes()).is_ok()
    };
    assert!(at(0) && at(1) && !at(2));
}

#[test]
fn only_a_whole_number_is_a_time() {
    let sample = by_name("slack");
    for wrong in ["", "x", "-1", "+1531420618", "1531420618.0", "0x5b47", "99999999999999999999"] {
        let changed = sample.clone().with("x-slack-request-timestamp", wrong);
        changed.refused("hook.timestamp_malformed");
    }
    let huge = sample.clone().with("x-slack-request-timestamp", "18446744073709551615");
    huge.refused("hook.timestamp_stale");
    let mut without = sample.clone();
    without.headers.retain(|(name, _)| *name != "x-slack-request-timestamp");
    without.refused("hook.timestamp_missing");
    let stripe = by_name("stripe");
    let no_time = stripe.headers[0].1.replace("t=", "u=");
    stripe.clone().with("stripe-signature", &no_time).refused("hook.timestamp_missing");
    let twice = stripe.headers[0].1.clone() + ",t=1492774577";
    stripe.with("stripe-signature", &twice).refused("hook.header_twice");
}

#[test]
fn any_active_secret_proves_a_request() {
    let sample = by_name("github");
    let names = |count| format!("provider='github'\nsecrets={:?}", vec!["x"; count]);
    for place in 0..8 {
        let mut secrets = ["other"; 8];
        secrets[place] = sample.secret;
        let hook = hook(&names(8), &secrets).unwrap();
        let verified = sample.verify_with(&hook, &sample.header_map(), sample.body.as_bytes());
        assert!(verified.is_ok());
    }
    let none = hook(&names(2), &["other", "another"]).unwrap();
    let refused = sample.verify_with(&none, &sample.header_map(), sample.body.as_bytes());
    assert_eq!(refused.unwrap_err().code(), "hook.signature_wrong");
    assert!(hook(&names(9), &["a"; 9]).is_err() && hook(&names(0), &[]).is_err());
}

#[test]
fn both_kinds_of_standard_keys_can_be_active() {
    let all = samples();
    let two: Vec<_> = all.iter().filter(|s| s.provider == "standard-webhooks").collect();
    let secrets = [two[0].secret, two[1].secret];
    let hook = hook("provider='standard-webhooks'\nsecrets=['x','y']", &secrets).unwrap();
    for sample in two {
        let verified = sample.verify_with(&hook, &sample.header_map(), sample.body.as_bytes());
        assert!(verified.is_ok());
    }
}
