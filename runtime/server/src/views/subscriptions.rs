//! A subscription as the CloudEvents Subscriptions API 0.1 has it, and as the manifest that it is kept
//! as. `config` has the manifest's members; `source` is one more filter. Checks only what the manifest
//! does not say again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use triphammer_pipeline::FunctionInfo;

use crate::describe::{manifest, words};

/// As a subscriber proposes it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewSubscription", example = example())]
pub(crate) struct RawSubscription {
    #[schemars(with = "Option<words::FunctionName>")]
    pub(crate) id: Option<String>,
    source: Option<String>,
    #[schemars(with = "Option<Vec<words::TypePattern>>")]
    types: Option<Vec<String>>,
    #[schemars(with = "Option<manifest::SubscriptionConfig>")]
    config: Option<Map<String, Value>>,
    #[schemars(with = "Option<Vec<manifest::Filter>>")]
    filters: Option<Vec<Value>>,
    #[schemars(with = "manifest::SinkUrl")]
    sink: String,
    #[serde(alias = "sinkcredential")]
    #[serde(rename = "sinkCredential")]
    /// Not taken: a header says `{{secret:NAME}}` instead.
    #[schemars(with = "Option<()>")]
    sink_credential: Option<Value>,
    #[schemars(with = "manifest::Protocol")]
    protocol: String,
    #[serde(alias = "protocolSettings")]
    #[schemars(with = "Option<manifest::ProtocolSettings>")]
    protocolsettings: Option<Map<String, Value>>,
}

fn example() -> Value {
    json!({ "types": ["order.*"], "sink": "https://shop.example.com/in", "protocol": "HTTP" })
}

/// What of a subscription is wrong, by the name that it has there.
#[derive(Debug, thiserror::Error)]
#[error("subscription member `{member}` {rule}")]
pub(crate) struct InvalidSubscription {
    pub(crate) member: String,
    rule: String,
}

fn invalid(member: impl Into<String>, rule: impl Into<String>) -> InvalidSubscription {
    InvalidSubscription::new(member, rule)
}

/// What `config` may have of a manifest.
const CONFIG: [&str; 11] = [
    "key",
    "retry",
    "deadLetter",
    "timeout",
    "concurrency",
    "keyConcurrency",
    "priority",
    "rateLimit",
    "throttle",
    "debounce",
    "breaker",
];
/// What it has of the sink: the name here, and there.
const SINK_CONFIG: [(&str, &str); 2] = [("mode", "mode"), ("secrets", "secrets")];
const SETTINGS: [&str; 2] = ["headers", "method"];

impl RawSubscription {
    /// The manifest, as JSON.
    pub(crate) fn to_manifest(&self) -> Result<String, InvalidSubscription> {
        if self.protocol != "HTTP" {
            return Err(invalid("protocol", "must be `HTTP`: this host delivers by no other"));
        }
        if self.sink_credential.is_some() {
            let rule = "is not taken: write `{{secret:NAME}}` in `protocolsettings.headers`, with a \
                        secret of the operator's";
            return Err(invalid("sinkCredential", rule));
        }
        let mut manifest = Map::new();
        let mut sink = json!({"url": self.sink});
        for (name, value) in self.protocolsettings.iter().flatten() {
            if !SETTINGS.contains(&name.as_str()) {
                let known = SETTINGS.join(", ");
                let member = format!("protocolsettings.{name}");
                return Err(invalid(member, format!("is not known; known are {known}")));
            }
            sink[name] = value.clone();
        }
        for (name, value) in self.config.iter().flatten() {
            if let Some((_, of_sink)) = SINK_CONFIG.iter().find(|(known, _)| known == name) {
                sink[of_sink] = value.clone();
            } else if CONFIG.contains(&name.as_str()) {
                manifest.insert(name.clone(), value.clone());
            } else {
                let known: Vec<_> =
                    CONFIG.into_iter().chain(SINK_CONFIG.map(|(name, _)| name)).collect();
                let rule = format!("is not known; known are {}", known.join(", "));
                return Err(invalid(format!("config.{name}"), rule));
            }
        }
        let types = self.types.clone().filter(|types| !types.is_empty());
        manifest.insert("on".into(), json!(types.unwrap_or_else(|| vec!["**".into()])));
        let source = self.source.iter().map(|source| json!({"exact": {"source": source}}));
        let filters: Vec<_> = source.chain(self.filters.iter().flatten().cloned()).collect();
        if !filters.is_empty() {
            manifest.insert("filter".into(), filters.into());
        }
        manifest.insert("sink".into(), sink);
        Ok(Value::Object(manifest).to_string())
    }
}

impl InvalidSubscription {
    pub(crate) fn new(member: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { member: member.into(), rule: rule.into() }
    }

    /// From what is wrong with the manifest.
    pub(crate) fn of_manifest(member: &str, rule: &str) -> Self {
        let named = match member.split_once('.').map_or((member, ""), |(first, rest)| (first, rest))
        {
            ("on", _) => "types".to_owned(),
            ("filter", _) => "filters".to_owned(),
            ("sink", "url" | "") => "sink".to_owned(),
            ("sink", rest) if SETTINGS.iter().any(|name| rest.starts_with(name)) => {
                format!("protocolsettings.{rest}")
            }
            ("sink", rest) => format!("config.{rest}"),
            ("", _) => String::new(),
            _ => format!("config.{member}"),
        };
        invalid(named, rule)
    }
}

