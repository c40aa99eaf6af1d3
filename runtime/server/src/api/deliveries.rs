//! Deliveries: where they are and why, and what an operator does about it.

use hyper::StatusCode;
use triphammer_model::{DeliveryId, FunctionName, Timestamp};
use triphammer_pipeline::{DeliveryQuery, Selection, Status};

use super::parse;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::route::{self, Answer, Call, json, noted};
use crate::views::{
    CauseView, CausesView, Counted, DeliveryView, LaneView, LanesView, RawSelection,
};

pub(crate) async fn list(mut call: Call<'_>) -> Answer {
    let query = DeliveryQuery {
        status: call.query.filled("status").as_deref().map(status).transpose()?,
        function: call.query.parsed("function")?,
        code: call.query.filled("code"),
        died_after: call.query.time("diedAfter")?,
        died_before: call.query.time("diedBefore")?,
        limit: call.query.limit()?,
        cursor: call.query.filled("cursor"),
    };
    call.query.done()?;
    call.caller.covers(query.function.as_ref())?;
    let page = call.server.pipeline.deliveries(&query).await?;
    let deliveries: Vec<_> = page.deliveries.into_iter().map(DeliveryView::from).collect();
    route::list("deliveries", &deliveries, page.cursor.as_deref())
}

/// Dead letters by what they died of.
pub(crate) async fn causes(mut call: Call<'_>) -> Answer {
    let function: Option<FunctionName> = call.query.parsed("function")?;
    call.query.done()?;
    call.caller.covers(function.as_ref())?;
    let (causes, truncated) = call.server.pipeline.causes(function).await?;
    let causes = causes.into_iter().map(CauseView::from).collect();
    json(StatusCode::OK, &CausesView { causes, truncated })
}

/// The longest lanes.
pub(crate) async fn lanes(mut call: Call<'_>) -> Answer {
    let function: Option<FunctionName> = call.query.parsed("function")?;
    let limit = call.query.limit()?;
    call.query.done()?;
    call.caller.covers(function.as_ref())?;
    let (lanes, truncated) = call.server.pipeline.lanes(function, limit).await?;
    let lanes = lanes.into_iter().map(LaneView::from).collect();
    json(StatusCode::OK, &LanesView { lanes, truncated })
}

fn status(text: &str) -> Result<Status, Problem> {
    Status::parse(text).ok_or_else(|| {
        let known: Vec<_> = Status::ALL.into_iter().map(Status::as_str).collect();
        let detail = format!("a status is one of {}", known.join(", "));
        Problem::bad_request("delivery.status", detail)
    })
}

pub(crate) async fn redrive(call: Call<'_>) -> Answer {
    let (pipeline, caller) = (&call.server.pipeline, call.caller);
    let selection = covered(caller, selection(call.json().await?)?)?;
    counted(&selection, pipeline.redrive(&selection).await?)
}

pub(crate) async fn give_up(call: Call<'_>) -> Answer {
    let (pipeline, caller) = (&call.server.pipeline, call.caller);
    let selection = covered(caller, selection(call.json().await?)?)?;
    counted(&selection, pipeline.drop_deliveries(&selection).await?)
}

/// Only what the caller's token is for: each delivery's function, or the one that all have.
fn covered(caller: &Caller, selection: Selection) -> Result<Selection, Problem> {
    match &selection {
        Selection::Ids(ids) => ids.iter().try_for_each(|id| caller.covers(Some(&id.function)))?,
        Selection::Filter(query) => caller.covers(query.function.as_ref())?,
    }
    Ok(selection)
}

fn counted(selection: &Selection, count: u64) -> Answer {
    let function = match selection {
        Selection::Ids(_) => None,
        Selection::Filter(query) => query.function.as_ref().map(FunctionName::as_str),
    };
    let detail = serde_json::json!({ "count": count, "function": function });
    noted(json(StatusCode::OK, &Counted { count }), detail)
}

fn selection(mut raw: RawSelection) -> Result<Selection, Problem> {
    match raw.ids.take() {
        Some(_) if raw != RawSelection::default() => Err(Problem::bad_request(
            "delivery.selection",
            "deliveries are selected by `ids` or by what they have in common, not by both",
        )),
        Some(ids) => {
            let ids: Result<Vec<DeliveryId>, _> = ids.iter().map(|id| parse(id)).collect();
            Ok(Selection::Ids(ids?))
        }
        None => Ok(Selection::Filter(raw.query()?)),
    }
}

impl RawSelection {
    /// What they have in common.
    fn query(self) -> Result<DeliveryQuery, Problem> {
        let time = |name: &str, text: Option<String>| {
            let read = |text: String| {
                Timestamp::parse_rfc3339(&text).ok_or_else(|| {
                    let detail = format!("`{name}` is a time such as 2026-01-02T03:04:05Z");
                    Problem::bad_request("delivery.selection", detail)
                })
            };
            text.map(read).transpose()
        };
        Ok(DeliveryQuery {
            function: self.function.as_deref().map(parse).transpose()?,
            status: self.status.as_deref().map(status).transpose()?,
            code: self.code,
            died_after: time("diedAfter", self.died_after)?,
            died_before: time("diedBefore", self.died_before)?,
            ..DeliveryQuery::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expect: Result<&str, &str>) {
        let raw: RawSelection = serde_json::from_str(body).unwrap();
        let found = selection(raw).map(|selection| format!("{selection:?}"));
        match expect {
            Ok(text) => assert!(found.unwrap().contains(text), "{body}"),
            Err(code) => assert_eq!(found.unwrap_err().code(), code, "{body}"),
        }
    }

    #[test]
    fn deliveries_are_selected_by_ids_or_by_what_they_share() {
        check(r#"{"ids":["42/welcome"]}"#, Ok("welcome"));
        check(r#"{"function":"welcome","code":"invoke.trap"}"#, Ok("invoke.trap"));
        check(r#"{"status":"dead"}"#, Ok("Dead"));
        check(r#"{"diedBefore":"2026-01-02T03:04:05Z"}"#, Ok("died_before: Some"));
        check(r#"{"diedAfter":"now"}"#, Err("delivery.selection"));
        check(r#"{"ids":["42"]}"#, Err("http.name"));
        check(r#"{"status":"gone"}"#, Err("delivery.status"));
        check(r#"{"ids":[],"status":"dead"}"#, Err("delivery.selection"));
    }
}
