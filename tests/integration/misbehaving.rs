//! Guests that break a limit, end to end: the dead letter names the limit, nothing of the attempt
//! is left, and the functions beside them go on.

use serde_json::{Value, json};

use crate::harness::{Feed, Host, committed, component, dead, event, text_reply};

/// Time enough for everything that ends by a limit other than time.
fn patient() -> Value {
    json!({"on": ["misbehave.*"], "timeout": "20s",
        "retry": {"attempts": 2, "initial": "1ms", "max": "1ms"}})
}

fn hurried() -> Value {
    json!({"on": ["misbehave.*"], "timeout": "300ms",
        "retry": {"attempts": 2, "initial": "1ms", "max": "1ms"}})
}

fn host(manifest: Value) -> Host {
    let host = Host::start();
    host.deploy_with("misbehave", "misbehave", json!({}), manifest);
    host.deploy("counter", "counter");
    host
}

/// Each way ends in a dead letter of this code after two attempts, and leaves no trace.
#[track_caller]
fn check(host: &Host, way: &str, data: Value, code: &str) -> String {
    let receipt = host.settle(&event(&format!("misbehave.{way}")).data(data));
    let (found, message) = dead(&receipt);
    assert_eq!(found, code, "{way}: {message}");
    assert!(!message.is_empty(), "{way} says what happened");
    let story = host.story(&receipt["seq"]);
    let history = story["deliveries"][0]["history"].as_array().unwrap();
    assert_eq!(history.len(), 2, "{way}: {story}");
    for attempt in history {
        assert_eq!((&attempt["state"], &attempt["emitted"]), (&json!([]), &json!([])), "{way}");
        assert_eq!(attempt["error"]["code"], code, "{way}");
    }
    // Nothing follows but the host's own event about the dead letter.
    let children = story["children"].as_array().unwrap();
    let types: Vec<_> = children.iter().map(|child| &child["type"]).collect();
    assert_eq!(types, ["triphammer.delivery.dead"], "{way}");
    message
}

#[track_caller]
fn leaves_no_trace_and_harms_no_neighbour(host: &Host, ways: usize) {
    assert_eq!(host.state("misbehave", None).len(), 0);
    assert_eq!(host.get("/api/v1/events?type=misbehaved.*")["events"], json!([]));
    assert_eq!(host.dead_letters("misbehave").len(), ways);
    let neighbour = committed(&host.settle(&event("counter.add").subject("a")));
    assert_eq!(neighbour.reply["data"]["n"], 1);
    let again = committed(&host.settle(&event("misbehave.ok")));
    assert_eq!(text_reply(&again.reply), "ok", "the next event finds a fresh instance");
}

#[test]
fn whoever_takes_too_much_is_stopped_by_the_limit_that_the_dead_letter_names() {
    let host = host(patient());
    let ways = [
        ("grow", "limit.memory"),
        ("many-emits", "limit.emits"),
        ("huge-emit", "limit.emit_bytes"),
        ("many-writes", "limit.state_writes"),
        ("many-logs", "limit.logs"),
        ("huge-reply", "limit.reply"),
    ];
    for (way, code) in ways {
        check(&host, way, json!({}), code);
    }
    // A guest may go on after a refusal, but not past a limit.
    check(&host, "many-emits", json!({"ignore": true}), "limit.emits");
    check(&host, "huge-reply", json!({"n": (1 << 20) + 1}), "limit.reply");
    leaves_no_trace_and_harms_no_neighbour(&host, ways.len() + 2);
}

#[test]
fn whoever_breaks_off_leaves_no_trace() {
    let host = host(patient());
    let panic = check(&host, "panic", json!({}), "invoke.trap");
    assert!(panic.contains("it panicked on purpose"), "{panic}");
    check(&host, "trap-after-write", json!({}), "invoke.trap");
    check(&host, "stack", json!({}), "invoke.trap");
    check(&host, "stack-in-memory", json!({}), "invoke.trap");
    check(&host, "exit", json!({}), "invoke.exit");
    leaves_no_trace_and_harms_no_neighbour(&host, 5);
}

#[test]
fn what_the_host_refuses_is_the_guests_to_answer_for() {
    let host = host(patient());
    for what in ["type", "empty", "extension", "id", "source", "time"] {
        check(&host, "bad-emit", json!({"what": what}), "invoke.retry");
    }
    check(&host, "big-state-value", json!({}), "invoke.retry");
    check(&host, "long-name", json!({}), "invoke.retry");
    let fault = check(&host, "huge-fault", json!({}), "invoke.retry");
    assert!(fault.len() <= 4 << 10, "{} bytes of message are kept", fault.len());
    leaves_no_trace_and_harms_no_neighbour(&host, 9);

    let receipt = host.settle(&event("misbehave.bad-emit").data(json!({"ignore": true})));
    committed(&receipt);
    assert_eq!(host.state("misbehave", None)["emitted"], true);
}

