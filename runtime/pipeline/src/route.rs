//! Which functions an event goes to, and under which ordering key. Knows nothing of deliveries
//! that exist, nor of revisions that are not active.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::value::RawValue;
use triphammer_filter::{Filter, Index, View};
use triphammer_journal::NewDelivery;
use triphammer_model::{
    Debounce, ErrorInfo, Event, ExtensionValue, FunctionName, KeySource, Manifest, OrderingKey,
    Priority, Timestamp,
};

use crate::debounce::put_off;

/// Made anew at each change, and swapped as a whole.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    /// Counts the changes, so that a decision taken with an older table is noticed.
    pub(crate) version: u64,
    index: Index<u32>,
    /// As they were added.
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    function: FunctionName,
    key: Option<KeySource>,
    priority: Priority,
    debounce: Option<Debounce>,
    filter_errors: Arc<AtomicU64>,
}

impl RouteTable {
    pub(crate) fn new(version: u64) -> Self {
        Self { version, ..Self::default() }
    }

    /// Subscribes a function. Each function is added once.
    pub(crate) fn add(
        &mut self,
        function: &FunctionName,
        manifest: &Manifest,
        filter: Option<Arc<Filter>>,
        filter_errors: &Arc<AtomicU64>,
    ) {
        self.index.insert(self.routes.len() as u32, &manifest.on, filter);
        self.routes.push(Route {
            function: function.clone(),
            key: manifest.key.clone(),
            priority: manifest.priority,
            debounce: manifest.debounce,
            filter_errors: Arc::clone(filter_errors),
        });
    }

    /// A delivery for each function that asks for an event accepted at `at`, in the order of their
    /// names: not before `due`, nor before what the event says itself.
    pub(crate) fn route(
        &self,
        event: &Event,
        at: Timestamp,
        due: Option<Timestamp>,
    ) -> Vec<NewDelivery> {
        let mut routes: Vec<&Route> = Vec::new();
        self.index.examine(&View::new(event), |id, verdict| {
            let route = &self.routes[*id as usize];
            if verdict.error.is_some() {
                route.filter_errors.fetch_add(1, Ordering::Relaxed);
            }
            if verdict.passed {
                routes.push(route);
            }
        });
        routes.sort_unstable_by(|a, b| a.function.cmp(&b.function));
        if routes.is_empty() {
            return Vec::new();
        }
        let timing = event.timing();
        let times = (timing.due(at).max(due), timing.expires);
        let deliver = |route: &Route| {
            let mut delivery = deliver(route, event, times);
            if let Some(debounce) = route.debounce.filter(|_| delivery.dead.is_none()) {
                put_off(&mut delivery, debounce, at);
            }
            delivery
        };
        routes.into_iter().map(deliver).collect()
    }
}

fn deliver(
    route: &Route,
    event: &Event,
    (due, expires): (Option<Timestamp>, Option<Timestamp>),
) -> NewDelivery {
    let function = route.function.clone();
    let priority = find_priority(event).unwrap_or(route.priority);
    match route.key.as_ref().map(|source| find_key(source, event)).transpose() {
        Ok(key) => NewDelivery { due, expires, priority, ..NewDelivery::new(function, key) },
        Err(message) => {
            let dead = Some(ErrorInfo { code: "route.key_missing".into(), message });
            NewDelivery { dead, priority, ..NewDelivery::new(function, None) }
        }
    }
}

/// The event's own priority: an extension `priority` that is a whole number from 0 to 9. What else
/// it may be is none of ours.
pub(crate) fn find_priority(event: &Event) -> Option<Priority> {
    let number: u32 = match event.extension("priority")? {
        ExtensionValue::Integer(number) => number.try_into().ok()?,
        ExtensionValue::Text(text) if text.len() == 1 => text.parse().ok()?,
        _ => return None,
    };
    (number <= Priority::MAX).then(|| Priority::of(number))
}

/// The event's ordering key, or why it has none.
pub(crate) fn find_key(source: &KeySource, event: &Event) -> Result<OrderingKey, String> {
    let found = match source {
        KeySource::Subject => event.subject().map(str::to_owned),
        KeySource::Source => Some(event.source().to_owned()),
        KeySource::Extension(name) => event.extension(name).map(|value| value.to_text()),
        KeySource::Data(pointer) => event.data().and_then(|data| find_scalar(data, pointer)),
    };
    let text = found.ok_or_else(|| {
        format!("the ordering key `{}` is absent, null or not a scalar", source.to_text())
    })?;
    OrderingKey::new(&text).map_err(|error| error.to_string())
}

