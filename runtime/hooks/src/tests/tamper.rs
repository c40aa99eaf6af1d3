//! Requests that nobody signed so.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use triphammer_model::Timestamp;

use super::{FORM, JSON, Sample, by_name, hmac_hex, samples};
use crate::{Request, form};

#[test]
fn a_body_with_any_byte_changed_is_refused() {
    for sample in samples().into_iter().filter(|sample| sample.body_proven) {
        let (hook, headers) = (sample.hook(), sample.header_map());
        for index in 0..sample.body.len() {
            for mask in [1, 0x20, 0x80, 0xff] {
                let mut body = sample.body.clone().into_bytes();
                body[index] ^= mask;
                let refused = sample.verify_with(&hook, &headers, &body).unwrap_err();
                assert_eq!(refused.code(), "hook.signature_wrong", "{} {index}", sample.provider);
            }
        }
        for len in 0..sample.body.len() {
            let cut = &sample.body.as_bytes()[..len];
            assert!(sample.verify_with(&hook, &headers, cut).is_err());
        }
    }
}

#[test]
fn a_form_is_proven_field_by_field() {
    let sample = by_name("twilio");
    let (hook, headers) = (sample.hook(), sample.header_map());
    let fields = |body: &[u8]| form::sorted(&form::parse(body).unwrap());
    for index in 0..sample.body.len() {
        for mask in 1..=u8::MAX {
            let mut body = sample.body.clone().into_bytes();
            body[index] ^= mask;
            let taken = sample.verify_with(&hook, &headers, &body).is_ok();
            // What is signed has no separators, so only what reads the same is taken.
            assert_eq!(taken, fields(&body) == fields(sample.body.as_bytes()), "{index} {mask}");
        }
    }
}

#[test]
fn a_signature_time_or_id_with_any_byte_changed_is_refused() {
    for sample in samples() {
        let hook = sample.hook();
        for (name, value) in &sample.headers[..sample.proven] {
            for index in 0..value.len() {
                for other in b"0aAzZ9=,;. +/-_v" {
                    let mut changed = value.clone().into_bytes();
                    // Hex and the names of schemes may be in either case.
                    if changed[index].eq_ignore_ascii_case(other) {
                        continue;
                    }
                    changed[index] = *other;
                    let mut headers = sample.header_map();
                    headers.insert(*name, HeaderValue::from_bytes(&changed).unwrap());
                    let taken = sample.verify_with(&hook, &headers, sample.body.as_bytes());
                    assert!(taken.is_err(), "{} {name} {changed:?}", sample.provider);
                }
            }
        }
    }
}

#[test]
fn what_is_compared_as_it_is_has_its_case() {
    by_name("gitlab").with("x-gitlab-token", "Open sesame").refused("hook.signature_wrong");
    by_name("api-key").with("x-api-key", "K-1").refused("hook.signature_wrong");
    let basic = by_name("basic");
    basic.clone().with("authorization", "bASIC QWxhZGRpbjpvcGVuIHNlc2FtZQ==").event();
    basic
        .with("authorization", "Basic qWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        .refused("hook.signature_wrong");
}

#[test]
fn what_is_missing_is_named() {
    for sample in samples() {
        let hook = sample.hook();
        for (index, (name, _)) in sample.headers[..sample.proven].iter().enumerate() {
            let mut headers = sample.header_map();
            headers.remove(*name);
            let body = sample.body.as_bytes();
            let refused = sample.verify_with(&hook, &headers, body).unwrap_err();
            let expect = match name {
                _ if index == 0 => "hook.signature_missing",
                name if name.ends_with("-id") => "hook.id_missing",
                _ => "hook.timestamp_missing",
            };
            assert_eq!(refused.code(), expect, "{} {name}", sample.provider);
            headers.insert(*name, HeaderValue::from_static(""));
            assert!(sample.verify_with(&hook, &headers, body).is_err());
        }
    }
}

#[test]
fn what_is_looked_at_is_there_once() {
    let joined = ["x-shopify-shop-domain", "x-gitlab-event"];
    for sample in samples().into_iter().filter(|sample| sample.provider != "paddle") {
        let hook = sample.hook();
        for (name, value) in &sample.headers {
            for twin in [value.as_str(), "other"] {
                let mut headers = sample.header_map();
                headers.append(*name, twin.parse().unwrap());
                let outcome = sample.verify_with(&hook, &headers, sample.body.as_bytes());
                match outcome {
                    Ok(_) => assert!(joined.contains(name), "{} {name}", sample.provider),
                    Err(refused) => assert_eq!(refused.code(), "hook.header_twice", "{name}"),
                }
            }
        }
    }
}

#[test]
fn case_and_order_of_headers_mean_nothing() {
    for sample in samples().into_iter().filter(|sample| sample.provider != "paddle") {
        let mut headers = HeaderMap::new();
        for (name, value) in sample.headers.iter().rev() {
            let name = HeaderName::from_bytes(name.to_uppercase().as_bytes()).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers.append("x-other", "1".parse().unwrap());
        let verified = sample.verify_with(&sample.hook(), &headers, sample.body.as_bytes());
        assert_eq!(verified, sample.verify());
    }
}

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn soup(&mut self, from: &[&str], len: usize) -> String {
        (0..self.below(len)).map(|_| self.pick(from)).collect()
    }
}

/// What requests consist of, and what they don't.
const VALUES: [&str; 24] = [
    "v1",
    "v1a",
    "t",
    "ts",
    "h1",
    "=",
    ",",
    ";",
    " ",
    "sha256=",
    "v0=",
    "Basic ",
    "0",
    "ff",
    "AAAA",
    "==",
    "1614265330",
    JSON,
    FORM,
    "\t",
    ":",
    "é",
    "\"",
    "{",
];
const BODIES: [&str; 9] = ["", "{", "{}", "[[[[", "a=b&c", "&&&", "%", "null", "payload={"];
const TEXTS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "type",
    "id",
    "action",
    "1",
    "null",
    "\\",
    "\\ud800",
    "&",
    "=",
    "payload",
    "%7B",
    "%",
    "+",
    "challenge",
    "event",
    " ",
    "ü",
];

