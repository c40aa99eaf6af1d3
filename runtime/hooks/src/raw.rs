//! Hooks and providers as they are written, in TOML or JSON. Checks spelling only.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use crate::key::{Algorithm, Encoding, SecretForm};

/// A hook as it stands under `[hooks.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawHook {
    pub(crate) provider: RawProviderRef,
    pub(crate) secrets: Vec<SecretRef>,
    /// Instead of the provider's header with the signature.
    pub(crate) header: Option<String>,
    pub(crate) tolerance: Option<String>,
    #[serde(rename = "type")]
    pub(crate) ty: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) keep_headers: Option<Vec<String>>,
    pub(crate) body_limit: Option<String>,
}

/// Where a secret is, such as `env:NAME`. It may be the secret itself, so it is not shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretRef(pub(crate) String);

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The name of a provider that is built in, or one written out.
#[derive(Clone, Debug)]
pub(crate) enum RawProviderRef {
    Builtin(String),
    Custom(Box<RawProvider>),
}

/// A provider: how its requests are proven, and where in them what stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawProvider {
    /// What its types begin with; the hook's name when left out.
    pub(crate) prefix: Option<String>,
    /// What is signed. Of several, one must be proven.
    #[serde(default)]
    pub(crate) signed: Texts,
    pub(crate) tolerance: Option<String>,
    /// All when empty.
    #[serde(default)]
    pub(crate) content_types: Vec<String>,
    /// The field of a form whose content is JSON.
    pub(crate) json_field: Option<String>,
    #[serde(default)]
    pub(crate) keep_headers: Vec<String>,
    pub(crate) signature: RawSignature,
    pub(crate) timestamp: Option<RawTimestamp>,
    #[serde(default)]
    pub(crate) event: RawEvent,
    #[serde(default)]
    pub(crate) answers: Vec<RawAnswer>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSignature {
    pub(crate) header: String,
    pub(crate) format: RawFormat,
    #[serde(default)]
    pub(crate) prefix: String,
    #[serde(default)]
    pub(crate) prefix_optional: bool,
    pub(crate) separator: Option<char>,
    pub(crate) part: Option<String>,
    #[serde(default)]
    pub(crate) versions: BTreeMap<String, Algorithm>,
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) encoding: Encoding,
    #[serde(default)]
    pub(crate) secret: SecretForm,
    pub(crate) body_hash: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawFormat {
    Plain,
    Pairs,
    Versions,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTimestamp {
    pub(crate) header: Option<String>,
    pub(crate) part: Option<String>,
    pub(crate) unit: TimeUnit,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TimeUnit {
    S,
    Ms,
}

/// Where an event's attributes stand. Of several templates, the first that has everything counts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawEvent {
    pub(crate) id: Texts,
    #[serde(rename = "type")]
    pub(crate) ty: Texts,
    pub(crate) subject: Texts,
    pub(crate) time: Texts,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAnswer {
    /// Whether the request is an event besides.
    #[serde(default)]
    pub(crate) event: bool,
    /// JSON pointers and what must be there.
    #[serde(default)]
    pub(crate) when: BTreeMap<String, RawScalar>,
    /// JSON pointers where nothing may be.
    #[serde(default)]
    pub(crate) unless: Vec<String>,
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Option<String>,
}

/// A value that a JSON text is compared with.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum RawScalar {
    Boolean(bool),
    Integer(i64),
    Text(String),
}

impl RawScalar {
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Text(value) => value,
        }
    }
}

/// One text or a list of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts(pub(crate) Vec<String>);

// By hand, because an untagged enum would say no more than that nothing fits.
impl<'de> Deserialize<'de> for RawProviderRef {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawProviderRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a provider's name, or a provider")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(RawProviderRef::Builtin(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let provider = RawProvider::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RawProviderRef::Custom(Box::new(provider)))
            }
        }
        reader.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a template, or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Texts(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        reader.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_members_are_named() {
        let wrong = |text: &str| toml::from_str::<RawHook>(text).unwrap_err().message().to_owned();
        assert!(wrong("provider='a'\nsecrets=[]\nsecret='x'").contains("`secret`"));
        assert!(wrong("provider={prefix='a'}\nsecrets=[]").contains("`signature`"));
        assert!(wrong("provider={prefi='a'}\nsecrets=[]").contains("`prefi`"));
        assert!(wrong("provider=1\nsecrets=[]").contains("a provider's name, or a provider"));
        assert!(wrong("secrets=[]").contains("`provider`"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let raw: RawHook = toml::from_str("provider='a'\nsecrets=['hunter2']").unwrap();
        assert!(!format!("{raw:?}").contains("hunter2"));
    }

    #[test]
    fn json_is_read_as_well() {
        let text = r#"{"provider":"github","secrets":["env:A"],"type":"x"}"#;
        let raw: RawHook = serde_json::from_str(text).unwrap();
        assert_eq!((raw.ty.as_deref(), raw.secrets.len()), (Some("x"), 1));
    }
}
