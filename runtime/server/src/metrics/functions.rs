//! The metrics of functions. Those that came first have series of their own; the others, when there are
//! more than that, share one, so that a host with many functions does not flood who scrapes it.

use std::collections::HashMap;

use triphammer_model::FunctionName;
use triphammer_pipeline::{
    Attempts, BreakerState, Counts, FunctionInfo, Measures, StateUsage, TimesTotal,
};

use super::family::{Family, Labels, Samples};

/// Functions with series of their own. The series of one never becomes that of another: a new one
/// joins at the end.
pub(super) const FUNCTIONS_MAX: usize = 500;
/// Under which name the others are.
const OTHERS: &str = "_other";

/// What the series of one function tell, or of all the others.
#[derive(Clone, Debug, Default)]
struct Row {
    name: String,
    counts: Counts,
    attempts: Attempts,
    handling: TimesTotal,
    latency: TimesTotal,
    lag_seconds: f64,
    state: StateUsage,
    paused: u64,
    filter_errors: u64,
    breaker_open: Option<u64>,
}

pub(super) fn families(measures: &Measures, infos: &[FunctionInfo]) -> Vec<Family> {
    let rows = rows(measures, infos);
    let mut families = vec![deliveries(&rows), outcomes(&rows), attempts(&rows)];
    families.extend(times(&rows));
    families.extend(gauges(&rows));
    families.push(Family {
        name: "triphammer_filter_errors",
        help: "Events on which the function's filter failed.",
        samples: Samples::Counter(
            rows.iter().map(|row| (row.labels(None), row.filter_errors)).collect(),
        ),
    });
    families.extend(canaries(infos));
    families
}

fn rows(measures: &Measures, infos: &[FunctionInfo]) -> Vec<Row> {
    let infos: HashMap<&FunctionName, &FunctionInfo> =
        infos.iter().map(|info| (&info.name, info)).collect();
    let mut rows: Vec<Row> = Vec::new();
    for function in &measures.functions {
        let Some(info) = infos.get(&function.name) else { continue };
        let open = info.breaker.as_ref().map(|b| u64::from(b.state != BreakerState::Closed));
        let row = Row {
            name: function.name.to_string(),
            counts: function.counts,
            attempts: function.measured.attempts,
            handling: function.measured.handling_total,
            latency: function.measured.latency_total,
            lag_seconds: function.lag.unwrap_or_default().as_secs_f64(),
            state: info.state,
            paused: info.paused.is_some().into(),
            filter_errors: info.filter_errors,
            breaker_open: open,
        };
        if rows.len() < FUNCTIONS_MAX {
            rows.push(row);
        } else if let Some(others) = rows.get_mut(FUNCTIONS_MAX) {
            others.add(&row);
        } else {
            rows.push(Row { name: OTHERS.to_owned(), ..row });
        }
    }
    rows
}

impl Row {
    /// Sums; the lag is that of the one that lags most.
    fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.attempts.add(other.attempts);
        self.handling.add(&other.handling);
        self.latency.add(&other.latency);
        self.lag_seconds = self.lag_seconds.max(other.lag_seconds);
        self.state.entries += other.state.entries;
        self.state.bytes += other.state.bytes;
        self.paused += other.paused;
        self.filter_errors += other.filter_errors;
        if let Some(open) = other.breaker_open {
            *self.breaker_open.get_or_insert_default() += open;
        }
    }

    fn labels(&self, more: Option<(&'static str, &str)>) -> Labels {
        let mut labels = vec![("function", self.name.clone())];
        labels.extend(more.map(|(label, text)| (label, text.to_owned())));
        labels
    }
}

fn deliveries(rows: &[Row]) -> Family {
    let mut samples = Vec::new();
    for row in rows {
        let c = &row.counts;
        let now = [
            ("ready", c.ready),
            ("running", c.running),
            ("waiting", c.waiting),
            ("blocked", c.blocked),
            ("dead", c.dead),
        ];
        samples.extend(now.map(|(s, value)| (row.labels(Some(("status", s))), value as f64)));
    }
    Family {
        name: "triphammer_function_deliveries",
        help: "A function's deliveries that are not settled, and its dead letters.",
        samples: Samples::Gauge(samples),
    }
}

fn outcomes(rows: &[Row]) -> Family {
    let mut samples = Vec::new();
    for row in rows {
        let c = &row.counts;
        let ended = [("committed", c.committed), ("dropped", c.dropped), ("retried", c.retried)];
        samples.extend(ended.map(|(s, value)| (row.labels(Some(("status", s))), value)));
    }
    Family {
        name: "triphammer_function_outcomes",
        help: "What became of a function's deliveries, and how often one was retried.",
        samples: Samples::Counter(samples),
    }
}

