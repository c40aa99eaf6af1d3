//! The CloudEvents Subscriptions API for HTTP sinks. A subscription is kept as a function is, so what
//! else there is to do with it (pause, roll back, look at its deliveries) is done by its id there.

use hyper::header::{ALLOW, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use triphammer_model::FunctionName;
use triphammer_pipeline::{DeployError, Remove};

use super::parse;
use crate::body::ResponseBody;
use crate::problem::Problem;
use crate::route::{Answer, Call, Server, json};
use crate::views::{InvalidSubscription, RawSubscription, SubscriptionView};

pub(crate) async fn list(call: Call<'_>) -> Answer {
    call.query.done()?;
    let functions = call.server.pipeline.functions().await?;
    let all: Vec<_> = functions.iter().filter_map(SubscriptionView::of).collect();
    json(StatusCode::OK, &all)
}

pub(crate) async fn create(call: Call<'_>) -> Answer {
    let server = call.server;
    let raw: RawSubscription = call.json().await?;
    let id = format!("sub-{}", &server.pipeline.new_id()[..16]);
    set(server, &parse(&id)?, &raw).await
}

pub(crate) async fn update(call: Call<'_>, id: &str) -> Answer {
    let name: FunctionName = parse(id)?;
    let server = call.server;
    let raw: RawSubscription = call.json().await?;
    if raw.id.as_deref().is_some_and(|given| given != id) {
        let rule = "is not the one of the path, and an id never changes";
        return Err(InvalidSubscription::new("id", rule).into());
    }
    set(server, &name, &raw).await
}

async fn set(server: &Server, name: &FunctionName, raw: &RawSubscription) -> Answer {
    let manifest = raw.to_manifest()?;
    let is_new = server.pipeline.function(name).await.is_err();
    let set = server.pipeline.set_subscription(name.clone(), &manifest).await;
    set.map_err(problem)?;
    let mut response = shown(server, name).await?;
    if is_new {
        *response.status_mut() = StatusCode::CREATED;
        let location = HeaderValue::try_from(format!("/subscriptions/{name}"));
        if let Ok(location) = location {
            response.headers_mut().insert(LOCATION, location);
        }
    }
    Ok(response)
}

/// Mistakes in the manifest, by the names that a subscriber knows them by.
fn problem(error: DeployError) -> Problem {
    match error {
        DeployError::Manifest(manifest) => {
            InvalidSubscription::of_manifest(&manifest.member, &manifest.rule).into()
        }
        other => other.into(),
    }
}

impl From<InvalidSubscription> for Problem {
    fn from(error: InvalidSubscription) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "subscription.invalid", error.to_string())
            .text_member("member", &error.member)
    }
}

pub(crate) async fn show(call: Call<'_>, id: &str) -> Answer {
    call.query.done()?;
    shown(call.server, &parse(id)?).await
}

async fn shown(server: &Server, name: &FunctionName) -> Answer {
    json(StatusCode::OK, &find(server, name).await?)
}

async fn find(server: &Server, name: &FunctionName) -> Result<SubscriptionView, Problem> {
    let found = server.pipeline.function(name).await.ok();
    found.as_ref().and_then(SubscriptionView::of).ok_or_else(|| {
        Problem::not_found("subscription.not_found", "there is no such subscription")
    })
}

pub(crate) async fn remove(mut call: Call<'_>, id: &str) -> Answer {
    let name = parse(id)?;
    let discard = call.query.flag("discard", false)?;
    call.query.done()?;
    let found = find(call.server, &name).await?;
    call.server.pipeline.remove(&name, Remove { discard, state: true }).await?;
    json(StatusCode::OK, &found)
}

/// Which operations there are: the discovery that the specification asks of a binding.
pub(crate) fn options(methods: &'static str) -> Answer {
    let mut response = Response::new(ResponseBody::from(Vec::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    Ok(response)
}
