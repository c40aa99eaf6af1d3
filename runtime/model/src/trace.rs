//! Where something stands in a distributed trace: W3C Trace Context, as the extensions `traceparent` and
//! `tracestate` of a CloudEvent have it.
//!
//! Identities are computed and never kept: whoever knows the same event computes the same ones, after a
//! restart too. Knows no spans, no clock, and nothing of where traces are sent.

use std::sync::Arc;

use crate::event::{Event, EventParts, ExtensionValue};
use crate::ids::Seq;
use crate::trace_ids::{SpanId, TraceId, hex, push_hex};

/// The extension and the header.
pub const TRACEPARENT: &str = "traceparent";
/// The extension and the header.
pub const TRACESTATE: &str = "tracestate";

/// In bytes, of version 00.
const TRACEPARENT_LEN: usize = 55;
/// Of a `tracestate`, in bytes: what the standard asks to carry.
const STATE_LEN_MAX: usize = 512;
/// The flags that the standard has: sampled, and random.
const FLAGS: u8 = 0b11;
const SAMPLED: u8 = 0b01;

/// A span of a trace, as those that follow from it are told of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TraceContext {
    pub trace: TraceId,
    pub span: SpanId,
    flags: u8,
    state: Option<Arc<str>>,
}

/// Which of the traces that this host begins are recorded: decided by their ids, so that all of a trace
/// has one answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sampling {
    /// Of the 56 bits at the end of an id, those from here on.
    from: u64,
}

impl TraceContext {
    /// Of the distributed tracing extension of CloudEvents; none of an event without.
    pub fn of(event: &Event) -> Option<Self> {
        let (mut parent, mut state) = (None, None);
        for (name, _, text) in event.raw_extensions() {
            match name {
                TRACEPARENT => parent = Some(text),
                TRACESTATE => state = Some(text),
                _ => {}
            }
        }
        Self::parse(parent?, state)
    }

    /// None when `traceparent` is malformed; a malformed `tracestate` is left out. Trace Context,
    /// sections 3.2 and 3.3.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let mut parts = traceparent.splitn(5, '-');
        let [version] = hex::<1>(parts.next()?)?;
        let (trace, span) = (hex(parts.next()?)?, hex(parts.next()?)?);
        let [flags] = hex::<1>(parts.next()?)?;
        // Only versions to come may have more behind.
        let ended = parts.next().is_none() || version != 0;
        if version == 0xff || trace == [0; 16] || span == [0; 8] || !ended {
            return None;
        }
        let plain = |state: &&str| {
            let visible = |b: u8| b == b' ' || b.is_ascii_graphic();
            (1..=STATE_LEN_MAX).contains(&state.len()) && state.bytes().all(visible)
        };
        Some(Self {
            trace: TraceId(trace),
            span: SpanId(span),
            flags: flags & FLAGS,
            state: tracestate.filter(plain).map(Arc::from),
        })
    }

    /// Of an event that brings none: the beginning of a trace, the same whoever computes it. The number
    /// alone would not do: after a crash another event may get that of one that was not on disk yet.
    pub fn begun(host_id: &str, seq: Seq, event: &Event, sampling: Sampling) -> Self {
        let parts = [host_id.as_bytes(), event.source().as_bytes(), event.id().as_bytes()];
        let [mut high, mut low] = [seq.get(), !seq.get()];
        for part in parts {
            (high, low) = (mixed(high, part), mixed(low, part));
        }
        let (trace, span) = (u128::from(high) << 64 | u128::from(low), stirred(high ^ !low));
        let trace = TraceId::of(trace);
        let span = SpanId::of(span);
        let flags = if sampling.takes(trace) { SAMPLED } else { 0 };
        Self { trace, span, flags, state: None }
    }

    /// A span below this one. It is another for each `seed`, and always the same for one.
    #[must_use]
    pub fn child(&self, seed: &[u8]) -> Self {
        let above = u64::from_be_bytes(self.span.0);
        let span = mixed(mixed(above, &self.trace.0), seed);
        Self { span: SpanId::of(span), ..self.clone() }
    }

    /// Puts an event in this place, unless it says itself where it stands or has no room left for that.
    pub fn carry(&self, parts: &mut EventParts) {
        let has = |parts: &EventParts, name| parts.extensions.iter().any(|(n, _)| n == name);
        if has(parts, TRACEPARENT) || parts.extensions.len() >= Event::EXTENSIONS_MAX {
            return;
        }
        let text = |value: &str| ExtensionValue::Text(value.to_owned());
        parts.extensions.push((TRACEPARENT.to_owned(), text(&self.to_traceparent())));
        let room = parts.extensions.len() < Event::EXTENSIONS_MAX;
        if let Some(state) = self.state().filter(|_| room && !has(parts, TRACESTATE)) {
            parts.extensions.push((TRACESTATE.to_owned(), text(state)));
        }
    }

    /// Whether somebody upwards records this trace, or this host would.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// The value of `tracestate`, which goes along as it came.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The value of `traceparent`.
    pub fn to_traceparent(&self) -> String {
        // Written for every event that is emitted, so without the machinery of formatting.
        let mut text = String::with_capacity(TRACEPARENT_LEN);
        text.push_str("00-");
        push_hex(&mut text, &self.trace.0);
        text.push('-');
        push_hex(&mut text, &self.span.0);
        text.push('-');
        push_hex(&mut text, &[self.flags]);
        text
    }
}

