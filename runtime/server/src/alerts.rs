//! Watches what an operator would: functions that lag, and room on the disk. Pure; what it says is told
//! once for each time that a bound is passed, and once when it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use triphammer_model::{FunctionName, Timestamp};
use triphammer_pipeline::{Alert, FunctionMeasures, Measures};

use crate::config::AlertBounds;

const LAG_HIGH: &str = "triphammer.lag.high";
const LAG_OVER: &str = "triphammer.lag.over";
const DISK_LOW: &str = "triphammer.disk.low";
const DISK_OVER: &str = "triphammer.disk.over";

/// What has been told and is not over.
#[derive(Debug)]
pub(crate) struct Watch {
    bounds: AlertBounds,
    lagging: BTreeMap<FunctionName, Timestamp>,
    disk_low: Option<Timestamp>,
}

impl Watch {
    pub(crate) fn new(bounds: AlertBounds) -> Self {
        Self { bounds, lagging: BTreeMap::new(), disk_low: None }
    }

    /// What there is to tell now.
    pub(crate) fn look(&mut self, now: &Measures) -> Vec<Alert> {
        let mut alerts: Vec<Alert> = self.disk(now).into_iter().collect();
        for function in &now.functions {
            alerts.extend(self.lag(function, now.at));
        }
        self.lagging.retain(|name, _| now.functions.iter().any(|f| f.name == *name));
        alerts
    }

    /// Over when it is half the bound, so that one at the bound is not told of again and again.
    fn lag(&mut self, function: &FunctionMeasures, at: Timestamp) -> Option<Alert> {
        let bound = self.bounds.lag?;
        let lag = function.lag.unwrap_or_default();
        let name = &function.name;
        let (ty, since) = match self.lagging.get(name) {
            None if lag > bound => {
                self.lagging.insert(name.clone(), at);
                (LAG_HIGH, at)
            }
            Some(since) if lag <= bound / 2 => {
                let since = *since;
                self.lagging.remove(name);
                (LAG_OVER, since)
            }
            _ => return None,
        };
        let counts = &function.counts;
        let data = json!({
            "function": name.as_str(),
            "lagMs": ms(lag),
            "boundMs": ms(bound),
            "since": since.to_rfc3339(),
            "open": counts.ready + counts.running + counts.waiting + counts.blocked,
        });
        Some(Alert { ty, function: Some(name.clone()), data })
    }

    /// Over when there is a tenth more than the bound.
    fn disk(&mut self, now: &Measures) -> Option<Alert> {
        let bound = self.bounds.disk_free?;
        let free = now.disk_free_bytes?;
        let (ty, since) = match self.disk_low {
            None if free < bound => {
                self.disk_low = Some(now.at);
                (DISK_LOW, now.at)
            }
            Some(since) if free >= bound.saturating_add(bound / 10) => {
                self.disk_low = None;
                (DISK_OVER, since)
            }
            _ => return None,
        };
        let data = json!({ "freeBytes": free, "boundBytes": bound, "since": since.to_rfc3339() });
        Some(Alert { ty, function: None, data })
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use triphammer_pipeline::{Counts, Measured};

    use super::*;

    fn measures(lag_ms: Option<u64>, free: u64) -> Measures {
        let function = FunctionMeasures {
            name: "slow".parse().unwrap(),
            active: None,
            paused: false,
            counts: Counts { ready: 3, ..Counts::default() },
            lag: lag_ms.map(Duration::from_millis),
            measured: Measured::default(),
        };
        let functions = vec![function];
        Measures {
            at: Timestamp(1000),
            disk_free_bytes: Some(free),
            functions,
            ..Measures::default()
        }
    }

    #[track_caller]
    fn check(watch: &mut Watch, lag_ms: Option<u64>, free: u64, expect: &[&str]) {
        let told: Vec<&str> =
            watch.look(&measures(lag_ms, free)).iter().map(|alert| alert.ty).collect();
        assert_eq!(told, expect);
    }

    #[test]
    fn a_bound_that_is_passed_is_told_once_until_it_is_over() {
        let bounds = AlertBounds { lag: Some(Duration::from_secs(1)), disk_free: Some(1000) };
        let watch = &mut Watch::new(bounds);
        check(watch, None, 5000, &[]);
        check(watch, Some(1000), 1000, &[]);
        check(watch, Some(1001), 999, &[DISK_LOW, LAG_HIGH]);
        check(watch, Some(9000), 10, &[]);
        check(watch, Some(501), 1099, &[]);
        check(watch, Some(500), 1100, &[DISK_OVER, LAG_OVER]);
        check(watch, None, 1100, &[]);
        check(watch, Some(2000), 1100, &[LAG_HIGH]);
        // It is removed, and comes again.
        let nothing = Measures { disk_free_bytes: Some(2000), ..Measures::default() };
        assert_eq!(watch.look(&nothing), []);
        check(watch, Some(2000), 1100, &[LAG_HIGH]);
    }

    #[test]
    fn what_has_no_bound_is_not_told() {
        let watch = &mut Watch::new(AlertBounds { lag: None, disk_free: None });
        check(watch, Some(1_000_000), 0, &[]);
    }
}
