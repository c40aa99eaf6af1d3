//! The shape of a replay.

use schemars::JsonSchema;
use serde::Serialize;
use triphammer_pipeline::{Replay, ReplayFilter, ReplayInfo, ReplayState};

use super::ErrorView;
use crate::describe::words;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Replay")]
pub(crate) struct ReplayView {
    #[schemars(with = "words::ReplayId")]
    pub(crate) id: String,
    #[schemars(with = "words::ReplayState")]
    state: &'static str,
    /// None for whoever asks for the events.
    #[schemars(with = "Option<words::FunctionName>")]
    function: Option<String>,
    filter: FilterView,
    rate: u32,
    #[schemars(with = "words::Time")]
    created: String,
    #[schemars(with = "Option<words::Time>")]
    ended: Option<String>,
    /// What it will have made in the end; none as long as that is not known.
    events: Option<u64>,
    done: u64,
    deliveries: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView>,
}

/// Which events; what is not said is not asked for.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReplayFilter")]
struct FilterView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::TypePattern>")]
    r#type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::Time>")]
    after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<words::Time>")]
    before: Option<String>,
}

impl From<ReplayInfo> for ReplayView {
    fn from(info: ReplayInfo) -> Self {
        let Replay { id, created, filter, function, rate, done, deliveries, state, .. } =
            info.replay;
        let ReplayFilter { ty, source, subject, id: event, after, before } = filter;
        Self {
            id: id.to_string(),
            state: state.as_str(),
            function: function.map(|name| name.as_str().to_owned()),
            filter: FilterView {
                r#type: ty,
                source,
                subject,
                id: event,
                after: after.map(|time| time.to_rfc3339()),
                before: before.map(|time| time.to_rfc3339()),
            },
            rate,
            created: created.to_rfc3339(),
            ended: state.ended().map(|time| time.to_rfc3339()),
            events: info.events,
            done,
            deliveries,
            error: match state {
                ReplayState::Failed { error, .. } => Some(error.into()),
                _ => None,
            },
        }
    }
}
