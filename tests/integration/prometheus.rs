//! A real Prometheus scrapes a real host: its alerts are rules, each query of the dashboard finds
//! something, and every name in them is a metric that there is.
//!
//! Where no Prometheus is on the machine this is not tested, unless `TRIPHAMMER_PROMETHEUS=required`.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Connection, Host, Request, Response, committed, event, root, until};

/// Whether there is one to test with.
fn is_there() -> bool {
    let asked = Command::new("promtool").arg("--version").stdout(Stdio::null()).status();
    let there = asked.is_ok_and(|status| status.success());
    #[expect(clippy::disallowed_methods, reason = "a setting of the tests, not of the host")]
    let required = std::env::var("TRIPHAMMER_PROMETHEUS").is_ok_and(|text| text == "required");
    assert!(there || !required, "there is no promtool on this machine");
    if !there {
        eprintln!("no Prometheus on this machine: what is in deploy/ for one is not tested");
    }
    there
}

#[track_caller]
fn promtool(arguments: &[&str], input: Option<&str>) {
    let folder = root().join("deploy/prometheus");
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(folder).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, input.unwrap_or_default().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

/// A Prometheus that scrapes one host every second, until it is dropped.
struct Prometheus {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(host: &Host) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prometheus.yml");
        let text = fs::read_to_string(root().join("deploy/prometheus/prometheus.yml")).unwrap();
        let rules = root().join("deploy/prometheus/alerts.yml");
        let text = text.replace("127.0.0.1:7070", &host.address().to_string());
        let text = text.replace("- alerts.yml", &format!("- {}", rules.display()));
        fs::write(&file, text.replace(": 15s", ": 1s")).unwrap();
        // Free a moment ago: nobody else is given it so soon.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, port, _folder: folder }
    }

    fn ask(&self, path: &str) -> Option<Response> {
        let mut connection = Connection::open(([127, 0, 0, 1], self.port).into()).ok()?;
        let request = Request::get(path);
        connection.write(&request.bytes(&format!("127.0.0.1:{}", self.port))).ok()?;
        connection.read().ok()
    }

    /// What a query comes to; none while Prometheus does not answer.
    fn query(&self, expression: &str) -> Option<Value> {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.ask(&format!("/api/v1/query?query={encoded}"))?;
        assert!(matches!(answer.status, 200 | 503), "{expression}: {}", answer.text());
        let answer: Value = serde_json::from_str(&answer.text()).ok()?;
        Some(answer["data"]["result"].clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every expression of the dashboard, its variables filled in.
fn queries() -> Vec<String> {
    let text = fs::read_to_string(root().join("deploy/grafana/triphammer.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions = targets.map(|target| target["expr"].as_str().unwrap());
    let filled = |text: &str| {
        let text = text.replace("$instance", ".*").replace("$function", ".*");
        text.replace("$__rate_interval", "1m")
    };
    expressions.map(filled).collect()
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let words = text.split(word).filter(|word| word.starts_with("triphammer_"));
    words.map(str::to_owned).collect()
}

#[test]
fn the_rules_are_rules_and_fire_when_they_should() {
    if is_there() {
        promtool(&["check", "config", "prometheus.yml"], None);
        promtool(&["test", "rules", "alerts_test.yml"], None);
    }
}

#[test]
fn every_name_in_deploy_is_a_metric() {
    let golden = root().join("runtime/server/src/metrics/metrics.golden");
    let served = names(&fs::read_to_string(golden).unwrap());
    for file in ["prometheus/alerts.yml", "prometheus/alerts_test.yml", "grafana/triphammer.json"] {
        let used = names(&fs::read_to_string(root().join("deploy").join(file)).unwrap());
        assert!(used.len() > 3, "{file}");
        let unknown: Vec<&String> = used.difference(&served).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn a_real_prometheus_understands_a_real_host() {
    if !is_there() {
        return;
    }
    let host = Host::start();
    host.deploy("misbehave", "misbehave");
    let metrics = host.send(Request::get("/metrics")).text();
    promtool(&["check", "metrics"], Some(&metrics));
    let prometheus = Prometheus::start(&host);
    // A second passes with each piece of it, so that there are scrapes in between.
    let mut seconds = Connection::open(host.address()).unwrap();
    let stream = Request::get("/api/v1/stats/stream");
    seconds.write(&stream.bytes(&host.address().to_string())).unwrap();
    seconds.read_head().unwrap();
    let mut sent = 0;
    let mut work = || {
        sent += 1;
        committed(&host.settle(&event("misbehave.ok").id(&format!("ok-{sent}"))));
        host.settle(&event("misbehave.reject").id(&format!("bad-{sent}")));
        seconds.read_chunk().unwrap();
    };
    let counted = "triphammer_deliveries_committed_total > 3";
    until("Prometheus to scrape", &mut work, || {
        prometheus.query(counted).filter(|found| *found != json!([]))
    });
    for expression in queries() {
        let found = until(&expression, &mut work, || {
            prometheus.query(&expression).filter(|found| *found != json!([]))
        });
        assert!(found[0]["value"][1].is_string(), "{expression}: {found}");
    }
    let dead = "ALERTS{alertname=\"TriphammerDeadLetters\", alertstate=\"firing\"}";
    let fires = until("the alert", &mut work, || {
        prometheus.query(dead).filter(|found| *found != json!([]))
    });
    assert_eq!(fires[0]["metric"]["function"], "misbehave");
    let rules = prometheus.ask("/api/v1/rules").unwrap().text();
    assert!(!rules.contains("\"health\":\"err\""), "{rules}");
}
