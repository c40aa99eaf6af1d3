//! Which paths and methods there are, and which [`Endpoint`] each is. Knows no handlers, and nobody
//! who asks.
//!
//! A path is what it is spelt: nothing in it is decoded, folded or left out before it is looked at.

use hyper::Method;

use crate::endpoint::Endpoint;
use crate::problem::Problem;

/// An endpoint, and what stands in the place that its path leaves open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    /// A name, a number or a type, as it stands in the path.
    pub(crate) argument: Option<String>,
}

impl Target {
    /// Says too which methods a path has, when it has not this one.
    pub(crate) fn find(method: &Method, path: &str) -> Result<Self, Problem> {
        if path == "/events" {
            return match *method {
                Method::POST => Ok(Endpoint::Events.into()),
                Method::OPTIONS => Ok(Endpoint::Handshake.into()),
                _ => Err(Problem::method_not_allowed("POST")),
            };
        }
        let verb = Verb::of(method);
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let found = match segments.as_slice() {
            ["api", "v1", rest @ ..] => in_api(rest, verb),
            ["subscriptions", rest @ ..] => in_subscriptions(rest, verb),
            _ => at_the_root(&segments, verb),
        };
        found.map_err(|methods| match methods {
            Some(methods) => Problem::method_not_allowed(methods),
            None => Problem::no_such_path(path),
        })
    }
}

impl From<Endpoint> for Target {
    fn from(endpoint: Endpoint) -> Self {
        Self { endpoint, argument: None }
    }
}

/// The methods of a path that has not this one; none when there is no such path.
type Found = Result<Target, Option<&'static str>>;

fn at_the_root(segments: &[&str], verb: Verb) -> Found {
    use Verb::{Get, Options, Post};
    let endpoint = match (segments, verb) {
        (["events" | "hooks", name], Options) if !name.is_empty() => Endpoint::Handshake,
        (["events", ty], Post) if !ty.is_empty() => return with(Endpoint::EventsOfType, ty),
        (["events", ty], _) if !ty.is_empty() => return Err(Some("POST")),
        // Each hook says itself which methods it has.
        (["hooks", name], _) if !name.is_empty() => return with(Endpoint::Hook, name),
        ([""], Get) => Endpoint::Page,
        (["ui", name], Get) if !name.is_empty() => return with(Endpoint::Asset, name),
        (["healthz"], Get) => Endpoint::Healthz,
        (["readyz"], Get) => Endpoint::Readyz,
        (["metrics"], Get) => Endpoint::Metrics,
        (["openapi.json"], Get) => Endpoint::OpenApi,
        (["asyncapi.json"], Get) => Endpoint::AsyncApi,
        (["ui", name], _) if !name.is_empty() => return Err(Some("GET, HEAD")),
        ([""] | ["healthz"] | ["readyz"] | ["metrics"], _)
        | (["openapi.json"] | ["asyncapi.json"], _) => return Err(Some("GET, HEAD")),
        _ => return Err(None),
    };
    Ok(endpoint.into())
}

/// What each of the two paths answers to.
pub(crate) const SUBSCRIPTIONS: &str = "GET, HEAD, POST, OPTIONS";
pub(crate) const SUBSCRIPTION: &str = "GET, HEAD, PUT, DELETE, OPTIONS";

fn in_subscriptions(path: &[&str], verb: Verb) -> Found {
    use Verb::{Delete, Get, Options, Post, Put};
    let endpoint = match (path, verb) {
        ([], Get) => Endpoint::SubscriptionList,
        ([], Post) => Endpoint::SubscriptionCreate,
        ([], Options) => Endpoint::SubscriptionsOptions,
        ([id], Get) => return with(Endpoint::Subscription, id),
        ([id], Put) => return with(Endpoint::SubscriptionUpdate, id),
        ([id], Delete) => return with(Endpoint::SubscriptionRemove, id),
        ([_], Options) => Endpoint::SubscriptionOptions,
        ([], _) => return Err(Some(SUBSCRIPTIONS)),
        ([_], _) => return Err(Some(SUBSCRIPTION)),
        _ => return Err(None),
    };
    Ok(endpoint.into())
}

fn in_api(path: &[&str], verb: Verb) -> Found {
    use Verb::{Delete, Get, Post, Put};
    let endpoint = match (path, verb) {
        (["functions"], Get) => Endpoint::FunctionList,
        (["functions", name], Get) => return with(Endpoint::Function, name),
        (["functions", name], Put) => return with(Endpoint::Deploy, name),
        (["functions", name], Delete) => return with(Endpoint::Remove, name),
        (["functions", name, "activate"], Post) => return with(Endpoint::Activate, name),
        (["functions", name, "rollback"], Post) => return with(Endpoint::Rollback, name),
        (["functions", name, "pause"], Post) => return with(Endpoint::Pause, name),
        (["functions", name, "resume"], Post) => return with(Endpoint::Resume, name),
        (["functions", name, "test"], Post) => return with(Endpoint::TestDeployed, name),
        (["functions", name, "state"], Get) => return with(Endpoint::State, name),
        (["functions", name, "state", "history"], Get) => {
            return with(Endpoint::StateHistory, name);
        }
        (["test"], Post) => Endpoint::TestComponent,
        (["events"], Get) => Endpoint::EventList,
        (["events", seq], Get) => return with(Endpoint::Event, seq),
        (["events", seq, "tree"], Get) => return with(Endpoint::EventTree, seq),
        (["events", seq, "replay"], Post) => return with(Endpoint::ReplayEvent, seq),
        (["replay"], Post) => Endpoint::Replay,
        (["replays"], Get) => Endpoint::ReplayList,
        (["replays", id], Get) => return with(Endpoint::ReplayInfo, id),
        (["replays", id], Delete) => return with(Endpoint::ReplayCancel, id),
        (["deliveries"], Get) => Endpoint::DeliveryList,
        (["deliveries", "redrive"], Post) => Endpoint::Redrive,
        (["deliveries", "drop"], Post) => Endpoint::Drop,
        (["deliveries", "causes"], Get) => Endpoint::Causes,
        (["lanes"], Get) => Endpoint::Lanes,
        (["stream"], Get) => Endpoint::Stream,
        (["filters", "test"], Post) => Endpoint::FilterTest,
        (["hooks"], Get) => Endpoint::HookList,
        (["stats"], Get) => Endpoint::Stats,
        (["stats", "overview"], Get) => Endpoint::Overview,
        (["stats", "stream"], Get) => Endpoint::OverviewStream,
        (["stats", "history"], Get) => Endpoint::History,
        (["settings"], Get) => Endpoint::Settings,
        (["audit"], Get) => Endpoint::Audit,
        _ => return Err(methods_of(path)),
    };
    Ok(endpoint.into())
}