#[test]
fn header_soup_is_refused() {
    let mut random = Random(1);
    for sample in samples() {
        let hook = sample.hook();
        let names: Vec<&str> = sample.headers.iter().map(|(name, _)| *name).collect();
        for _ in 0..2000 {
            let mut headers = HeaderMap::new();
            for _ in 0..random.below(8) {
                let value = random.soup(&VALUES, 12);
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                headers.append(random.pick(&names).parse::<HeaderName>().unwrap(), value);
            }
            let body = random.pick(&BODIES).as_bytes();
            assert!(sample.verify_with(&hook, &headers, body).is_err());
        }
    }
}

#[test]
fn proven_soup_is_an_event_or_refused() {
    let mut random = Random(2);
    let github = by_name("github");
    let hook = github.hook();
    for _ in 0..20_000 {
        let body = random.soup(&TEXTS, 16);
        let signature = format!("sha256={}", hmac_hex(github.secret.as_bytes(), &body));
        let sample = github.clone().with("x-hub-signature-256", &signature);
        let sample = sample.with("content-type", random.pick(&[JSON, FORM]));
        if let Err(refused) = sample.verify_with(&hook, &sample.header_map(), body.as_bytes()) {
            assert!(["hook.body_malformed", "hook.header_twice"].contains(&refused.code()));
        }
    }
}

fn signed(body: String, content_type: &str) -> Sample {
    let sample = by_name("hmac");
    let signature = hmac_hex(sample.secret.as_bytes(), &body);
    Sample { body, ..sample.with("x-signature", &signature).with("content-type", content_type) }
}

#[test]
fn nesting_bombs_are_refused_after_their_signature() {
    for bomb in ["[", "{\"type\":", "[{\"a\":"] {
        let sample = signed(bomb.repeat(100_000), JSON);
        sample.refused("hook.body_malformed");
        sample.with("x-signature", "00").refused("hook.signature_wrong");
    }
    let deep = |depth: usize| signed("[".repeat(depth) + &"]".repeat(depth), JSON);
    deep(128).event();
    deep(129).refused("hook.body_malformed");
}

#[test]
fn endless_forms_are_refused() {
    let form = |count: usize| Sample { body: "a=1&".repeat(count), ..by_name("twilio") };
    form(1000).refused("hook.signature_wrong");
    form(1001).refused("hook.fields_too_many");
    // Its fields are not looked at, so they are not counted.
    signed("a&".repeat(1001), FORM).event();
}

#[test]
fn a_twilio_body_without_its_digest_is_refused() {
    let json = samples().into_iter().find(|sample| sample.url.contains("bodySHA256")).unwrap();
    // The signature of the URL alone still fits.
    json.clone().with("content-type", FORM).refused("hook.signature_wrong");
    for body in ["", "{}", "&&", "a=b"] {
        for content_type in [JSON, FORM] {
            let changed = Sample { body: body.into(), ..json.clone() };
            changed.with("content-type", content_type).refused("hook.signature_wrong");
        }
    }
    let form = by_name("twilio");
    form.clone().with("content-type", JSON).refused("hook.signature_wrong");
    Sample { body: "&&".into(), ..form }.refused("hook.body_malformed");
    let twice = "https://a/?bodySHA256=00&bodySHA256=00";
    Sample { url: twice, ..json.clone() }.refused("hook.header_twice");
    Sample { url: "/hooks/h", ..json }.refused("hook.url_malformed");
}

#[test]
fn a_signed_id_can_t_reach_into_what_follows() {
    let sample = by_name("gitlab-signed");
    // The same bytes are signed, but the id has what was the time.
    let body = format!("1614265330.{}", sample.body);
    let shifted = Sample { body, ..sample.clone() };
    shifted.with("webhook-id", "f5e5f430-f57b.1614265330").refused("hook.id_malformed");
    sample.with("webhook-id", &"a".repeat(513)).refused("hook.id_malformed");
}

#[test]
fn odd_urls_are_refused() {
    let sample = by_name("twilio");
    let (hook, headers) = (sample.hook(), sample.header_map());
    let body = Bytes::from(sample.body);
    for url in ["", "/", "https://", "https://[", "https://:@", "http://a:b:c/?&#?#", "ü"] {
        let request = Request { method: &Method::POST, url, headers: &headers, body: &body };
        assert!(hook.verify(request, Timestamp(0)).is_err());
    }
}