#[test]
fn whoever_takes_too_long_meets_the_deadline() {
    let host = host(hurried());
    for way in ["spin", "spin-in-host-calls", "sleep"] {
        let message = check(&host, way, json!({}), "invoke.deadline");
        assert!(message.contains("300 ms"), "{message}");
    }
    leaves_no_trace_and_harms_no_neighbour(&host, 3);
}

#[test]
fn busy_loops_on_every_worker_leave_time_for_others() {
    let host = Host::start();
    let endless = json!({"on": ["misbehave.*"], "timeout": "20s", "retry": {"attempts": 1}});
    host.deploy_with("misbehave", "misbehave", json!({}), endless);
    host.deploy("counter", "counter");
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let loops = (workers * 2).min(16);
    let feed = Feed::open(host.address(), "?function=misbehave");
    for way in ["spin", "spin-in-host-calls"].iter().cycle().take(loops) {
        host.accept(&event(&format!("misbehave.{way}")));
    }
    for _ in 0..loops {
        feed.next("attempted");
    }
    for n in 1..=10 {
        let done = committed(&host.settle(&event("counter.add").subject("a")));
        assert_eq!(done.reply["data"]["n"], n);
    }
    assert_eq!(host.counts("misbehave")["running"], loops, "they all still run");
}

#[test]
fn nothing_outside_the_sandbox_can_be_reached() {
    let host = Host::start();
    let config = json!({"tenant": "t-1"});
    host.deploy_with("misbehave", "misbehave", config, json!({}));
    let reply = |way: &str| committed(&host.settle(&event(&format!("misbehave.{way}")))).reply;
    let text = text_reply(&reply("read-file"));
    assert!(text.starts_with("refused: "), "{text}");
    assert_eq!(reply("env")["data"], json!({"tenant": "t-1"}), "its own config, nothing else");
    assert!(reply("clock")["data"].as_u64().unwrap() > 1_600_000_000_000);
    assert_ne!(reply("random")["data"], reply("random")["data"]);
}

#[test]
fn what_a_guest_prints_is_kept_as_log_lines_up_to_a_limit() {
    let host = Host::start();
    host.deploy_with("misbehave", "misbehave", json!({}), patient());
    let attempt = |data: Value, way: &str| {
        let receipt = host.settle(&event(&format!("misbehave.{way}")).data(data));
        committed(&receipt);
        host.story(&receipt["seq"])["deliveries"][0]["history"][0].clone()
    };
    let printed = attempt(json!({}), "stdout");
    let expect = json!([
        {"level": "info", "message": "a line on stdout"},
        {"level": "warn", "message": "a line on stderr"},
    ]);
    assert_eq!(printed["logs"], expect);
    let many = attempt(json!({"n": 1000}), "many-logs");
    assert_eq!(many["logs"].as_array().unwrap().len(), 200);
    assert_eq!(many["logsLeftOut"], 800);
}

#[test]
fn a_component_that_panics_in_describe_is_not_taken() {
    let host = Host::start();
    let answer = host.upload("panic", component("panic-in-describe"));
    let detail = answer.problem(422, "module.describe");
    assert!(detail.contains("there is no manifest"), "{detail}");
    assert_eq!(host.get("/api/v1/functions")["functions"], json!([]));
}

#[test]
fn limits_are_the_hosts_settings() {
    let setup = crate::harness::Setup::new();
    let host = setup.set("LIMITS_EMITS", "3").set("LIMITS_REPLY", "2KiB").start();
    host.deploy_with("misbehave", "misbehave", json!({}), patient());
    committed(&host.settle(&event("misbehave.many-emits").data(json!({"n": 3}))));
    let (code, message) = dead(&host.settle(&event("misbehave.many-emits").data(json!({"n": 4}))));
    assert_eq!(code, "limit.emits");
    assert!(message.contains('3'), "it says how many there may be: {message}");
    committed(&host.settle(&event("misbehave.huge-reply").data(json!({"n": 2000}))));
    let reply = dead(&host.settle(&event("misbehave.huge-reply").data(json!({"n": 2049}))));
    assert_eq!(reply.0, "limit.reply");
}