impl Sampling {
    pub const ALL: Self = Self { from: 0 };
    pub const NONE: Self = Self { from: 1 << 56 };

    /// Of a share from 0 to 1; none of any other.
    pub fn new(ratio: f64) -> Option<Self> {
        let left_out = (1.0 - ratio) * (1_u64 << 56) as f64;
        (0.0..=1.0).contains(&ratio).then_some(Self { from: left_out as u64 })
    }

    /// The share that it is of.
    pub fn ratio(self) -> f64 {
        1.0 - self.from as f64 / (1_u64 << 56) as f64
    }

    pub fn takes(self, trace: TraceId) -> bool {
        let [.., a, b, c, d, e, f, g] = trace.0;
        u64::from_be_bytes([0, a, b, c, d, e, f, g]) >= self.from
    }
}

/// A number that follows from another and a text. Not for what nobody may forge: whoever wants a trace of
/// some id can say so.
fn mixed(start: u64, text: &[u8]) -> u64 {
    // With its length before it, no text is the beginning of another.
    let mut state = stirred(start ^ text.len() as u64);
    for chunk in text.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = stirred(state ^ u64::from_le_bytes(word));
    }
    state
}

/// A bijection in which every bit depends on every other: that of SplitMix64.
fn stirred(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ state >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn event(id: &str, extensions: &[(&str, &str)]) -> Event {
        let text = |value: &&str| ExtensionValue::Text((*value).to_owned());
        let pairs = extensions.iter().map(|(name, value)| ((*name).to_owned(), text(value)));
        let (source, ty, extensions) = ("/s".into(), "t".into(), pairs.collect());
        Event::new(&EventParts { id: id.into(), source, ty, extensions, ..EventParts::default() })
            .unwrap()
    }

    #[test]
    fn what_came_in_goes_out() {
        let event = event("1", &[("tracestate", "a=b"), ("traceparent", PARENT)]);
        let context = TraceContext::of(&event).unwrap();
        assert_eq!(context.to_traceparent(), PARENT);
        assert_eq!(context.state(), Some("a=b"));
        assert!(context.is_sampled());
    }

    #[test]
    fn an_event_without_has_none() {
        assert_eq!(TraceContext::of(&event("1", &[])), None);
        assert_eq!(TraceContext::of(&event("1", &[("tracestate", "a=b")])), None);
        assert_eq!(TraceContext::of(&event("1", &[("traceparent", "x")])), None);
    }

    #[test]
    fn flags_that_the_standard_does_not_have_are_left_out() {
        let of = |flags: &str| {
            let text = format!("{}{flags}", PARENT.strip_suffix("01").unwrap());
            TraceContext::parse(&text, None).unwrap()
        };
        assert_eq!(of("ff").flags(), 3);
        assert!(!of("fe").is_sampled());
        assert!(of("00").to_traceparent().ends_with("-00"));
    }

    #[test]
    fn children_are_in_the_trace_and_have_names_of_their_own() {
        let context = TraceContext::parse(PARENT, Some("a=b")).unwrap();
        let (one, other) = (context.child(b"1"), context.child(b"2"));
        assert_eq!(one, context.child(b"1"));
        assert_ne!(one.span, other.span);
        assert_ne!(one.span, context.span);
        assert_ne!(one.child(b"1").span, other.child(b"1").span);
        assert_eq!((one.trace, one.state()), (context.trace, Some("a=b")));
        assert!(TraceContext::parse(&one.to_traceparent(), None).is_some());
    }

    #[test]
    fn everybody_computes_the_same_beginning() {
        let of = |host: &str, seq: u64, id: &str| {
            TraceContext::begun(host, Seq::new(seq).unwrap(), &event(id, &[]), Sampling::ALL)
        };
        let begun = of("h", 1, "a");
        assert_eq!(begun, of("h", 1, "a"));
        for other in [of("i", 1, "a"), of("h", 2, "a"), of("h", 1, "b")] {
            assert_ne!((begun.trace, begun.span), (other.trace, other.span));
        }
        assert!(TraceContext::parse(&begun.to_traceparent(), None).is_some());
    }

    #[track_caller]
    fn check_carried(own: &[(&str, &str)], state: Option<&str>, expect: &[(&str, &str)]) {
        let pair = |(name, value): &(&str, &str)| {
            ((*name).to_owned(), ExtensionValue::Text((*value).to_owned()))
        };
        let extensions = own.iter().map(pair).collect();
        let mut parts = EventParts { extensions, ..EventParts::default() };
        TraceContext::parse(PARENT, state).unwrap().carry(&mut parts);
        assert_eq!(parts.extensions, expect.iter().map(pair).collect::<Vec<_>>());
    }

    #[test]
    fn what_an_event_says_itself_stays() {
        let parent = ("traceparent", PARENT);
        check_carried(&[], None, &[parent]);
        check_carried(&[("a", "b")], Some("x=y"), &[("a", "b"), parent, ("tracestate", "x=y")]);
        check_carried(&[("traceparent", "own")], Some("x=y"), &[("traceparent", "own")]);
        check_carried(&[("tracestate", "own")], Some("x=y"), &[("tracestate", "own"), parent]);
    }

    #[test]
    fn there_are_never_too_many_extensions() {
        let names: Vec<String> = (0..64).map(|n| format!("e{n}")).collect();
        let own: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
        check_carried(&own, Some("x=y"), &own);
        let mut expect = own[..63].to_vec();
        expect.push(("traceparent", PARENT));
        check_carried(&own[..63], Some("x=y"), &expect);
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
            "00-4bf92f3577b34da6a3ce929d0e0e47\u{fc}-00f067aa0ba902b7-01",
        ] {
            assert!(TraceContext::parse(text, None).is_none(), "{text}");
        }
        let newer = format!("{}-more", PARENT.replacen("00", "01", 1));
        assert!(TraceContext::parse(&newer, None).is_some());
        for state in ["", "a\r\nb", &"x".repeat(513)] {
            assert!(TraceContext::parse(PARENT, Some(state)).unwrap().state().is_none(), "{state}");
        }
    }

    /// A host of another version is to compute the same.
    #[test]
    fn identities_are_as_they_were() {
        let seq = Seq::new(7).unwrap();
        let begun = TraceContext::begun("host", seq, &event("a", &[]), Sampling::ALL);
        assert_eq!(
            begun.to_traceparent(),
            "00-a3af8db53b2d3792666a5216fd86036c-c79c74dd43299fe6-01"
        );
        assert_eq!(
            begun.child(b"1").to_traceparent(),
            "00-a3af8db53b2d3792666a5216fd86036c-b7689293c1fd7697-01"
        );
    }

    #[test]
    fn many_of_them_are_all_different() {
        let event = event("a", &[]);
        let begun = |seq| TraceContext::begun("h", seq, &event, Sampling::ALL);
        let mut ids: Vec<_> = (1..=100_000).filter_map(Seq::new).map(begun).collect();
        let above = ids[0].clone();
        ids.extend((0..100_000_u64).map(|n| above.child(&n.to_le_bytes())));
        let spans: std::collections::HashSet<_> = ids.iter().map(|id| id.span).collect();
        let traces: std::collections::HashSet<_> = ids.iter().map(|id| id.trace).collect();
        assert_eq!((spans.len(), traces.len()), (200_000, 100_000));
    }

    #[test]
    fn so_many_are_taken_as_the_ratio_says() {
        let begun = |seq| TraceContext::begun("h", seq, &event("a", &[]), Sampling::ALL).trace;
        let traces: Vec<_> = (1..=10_000).filter_map(Seq::new).map(begun).collect();
        let taken = |ratio: f64| {
            let sampling = Sampling::new(ratio).unwrap();
            traces.iter().filter(|trace| sampling.takes(**trace)).count()
        };
        assert_eq!((taken(0.0), taken(1.0)), (0, 10_000));
        assert!((900..1100).contains(&taken(0.1)), "{}", taken(0.1));
        assert_eq!(Sampling::new(0.0), Some(Sampling::NONE));
        assert_eq!(Sampling::new(1.0), Some(Sampling::ALL));
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Sampling::new(wrong), None);
        }
    }
}