/// As it stands, defaults written out.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Subscription")]
pub(crate) struct SubscriptionView {
    #[schemars(with = "words::FunctionName")]
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    source: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<words::TypePattern>>")]
    types: Option<Value>,
    #[schemars(with = "manifest::SubscriptionConfig")]
    config: Map<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<manifest::Filter>")]
    filters: Vec<Value>,
    #[schemars(with = "manifest::SinkUrl")]
    sink: Value,
    #[schemars(with = "manifest::Protocol")]
    protocol: &'static str,
    #[schemars(with = "manifest::ProtocolSettings")]
    protocolsettings: Map<String, Value>,
}

impl SubscriptionView {
    /// None of what has no sink.
    pub(crate) fn of(info: &FunctionInfo) -> Option<Self> {
        let revision = info.revisions.iter().find(|revision| revision.active)?;
        Self::new(info.name.to_string(), &revision.manifest)
    }

    fn new(id: String, manifest: &Value) -> Option<Self> {
        let sink = manifest.get("sink")?;
        let picked = |from: &Value, names: &mut dyn Iterator<Item = (&str, &str)>| {
            names
                .filter_map(|(here, there)| Some((here.to_owned(), from.get(there)?.clone())))
                .collect::<Map<_, _>>()
        };
        let mut config = picked(manifest, &mut CONFIG.into_iter().map(|name| (name, name)));
        config.extend(picked(sink, &mut SINK_CONFIG.into_iter()));
        let protocolsettings = picked(sink, &mut SETTINGS.into_iter().map(|name| (name, name)));
        let types = manifest.get("on").filter(|on| **on != json!(["**"])).cloned();
        let filters = manifest.get("filter").and_then(Value::as_array).cloned().unwrap_or_default();
        let (source, filters) = split_source(filters);
        let sink = sink["url"].clone();
        Some(Self { id, source, types, config, filters, sink, protocol: "HTTP", protocolsettings })
    }
}

/// The first filter, where it is about the source alone: it is how a `source` is kept.
fn split_source(mut filters: Vec<Value>) -> (Option<Value>, Vec<Value>) {
    let first = filters.first().and_then(|first| first.get("exact")).and_then(Value::as_object);
    let source = first.filter(|exact| exact.len() == 1).and_then(|exact| exact.get("source"));
    let source = source.cloned();
    if source.is_some() {
        filters.remove(0);
    }
    (source, filters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::contract;

    fn read(proposed: &Value) -> Result<Value, InvalidSubscription> {
        let raw: RawSubscription = serde_json::from_value(proposed.clone()).unwrap();
        raw.to_manifest().map(|text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn a_subscription_is_shown_as_it_was_proposed() {
        let proposed = json!({
            "source": "/shop", "types": ["order.paid"], "filters": [{"prefix": {"subject": "eu-"}}],
            "config": {"retry": {"attempts": 3}, "secrets": ["S"], "mode": "binary"},
            "sink": "https://a.example/in", "protocol": "HTTP",
            "protocolsettings": {"headers": {"x-a": "b"}, "method": "PUT"},
        });
        let manifest = read(&proposed).unwrap();
        assert_eq!(manifest["filter"][0], json!({"exact": {"source": "/shop"}}));
        assert_eq!(manifest["sink"]["url"], "https://a.example/in");
        let shown = SubscriptionView::new("s".into(), &manifest).unwrap();
        let mut shown = serde_json::to_value(shown).unwrap();
        contract::check_written::<SubscriptionView>(&shown.to_string());
        assert_eq!(shown.as_object_mut().unwrap().remove("id"), Some(json!("s")));
        assert_eq!(shown, proposed);
    }

    #[test]
    fn the_least_goes_for_all_events() {
        let least = json!({"sink": "https://a", "protocol": "HTTP", "id": "mine"});
        let manifest = read(&least).unwrap();
        assert_eq!(manifest, json!({"on": ["**"], "sink": {"url": "https://a"}}));
        assert!(SubscriptionView::new("s".into(), &json!({"on": ["a"]})).is_none());
    }

    #[track_caller]
    fn refused(name: &str, value: Value, member: &str) {
        let mut proposed = json!({"sink": "https://a", "protocol": "HTTP"});
        proposed[name] = value;
        assert_eq!(read(&proposed).unwrap_err().member, member);
    }

    #[test]
    fn what_is_not_done_here_is_refused_by_its_name() {
        refused("protocol", json!("AMQP"), "protocol");
        refused("protocol", json!("http"), "protocol");
        refused("sinkCredential", json!({"credentialType": "PLAIN"}), "sinkCredential");
        refused("config", json!({"interval": 5}), "config.interval");
        refused("config", json!({"on": "a"}), "config.on");
        refused("config", json!({"batch": {"max": 5}}), "config.batch");
        refused("protocolsettings", json!({"qos": 1}), "protocolsettings.qos");
    }

    #[test]
    fn mistakes_have_the_names_of_a_subscription() {
        for (member, expect) in [
            ("sink.url", "sink"),
            ("sink", "sink"),
            ("sink.headers.host", "protocolsettings.headers.host"),
            ("sink.secrets", "config.secrets"),
            ("retry.attempts", "config.retry.attempts"),
            ("on", "types"),
            ("filter", "filters"),
        ] {
            assert_eq!(InvalidSubscription::of_manifest(member, "is wrong").member, expect);
        }
    }
}
