//! Who may do what, route by route, and that no request gets around it.

use triphammer_access::{NewToken, Scope, TokenFile, TokenText};
use triphammer_model::Timestamp;

use super::*;

/// Every route, with the scope that it needs.
const ROUTES: [(&str, Scope); 40] = {
    use Scope::{Deploy, Operate, Read, Send};
    [
        ("POST /events", Send),
        ("POST /events/t", Send),
        ("GET /", Read),
        ("GET /metrics", Read),
        ("HEAD /api/v1/functions", Read),
        ("GET /api/v1/functions", Read),
        ("GET /api/v1/functions/f-1", Read),
        ("GET /api/v1/functions/f-1/state", Read),
        ("GET /api/v1/events", Read),
        ("GET /api/v1/events/1", Read),
        ("GET /api/v1/replays", Read),
        ("GET /api/v1/replays/1", Read),
        ("GET /api/v1/deliveries", Read),
        ("GET /api/v1/stats", Read),
        ("GET /api/v1/hooks", Read),
        ("GET /openapi.json", Read),
        ("GET /asyncapi.json", Read),
        ("GET /subscriptions", Read),
        ("OPTIONS /subscriptions", Read),
        ("GET /subscriptions/f-1", Read),
        ("OPTIONS /subscriptions/f-1", Read),
        ("POST /subscriptions", Deploy),
        ("PUT /subscriptions/f-1", Deploy),
        ("DELETE /subscriptions/f-1", Operate),
        ("POST /api/v1/filters/test", Read),
        ("GET /api/v1/stream?x=", Read),
        ("PUT /api/v1/functions/f-1", Deploy),
        ("POST /api/v1/functions/f-1/activate", Deploy),
        ("POST /api/v1/functions/f-1/rollback", Deploy),
        ("POST /api/v1/functions/f-1/test", Deploy),
        ("POST /api/v1/test", Deploy),
        ("DELETE /api/v1/functions/f-1", Operate),
        ("POST /api/v1/functions/f-1/pause", Operate),
        ("POST /api/v1/functions/f-1/resume", Operate),
        ("POST /api/v1/events/1/replay", Operate),
        ("POST /api/v1/replay", Operate),
        ("DELETE /api/v1/replays/1", Operate),
        ("POST /api/v1/deliveries/redrive", Operate),
        ("POST /api/v1/deliveries/drop", Operate),
        ("GET /api/v1/audit", Operate),
    ]
};

/// A host that asks for tokens, and the file that they are in.
struct Guarded {
    host: Host,
    file: TokenFile,
    _dir: TempDir,
}

