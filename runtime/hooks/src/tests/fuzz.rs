//! Requests that were bent, to the hooks of all providers: nothing but what was signed is an event.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use triphammer_model::{Event, Timestamp};

#[path = "../../../../tests/fuzz/engine.rs"]
mod engine;

use engine::{Corpus, Seen};

use super::{Sample, samples};
use crate::{Hook, Outcome, Refused, Request};

/// A sample's number, its URL, its headers and its body.
fn written(number: usize, sample: &Sample) -> Vec<u8> {
    let headers: String =
        sample.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let number = char::from(b'a' + number as u8);
    format!("{number}\n{}\n{headers}\n{}", sample.url, sample.body).into_bytes()
}

fn corpus() -> Corpus {
    let samples = samples().into_iter().enumerate();
    let words = vec![
        "sha256=",
        "v1,",
        "v1a,",
        "v1=",
        "t=",
        "ts=",
        ";h1=",
        ",",
        "=",
        "whsec_",
        "Basic ",
        "\n",
        "&",
        "%00",
        "%",
        "+",
        "\"type\":",
        "\"challenge\":",
        "{",
        "}",
        "[",
        "ping",
        "\t",
        "?a=b",
        "application/json",
        "application/x-www-form-urlencoded",
        "payload=",
        "1700000000",
        ":443",
        "webhook-id: ",
        "x-github-event: ping",
        "url_verification",
        "triphammer.",
        "https://",
        "é",
    ];
    Corpus { entries: samples.map(|(number, sample)| written(number, &sample)).collect(), words }
}

/// What arrives: whose hook it goes to, and the request.
struct Arrived {
    number: usize,
    url: String,
    headers: HeaderMap,
    body: Bytes,
}

fn arrived(input: &[u8]) -> Option<Arrived> {
    let mut lines = input.split(|byte| *byte == b'\n');
    let number = lines.next()?.first()?.checked_sub(b'a')?;
    let url = String::from_utf8(lines.next()?.to_vec()).ok()?;
    let mut headers = HeaderMap::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        headers.append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    let end = input.windows(2).position(|pair| pair == b"\n\n")?;
    let body = Bytes::copy_from_slice(&input[end + 2..]);
    Some(Arrived { number: number.into(), url, headers, body })
}

fn verify(hook: &Hook, arrived: &Arrived, now: Timestamp) -> Result<Outcome, Refused> {
    let Arrived { url, headers, body, .. } = arrived;
    hook.verify(Request { method: &Method::POST, url, headers, body }, now)
}

/// Whoever can't sign has to send a body that somebody signed.
fn is_genuine(sample: &Sample, body: &[u8]) -> bool {
    // Two providers may have signed with the same secret in the same way.
    let same = |other: &Sample| other.secret == sample.secret && other.body.as_bytes() == body;
    !sample.body_proven || sample.provider == "twilio" || samples().iter().any(same)
}

#[test]
fn nothing_but_what_was_signed_is_taken() {
    let hooks: Vec<_> = samples().into_iter().map(|sample| (sample.hook(), sample)).collect();
    engine::run(300, corpus(), move |input| {
        let Some(arrived) = arrived(input) else { return Seen::Refused };
        let Some((hook, sample)) = hooks.get(arrived.number) else { return Seen::Refused };
        let now = Timestamp(sample.now_ms);
        let outcome = verify(hook, &arrived, now);
        assert_eq!(outcome, verify(hook, &arrived, now));
        match outcome {
            Ok(outcome) => {
                assert!(is_genuine(sample, &arrived.body), "{} was forged", sample.provider);
                if let Outcome::Event(verified) = outcome {
                    assert_eq!(verified.parts.data.unwrap_or_default(), arrived.body);
                    assert!(!verified.parts.ty.starts_with("triphammer."));
                }
                Seen::Taken
            }
            Err(refused) => {
                assert!(refused.code().starts_with("hook.") && refused.status().is_client_error());
                // A secret of a few letters is part of many a word.
                let is_told =
                    sample.secret.len() > 8 && refused.to_string().contains(sample.secret);
                assert!(!is_told, "{refused}");
                Seen::Refused
            }
        }
    });
}

/// What is not signed can be anything, and the model takes what is made of it.
#[test]
fn what_is_proven_is_an_event_of_the_model() {
    let hooks: Vec<_> = samples().into_iter().map(|sample| (sample.hook(), sample)).collect();
    engine::run(300, corpus(), move |input| {
        let Some(mut arrived) = arrived(input) else { return Seen::Refused };
        let Some((hook, sample)) = hooks.get(arrived.number) else { return Seen::Refused };
        for (name, value) in &sample.header_map() {
            if sample.headers[..sample.proven].iter().any(|(proven, _)| proven == name) {
                arrived.headers.insert(name, value.clone());
            }
        }
        if sample.body_proven {
            arrived.body = Bytes::from(sample.body.clone());
        }
        match verify(hook, &arrived, Timestamp(sample.now_ms)) {
            Ok(Outcome::Event(verified)) => {
                Event::new(&verified.parts).unwrap();
                Seen::Taken
            }
            Ok(Outcome::Answer(_)) => Seen::Taken,
            Err(_) => Seen::Refused,
        }
    });
}
