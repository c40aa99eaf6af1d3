//! The metrics, for a Prometheus. All their names are in the golden test below: renaming one breaks
//! somebody's dashboard.

mod family;
mod functions;
mod host;
#[cfg(test)]
mod reference;

use hyper::HeaderMap;
use hyper::header::ACCEPT;
use triphammer_pipeline::{FunctionInfo, Measures, Stats};
use triphammer_telemetry::ExportCounts;

use crate::hooks::HookInfo;
use crate::process::Usage;

pub(crate) use family::Format;

impl Format {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// What this client can read best.
    pub(crate) fn wanted(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let open = accepted.flat_map(|text| text.split(',')).any(|media| {
            let (essence, _) = media.split_once(';').unwrap_or((media, ""));
            essence.trim().eq_ignore_ascii_case("application/openmetrics-text")
        });
        if open { Self::OpenMetrics } else { Self::Prometheus }
    }
}

/// None when it can't be written, which only a wrong name does.
pub(crate) fn text(
    format: Format,
    stats: &Stats,
    measures: &Measures,
    (usage, exports): (Option<Usage>, Option<ExportCounts>),
    infos: &[FunctionInfo],
    hooks: &[HookInfo<'_>],
) -> Option<String> {
    let mut families = host::families(stats, measures, hooks);
    families.extend(host::exports(exports, stats.traces_ratio));
    families.extend(host::process(usage));
    families.extend(functions::families(measures, infos));
    family::text(families, format).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use triphammer_model::{FunctionName, RevisionId, Timestamp};
    use triphammer_outbound::RequestCounts;
    use triphammer_pipeline::{
        Attempts, BreakerInfo, BreakerState, BreakerSteps, CanaryInfo, Counts, FunctionMeasures,
        LogStats, Measured, PoolUse, StateUsage, TimesTotal,
    };
    use triphammer_telemetry::SignalCounts;

    use super::*;

    /// A function of which nothing is to be told.
    pub(super) fn info(name: FunctionName) -> FunctionInfo {
        FunctionInfo {
            schedules: Vec::new(),
            filter_errors: 0,
            name,
            active: None,
            previous: None,
            paused: None,
            canary: None,
            canary_ended: None,
            breaker: None,
            revisions: Vec::new(),
            counts: Counts::default(),
            state: StateUsage::default(),
        }
    }

    fn function() -> FunctionInfo {
        FunctionInfo {
            filter_errors: 5,
            canary: Some(CanaryInfo {
                revision: RevisionId::new(2).unwrap(),
                weight: 10,
                since: Timestamp(1),
                attempts: 30,
                failures: 4,
                failures_max: 50,
            }),
            breaker: Some(BreakerInfo {
                state: BreakerState::HalfOpen,
                failures: 5,
                since: None,
                until: None,
                error: None,
            }),
            state: StateUsage { entries: 3, bytes: 90 },
            ..info("welcome".parse().unwrap())
        }
    }

    fn measures() -> Measures {
        let mut times =
            TimesTotal { count: 3, sum: Duration::from_millis(1250), ..TimesTotal::default() };
        (times.classes[0], times.classes[10]) = (2, 1);
        let mut log =
            LogStats { syncs: 2, sync_time: Duration::from_millis(3), ..LogStats::default() };
        log.sync_classes[3] = 2;
        let measured = Measured {
            attempts: Attempts { committed: 7, retried: 1, dead: 0 },
            handling_total: times,
            latency_total: times,
            ..Measured::default()
        };
        let function = FunctionMeasures {
            name: "welcome".parse().unwrap(),
            active: None,
            paused: false,
            counts: Counts { ready: 2, committed: 7, ..Counts::default() },
            lag: Some(Duration::from_millis(1500)),
            measured,
        };
        Measures {
            log,
            lag: Some(Duration::from_millis(1500)),
            pool: PoolUse { slots: 64, used: 3 },
            functions: vec![function],
            ..Measures::default()
        }
    }

    #[test]
    fn names_and_shape_are_as_they_were() {
        let stats = Stats {
            accepted: 1,
            dedup_window: Duration::from_secs(86_400),
            disk_free_bytes: 1 << 40,
            breakers: BreakerSteps { opened: 4, probed: 3, closed: 2 },
            traces_ratio: Some(0.25),
            requests: RequestCounts { answered: 9, denied: 2, failed: 1, abandoned: 0 },
            ..Stats::default()
        };
        let usage = Usage { cpu_ms: 61_250, rss_bytes: 1 << 20 };
        let hook = HookInfo { name: "github", accepted: 3, answered: 2, refused: 1 };
        let spans = SignalCounts { sent: 6, dropped: 2, failed: 1 };
        let exports = ExportCounts { spans, ..ExportCounts::default() };
        let told = (Some(usage), Some(exports));
        let written =
            |format| text(format, &stats, &measures(), told, &[function()], &[hook]).unwrap();
        let found = written(Format::OpenMetrics);
        let expect = include_str!("metrics.golden");
        assert_eq!(found, expect, "\n{found}");
        let before = written(Format::Prometheus);
        assert!(before.contains("# TYPE triphammer_events_accepted_total counter\n"), "{before}");
        assert!(before.contains("# TYPE triphammer_lag_seconds gauge\n"), "{before}");
        assert_eq!(before.lines().count(), expect.lines().count() - 1);
    }
}
