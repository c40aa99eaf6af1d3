//! The shapes of the host at a glance, as JSON.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::Serialize;
use triphammer_pipeline::{FunctionMeasures, Measures, TimesRecent};

use super::points::{INTERVAL, Point};
use super::rates::{Rates, Window};
use crate::describe::words;

/// Functions that are shown one by one.
const FUNCTIONS_MAX: usize = 200;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Overview")]
pub(crate) struct OverviewView {
    #[schemars(with = "words::Time")]
    at: String,
    /// Since the host started, as the next three.
    accepted: u64,
    committed: u64,
    retried: u64,
    dead: u64,
    rates: RatesView,
    #[serde(flatten)]
    now: NowView,
    lag: LagView,
    handling: TimesView,
    latency: TimesView,
    sync: TimesView,
    /// 0 where the disk does not say.
    disk_free_bytes: u64,
    /// Those with most to do first, at most 200.
    functions: Vec<FunctionOverviewView>,
    functions_left_out: usize,
}

/// Each second, over the last ten.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Rates")]
struct RatesView {
    /// Of the whole host only.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<f64>,
    committed: f64,
    retried: f64,
    dead: f64,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Now")]
struct NowView {
    ready: u64,
    running: u64,
    waiting: u64,
    blocked: u64,
    dead_now: u64,
}

/// How long the oldest delivery that could run waits for its turn; null where there is none.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Lag")]
struct LagView {
    seconds: Option<f64>,
}

/// Null where nothing was counted.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Times")]
pub(crate) struct TimesView {
    count: u64,
    mean_ms: Option<f64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FunctionOverview")]
struct FunctionOverviewView {
    #[schemars(with = "words::FunctionName")]
    name: String,
    #[schemars(with = "Option<words::Revision>")]
    active: Option<String>,
    paused: bool,
    rates: RatesView,
    #[serde(flatten)]
    now: NowView,
    lag: LagView,
    handling: TimesView,
    latency: TimesView,
}

impl OverviewView {
    pub(super) fn new(measures: &Measures, window: &Window, sync: TimesRecent) -> Self {
        let rates = window.host(measures);
        let mut functions: Vec<&FunctionMeasures> = measures.functions.iter().collect();
        functions.sort_by_key(|f| (Reverse(busy(f)), &f.name));
        let functions_left_out = functions.len().saturating_sub(FUNCTIONS_MAX);
        functions.truncate(FUNCTIONS_MAX);
        let of_function = |f: &&FunctionMeasures| {
            FunctionOverviewView::new(f, window.function(&f.name, measures, &f.measured.attempts))
        };
        Self {
            at: measures.at.to_rfc3339(),
            accepted: measures.accepted,
            committed: measures.committed,
            retried: measures.retried,
            dead: measures.dead,
            rates: RatesView { accepted: Some(rounded(rates.accepted)), ..rates.into() },
            now: (&measures.counts).into(),
            lag: LagView::new(measures.lag),
            handling: measures.measured.handling.into(),
            latency: measures.measured.latency.into(),
            sync: sync.into(),
            disk_free_bytes: measures.disk_free_bytes.unwrap_or_default(),
            functions: functions.iter().map(of_function).collect(),
            functions_left_out,
        }
    }
}

/// What is first to be looked at: what waits, then what was done of late.
fn busy(function: &FunctionMeasures) -> (u64, u64) {
    let counts = &function.counts;
    let open = counts.ready + counts.running + counts.waiting + counts.blocked;
    (open + counts.dead, function.measured.handling.count)
}

impl FunctionOverviewView {
    fn new(function: &FunctionMeasures, rates: Rates) -> Self {
        Self {
            name: function.name.to_string(),
            active: function.active.map(|id| id.to_string()),
            paused: function.paused,
            rates: rates.into(),
            now: (&function.counts).into(),
            lag: LagView::new(function.lag),
            handling: function.measured.handling.into(),
            latency: function.measured.latency.into(),
        }
    }
}

impl From<Rates> for RatesView {
    fn from(rates: Rates) -> Self {
        Self {
            accepted: None,
            committed: rounded(rates.committed),
            retried: rounded(rates.retried),
            dead: rounded(rates.dead),
        }
    }
}

impl From<&triphammer_pipeline::Counts> for NowView {
    fn from(counts: &triphammer_pipeline::Counts) -> Self {
        Self {
            ready: counts.ready,
            running: counts.running,
            waiting: counts.waiting,
            blocked: counts.blocked,
            dead_now: counts.dead,
        }
    }
}

impl LagView {
    fn new(lag: Option<std::time::Duration>) -> Self {
        Self { seconds: lag.map(|lag| rounded(lag.as_secs_f64())) }
    }
}

impl From<TimesRecent> for TimesView {
    fn from(times: TimesRecent) -> Self {
        Self {
            count: times.count,
            mean_ms: times.mean_ms.map(rounded),
            p50_ms: times.p50_ms.map(rounded),
            p99_ms: times.p99_ms.map(rounded),
        }
    }
}

/// The last hours of the host, or of a function.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "History")]
pub(crate) struct HistoryView {
    interval_ms: u64,
    /// The oldest first.
    points: Vec<PointView>,
}

/// Counts are of the interval that ends at `at`; times are null where nothing ran in it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Point")]
struct PointView {
    #[schemars(with = "words::Time")]
    at: String,
    /// Of the whole host only; 0 of a function.
    accepted: u32,
    committed: u32,
    retried: u32,
    dead: u32,
    open: u32,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    handling_ms: Option<f64>,
}

impl HistoryView {
    pub(super) fn new(points: &[Point]) -> Self {
        let interval_ms = INTERVAL.as_millis() as u64;
        Self { interval_ms, points: points.iter().map(Into::into).collect() }
    }
}

impl From<&Point> for PointView {
    fn from(point: &Point) -> Self {
        let ms = |ms: Option<f32>| ms.map(|ms| rounded(ms.into()));
        Self {
            at: point.at.to_rfc3339(),
            accepted: point.accepted,
            committed: point.committed,
            retried: point.retried,
            dead: point.dead,
            open: point.open,
            p50_ms: ms(point.p50_ms),
            p99_ms: ms(point.p99_ms),
            handling_ms: ms(point.handling_ms),
        }
    }
}

/// To the thousandth, which is more than was measured.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