fn with(endpoint: Endpoint, argument: &str) -> Found {
    Ok(Target { endpoint, argument: Some(argument.to_owned()) })
}

/// What a path of the admin API answers to; none when there is no such path.
fn methods_of(path: &[&str]) -> Option<&'static str> {
    match path {
        ["functions", _] => Some("GET, HEAD, PUT, DELETE"),
        ["functions"] | ["functions", _, "state"] => Some("GET, HEAD"),
        ["functions", _, "state", "history"] | ["events", _, "tree"] => Some("GET, HEAD"),
        ["deliveries", "causes"] | ["lanes"] | ["settings"] => Some("GET, HEAD"),
        ["stats", "overview" | "stream" | "history"] => Some("GET, HEAD"),
        ["replays", _] => Some("GET, HEAD, DELETE"),
        ["replays"] => Some("GET, HEAD"),
        ["events"] | ["events", _] | ["deliveries"] | ["stream"] => Some("GET, HEAD"),
        ["hooks"] | ["stats"] | ["audit"] => Some("GET, HEAD"),
        ["functions", _, "activate" | "rollback" | "pause" | "resume" | "test"] => Some("POST"),
        ["events", _, "replay"] | ["replay"] | ["test"] => Some("POST"),
        ["deliveries", "redrive" | "drop"] | ["filters", "test"] => Some("POST"),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verb {
    /// `HEAD` too: the body is left out where it is sent.
    Get,
    Put,
    Post,
    Delete,
    Options,
    Other,
}

impl Verb {
    fn of(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::Get,
            Method::PUT => Self::Put,
            Method::POST => Self::Post,
            Method::DELETE => Self::Delete,
            Method::OPTIONS => Self::Options,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use triphammer_access::Scope;

    use super::*;

    #[track_caller]
    fn check(method: &str, path: &str, expect: Result<(Endpoint, Option<&str>), &str>) {
        let found = Target::find(&method.parse().unwrap(), path);
        let found = found.map(|target| (target.endpoint, target.argument));
        let expect = expect.map(|(endpoint, argument)| (endpoint, argument.map(str::to_owned)));
        assert_eq!(
            found.map_err(|problem| problem.code().to_owned()),
            expect.map_err(str::to_owned)
        );
    }

    #[test]
    fn a_path_is_what_it_is_spelt() {
        check("POST", "/events", Ok((Endpoint::Events, None)));
        check("POST", "/events/a.b", Ok((Endpoint::EventsOfType, Some("a.b"))));
        check("HEAD", "/api/v1/functions/x", Ok((Endpoint::Function, Some("x"))));
        check("GET", "/healthz", Ok((Endpoint::Healthz, None)));
        check("GET", "/ui/app.js", Ok((Endpoint::Asset, Some("app.js"))));
        check("POST", "/ui/app.js", Err("http.method"));
        check("PATCH", "/hooks/x", Ok((Endpoint::Hook, Some("x"))));
        for path in ["/events", "/events/a.b", "/hooks/x"] {
            check("OPTIONS", path, Ok((Endpoint::Handshake, None)));
        }
        check("post", "/events", Err("http.method"));
        check("GET", "/events/a.b", Err("http.method"));
        for path in [
            "/Healthz",
            "//healthz",
            "/healthz/",
            "/./healthz",
            "/x/../healthz",
            "/%68ealthz",
            "/healthz;x",
            "/api/v1/stats/",
            "/api//v1/stats",
            "/API/v1/stats",
            "/events/",
            "/events/a/b",
            "/ui",
            "/ui/",
            "/ui/a/b",
            "/hooks",
            "/hooks/",
            "/hooks/a/b",
            "/Hooks/a",
            "*",
            "",
        ] {
            check("GET", path, Err("http.not_found"));
        }
    }

    #[test]
    fn what_changes_something_needs_more_than_to_read() {
        for (method, path) in [
            ("PUT", "functions/x"),
            ("DELETE", "functions/x"),
            ("POST", "functions/x/activate"),
            ("POST", "functions/x/rollback"),
            ("POST", "functions/x/pause"),
            ("POST", "functions/x/resume"),
            ("POST", "events/1/replay"),
            ("POST", "replay"),
            ("DELETE", "replays/1"),
            ("POST", "deliveries/redrive"),
            ("POST", "deliveries/drop"),
        ] {
            let target = Target::find(&method.parse().unwrap(), &format!("/api/v1/{path}"));
            let endpoint = target.unwrap().endpoint;
            assert!(endpoint.action().is_some(), "{path}");
            assert!(matches!(endpoint.scope(), Some(Scope::Deploy | Scope::Operate)), "{path}");
        }
    }
}
