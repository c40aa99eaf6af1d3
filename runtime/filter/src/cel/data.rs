//! JSON as values of CEL, and back. Knows nothing of events.

use std::collections::HashMap;

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use cel::common::value::Val;
use cel::objects::Key;
use serde_json::{Map, Value};

/// A payload. Whole numbers are `int`, those above its range `uint`, all others `double`.
#[derive(Debug)]
pub(crate) struct Data(Box<dyn Val>);

impl Data {
    pub(crate) fn new(value: &Value) -> Self {
        Self(val(value))
    }

    pub(super) fn as_val(&self) -> &dyn Val {
        &*self.0
    }
}

/// As deep as the JSON parser allows, which is 128 levels.
fn val(value: &Value) -> Box<dyn Val> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Box::new(CelInt::from(number)),
            (None, Some(number)) => Box::new(CelUInt::from(number)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Box::new(CelString::from(text.clone())),
        Value::Array(items) => {
            let items: Vec<Box<dyn Val>> = items.iter().map(val).collect();
            Box::new(CelList::from(items))
        }
        Value::Object(members) => {
            let members: HashMap<CelMapKey<'static>, Box<dyn Val>> =
                members.iter().map(|(name, value)| (name.clone().into(), val(value))).collect();
            Box::new(CelMap::from(members))
        }
    }
}

/// What JSON has no word for is null.
pub(super) fn json(value: &cel::Value) -> Value {
    match value {
        cel::Value::Bool(value) => Value::Bool(*value),
        cel::Value::Int(number) => (*number).into(),
        cel::Value::UInt(number) => (*number).into(),
        cel::Value::Float(number) => (*number).into(),
        cel::Value::String(text) => Value::String(text.to_string()),
        cel::Value::List(items) => items.iter().map(json).collect(),
        cel::Value::Map(map) => {
            let member = |(key, value): (&Key, &cel::Value)| (key.to_string(), json(value));
            Value::Object(map.map.iter().map(member).collect::<Map<_, _>>())
        }
        _ => Value::Null,
    }
}
