//! The last hours, as points ten seconds apart: of the host, and of the functions that did something
//! last. Pure; the rest is forgotten when the host stops.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use triphammer_model::{FunctionName, Timestamp};
use triphammer_pipeline::{Attempts, Counts, Measured, Measures};

/// Between two points.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// Six hours.
pub(crate) const POINTS_MAX: usize = 6 * 360;
/// Functions whose points are kept. The one that was idle for longest makes room.
const FUNCTIONS_MAX: usize = 100;

/// What happened in one interval, and how it was at its end. Small: there are many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Point {
    pub(crate) at: Timestamp,
    pub(crate) accepted: u32,
    pub(crate) committed: u32,
    pub(crate) retried: u32,
    pub(crate) dead: u32,
    /// Deliveries that were neither settled nor dead.
    pub(crate) open: u32,
    pub(crate) p50_ms: Option<f32>,
    pub(crate) p99_ms: Option<f32>,
    pub(crate) handling_ms: Option<f32>,
}

/// What was counted at the end of the interval before.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    accepted: u64,
    attempts: Attempts,
}

#[derive(Debug, Default)]
struct Line {
    before: Before,
    points: VecDeque<Point>,
}

/// All the points that are kept.
#[derive(Debug, Default)]
pub(crate) struct Points {
    host: Line,
    functions: BTreeMap<FunctionName, Line>,
    last: Option<Timestamp>,
}

impl Points {
    /// Takes a point, if it is time.
    pub(crate) fn note(&mut self, now: &Measures) {
        let due = self.last.is_none_or(|last| now.at.since(last) >= INTERVAL);
        if !due {
            return;
        }
        let first = self.last.is_none();
        self.last = Some(now.at);
        let host = (now.accepted, &now.counts, &now.measured);
        self.host.note(now.at, host, first);
        for function in &now.functions {
            let did = function.measured.attempts != Attempts::default();
            if did || self.functions.contains_key(&function.name) {
                let line = self.functions.entry(function.name.clone()).or_default();
                line.note(now.at, (0, &function.counts, &function.measured), first);
            }
        }
        self.functions.retain(|name, _| now.functions.iter().any(|f| f.name == *name));
        while self.functions.len() > FUNCTIONS_MAX {
            let busy = |line: &Line| line.points.iter().rposition(|point| point.is_busy());
            let idle = self.functions.iter().min_by_key(|(_, line)| busy(line));
            let Some(name) = idle.map(|(name, _)| name.clone()) else { break };
            self.functions.remove(&name);
        }
    }

    /// From this time on, the oldest first; of a function that did nothing there are none.
    pub(crate) fn since(&self, function: Option<&FunctionName>, from: Timestamp) -> Vec<Point> {
        let line = match function {
            None => Some(&self.host),
            Some(name) => self.functions.get(name),
        };
        let points = line.into_iter().flat_map(|line| &line.points);
        points.filter(|point| point.at >= from).copied().collect()
    }
}

impl Line {
    /// What was counted before the first point of all is of no interval.
    fn note(
        &mut self,
        at: Timestamp,
        (accepted, counts, measured): (u64, &Counts, &Measured),
        first: bool,
    ) {
        let ended = measured.attempts;
        let before = if first { Before { accepted, attempts: ended } } else { self.before };
        let less = |now: u64, before: u64| u32::try_from(now.saturating_sub(before));
        let since = |now: u64, before: u64| less(now, before).unwrap_or(u32::MAX);
        let open = counts.ready + counts.running + counts.waiting + counts.blocked;
        let busy = ended != before.attempts;
        let short = |ms: Option<f64>| ms.filter(|_| busy).map(|ms| ms as f32);
        self.points.push_back(Point {
            at,
            accepted: since(accepted, before.accepted),
            committed: since(ended.committed, before.attempts.committed),
            retried: since(ended.retried, before.attempts.retried),
            dead: since(ended.dead, before.attempts.dead),
            open: u32::try_from(open).unwrap_or(u32::MAX),
            p50_ms: short(measured.latency.p50_ms),
            p99_ms: short(measured.latency.p99_ms),
            handling_ms: short(measured.handling.mean_ms),
        });
        if self.points.len() > POINTS_MAX {
            self.points.pop_front();
        }
        self.before = Before { accepted, attempts: ended };
    }
}

impl Point {
    fn is_busy(&self) -> bool {
        self.committed > 0 || self.retried > 0 || self.dead > 0
    }
}

#[cfg(test)]
mod tests {
    use triphammer_pipeline::FunctionMeasures;

    use super::*;

    fn function(name: &str, committed: u64) -> FunctionMeasures {
        let attempts = Attempts { committed, ..Attempts::default() };
        FunctionMeasures {
            name: name.parse().unwrap(),
            active: None,
            paused: false,
            counts: Counts::default(),
            lag: None,
            measured: Measured { attempts, ..Measured::default() },
        }
    }

    fn measures(at_ms: u64, accepted: u64, functions: Vec<FunctionMeasures>) -> Measures {
        Measures { at: Timestamp(at_ms), accepted, functions, ..Measures::default() }
    }

    #[test]
    fn a_point_is_what_came_since_the_one_before() {
        let mut points = Points::default();
        for (at, accepted) in [(0, 5), (4_000, 6), (10_000, 8), (20_000, 8), (30_000, 18)] {
            points.note(&measures(at, accepted, Vec::new()));
        }
        let of = |from| points.since(None, Timestamp(from)).iter().map(|p| p.accepted).collect();
        let (all, late): (Vec<u32>, Vec<u32>) = (of(0), of(20_000));
        assert_eq!((all, late), (vec![0, 3, 0, 10], vec![0, 10]));
    }

    #[test]
    fn six_hours_are_kept_and_no_more() {
        let mut points = Points::default();
        for n in 0..POINTS_MAX as u64 + 5 {
            points.note(&measures(n * 10_000, n, Vec::new()));
        }
        assert_eq!(points.since(None, Timestamp(0)).len(), POINTS_MAX);
    }

    #[test]
    fn the_idlest_function_makes_room_and_a_removed_one_is_forgotten() {
        let mut points = Points::default();
        let all = |busy: u64| {
            let of = |n| function(&format!("f{n}"), if n == 0 { 1 } else { busy });
            (0..=FUNCTIONS_MAX).map(of).collect::<Vec<_>>()
        };
        points.note(&measures(0, 0, Vec::new()));
        points.note(&measures(10_000, 0, all(1)));
        points.note(&measures(20_000, 0, all(2)));
        assert_eq!(points.functions.len(), FUNCTIONS_MAX);
        points.note(&measures(30_000, 0, vec![function("f7", 3)]));
        let names: Vec<_> = points.functions.keys().map(FunctionName::as_str).collect();
        assert_eq!(names, ["f7"]);
        let committed: Vec<u32> = points
            .since(Some(&"f7".parse().unwrap()), Timestamp(0))
            .iter()
            .map(|point| point.committed)
            .collect();
        assert_eq!(committed, [1, 1, 1]);
    }
}
