//! The trace that an event belongs to, carried on into the requests of its handler (W3C Trace Context).
//! Begins none: where nobody traces, nothing is sent.

use http::HeaderValue;
use triphammer_model::{Event, ExtensionValue};

/// Of a `tracestate`, in bytes: what the standard asks to carry.
const STATE_LEN_MAX: usize = 512;

/// An event's place in a trace.
#[derive(Clone, Debug)]
pub struct Trace {
    /// 32 hexadecimal digits.
    id: String,
    flags: String,
    state: Option<HeaderValue>,
}

impl Trace {
    /// Of the distributed tracing extension of CloudEvents; none of an event without.
    pub fn of(event: &Event) -> Option<Self> {
        let text = |name: &str| match event.extension(name) {
            Some(ExtensionValue::Text(text)) => Some(text),
            _ => None,
        };
        Self::new(&text("traceparent")?, text("tracestate").as_deref())
    }

    /// None when `traceparent` is malformed; a malformed `tracestate` is left out.
    pub fn new(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let mut parts = traceparent.splitn(5, '-');
        let mut hex = |len: usize| parts.next().filter(|text| text.len() == len && is_hex(text));
        let (version, id, parent, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        let zero = |text: &str| text.bytes().all(|b| b == b'0');
        // Only versions to come may have more behind.
        let ended = parts.next().is_none() || version != "00";
        if version == "ff" || zero(id) || zero(parent) || !ended {
            return None;
        }
        let plain = |state: &&str| {
            let visible = |b: u8| b == b' ' || b.is_ascii_graphic();
            (1..=STATE_LEN_MAX).contains(&state.len()) && state.bytes().all(visible)
        };
        let state = tracestate.filter(plain).and_then(|state| HeaderValue::from_str(state).ok());
        Some(Self { id: id.to_owned(), flags: flags.to_owned(), state })
    }

    /// The header of one request. Its parent is made from `seed`: another for each request.
    pub(crate) fn parent(&self, seed: &str) -> Option<HeaderValue> {
        let hash = blake3::hash(format!("{}/{seed}", self.id).as_bytes());
        // The first byte is never zero, for a parent of zeros alone is none.
        let first = hash.as_bytes()[0] | 1;
        let rest: String = hash.as_bytes()[1..8].iter().map(|byte| format!("{byte:02x}")).collect();
        HeaderValue::from_str(&format!("00-{}-{first:02x}{rest}-{}", self.id, self.flags)).ok()
    }

    pub(crate) fn state(&self) -> Option<&HeaderValue> {
        self.state.as_ref()
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_request_has_a_parent_of_its_own_in_the_same_trace() {
        let trace = Trace::new(PARENT, Some("a=b")).unwrap();
        let of = |seed: &str| trace.parent(seed).unwrap().to_str().unwrap().to_owned();
        assert_eq!(of("1"), of("1"));
        assert_ne!(of("1"), of("2"));
        assert!(of("1").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{}", of("1"));
        assert!(of("1").ends_with("-01") && Trace::new(&of("1"), None).is_some());
        assert_eq!(trace.state().unwrap(), "a=b");
    }

    #[test]
    fn malformed_ones_are_none() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0\n",
        ] {
            assert!(Trace::new(text, None).is_none(), "{text}");
        }
        assert!(Trace::new(&format!("{}-more", PARENT.replacen("00", "01", 1)), None).is_some());
        for state in ["", "a\r\nb", &"x".repeat(513)] {
            assert!(Trace::new(PARENT, Some(state)).unwrap().state().is_none(), "{state}");
        }
    }
}