/// The scalar at a JSON pointer: a string's content, the JSON text of a number or boolean.
fn find_scalar(data: &[u8], pointer: &str) -> Option<String> {
    let mut value: &RawValue = serde_json::from_slice(data).ok()?;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        value = match value.get().as_bytes().first()? {
            b'{' => {
                let members: BTreeMap<String, &RawValue> =
                    serde_json::from_str(value.get()).ok()?;
                members.get(&token).copied()?
            }
            b'[' => {
                let plain = token == "0" || !token.starts_with('0');
                let index: usize = if plain { token.parse().ok()? } else { return None };
                let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
                items.get(index).copied()?
            }
            _ => return None,
        };
    }
    match value.get().as_bytes().first()? {
        b'"' => serde_json::from_str(value.get()).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(value.get().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use triphammer_model::{EventParts, Limits};

    use super::*;
    use crate::registry::read_filter;

    const NOW: Timestamp = Timestamp(1000);

    fn event(ty: &str, data: &'static str) -> Event {
        Event::new(&EventParts {
            id: "1".into(),
            source: "/s".into(),
            ty: ty.into(),
            subject: Some("sub".into()),
            extensions: vec![("device".into(), ExtensionValue::Integer(7))],
            data: Some(Bytes::from_static(data.as_bytes())),
            ..EventParts::default()
        })
        .unwrap()
    }

    fn manifest(pattern: &str, key: Option<KeySource>) -> Manifest {
        let text = serde_json::json!({ "on": pattern, "priority": 3 }).to_string();
        Manifest { key, ..Manifest::from_json(&text, &Limits::default()).unwrap() }
    }

    #[test]
    fn an_event_s_own_priority_goes_before_its_function_s() {
        let table = table(&[("f", "t")]);
        let of = |value| {
            let mut parts = event("t", "{}").to_parts();
            parts.extensions.push(("priority".into(), value));
            table.route(&Event::new(&parts).unwrap(), NOW, None)[0].priority.get()
        };
        assert_eq!(of(ExtensionValue::Integer(9)), 9);
        assert_eq!(of(ExtensionValue::Text("0".into())), 0);
        for other in [ExtensionValue::Integer(10), ExtensionValue::Text("high".into())] {
            assert_eq!(of(other), 3);
        }
    }

    #[test]
    fn an_event_s_own_times_are_those_of_its_deliveries() {
        let mut parts = event("t", "{}").to_parts();
        let text = |text: &str| ExtensionValue::Text(text.into());
        parts.extensions.push(("delay".into(), text("4s")));
        parts.extensions.push(("expirytime".into(), text("1970-01-01T00:00:09Z")));
        let event = Event::new(&parts).unwrap();
        let routed = |due| table(&[("f", "t")]).route(&event, NOW, due).remove(0);
        assert_eq!(routed(None).due, Some(Timestamp(5000)));
        assert_eq!(routed(Some(Timestamp(2000))).due, Some(Timestamp(5000)));
        assert_eq!(routed(Some(Timestamp(7000))).due, Some(Timestamp(7000)));
        assert_eq!(routed(None).expires, Some(Timestamp(9000)));
    }

    fn table(patterns: &[(&str, &str)]) -> RouteTable {
        let mut table = RouteTable::new(1);
        for (name, pattern) in patterns {
            table.add(&name.parse().unwrap(), &manifest(pattern, None), None, &Arc::default());
        }
        table
    }

    #[track_caller]
    fn check_key(source: KeySource, data: &'static str, expect: Option<&str>) {
        let found = find_key(&source, &event("t", data)).ok();
        assert_eq!(found.as_ref().map(OrderingKey::as_str), expect, "{source:?} in {data}");
    }

    #[test]
    fn each_function_gets_an_event_once() {
        let mut table = table(&[("a", "**"), ("c", "x")]);
        let on = serde_json::json!({"on": ["order.*", "order.created"]}).to_string();
        let both = Manifest::from_json(&on, &Limits::default()).unwrap();
        table.add(&"b".parse().unwrap(), &both, None, &Arc::default());
        let found = table.route(&event("order.created", "{}"), NOW, None);
        let names: Vec<_> = found.iter().map(|d| d.function.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_filter_chooses_and_one_that_fails_is_counted() {
        let mut table = RouteTable::new(1);
        let errors: Arc<AtomicU64> = Arc::default();
        let filter = serde_json::json!("subject = 'sub' AND device > 6 AND missing = 1");
        for (name, filter) in [
            ("a", serde_json::json!("subject = 'sub' AND device > 6")),
            ("b", serde_json::json!({"cel": "data.n > 4"})),
            ("c", serde_json::json!([{"exact": {"subject": "sub"}}, {"cel": "data.n == 4"}])),
            ("d", filter),
        ] {
            let manifest = Manifest { filter: Some(filter), ..manifest("t", None) };
            let filter = read_filter(&manifest).unwrap();
            table.add(&name.parse().unwrap(), &manifest, filter, &errors);
        }
        let found = table.route(&event("t", r#"{"n": 4}"#), NOW, None);
        let names: Vec<_> = found.iter().map(|d| d.function.as_str()).collect();
        assert_eq!((names, errors.load(Ordering::Relaxed)), (vec!["a", "c"], 1));
    }

    #[test]
    fn keys_are_scalars_in_their_json_text() {
        let data = |pointer: &str| KeySource::Data(pointer.into());
        check_key(KeySource::Subject, "{}", Some("sub"));
        check_key(KeySource::Extension("device".into()), "{}", Some("7"));
        check_key(KeySource::Extension("other".into()), "{}", None);
        check_key(data("/a/b"), r#"{"a":{"b":"x\n"}}"#, Some("x\n"));
        check_key(data("/a/1"), r#"{"a":[true, 1.50]}"#, Some("1.50"));
        check_key(data("/a~1b"), r#"{"a/b": false}"#, Some("false"));
        check_key(data("/a"), r#"{"a":null}"#, None);
        check_key(data("/a"), r#"{"a":{}}"#, None);
        check_key(data("/a"), r#"{"b":1}"#, None);
        check_key(data("/a/01"), r#"{"a":[1,2]}"#, None);
        check_key(data("/a"), "not json", None);
    }

    #[test]
    fn an_event_without_its_key_is_a_dead_letter_at_once() {
        let mut table = RouteTable::new(1);
        let key = KeySource::Extension("tenant".into());
        table.add(&"f".parse().unwrap(), &manifest("t", Some(key)), None, &Arc::default());
        let found = table.route(&event("t", "{}"), NOW, None);
        assert_eq!(found[0].dead.as_ref().unwrap().code, "route.key_missing");
    }
}