impl Guarded {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.toml");
        let settings = format!("[access]\nrequired = true\ntokens = {path:?}");
        let host = Host::start(&settings).await;
        Self { host, file: TokenFile::new(path), _dir: dir }
    }

    /// A token that the host does not know yet.
    fn make(&self, name: &str, scopes: &[Scope], with: impl FnOnce(&mut NewToken)) -> TokenText {
        let scopes = scopes.iter().copied().collect();
        let mut new = NewToken { name: name.into(), scopes, ..NewToken::default() };
        with(&mut new);
        self.file.create(new, Timestamp(1)).unwrap().1
    }

    /// Waits until the host has looked at its tokens again.
    async fn until_known(&self, token: &TokenText, known: bool) {
        loop {
            let answer = self.ask("GET /nothing", token, "").await;
            if (answer.status != 401) == known {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    async fn ask(&self, line: &str, token: &TokenText, body: &str) -> Answer {
        let header = format!("authorization: Bearer {}", token.reveal());
        let json = "content-type: application/cloudevents+json";
        self.host.ask(line, &[&header, json], body).await
    }

    async fn stop(self) {
        self.host.stop().await.unwrap();
    }
}

fn functions(pattern: &str) -> impl FnOnce(&mut NewToken) {
    let pattern = pattern.parse().unwrap();
    |new| new.functions = Some(vec![pattern])
}

fn types(pattern: &str) -> impl FnOnce(&mut NewToken) {
    let pattern = pattern.parse().unwrap();
    |new| new.types = Some(vec![pattern])
}

#[tokio::test]
async fn no_route_answers_without_a_token() {
    let host = Host::start("[access]\nrequired = true").await;
    let wrong = TokenText::generate().unwrap();
    let wrong = format!("authorization: Bearer {}", wrong.reveal());
    let other_routes = ["GET /nothing", "POST /healthz", "TRACE /", "GET /api/v1", "GET //healthz"];
    for line in ROUTES.iter().map(|(line, _)| *line).chain(other_routes) {
        for headers in
            [&[][..], &[wrong.as_str()], &["x-authorization: Bearer x"], &["cookie: a=b"]]
        {
            let answer = host.ask(line, headers, "").await;
            assert_eq!(answer.status, 401, "{line} {headers:?} {}", answer.body);
            if !line.starts_with("HEAD") {
                answer.is_problem(401, "http.unauthorized");
            }
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("bearer realm="), "{challenge}");
        }
    }
    for path in ["/events", "/events/t", "/hooks/x"] {
        // Whether they may deliver is what senders ask before they have a token.
        assert_eq!(host.ask(&format!("OPTIONS {path}"), &[], "").await.status, 200, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(host.get(path).await.status, 200, "{path}");
        // What is wrong with a token that nobody asks for is no matter.
        assert_eq!(host.ask(&format!("GET {path}"), &[&wrong], "").await.status, 200, "{path}");
    }
    host.stop().await.unwrap();
}

#[tokio::test]
async fn each_route_needs_its_scope_and_no_other() {
    let guarded = Guarded::start().await;
    let tokens: Vec<_> =
        Scope::ALL.map(|scope| (scope, guarded.make(scope.as_str(), &[scope], |_| {}))).into();
    guarded.until_known(&tokens[3].1, true).await;
    for (line, needed) in ROUTES {
        for (scope, token) in &tokens {
            let answer = guarded.ask(line, token, "").await;
            if *scope == needed {
                assert!(![401, 403].contains(&answer.status), "{line} {scope} {}", answer.body);
                continue;
            }
            assert_eq!(answer.status, 403, "{line} {scope} {}", answer.body);
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.contains(&format!("scope=\"{needed}\"")), "{line} {challenge}");
            if !line.starts_with("HEAD") {
                answer.is_problem(403, "access.scope");
                assert_eq!(answer.json()["scope"], needed.as_str());
            }
        }
    }
    guarded.stop().await;
}

#[tokio::test]
async fn functions_bind_wherever_functions_are() {
    let guarded = Guarded::start().await;
    let scopes = [Scope::Read, Scope::Deploy, Scope::Operate];
    let token = guarded.make("f", &scopes, functions("f-*"));
    guarded.until_known(&token, true).await;
    for (line, scope) in ROUTES.into_iter().filter(|(_, scope)| *scope != Scope::Send) {
        let answer = guarded.ask(line, &token, "{}").await;
        let is_about_none =
            ["filters", "openapi", "OPTIONS"].iter().any(|part| line.contains(part));
        if is_about_none {
            // Nothing is asked about that somebody else might own.
            assert!(answer.status < 403, "{line}");
        } else if line.contains("/f-1") {
            assert!(![401, 403].contains(&answer.status), "{line} {}", answer.body);
            let other = line.replace("/f-1", "/g-1");
            guarded.ask(&other, &token, "{}").await.is_problem(403, "access.function");
            let escaped = line.replace("/f-1", "/%66-1");
            guarded.ask(&escaped, &token, "{}").await.is_problem(403, "access.function");
        } else if line.starts_with("HEAD") || line.contains("?x=") || line.contains("/deliveries/")
        {
            assert!([400, 403].contains(&answer.status), "{line} {scope}");
        } else {
            answer.is_problem(403, "access.function");
        }
    }
    // What is about one function may be asked when it is one of the token's.
    for (line, body, status) in [
        ("GET /api/v1/deliveries?function=f-1", "", 200),
        ("GET /api/v1/deliveries?function=g-1", "", 403),
        ("GET /api/v1/deliveries?status=dead", "", 403),
        ("GET /api/v1/stream?function=g-1", "", 403),
        ("GET /api/v1/stream", "", 403),
        ("POST /api/v1/deliveries/redrive", r#"{"function":"f-1"}"#, 200),
        ("POST /api/v1/deliveries/redrive", r#"{"function":"g-1"}"#, 403),
        ("POST /api/v1/deliveries/redrive", r#"{"status":"dead"}"#, 403),
        ("POST /api/v1/deliveries/redrive", r#"{"ids":["1/f-1"]}"#, 200),
        ("POST /api/v1/deliveries/redrive", r#"{"ids":["1/f-1","1/g-1"]}"#, 403),
        ("POST /api/v1/deliveries/drop", r#"{"ids":["1/g-1"]}"#, 403),
        ("POST /api/v1/replay", r#"{"function":"f-1"}"#, 403),
    ] {
        let answer = guarded.ask(line, &token, body).await;
        assert_eq!(answer.status, status, "{line} {body} {}", answer.body);
        if status == 403 {
            answer.is_problem(403, "access.function");
        }
    }
    guarded.stop().await;
}

#[tokio::test]
async fn every_event_must_be_of_a_type_that_may_be_sent() {
    let guarded = Guarded::start().await;
    let token = guarded.make("s", &[Scope::Send, Scope::Read], types("order.*"));
    guarded.until_known(&token, true).await;
    let of = |id: &str, ty: &str| event(id).replace("\"t\"", &format!("{ty:?}"));
    let bearer = format!("authorization: Bearer {}", token.reveal());
    assert_eq!(guarded.ask("POST /events", &token, &of("1", "order.placed")).await.status, 202);
    let refused = guarded.ask("POST /events", &token, &of("2", "user.created")).await;
    refused.is_problem(403, "access.type");
    for (line, status) in [
        ("POST /events/order.paid", 202),
        ("POST /events/order%2Epaid", 202),
        ("POST /events/user.created", 403),
        ("POST /events/order.a.b", 403),
    ] {
        assert_eq!(guarded.host.ask(line, &[&bearer], "x").await.status, status, "{line}");
    }
    let binary = |ty: &'static str| {
        [ty, "ce-specversion: 1.0", "ce-id: 3", "ce-source: /s", &bearer].map(str::to_owned)
    };
    for (headers, status) in [(binary("ce-type: order.a"), 202), (binary("CE-Type: user.a"), 403)] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        assert_eq!(guarded.host.ask("POST /events", &headers, "x").await.status, status);
    }
    let batch = format!("[{},{}]", of("4", "order.placed"), of("5", "user.created"));
    let headers = [bearer.as_str(), "content-type: application/cloudevents-batch+json"];
    let answer = guarded.host.ask("POST /events", &headers, &batch).await;
    answer.is_problem(403, "access.type");
    assert_eq!(answer.json()["index"], 1);
    // Two of a member: whichever the host takes, it is the one that is checked.
    let twice = of("6", "order.placed").replace("\"type\"", "\"type\":\"user.created\",\"type\"");
    assert_eq!(guarded.ask("POST /events", &token, &twice).await.status, 400);
    guarded.ask("GET /api/v1/events", &token, "").await.is_problem(403, "access.type");
    guarded.ask("GET /api/v1/stream", &token, "").await.is_problem(403, "access.type");
    let listed = guarded.make("r", &[Scope::Read], |_| {});
    guarded.until_known(&listed, true).await;
    let events = guarded.ask("GET /api/v1/events", &listed, "").await.json();
    assert_eq!(
        events["events"].as_array().unwrap().len(),
        4,
        "nothing of what was refused: {events}"
    );
    guarded.stop().await;
}

#[tokio::test]
async fn a_token_may_stand_in_the_query_where_events_come_in_and_nowhere_else() {
    let guarded = Guarded::start().await;
    let token = guarded.make("all", &Scope::ALL, |_| {});
    guarded.until_known(&token, true).await;
    let text = token.reveal();
    let json = "content-type: application/cloudevents+json";
    let bearer = format!("authorization: Bearer {text}");
    let ask =
        async |line: &str, headers: &[&str]| guarded.host.ask(line, headers, &event("1")).await;
    let line = format!("POST /events?access_token={text}");
    assert_eq!(ask(&line, &[json]).await.status, 202);
    ask(&line, &[json, &bearer]).await.is_problem(400, "access.credentials");
    ask(&format!("{line}&access_token={text}"), &[json]).await.is_problem(400, "http.query");
    ask(&format!("{line}&access%5Ftoken=x"), &[json]).await.is_problem(400, "http.query");
    ask("POST /events?access_token=", &[json]).await.is_problem(401, "http.unauthorized");
    ask("POST /events", &[json, &bearer, &bearer]).await.is_problem(400, "access.credentials");
    ask("POST /events", &[json, "authorization: x"]).await.is_problem(401, "http.unauthorized");
    ask("POST /events", &[json, &bearer, "Authorization: x"])
        .await
        .is_problem(400, "access.credentials");
    for path in ["/events/t", "/api/v1/functions", "/", "/metrics", "/nothing"] {
        let line = format!("GET {path}?access_token={text}");
        ask(&line, &[]).await.is_problem(401, "http.unauthorized");
    }
    let open = Host::start("").await;
    let line = "POST /events?access_token=anything";
    assert_eq!(open.ask(line, &[json], &event("1")).await.status, 202);
    open.stop().await.unwrap();
    guarded.stop().await;
}

#[tokio::test]
async fn tokens_change_while_the_host_runs() {
    let guarded = Guarded::start().await;
    let token = guarded.make("ci", &[Scope::Read], |_| {});
    guarded.until_known(&token, true).await;
    let hour = std::time::Duration::from_secs(3600);
    let now = triphammer_pipeline::Clock::system().now();
    let (_, newer) = guarded.file.rotate("ci", hour, now).unwrap();
    guarded.until_known(&newer, true).await;
    assert_eq!(guarded.ask("GET /api/v1/stats", &token, "").await.status, 200);
    let (_, newest) = guarded.file.rotate("ci", std::time::Duration::ZERO, now).unwrap();
    guarded.until_known(&newest, true).await;
    for old in [&token, &newer] {
        guarded.ask("GET /api/v1/stats", old, "").await.is_problem(401, "http.unauthorized");
    }
    guarded.file.revoke("ci").unwrap();
    guarded.until_known(&newest, false).await;
    // There are none, and they are asked for all the same.
    guarded.host.get("/api/v1/stats").await.is_problem(401, "http.unauthorized");
    let expired = guarded.make("old", &[Scope::Read], |new| new.expires = Some(Timestamp(2)));
    let read = guarded.make("read", &[Scope::Operate], |_| {});
    guarded.until_known(&read, true).await;
    guarded.ask("GET /api/v1/stats", &expired, "").await.is_problem(401, "access.expired");
    let log = guarded.ask("GET /api/v1/audit", &read, "").await.json();
    let noticed = |entry: &&serde_json::Value| entry["action"] == "tokens";
    assert!(log["entries"].as_array().unwrap().iter().filter(noticed).count() >= 4, "{log}");
    assert!(!log.to_string().contains(&newest.reveal()[18..]));
    guarded.stop().await;
}

#[tokio::test]
async fn a_host_that_was_open_closes_with_the_first_token() {
    let host = Host::start("").await;
    assert_eq!(host.get("/api/v1/stats").await.status, 200);
    let file = TokenFile::new(host._data.path().join("data/access/tokens.toml"));
    let scopes = [Scope::Read].into_iter().collect();
    let new = NewToken { name: "first".into(), scopes, ..NewToken::default() };
    file.create(new, Timestamp(1)).unwrap();
    while host.get("/api/v1/stats").await.status == 200 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    host.get("/api/v1/stats").await.is_problem(401, "http.unauthorized");
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_feed_ends_with_its_token() {
    let guarded = Guarded::start().await;
    let token = guarded.make("watch", &[Scope::Read, Scope::Send], |_| {});
    guarded.until_known(&token, true).await;
    let mut feed = client::connect(&guarded.host.address).await;
    let bearer = format!("authorization: Bearer {}", token.reveal());
    let request = guarded.host.request("GET /api/v1/stream", &[&bearer], "");
    tokio::io::AsyncWriteExt::write_all(&mut feed, &request).await.unwrap();
    client::read_until(&mut feed, ": ok").await;
    let other = guarded.make("send", &[Scope::Send], |_| {});
    guarded.file.revoke("watch").unwrap();
    guarded.until_known(&token, false).await;
    // Something happens, which the listener is not told any more.
    assert_eq!(guarded.ask("POST /events", &other, &event("1")).await.status, 202);
    let rest = client::read_all(&mut feed).await;
    assert!(!rest.contains("accepted"), "{rest}");
    guarded.stop().await;
}

#[tokio::test]
async fn a_token_is_used_no_faster_than_it_may() {
    let guarded = Guarded::start().await;
    let rate = |text: &str| {
        let rate = text.parse().unwrap();
        move |new: &mut NewToken| new.rate = Some(rate)
    };
    let token = guarded.make("slow", &[Scope::Send, Scope::Read], rate("10/d"));
    let free = guarded.make("free", &[Scope::Read], |_| {});
    guarded.until_known(&free, true).await;
    let answer = guarded.ask("GET /api/v1/stats", &token, "").await;
    assert_eq!(answer.header("ratelimit-policy"), Some("\"token\";q=10;w=86400"));
    assert!(answer.header("ratelimit").unwrap().starts_with("\"token\";r=9;t="));
    let batch = format!("[{}]", ["1", "2", "3", "4"].map(event).join(","));
    let bearer = format!("authorization: Bearer {}", token.reveal());
    let headers = [bearer.as_str(), "content-type: application/cloudevents-batch+json"];
    let sent = guarded.host.ask("POST /events", &headers, &batch).await;
    assert_eq!(sent.status, 202);
    assert!(sent.header("ratelimit").unwrap().starts_with("\"token\";r=5;"), "events are counted");
    // What is refused counts as one, whyever it is.
    guarded.ask("POST /events", &token, "nonsense").await.is_problem(400, "event.malformed");
    guarded.ask("GET /nothing", &token, "").await.is_problem(404, "http.not_found");
    guarded.ask("GET /api/v1/audit", &token, "").await.is_problem(403, "access.scope");
    let left = guarded.host.ask("POST /events", &headers, &batch).await;
    left.is_problem(429, "access.rate");
    assert!(left.header("ratelimit").unwrap().starts_with("\"token\";r=2;"), "nothing was taken");
    for _ in 0..2 {
        assert_eq!(guarded.ask("GET /api/v1/stats", &token, "").await.status, 200);
    }
    for line in ["GET /api/v1/stats", "POST /events", "GET /nothing", "GET /api/v1/audit"] {
        let answer = guarded.ask(line, &token, &event("9")).await;
        answer.is_problem(429, "access.rate");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=8640).contains(&wait), "{wait}");
    }
    let answer = guarded.ask("GET /api/v1/stats", &free, "").await;
    assert_eq!((answer.status, answer.header("ratelimit")), (200, None));
    guarded.stop().await;
}
