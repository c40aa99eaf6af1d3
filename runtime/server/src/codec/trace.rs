//! The trace that a request belongs to, as the extensions of its events: from the headers `traceparent` and
//! `tracestate` of W3C Trace Context. No event is refused for them: what is malformed is ignored, as the
//! standard asks, and so is what there is no room for.

use std::borrow::Cow;

use hyper::header::HeaderMap;
use triphammer_model::{Event, TRACEPARENT, TRACESTATE, TraceContext};

use super::{Bounds, finish};

/// Puts the events that do not say themselves where they stand in the trace of their request.
pub(crate) fn carry(headers: &HeaderMap, events: &mut [Event], bounds: &Bounds) {
    // Most requests have none: all that they cost is this.
    if !headers.contains_key(TRACEPARENT) {
        return;
    }
    let Some(context) = context(headers) else { return };
    for event in events {
        if event.extension(TRACEPARENT).is_none() {
            let mut parts = event.to_parts();
            context.carry(&mut parts);
            if let Ok(carried) = finish(&parts, None, bounds) {
                *event = carried;
            }
        }
    }
}

fn context(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let parent = parents.next().filter(|_| parents.next().is_none())?;
    TraceContext::parse(parent.to_str().ok()?.trim(), state(headers).as_deref())
}

/// More than one header are one list.
fn state(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let mut states = headers.get_all(TRACESTATE).iter().filter_map(|state| state.to_str().ok());
    let first = states.next()?.trim();
    match states.next() {
        None => Some(first.into()),
        Some(second) => {
            let all = [first, second].into_iter().chain(states).map(str::trim);
            Some(all.collect::<Vec<_>>().join(",").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};
    use triphammer_model::{EventParts, ExtensionValue};

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const OWN: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-00";
    const BOUNDS: Bounds = Bounds { event_bytes_max: 400, batch_events_max: 10 };

    fn event(own: &[(&str, &str)], data: &'static [u8]) -> Event {
        let text = |value: &&str| ExtensionValue::Text((*value).to_owned());
        let pairs = own.iter().map(|(name, value)| ((*name).to_owned(), text(value)));
        let parts = EventParts {
            id: "1".into(),
            source: "/s".into(),
            ty: "t".into(),
            extensions: pairs.collect(),
            data: Some(data.into()),
            ..EventParts::default()
        };
        Event::new(&parts).unwrap()
    }

    fn carried(headers: &[(&'static str, &str)], event: Event) -> Event {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let mut events = [event];
        carry(&map, &mut events, &BOUNDS);
        let [event] = events;
        event
    }

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], own: &[(&str, &str)], expect: &[(&str, &str)]) {
        let found = carried(headers, event(own, b"{}"));
        assert_eq!(found, event(expect, b"{}"), "{headers:?}");
    }

    #[test]
    fn a_request_puts_its_events_in_its_trace() {
        let parent = ("traceparent", PARENT);
        check(&[], &[], &[]);
        check(&[parent], &[], &[parent]);
        check(&[("traceparent", &format!(" {PARENT} "))], &[], &[parent]);
        check(&[parent, ("tracestate", "a=b")], &[], &[parent, ("tracestate", "a=b")]);
        let (a, b) = (("tracestate", "a=b"), ("tracestate", "c=d"));
        check(&[parent, a, b], &[], &[parent, ("tracestate", "a=b,c=d")]);
    }

    #[test]
    fn an_event_that_says_where_it_stands_stays_there() {
        let own = [("traceparent", OWN)];
        check(&[("traceparent", PARENT), ("tracestate", "a=b")], &own, &own);
    }

    #[test]
    fn what_is_malformed_is_ignored() {
        let parent = ("traceparent", PARENT);
        check(&[("traceparent", "x")], &[], &[]);
        check(&[("tracestate", "a=b")], &[], &[]);
        check(&[parent, parent], &[], &[]);
        let long = "x".repeat(513);
        check(&[parent, ("tracestate", &long)], &[], &[parent]);
    }

    #[test]
    fn an_event_is_never_too_large_for_its_trace() {
        static DATA: [u8; 420] = [b'x'; 420];
        let large = event(&[], &DATA);
        assert_eq!(carried(&[("traceparent", PARENT)], large.clone()), large);
    }
}
