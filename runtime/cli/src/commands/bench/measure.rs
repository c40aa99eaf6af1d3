//! One measurement: figures of the host before, load, the wait for the last commit, figures after.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::super::API;
use crate::client::types::{Counts, Function};
use crate::client::{Client, Path};
use crate::error::Error;
use crate::load::{self, Goal, Outcome, Plan, Progress, Usage};
use crate::output::{Bar, count, counter, note};

/// Between two looks at the progress of the load.
const DRAWN_EVERY: Duration = Duration::from_millis(250);
/// Between two looks at the counts, once everything is sent. The last commit is timed this exactly.
const POLLED_EVERY: Duration = Duration::from_millis(20);
/// Without a commit for so long, those that are missing are given up.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// All that was measured.
#[derive(Debug)]
pub(super) struct Measurement {
    pub(super) outcome: Outcome,
    /// None when no function's commits were counted.
    pub(super) commits: Option<Commits>,
    pub(super) host: HostUse,
    pub(super) generator_cpu_ms: Option<f64>,
}

/// Deliveries that were settled, and when the last one was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Commits {
    pub(super) committed: u64,
    pub(super) dead: u64,
    pub(super) elapsed: Duration,
}

/// What the host used, from the first event to the last commit, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HostUse {
    pub(super) cpu_ms: Option<f64>,
    pub(super) rss_bytes: Option<u64>,
    pub(super) syncs: Option<u64>,
    pub(super) journal_bytes: Option<u64>,
}

impl Measurement {
    pub(super) fn run(
        client: &Client,
        plan: &Plan,
        function: Option<&str>,
        pid: Option<u32>,
    ) -> Result<Self, Error> {
        let before = function.map(|name| counts(client, name)).transpose()?;
        let host_before = HostUse::now(client, pid)?;
        let own_before = load::usage(std::process::id());
        let began = Instant::now();
        let outcome = under_load(plan)?;
        let commits = match (function, before) {
            (Some(name), Some(before)) => {
                Some(last_commit(client, name, &before, &outcome, began)?)
            }
            _ => None,
        };
        let own = own_before.zip(load::usage(std::process::id()));
        Ok(Self {
            outcome,
            commits,
            host: HostUse::now(client, pid)?.since(&host_before),
            generator_cpu_ms: own.map(|(before, after)| after.cpu_ms - before.cpu_ms),
        })
    }

    /// Everything that was accepted must have been committed.
    pub(super) fn verdict(&self) -> Result<(), Error> {
        let Some(commits) = self.commits else { return Ok(()) };
        // Events of requests that broke may be in or not.
        if commits.committed + commits.dead < self.outcome.accepted {
            let missing = self.outcome.accepted - commits.committed - commits.dead;
            return Err(Error::Failed(format!(
                "{missing} accepted events were not settled for {} s: see `trip functions`",
                STALLED_AFTER.as_secs()
            )));
        }
        match commits.dead {
            0 => Ok(()),
            dead => Err(Error::Failed(format!("{dead} became dead letters: see `trip dead`"))),
        }
    }
}

/// Makes the load on a thread of its own, and draws how far it is.
fn under_load(plan: &Plan) -> Result<Outcome, Error> {
    let progress = Progress::default();
    let bar = counter(match plan.goal {
        Goal::Events(events) => events,
        Goal::Time(time) => u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
    });
    let outcome = std::thread::scope(|scope| {
        let drawing = std::thread::current();
        let progress = &progress;
        let load = scope.spawn(move || {
            let outcome = load::run(plan, progress);
            // Woken at once, or the wait for the last commit would begin too late.
            drawing.unpark();
            outcome
        });
        let began = Instant::now();
        while !load.is_finished() {
            std::thread::park_timeout(DRAWN_EVERY);
            draw(&bar, plan, progress, began.elapsed());
        }
        load.join()
    });
    bar.finish_and_clear();
    // A panic there is a defect of this program, and goes on as one.
    Ok(outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?)
}

fn draw(bar: &Bar, plan: &Plan, progress: &Progress, elapsed: Duration) {
    let accepted = progress.accepted.load(Ordering::Relaxed);
    bar.set_position(match plan.goal {
        Goal::Events(_) => accepted,
        Goal::Time(_) => u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
    });
    let rate = accepted as f64 / elapsed.as_secs_f64().max(0.001);
    bar.set_message(format!("{} accepted, {}/s", count(accepted), count(rate as u64)));
}

fn counts(client: &Client, function: &str) -> Result<Counts, Error> {
    let path = Path::new(API).segment("functions").segment(function);
    match client.get(path) {
        Ok(answer) => Ok(answer.json::<Function>()?.counts),
        Err(error) if error.code() == Some("function.not_found") => Err(Error::Failed(format!(
            "there is no function `{function}` to count commits of: deploy it with --deploy \
             functions/bench, name another with --function, or give --accept-only"
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Waits until as many deliveries are settled as events were accepted.
fn last_commit(
    client: &Client,
    function: &str,
    before: &Counts,
    outcome: &Outcome,
    began: Instant,
) -> Result<Commits, Error> {
    let bar = counter(outcome.accepted);
    let mut last = Commits { committed: 0, dead: 0, elapsed: Duration::ZERO };
    let mut changed = Instant::now();
    loop {
        let now = counts(client, function)?;
        let commits = Commits {
            committed: now.committed.saturating_sub(before.committed),
            dead: (now.dead + now.dropped).saturating_sub(before.dead + before.dropped),
            elapsed: began.elapsed(),
        };
        let settled = commits.committed + commits.dead;
        if settled != last.committed + last.dead {
            changed = Instant::now();
            last = commits;
        }
        bar.set_position(settled);
        bar.set_message(format!("{} committed", count(commits.committed)));
        if settled >= outcome.accepted || changed.elapsed() > STALLED_AFTER {
            bar.finish_and_clear();
            return Ok(last);
        }
        std::thread::sleep(POLLED_EVERY);
    }
}

/// The members of the host's statistics that matter here. The host may not tell all of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Stats {
    cpu_ms: Option<f64>,
    rss_bytes: Option<u64>,
    journal_syncs: Option<u64>,
    journal_bytes: Option<u64>,
}

impl HostUse {
    fn now(client: &Client, pid: Option<u32>) -> Result<Self, Error> {
        let stats: Stats = client.get(Path::new(API).segment("stats"))?.json()?;
        let told = stats.cpu_ms.zip(stats.rss_bytes);
        let told = told.map(|(cpu_ms, rss_bytes)| Usage { cpu_ms, rss_bytes });
        let usage = told.or_else(|| {
            let pid = pid?;
            let found = load::usage(pid);
            if found.is_none() {
                note(format_args!("there is no process {pid} to be measured"));
            }
            found
        });
        Ok(Self {
            cpu_ms: usage.map(|usage| usage.cpu_ms),
            rss_bytes: usage.map(|usage| usage.rss_bytes),
            syncs: stats.journal_syncs,
            journal_bytes: stats.journal_bytes,
        })
    }

    /// Differences, but for the memory, which is what it is.
    fn since(self, before: &Self) -> Self {
        let pass = |now: Option<u64>, before: Option<u64>| Some(now?.saturating_sub(before?));
        Self {
            cpu_ms: self.cpu_ms.zip(before.cpu_ms).map(|(now, before)| now - before),
            rss_bytes: self.rss_bytes,
            syncs: pass(self.syncs, before.syncs),
            journal_bytes: pass(self.journal_bytes, before.journal_bytes),
        }
    }
}
