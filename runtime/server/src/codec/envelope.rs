//! One event in JSON, its members told apart. Checks names and types, duplicates included, and
//! nothing else.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use triphammer_model::{EventParts, ExtensionValue};

/// Checked again, with everything else about extensions, by the model.
const EXTENSIONS_MAX: usize = 64;

/// An event in JSON with its members told apart, and nothing checked but their types.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    pub(super) specversion: Option<String>,
    pub(super) id: Option<String>,
    pub(super) source: Option<String>,
    pub(super) ty: Option<String>,
    /// The rest of the attributes.
    pub(super) parts: EventParts,
    pub(super) data: Option<&'a RawValue>,
    pub(super) data_base64: Option<String>,
}

/// The members that the specification names, as bits of a set.
#[derive(Clone, Copy)]
enum Member {
    SpecVersion,
    Id,
    Source,
    Type,
    Subject,
    Time,
    DataContentType,
    DataSchema,
    Data,
    DataBase64,
}

impl Member {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "specversion" => Self::SpecVersion,
            "id" => Self::Id,
            "source" => Self::Source,
            "type" => Self::Type,
            "subject" => Self::Subject,
            "time" => Self::Time,
            "datacontenttype" => Self::DataContentType,
            "dataschema" => Self::DataSchema,
            "data" => Self::Data,
            "data_base64" => Self::DataBase64,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::SpecVersion => "specversion",
            Self::Id => "id",
            Self::Source => "source",
            Self::Type => "type",
            Self::Subject => "subject",
            Self::Time => "time",
            Self::DataContentType => "datacontenttype",
            Self::DataSchema => "dataschema",
            Self::Data => "data",
            Self::DataBase64 => "data_base64",
        }
    }
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut envelope = Envelope::default();
        let mut seen = 0u32;
        // Extensions that are null: unset, but they must not come twice either.
        let mut unset = Vec::new();
        while let Some(key) = map.next_key()? {
            match key {
                Key::Member(member) => {
                    let bit = 1 << member as u32;
                    if seen & bit != 0 {
                        return Err(twice(member.name()));
                    }
                    seen |= bit;
                    envelope.take(member, &mut map)?;
                }
                Key::Extension(name) => {
                    let set = envelope.parts.extensions.iter().map(|(name, _)| name);
                    if set.chain(&unset).any(|earlier| *earlier == name) {
                        return Err(twice(&name));
                    }
                    if envelope.parts.extensions.len() + unset.len() >= EXTENSIONS_MAX {
                        return Err(A::Error::custom("more than 64 extensions"));
                    }
                    match scalar(&mut map, &name)? {
                        Some(value) => envelope.parts.extensions.push((name, value)),
                        None => unset.push(name),
                    }
                }
            }
        }
        Ok(envelope)
    }
}

impl<'de> Envelope<'de> {
    fn take<A: MapAccess<'de>>(&mut self, member: Member, map: &mut A) -> Result<(), A::Error> {
        let slot = match member {
            Member::Data => {
                self.data = Some(map.next_value()?);
                return Ok(());
            }
            Member::SpecVersion => &mut self.specversion,
            Member::Id => &mut self.id,
            Member::Source => &mut self.source,
            Member::Type => &mut self.ty,
            Member::Subject => &mut self.parts.subject,
            Member::Time => &mut self.parts.time,
            Member::DataContentType => &mut self.parts.datacontenttype,
            Member::DataSchema => &mut self.parts.dataschema,
            Member::DataBase64 => &mut self.data_base64,
        };
        *slot = match scalar(map, member.name())? {
            None => None,
            Some(ExtensionValue::Text(text)) => Some(text),
            Some(_) => {
                return Err(A::Error::custom(format_args!("`{}` must be a string", member.name())));
            }
        };
        Ok(())
    }
}

fn twice<E: Error>(name: &str) -> E {
    E::custom(format_args!("the member `{}` is given twice", name.escape_debug()))
}

fn scalar<'de, A: MapAccess<'de>>(
    map: &mut A,
    name: &str,
) -> Result<Option<ExtensionValue>, A::Error> {
    let Scalar(value) = map
        .next_value()
        .map_err(|error| A::Error::custom(format_args!("`{}`: {error}", name.escape_debug())))?;
    Ok(value)
}

enum Key {
    Member(Member),
    Extension(String),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Key, E> {
        Ok(Member::of(name).map_or_else(|| Key::Extension(name.to_owned()), Key::Member))
    }
}

/// An attribute's value; none for `null`, which means unset.
struct Scalar(Option<ExtensionValue>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a boolean or a whole number of 32 bits")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar(Some(ExtensionValue::Text(text.to_owned()))))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Scalar, E> {
        Ok(Scalar(Some(ExtensionValue::Text(text))))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar(Some(ExtensionValue::Boolean(value))))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
        i32::try_from(value)
            .map(|value| Scalar(Some(ExtensionValue::Integer(value))))
            .map_err(|_| E::custom("the number does not fit 32 bits"))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
        i32::try_from(value)
            .map(|value| Scalar(Some(ExtensionValue::Integer(value))))
            .map_err(|_| E::custom("the number does not fit 32 bits"))
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
        Ok(Scalar(None))
    }
}
