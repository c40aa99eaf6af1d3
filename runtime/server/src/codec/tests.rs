//! The wire formats, each with what it takes and what it refuses.

use super::*;

const BOUNDS: Bounds = Bounds { event_bytes_max: 4096, batch_events_max: 3 };
const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

fn read(headers: &[(&'static str, &[u8])], body: &[u8]) -> Result<Vec<Event>, CodecError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, hyper::header::HeaderValue::from_bytes(value).unwrap());
    }
    decode(mode(&map)?, &map, Bytes::copy_from_slice(body), &BOUNDS)
}

fn structured(body: &str) -> Result<Event, CodecError> {
    read(&[("content-type", STRUCTURED.as_bytes())], body.as_bytes()).map(|mut e| e.remove(0))
}

/// A structured event with these members besides the needed ones.
fn with(members: &str) -> Result<Event, CodecError> {
    structured(&format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{members}}}"#))
}

fn batch(body: &str) -> Result<Vec<Event>, CodecError> {
    read(&[("content-type", BATCH.as_bytes())], body.as_bytes())
}

/// A binary event with these headers besides the needed ones.
fn binary(headers: &[(&'static str, &[u8])], body: &str) -> Result<Event, CodecError> {
    let needed: [(&str, &[u8]); 4] =
        [("ce-specversion", b"1.0"), ("ce-id", b"1"), ("ce-source", b"/s"), ("ce-type", b"t")];
    read(&[&needed, headers].concat(), body.as_bytes()).map(|mut events| events.remove(0))
}

fn written(event: &Event) -> String {
    let mut out = Vec::new();
    write_event(&mut out, event);
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, CodecError>, code: &str, named: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(named), "{error}");
}

#[test]
fn a_structured_event_comes_out_as_it_went_in() {
    let text = concat!(
        r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"ü\"\\","#,
        r#""time":"2026-01-02T03:04:05.678Z","datacontenttype":"application/json","#,
        r#""dataschema":"http://x/y","flag":true,"count":-7,"note":"x","#,
        r#""data":{"b": 1.0,  "a":[1e400,"\u00fc",12345678901234567890123], "b":2}}"#,
    );
    let event = structured(text).unwrap();
    assert_eq!(event.extension("flag"), Some(triphammer_model::ExtensionValue::Boolean(true)));
    assert_eq!(event.extension("count"), Some(triphammer_model::ExtensionValue::Integer(-7)));
    assert_eq!(written(&event), text);
    assert_eq!(event_json(&event).get(), text);
}

#[track_caller]
fn check_data(members: &str, payload: Option<&[u8]>, member: &str) {
    let event = with(members).unwrap();
    assert_eq!(event.data(), payload, "{members}");
    let out = written(&event);
    assert!(out.ends_with(&format!("{member}}}")), "{out}");
    // What was written is read as the same event.
    assert_eq!(structured(&out).unwrap(), event);
}

#[test]
fn payloads_are_kept_byte_for_byte() {
    check_data("", None, r#""type":"t""#);
    check_data(r#","data":null"#, Some(b"null"), r#","data":null"#);
    check_data(r#","data": [1, 2 ] "#, Some(b"[1, 2 ]"), r#","data":[1, 2 ]"#);
    check_data(r#","data":"hi""#, Some(br#""hi""#), r#","data":"hi""#);
    check_data(r#","data_base64":null"#, None, r#""type":"t""#);
    check_data(r#","data_base64":"AP8=""#, Some(b"\0\xff"), r#","data_base64":"AP8=""#);
    check_data(r#","data_base64":"""#, Some(b""), r#","data_base64":"""#);
    // JSON that came as Base64 is JSON all the same.
    check_data(r#","data_base64":"WzFd""#, Some(b"[1]"), r#","data":[1]"#);
    let text = r#","datacontenttype":"text/plain","data":"a\n\u00fc""#;
    check_data(text, Some("a\nü".as_bytes()), ",\"data\":\"a\\nü\"");
    let vendor = r#","datacontenttype":"Application/X+JSON; charset=utf-8","data":"a""#;
    check_data(vendor, Some(b"\"a\""), r#","data":"a""#);
    let binary = r#","datacontenttype":"image/png","data_base64":"/w==""#;
    check_data(binary, Some(b"\xff"), r#","data_base64":"/w==""#);
}

#[test]
fn null_attributes_are_unset() {
    let event = with(r#","subject":null,"time":null,"note":null"#).unwrap();
    assert_eq!(event.subject(), None);
    assert_eq!(event.extensions().count(), 0);
}

#[test]
fn malformed_json_is_refused() {
    let check = |body, named| refused(structured(body), "event.malformed", named);
    check("", "EOF");
    check("{", "EOF");
    check("[]", "an event as a JSON object");
    check("null", "an event as a JSON object");
    check("\"x\"", "an event as a JSON object");
    check("{}", "`specversion` is missing");
    check("{} x", "trailing characters");
    check("{\"specversion\":\"1.0\"}", "`id` is missing");
    check("{\"specversion\":\"1.0\",\"id\":\"1\"}", "`source` is missing");
    check("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\"}", "`type` is missing");
    let bytes = b"{\"specversion\":\"1.0\",\"id\":\"\xff\"}";
    refused(
        read(&[("content-type", STRUCTURED.as_bytes())], bytes),
        "event.malformed",
        "invalid unicode",
    );
    let data =
        b"{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":\"\xff\"}";
    let result = read(&[("content-type", STRUCTURED.as_bytes())], data);
    refused(result, "event.malformed", "unicode");
}

#[test]
fn malformed_members_are_named() {
    let refused = |members, named| refused(with(members), "event.malformed", named);
    refused(r#","id":"2""#, "`id` is given twice");
    refused(r#","i\u0064":"2""#, "`id` is given twice");
    refused(r#","data":1,"data":1"#, "`data` is given twice");
    refused(r#","note":1,"note":1"#, "`note` is given twice");
    refused(r#","note":null,"note":1"#, "`note` is given twice");
    refused(r#","note":1,"note":null"#, "`note` is given twice");
    refused(r#","subject":1"#, "`subject` must be a string");
    refused(r#","subject":{}"#, "`subject`");
    refused(r#","subject":"""#, "`subject` must not be empty");
    refused(r#","subject":"\u0000""#, "control character");
    refused(r#","time":"yesterday""#, "RFC 3339");
    refused(r#","note":1.5"#, "`note`: invalid type: floating point");
    refused(r#","note":2147483648"#, "`note`: the number does not fit 32 bits");
    refused(r#","note":-2147483649"#, "`note`: the number does not fit 32 bits");
    refused(r#","note":[1]"#, "`note`: invalid type: sequence");
    refused(r#","Note":1"#, "`Note` is no extension name");
    refused(r#","dataContentType":"a/b""#, "`dataContentType` is no extension name");
    refused(r#","data_base64":"?""#, "not Base64");
    refused(r#","data_base64":1"#, "`data_base64` must be a string");
    refused(r#","data":1,"data_base64":"""#, "exclude each other");
    let many: String = (0..65).map(|i| format!(r#","e{i}":1"#)).collect();
    refused(&many, "more than 64 extensions");
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth| format!(r#","data":{}{}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(with(&nested(100)).is_ok());
    refused(with(&nested(101)), "event.malformed", "100 deep");
    refused(with(&nested(1500)), "event.malformed", "100 deep");
    // Many brackets are not deep ones, and those of strings are none.
    assert!(with(&format!(r#","data":[{}[]]"#, "[],".repeat(200))).is_ok());
    assert!(with(&format!(r#","data":"{}\"[""#, "[".repeat(200))).is_ok());
    refused(with(&format!(r#","note":{}"#, "[".repeat(1500))), "event.malformed", "`note`");
}

#[test]
fn other_versions_are_refused() {
    let old = r#"{"specversion":"0.3","id":"1","source":"/s","type":"t"}"#;
    refused(structured(old), "event.specversion", "`0.3`");
    refused(batch(&format!("[{old}]")), "event.specversion", "event 0 of the batch");
    let headers: [(&str, &[u8]); 1] = [("ce-specversion", b"2.0")];
    refused(read(&headers, b""), "event.specversion", "`2.0`");
}

#[test]
fn batches_are_read_whole() {
    let one = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
    assert_eq!(batch("[]").unwrap(), []);
    assert_eq!(batch(&format!("[{one},{one} , {one}]")).unwrap().len(), 3);
    let four = format!("[{one},{one},{one},{one}]");
    refused(batch(&four), "event.batch_too_long", "more than 3 events");
    refused(batch(one), "event.malformed", "no JSON array");
    refused(batch(""), "event.malformed", "no JSON array");
    refused(batch(&format!("[{one},")), "event.malformed", "event 1 of the batch");
    refused(batch(&format!("[{one},{{}}]")), "event.malformed", "event 1 of the batch: the member");
    refused(batch(&format!("[{one},7]")), "event.malformed", "event 1 of the batch");
    refused(batch(&format!("[{one}] 7")), "event.malformed", "trailing");
    let bad = one.replace("/s", "a b");
    let error = batch(&format!("[{one},{bad}]")).unwrap_err();
    assert_eq!(error.index(), Some(1));
    refused(Err::<(), _>(error), "event.malformed", "`source` must be a URI reference");
}

#[test]
fn events_are_bounded() {
    let large = format!(r#","data":"{}""#, "x".repeat(5000));
    refused(with(&large), "event.too_large", "4096");
    let large = format!(r#"[{{"specversion":"1.0","id":"1","source":"/s","type":"t"{large}}}]"#);
    refused(batch(&large), "event.too_large", "event 0 of the batch");
    refused(binary(&[], &"x".repeat(5000)), "event.too_large", "4096");
}

#[track_caller]
fn check_media(content_type: &str, expect: Result<Mode, ()>) {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", content_type.parse().unwrap());
    assert_eq!(mode(&headers).map_err(|_| ()), expect, "{content_type}");
}

#[test]
fn media_types_are_read_whatever_their_case_and_parameters() {
    check_media(STRUCTURED, Ok(Mode::Structured));
    check_media("Application/CloudEvents+JSON ; charset=UTF-8", Ok(Mode::Structured));
    check_media("application/cloudevents+json; charset=\"utf-8\"; x=y", Ok(Mode::Structured));
    check_media(BATCH, Ok(Mode::Batch));
    check_media("APPLICATION/CLOUDEVENTS-BATCH+JSON", Ok(Mode::Batch));
    check_media("application/cloudevents+json; charset=utf-16", Err(()));
    for other in ["application/cloudevents", "application/cloudevents+avro", "application/json"] {
        check_media(other, Err(()));
    }
    for other in ["application/cloudevents-batch+xml", "application/cloudevents+jsonx", "x", ""] {
        check_media(other, Err(()));
    }
    refused(read(&[], b"{}"), "event.unsupported_format", "(none)");
    let twice: [(&str, &[u8]); 2] =
        [("content-type", b"application/json"), ("content-type", b"text/plain")];
    refused(read(&twice, b""), "event.malformed", "twice");
}

#[test]
fn a_binary_event_is_read() {
    let headers: [(&str, &[u8]); 5] = [
        ("content-type", b"text/plain"),
        ("ce-subject", b"caf%C3%A9%20%22x%22"),
        ("ce-time", b"2026-01-02T03:04:05Z"),
        ("ce-dataschema", b"\"http://x/\\\"y\""),
        ("ce-note", "caf\u{e9}".as_bytes()),
    ];
    let event = binary(&headers, "hello").unwrap();
    assert_eq!(event.subject(), Some("café \"x\""));
    assert_eq!(event.time(), Some("2026-01-02T03:04:05Z"));
    assert_eq!(event.dataschema(), Some("http://x/\"y"));
    assert_eq!(event.datacontenttype(), Some("text/plain"));
    assert_eq!(event.extension("note").unwrap().to_text(), "café");
    assert_eq!(event.data(), Some(&b"hello"[..]));
    assert_eq!(binary(&[], "").unwrap().data(), None);
}

#[test]
fn malformed_headers_are_named() {
    let check = |headers: &[(&'static str, &[u8])], named| {
        refused(binary(headers, ""), "event.malformed", named);
    };
    check(&[("ce-id", b"2")], "`ce-id` is given twice");
    check(&[("ce-note", b"2"), ("ce-note", b"3")], "`note` is given twice");
    check(&[("ce-subject", b"%")], "`ce-subject` has a percent sign");
    check(&[("ce-subject", b"%4")], "`ce-subject` has a percent sign");
    check(&[("ce-subject", b"%zz")], "`ce-subject` has a percent sign");
    check(&[("ce-subject", b"%ff")], "`ce-subject` is not UTF-8");
    check(&[("ce-subject", b"\xff")], "`ce-subject` is not UTF-8");
    check(&[("ce-subject", b"%C3")], "`ce-subject` is not UTF-8");
    check(&[("ce-subject", b"\"open")], "`ce-subject` has a quote");
    check(&[("ce-subject", b"\"a\"b")], "`ce-subject` has a quote");
    check(&[("ce-subject", b"")], "`subject` must not be empty");
    check(&[("ce-subject", b"%00")], "control character");
    check(&[("ce-time", b"now")], "RFC 3339");
    check(&[("ce-datacontenttype", b"a/b")], "`datacontenttype`");
    check(&[("ce-data", b"x")], "`data`");
    check(&[("ce-a-b", b"x")], "`a-b` is no extension name");
    for missing in ["ce-specversion", "ce-id", "ce-source", "ce-type"] {
        let needed: [(&str, &[u8]); 4] =
            [("ce-specversion", b"1.0"), ("ce-id", b"1"), ("ce-source", b"/s"), ("ce-type", b"t")];
        let left: Vec<_> = needed.into_iter().filter(|(name, _)| *name != missing).collect();
        refused(read(&left, b""), "event.malformed", missing);
    }
}

#[test]
fn a_binary_payload_that_is_not_what_its_type_says_is_kept() {
    let json: [(&str, &[u8]); 1] = [("content-type", b"application/json")];
    let event = binary(&json, "{oops").unwrap();
    assert!(written(&event).ends_with(r#","data_base64":"e29vcHM="}"#), "{}", written(&event));
    let event = binary(&json, " {} ").unwrap();
    assert!(written(&event).ends_with(r#","data": {} }"#), "{}", written(&event));
}

#[test]
fn what_nests_too_deep_to_be_read_is_written_as_base64() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for (depth, member) in
        [(100, "\"data\":[["), (101, "\"data_base64\":"), (2000, "\"data_base64\":")]
    {
        let body = nested(depth);
        let event = binary(&[("content-type", b"application/json")], &body).unwrap();
        let text = written(&event);
        assert!(text.contains(member), "{depth}");
        let wide = Bounds { event_bytes_max: 1 << 20, ..BOUNDS };
        let again = decode_structured(&text.into(), &wide).unwrap();
        assert_eq!(again.data(), event.data(), "{depth}");
    }
}
