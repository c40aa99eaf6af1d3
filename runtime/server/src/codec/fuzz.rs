//! Requests that were bent: what is read as an event is written, in each of the forms that there
//! are, and read again as the same event.

use hyper::header::{HeaderName, HeaderValue};
use triphammer_model::ExtensionValue;

use super::*;

#[path = "../../../../tests/fuzz/engine.rs"]
mod engine;

use engine::{Corpus, Seen};

const BOUNDS: Bounds = Bounds { event_bytes_max: 8 << 10, batch_events_max: 4 };
/// For what is written again: escapes and Base64 are longer than what they stand for.
const WIDE: Bounds = Bounds { event_bytes_max: 1 << 20, batch_events_max: 4 };

const FULL: &str = r#"{"specversion":"1.0","id":"ä 1","source":"/s?a=%20","type":"a.b","subject":"\u00fc\"\\","time":"2026-01-02T03:04:05.678+01:00","datacontenttype":"application/json","dataschema":"http://x/y","flag":true,"count":-7,"note":"x","unset":null,"data":{"b": 1.0,"a":[1e400,"\u00fc"],"b":[[2]]}}"#;
const TEXT: &str = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"text/plain; charset=utf-8","data":"a\n\u00fc\ud83d\ude00"}"#;
const BASE64: &str = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"image/png","data_base64":"AP8="}"#;

fn structured_corpus() -> Corpus {
    let batches = [format!("[{FULL},{TEXT}]"), format!("[{BASE64}]"), "[]".to_owned()];
    let entries = [FULL, TEXT, BASE64].into_iter().chain(batches.iter().map(String::as_str));
    let words = vec![
        "\"data\":",
        "\"data_base64\":",
        "\"datacontenttype\":",
        "\"time\":",
        "null",
        "true",
        "\\u0000",
        "\\ud800",
        "\\uffff",
        ",",
        "{",
        "}",
        "[",
        "]",
        ":",
        "\"\"",
        "\"id\":\"\",",
        "application/json",
        "\"x\":1,",
        "\u{fdd0}",
        "\u{85}",
        "é",
        "2026-02-30T00:00:60Z",
        "+23:59",
    ];
    Corpus { entries: entries.map(|text| text.as_bytes().to_vec()).collect(), words }
}

/// Heads and bodies, as a connection would have them.
fn binary_corpus() -> Corpus {
    let needed = "ce-specversion: 1.0\nce-id: 1\nce-source: /s\nce-type: a.b\n";
    let entries = [
        format!("{needed}\n"),
        format!("{needed}content-type: application/json\n\n{{\"a\": 1.0}}"),
        format!("{needed}ce-subject: \"a \\\"b\"\nce-note: Euro%20%E2%82%AC\n\nx"),
        format!(
            "{needed}ce-time: 2026-01-02T03:04:05Z\nce-dataschema: http://x\nce-n: 7\n\n\u{0}x"
        ),
        "content-type: text/plain\nce-id: 7\nce-source: /x\nce-subject: s\n\nhello".to_owned(),
    ];
    let words = vec![
        "%",
        "%00",
        "%C3",
        "%ff",
        "%20",
        "\"",
        "\\",
        "ce-",
        "ce-data: ",
        "\nce-x: y",
        "ce-id: ",
        "\ncontent-type: ",
        "application/cloudevents+json",
        "; charset=latin1",
        "é",
        "\t",
        "\n\n",
        "ce-specversion: 0.3",
        "\u{ffff}",
        "%EF%BF%BF",
        "%7F",
        "%0A",
        "2026-01-02T03:04:05Z",
    ];
    Corpus { entries: entries.map(String::into_bytes).to_vec(), words }
}

/// The headers that are none are left out, as a connection leaves them out with the whole request.
fn request(input: &[u8]) -> (HeaderMap, Bytes) {
    let end = input.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((input, &[][..]), |at| (&input[..at], &input[at + 2..]));
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    (headers, Bytes::copy_from_slice(body))
}

fn refused(error: &CodecError) -> Seen {
    assert!(error.code().starts_with("event."), "{error}");
    assert!(error.to_string().len() < 10_000, "an answer as long as this is an amplifier");
    Seen::Refused
}

/// Written as JSON it is read as the same but for the space around it, and as headers as the same but for what headers can't
/// tell: types of extensions, an empty payload, and JSON that nobody called so.
#[track_caller]
fn comes_back(event: &Event) {
    assert!(event.as_bytes().len() <= BOUNDS.event_bytes_max + ENCODING_BYTES);
    let mut text = Vec::new();
    write_event(&mut text, event);
    let again = structured::decode(&text.into(), &WIDE).unwrap();
    assert_eq!(as_json(&again), as_json(event));
    let mut headers = HeaderMap::new();
    let body = write_binary(&mut headers, event);
    let again = decode_binary(&headers, body, &WIDE).unwrap();
    assert_eq!(as_headers(&again), as_headers(event));
}

fn as_json(event: &Event) -> triphammer_model::EventParts {
    let mut parts = event.to_parts();
    let is_json = event.data().is_some_and(is_shown_as_json) && event.is_json();
    parts.data = parts.data.map(|data| match is_json {
        true => data.slice_ref(data.trim_ascii()),
        false => data,
    });
    parts
}

fn as_headers(event: &Event) -> triphammer_model::EventParts {
    let mut parts = event.to_parts();
    if parts.data.is_some() {
        parts.datacontenttype.get_or_insert_with(|| "application/json".to_owned());
    }
    parts.data = parts.data.filter(|data| !data.is_empty());
    for (_, value) in &mut parts.extensions {
        *value = ExtensionValue::Text(value.to_text());
    }
    parts.extensions.sort_by(|a, b| a.0.cmp(&b.0));
    parts
}

#[test]
fn structured_events_come_back() {
    engine::run(200, structured_corpus(), |input| {
        let body = Bytes::copy_from_slice(input);
        let decoded = match input.first() {
            Some(b'[') => structured::decode_batch(&body, &BOUNDS),
            _ => structured::decode(&body, &BOUNDS).map(|event| vec![event]),
        };
        match decoded {
            Ok(events) => {
                assert!(events.len() <= BOUNDS.batch_events_max);
                events.iter().for_each(comes_back);
                Seen::Taken
            }
            Err(error) => refused(&error),
        }
    });
}

#[test]
fn events_in_headers_come_back() {
    engine::run(200, binary_corpus(), |input| {
        let (headers, body) = request(input);
        let decoded = match mode(&headers) {
            Ok(mode) => decode(mode, &headers, body, &BOUNDS),
            Err(error) => Err(error),
        };
        match decoded {
            Ok(events) => {
                events.iter().for_each(comes_back);
                Seen::Taken
            }
            Err(error) => refused(&error),
        }
    });
}

#[test]
fn plain_bodies_come_back() {
    engine::run(200, binary_corpus(), |input| {
        let (headers, body) = request(input);
        // What `POST /events/{type}` and its query say, from the same input.
        let text: String = String::from_utf8_lossy(&body).chars().take(40).collect();
        let asked = body.len() % 4;
        let plain = Plain {
            ty: if asked == 3 { text.clone() } else { "a.b".to_owned() },
            source: (asked == 1).then(|| text.clone()),
            subject: (asked == 2).then(|| text.clone()),
            id: (asked == 2).then_some(text),
        };
        match decode_plain(plain, &headers, body.clone(), &BOUNDS, || "made".to_owned()) {
            Ok(event) => {
                assert_eq!(event.data().unwrap_or_default(), &body[..]);
                comes_back(&event);
                Seen::Taken
            }
            Err(error) => refused(&error),
        }
    });
}
