//! What the host says of itself once a second, and how its figures are written.

use serde::Deserialize;

use crate::output::{bytes, count, millis, one_line};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Overview {
    pub(super) at: String,
    pub(super) rates: Rates,
    #[serde(flatten)]
    pub(super) queue: Queue,
    pub(super) lag: Lag,
    pub(super) handling: Times,
    /// From accepted, or due, to committed.
    pub(super) latency: Times,
    /// Of the journal.
    pub(super) sync: Times,
    pub(super) disk_free_bytes: u64,
    /// Those with most to do.
    pub(super) functions: Vec<Load>,
    pub(super) functions_left_out: u64,
}

/// What a function has to do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Load {
    pub(super) name: String,
    pub(super) active: Option<String>,
    pub(super) paused: bool,
    pub(super) rates: Rates,
    #[serde(flatten)]
    pub(super) queue: Queue,
    pub(super) handling: Times,
    pub(super) latency: Times,
}

/// Per second.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rates {
    /// Of the host alone.
    pub(super) accepted: f64,
    pub(super) committed: f64,
    pub(super) retried: f64,
    pub(super) dead: f64,
}

/// Deliveries by what they do now.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Queue {
    pub(super) ready: u64,
    pub(super) running: u64,
    pub(super) waiting: u64,
    pub(super) blocked: u64,
    /// Dead letters that are kept.
    pub(super) dead_now: u64,
}

/// The age of the oldest delivery that could run.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Lag {
    seconds: Option<f64>,
}

/// Of the last minute; none when nothing happened in it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Times {
    pub(super) mean_ms: Option<f64>,
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

/// Above [`Load::cells`].
pub(super) const HEADINGS: [&str; 13] = [
    "FUNCTION", "ACTIVE", "COMMIT/S", "RETRY/S", "DEAD/S", "READY", "RUN", "WAIT", "BLOCK", "DEAD",
    "P50", "P99", "HANDLING",
];

impl Overview {
    /// The host's figures in three lines.
    pub(super) fn lines(&self) -> [Vec<String>; 3] {
        let Rates { accepted, committed, retried, dead } = self.rates;
        let Queue { ready, running, waiting, blocked, dead_now } = self.queue;
        let per_second = |name: &str, value| format!("{name} {}/s", rate(value));
        let number = |value, what: &str| format!("{} {what}", count(value));
        let lag = self.lag.seconds.map_or_else(|| "none".to_owned(), |s| millis(s * 1e3));
        [
            vec![
                per_second("in", accepted),
                per_second("committed", committed),
                per_second("retried", retried),
                per_second("dead", dead),
            ],
            vec![
                format!("queue {}", number(ready, "ready")),
                number(running, "running"),
                number(waiting, "waiting"),
                number(blocked, "blocked"),
                number(dead_now, "dead letters"),
                format!("lag {lag}"),
            ],
            vec![
                self.latency.named("latency"),
                self.handling.named("handling"),
                self.sync.named("sync"),
                format!("disk {} free", bytes(self.disk_free_bytes)),
            ],
        ]
    }
}

impl Load {
    pub(super) fn cells(&self) -> [String; 13] {
        let Rates { committed, retried, dead, .. } = self.rates;
        let Queue { ready, running, waiting, blocked, dead_now } = self.queue;
        let active = match (&self.active, self.paused) {
            (_, true) => "paused".to_owned(),
            (Some(active), false) => one_line(active),
            (None, false) => "none".to_owned(),
        };
        [
            one_line(&self.name),
            active,
            rate(committed),
            rate(retried),
            rate(dead),
            count(ready),
            count(running),
            count(waiting),
            count(blocked),
            count(dead_now),
            time(self.latency.p50_ms),
            time(self.latency.p99_ms),
            time(self.handling.mean_ms),
        ]
    }
}

impl Times {
    fn named(self, name: &str) -> String {
        format!("{name} p50 {} p99 {}", time(self.p50_ms), time(self.p99_ms))
    }
}

fn time(ms: Option<f64>) -> String {
    ms.map_or_else(|| "-".to_owned(), millis)
}

/// `0`, `0.2`, `1,150`: below ten with one digit, because little is not nothing.
fn rate(per_second: f64) -> String {
    match per_second {
        r if r <= 0.0 => "0".to_owned(),
        r if r < 9.95 => format!("{:.1}", r.max(0.1)),
        r => count(r.round() as u64),
    }
}

#[cfg(test)]
pub(super) mod testing {
    //! A host with something to do.

    use serde_json::json;

    use super::*;

    pub(in super::super) fn overview() -> Overview {
        let handling = json!({"count": 10, "meanMs": 0.5, "p50Ms": 0.4, "p99Ms": 3.0});
        let latency = json!({"count": 10, "meanMs": 5.0, "p50Ms": 2.0, "p99Ms": 40.0});
        let none = json!({"count": 0, "meanMs": null, "p50Ms": null, "p99Ms": null});
        let overview = json!({
            "at": "2026-01-02T03:04:05.678Z",
            "accepted": 10, "committed": 9, "retried": 1, "dead": 1,
            "rates": {"accepted": 1200.4, "committed": 1150.0, "retried": 3.5, "dead": 0.2},
            "ready": 40, "running": 2, "waiting": 10, "blocked": 5, "deadNow": 7,
            "lag": {"seconds": 1.5},
            "handling": handling, "latency": latency, "sync": none,
            "diskFreeBytes": 31_200_000_000_u64,
            "functions": [{
                "name": "orders", "active": "r2", "paused": false,
                "rates": {"committed": 1100.0, "retried": 3.5, "dead": 0.2},
                "ready": 40, "running": 2, "waiting": 10, "blocked": 5, "deadNow": 7,
                "handling": handling, "latency": latency,
            }, {
                "name": "mail", "active": "r1", "paused": true,
                "rates": {"committed": 0.0, "retried": 0.0, "dead": 0.0},
                "ready": 0, "running": 0, "waiting": 0, "blocked": 0, "deadNow": 0,
                "handling": none, "latency": none,
            }],
            "functionsLeftOut": 3,
        });
        serde_json::from_value(overview).unwrap()
    }

    #[test]
    fn little_is_not_nothing() {
        let shown = [0.0, -1.0, 0.01, 0.25, 9.94, 9.96, 12345.6].map(rate);
        assert_eq!(shown, ["0", "0", "0.1", "0.2", "9.9", "10", "12,346"]);
    }
}
