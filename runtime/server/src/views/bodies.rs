//! What requests of the admin API say in their bodies, and the small answers that are no view of
//! anything. Checked for their shape only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::ReplayView;
use crate::describe::{manifest, words};
use crate::hooks::HookInfo;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Removed")]
pub(crate) struct RemovedView {
    #[schemars(with = "words::FunctionName")]
    pub(crate) name: String,
    /// Deliveries that went with it.
    pub(crate) dropped: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "revision": "r1" }))]
pub(crate) struct Activate {
    #[schemars(with = "words::Revision")]
    pub(crate) revision: String,
    /// In percent; less than 100 makes a canary.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) weight: Option<u32>,
    /// Of a canary, in percent: it is given up when more of its attempts fail.
    #[schemars(range(max = 100))]
    pub(crate) failures: Option<u32>,
}

/// How many deliveries were changed.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Counted {
    pub(crate) count: u64,
}

/// Either ids, or what the deliveries have in common.
#[derive(Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Selection", example = serde_json::json!({ "function": "welcome" }))]
#[schemars(extend("minProperties" = 1, "dependentSchemas" = { "ids": { "maxProperties": 1 } }))]
pub(crate) struct RawSelection {
    #[schemars(with = "Option<Vec<words::DeliveryId>>")]
    pub(crate) ids: Option<Vec<String>>,
    #[schemars(with = "Option<words::FunctionName>")]
    pub(crate) function: Option<String>,
    /// Dead letters, unless another is named.
    #[schemars(with = "Option<words::OpenStatus>")]
    pub(crate) status: Option<String>,
    /// Of the error.
    pub(crate) code: Option<String>,
    /// At this time or later.
    #[schemars(with = "Option<words::Time>")]
    pub(crate) died_after: Option<String>,
    /// Before this time.
    #[schemars(with = "Option<words::Time>")]
    pub(crate) died_before: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "ReplayEvent", example = serde_json::json!({ "function": "welcome" }))]
pub(crate) struct ReplayOne {
    #[schemars(with = "words::FunctionName")]
    pub(crate) function: String,
    /// A payload in the place of the event's own: any JSON.
    #[schemars(with = "Option<Value>")]
    pub(crate) data: Option<Box<RawValue>>,
    /// The same for one that is not JSON.
    pub(crate) data_base64: Option<String>,
}

/// How many events were replayed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Replayed")]
pub(crate) struct ReplayedView {
    pub(crate) events: u64,
    /// The new event.
    #[schemars(with = "words::Seq")]
    pub(crate) seq: String,
}

/// Which events, to whom, and how fast.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewReplay", example = serde_json::json!({ "type": "order.*", "rate": 100 }))]
pub(crate) struct RawReplay {
    /// To this one; left out, to whoever asks for the events now.
    #[schemars(with = "Option<words::FunctionName>")]
    pub(crate) function: Option<String>,
    /// Events a second, 1000 unless said.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) rate: Option<u32>,
    #[schemars(with = "Option<words::TypePattern>")]
    pub(crate) r#type: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) id: Option<String>,
    /// Accepted at this time or later.
    #[schemars(with = "Option<words::Time>")]
    pub(crate) after: Option<String>,
    /// Accepted before this time.
    #[schemars(with = "Option<words::Time>")]
    pub(crate) before: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReplayAnswer")]
pub(crate) struct OneReplay {
    pub(crate) replay: ReplayView,
}

/// An expression to try, and the event to try it on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = filter_example())]
pub(crate) struct FilterTest {
    #[schemars(with = "manifest::Dialect")]
    pub(crate) dialect: String,
    #[schemars(with = "manifest::Filter")]
    pub(crate) expression: Value,
    /// Structured.
    #[schemars(with = "words::CloudEvent")]
    pub(crate) event: Box<RawValue>,
}

fn filter_example() -> Value {
    let event = words::example("order.placed");
    serde_json::json!({ "dialect": "sql", "expression": "subject = 'customer-1'", "event": event })
}

/// What an expression came to.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Evaluation")]
pub(crate) struct EvaluationView {
    /// Of any type; what it comes to in the end is a boolean.
    pub(crate) value: Value,
    pub(crate) error: Option<EvaluationErrorView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EvaluationError")]
pub(crate) struct EvaluationErrorView {
    #[schemars(with = "words::ErrorCode")]
    pub(crate) code: &'static str,
    /// What CloudEvents SQL calls it.
    pub(crate) kind: Option<String>,
    pub(crate) message: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Hook")]
pub(crate) struct HookView {
    #[schemars(with = "words::FunctionName")]
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) accepted: u64,
    /// Challenges and pings, which are no events.
    pub(crate) answered: u64,
    pub(crate) refused: u64,
}

impl From<HookInfo<'_>> for HookView {
    fn from(info: HookInfo<'_>) -> Self {
        Self {
            name: info.name.to_owned(),
            path: format!("/hooks/{}", info.name),
            accepted: info.accepted,
            answered: info.answered,
            refused: info.refused,
        }
    }
}