fn attempts(rows: &[Row]) -> Family {
    let mut samples = Vec::new();
    for row in rows {
        let Attempts { committed, retried, dead } = row.attempts;
        let ended = [("committed", committed), ("retry", retried), ("dead", dead)];
        samples.extend(ended.map(|(s, value)| (row.labels(Some(("outcome", s))), value)));
    }
    Family {
        name: "triphammer_attempts",
        help: "Attempts by how they ended, since the host started.",
        samples: Samples::Counter(samples),
    }
}

fn times(rows: &[Row]) -> [Family; 2] {
    let of = |total: fn(&Row) -> &TimesTotal| {
        let ran = rows.iter().filter(|row| row.attempts != Attempts::default());
        Samples::Histogram(ran.map(|row| (row.labels(None), total(row).into())).collect())
    };
    [
        Family {
            name: "triphammer_attempt_seconds",
            help: "How long a handler runs in one attempt.",
            samples: of(|row| &row.handling),
        },
        Family {
            name: "triphammer_delivery_seconds",
            help: "From a delivery's acceptance, or the time that it was meant for, to its commit.",
            samples: of(|row| &row.latency),
        },
    ]
}

fn gauges(rows: &[Row]) -> Vec<Family> {
    let gauge = |name, help, value: fn(&Row) -> Option<f64>| {
        let sample = |row: &Row| Some((row.labels(None), value(row)?));
        Family { name, help, samples: Samples::Gauge(rows.iter().filter_map(sample).collect()) }
    };
    vec![
        gauge(
            "triphammer_function_lag_seconds",
            "How long the function's oldest delivery that could run waits for its turn.",
            |row| Some(row.lag_seconds),
        ),
        gauge("triphammer_function_state_entries", "Entries of a function's state.", |row| {
            Some(row.state.entries as f64)
        }),
        gauge(
            "triphammer_function_state_bytes",
            "Names and values of a function's state, in bytes.",
            |row| Some(row.state.bytes as f64),
        ),
        gauge("triphammer_function_paused", "Whether the function is paused.", |row| {
            Some(row.paused as f64)
        }),
        gauge(
            "triphammer_breaker_open",
            "Whether the function's circuit breaker is open or half-open.",
            |row| row.breaker_open.map(|open| open as f64),
        ),
    ]
}

/// Few have one at a time.
fn canaries(infos: &[FunctionInfo]) -> [Family; 2] {
    let running = || {
        let running = infos.iter().filter_map(|info| Some((info.name.as_str(), info.canary?)));
        running.take(FUNCTIONS_MAX)
    };
    let function = |name: &str| ("function", name.to_owned());
    let weights = running().map(|(name, canary)| (vec![function(name)], canary.weight.into()));
    let attempts = running().flat_map(|(name, canary)| {
        let failed = canary.failures;
        let ended = [("ok", canary.attempts - failed), ("failed", failed)];
        ended.map(|(outcome, value)| {
            (vec![function(name), ("outcome", outcome.to_owned())], value as f64)
        })
    });
    [
        Family {
            name: "triphammer_canary_weight_percent",
            help: "The share of the revision that runs beside the active one.",
            samples: Samples::Gauge(weights.collect()),
        },
        Family {
            name: "triphammer_canary_attempts",
            help: "Its attempts, since it began or the host started.",
            samples: Samples::Gauge(attempts.collect()),
        },
    ]
}

#[cfg(test)]
mod tests {
    use triphammer_pipeline::{FunctionMeasures, Measured};

    use super::*;
    use crate::metrics::tests::info;

    #[test]
    fn more_functions_than_there_are_series_share_the_last() {
        let name = |n: usize| format!("f{n}").parse::<FunctionName>().unwrap();
        let count = FUNCTIONS_MAX + 3;
        let counts = Counts { committed: 2, ..Counts::default() };
        let measure = |n| FunctionMeasures {
            name: name(n),
            active: None,
            paused: false,
            counts,
            lag: None,
            measured: Measured::default(),
        };
        let functions = (0..count).map(measure).collect();
        let measures = Measures { functions, ..Measures::default() };
        let infos: Vec<FunctionInfo> = (0..count).map(|n| info(name(n))).collect();
        let rows = rows(&measures, &infos);
        assert_eq!(rows.len(), FUNCTIONS_MAX + 1);
        let last = rows.last().unwrap();
        assert_eq!((last.name.as_str(), last.counts.committed), (OTHERS, 6));
        assert_eq!(rows[0].counts.committed, 2);
    }
}
