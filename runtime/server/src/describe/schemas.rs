//! Collects the schemas of what operations take and answer, each under its name. Knows no
//! operations.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// Where the collected schemas stand in a document.
const PATH: &str = "/components/schemas";

/// Two, because what is read and what is written differ in which members may be left out.
#[derive(Debug)]
pub(super) struct Schemas {
    answers: SchemaGenerator,
    bodies: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = PATH.into();
                settings.meta_schema = None;
            })
        };
        Self {
            answers: settings().for_serialize().into_generator(),
            bodies: settings().for_deserialize().into_generator(),
        }
    }

    /// A reference to what is answered.
    pub(super) fn answer<T: JsonSchema>(&mut self) -> Schema {
        self.answers.subschema_for::<T>()
    }

    /// A reference to what a body or a parameter is read as.
    pub(super) fn body<T: JsonSchema>(&mut self) -> Schema {
        self.bodies.subschema_for::<T>()
    }

    /// A page of a list: the entries under their name, and the cursor of the next page.
    pub(super) fn page<T: JsonSchema>(&mut self, name: &str) -> Value {
        let entry = self.answer::<T>();
        json!({
            "type": "object",
            "properties": {
                name: { "type": "array", "items": entry },
                "cursor": {
                    "type": ["string", "null"],
                    "description": "Asks for the next page; null on the last.",
                },
            },
            "required": [name, "cursor"],
        })
    }

    /// Everything that was referred to, by name.
    pub(super) fn into_definitions(mut self) -> Map<String, Value> {
        let mut all = self.bodies.take_definitions(true);
        // What is the same in both comes out the same.
        all.extend(self.answers.take_definitions(true));
        all
    }
}
