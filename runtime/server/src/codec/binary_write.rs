//! An event as the headers and the body of a request: binary mode, from here to a sink.
//!
//! HTTP Protocol Binding for CloudEvents 1.0.2, sections 3.1.3 and 3.1.3.2.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use triphammer_model::Event;

/// Sets the headers of an event; its payload is what is left to send.
pub(crate) fn write(headers: &mut HeaderMap, event: &Event) -> Bytes {
    let mut set = |name: &str, value: &str| {
        let name = HeaderName::try_from(format!("ce-{name}"));
        let value = HeaderValue::try_from(percent_encoded(value));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.insert(name, value);
        }
    };
    set("specversion", "1.0");
    set("id", event.id());
    set("source", event.source());
    set("type", event.ty());
    let optional =
        [("subject", event.subject()), ("time", event.time()), ("dataschema", event.dataschema())];
    for (name, value) in optional {
        if let Some(value) = value {
            set(name, value);
        }
    }
    for (name, value) in event.extensions() {
        set(name, &value.to_text());
    }
    // A payload without a type is JSON, which in a header has to be said.
    let content_type = event.datacontenttype().or_else(|| event.data().map(|_| "application/json"));
    if let Some(value) = content_type.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(CONTENT_TYPE, value);
    }
    event.data().map(Bytes::copy_from_slice).unwrap_or_default()
}

/// Escapes space, quotation mark, percent sign, and what is no visible ASCII, as UTF-8.
fn percent_encoded(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'"' && byte != b'%' {
            out.push(char::from(byte));
            continue;
        }
        out.push('%');
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Bounds, decode_binary, percent_decoded};

    #[test]
    fn what_is_escaped_comes_back() {
        assert_eq!(percent_encoded("Euro € 😀"), "Euro%20%E2%82%AC%20%F0%9F%98%80");
        assert_eq!(percent_encoded("a\"b%c~\u{7f}\n"), "a%22b%25c~%7F%0A");
        for text in ["", "plain", "ä ö\t\"%41\"", "\u{10ffff}"] {
            let encoded = percent_encoded(text);
            assert_eq!(percent_decoded(encoded.as_bytes()).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn a_written_event_is_read_as_the_same() {
        let text = r#"{"specversion":"1.0","id":"a b","source":"/ü","type":"x.y","subject":"\"%","time":
            "2026-01-01T00:00:00.10+01:00","n":5,"datacontenttype":"text/plain","data":"hello"}"#;
        let bounds = Bounds { event_bytes_max: 1 << 20, batch_events_max: 1 };
        let event = crate::codec::decode_structured(&Bytes::from(text), &bounds);
        let event = event.unwrap();
        let mut headers = HeaderMap::new();
        let body = write(&mut headers, &event);
        assert_eq!((&*body, headers["ce-id"].to_str().unwrap()), (&b"hello"[..], "a%20b"));
        let again = decode_binary(&headers, body, &bounds).unwrap();
        assert_eq!(again.subject(), Some("\"%"));
        assert_eq!((again.id(), again.source(), again.time()), (event.id(), "/ü", event.time()));
        assert_eq!((again.data(), again.datacontenttype()), (event.data(), Some("text/plain")));
    }
}
