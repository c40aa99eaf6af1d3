//! What the steps of the demo share: the host, its client, and how results are shown.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::samples::Samples;
use crate::client::types::{Counts, EventSummary, Events, Function, Receipt, Receipts};
use crate::client::{self, Client, Path, Request};
use crate::commands::deployment::Deployment;
use crate::commands::{API, listing};
use crate::error::Error;
use crate::host::HostProcess;
use crate::output::{BAD, DIM, GOOD, NAME, Output, elapsed_ms, paint, spinner};

/// A directory that is gone when the demo is.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(samples: &Samples) -> Result<Self, Error> {
        // Beside what cargo builds: on a real disk, where a temporary directory may be memory.
        let dir = samples.target.join(format!("demo-{}", std::process::id()));
        fs::create_dir_all(&dir).map_err(|source| Error::file("can't make", &dir, source))?;
        Ok(Self(dir))
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.0
    }

    pub(super) fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed is left in the target directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) struct Stage<'a> {
    output: &'a mut Output,
    pub(super) host: HostProcess,
    pub(super) client: Client,
    pub(super) samples: Samples,
    /// Checks that did not hold.
    pub(super) failures: u32,
    steps: u32,
}

/// What is under way on the host must settle within this time.
const SETTLE_MAX: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

impl<'a> Stage<'a> {
    pub(super) fn new(
        output: &'a mut Output,
        host: HostProcess,
        samples: Samples,
    ) -> Result<Self, Error> {
        let client = host.client()?;
        Ok(Self { output, host, client, samples, failures: 0, steps: 0 })
    }

    /// Begins a step.
    pub(super) fn step(&mut self, text: impl Display) -> Result<(), Error> {
        self.steps += 1;
        self.output.line(format_args!("{}  {text}", paint(NAME, self.steps)))
    }

    pub(super) fn detail(&mut self, text: impl Display) -> Result<(), Error> {
        self.output.line(format_args!("   {}", paint(DIM, text)))
    }

    pub(super) fn plain(&mut self, text: impl Display) -> Result<(), Error> {
        self.output.line(text)
    }

    /// Does something that takes a while.
    pub(super) fn wait<R>(
        &mut self,
        what: &str,
        action: impl FnOnce(&mut Self) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let waiting = spinner(what);
        let result = action(self);
        waiting.finish_and_clear();
        result
    }

    /// Text of several lines, indented.
    pub(super) fn block(&mut self, text: &str) -> Result<(), Error> {
        text.lines().try_for_each(|line| self.output.line(format_args!("   {line}")))
    }

    /// A statement that was checked, with its figures.
    pub(super) fn check(&mut self, holds: bool, text: impl Display) -> Result<(), Error> {
        let mark = if holds { paint(GOOD, "✓") } else { paint(BAD, "✗") };
        self.failures += u32::from(!holds);
        self.output.line(format_args!("   {mark} {text}"))
    }

    /// Deploys a sample over HTTP; returns its revision.
    pub(super) fn deploy(&self, name: &str, config: &[(&str, &str)]) -> Result<String, Error> {
        let mut deployment = Deployment::new(name, self.samples.wasm(name));
        if !config.is_empty() {
            let pairs = config.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            deployment.config = Some(pairs.collect::<BTreeMap<String, String>>());
        }
        let answer = deployment.upload(&self.client)?;
        Ok(answer["revision"].as_str().unwrap_or_default().to_owned())
    }

    pub(super) fn deploy_all(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        let names: Vec<_> = self.samples.all.iter().map(|sample| sample.name.clone()).collect();
        let mut longest = Duration::ZERO;
        for name in &names {
            let began = Instant::now();
            self.deploy(name, &[])?;
            longest = longest.max(began.elapsed());
        }
        self.step(format_args!(
            "{} functions deployed over HTTP in {}, upload to active in {} at most",
            names.len(),
            elapsed_ms(began.elapsed()),
            elapsed_ms(longest)
        ))
    }

    /// Sends an event and waits until its deliveries are settled.
    pub(super) fn send(&self, event: &Value) -> Result<Receipt, Error> {
        let request = Request::post("/events")
            .body("application/cloudevents+json", event.to_string())
            .header("prefer", "wait=20");
        let receipts: Receipts = self.client.send(request)?.json()?;
        let receipt = receipts.events.into_iter().next();
        receipt.ok_or_else(|| Error::Failed("an event was accepted without a receipt".to_owned()))
    }

    pub(super) fn counts(&self, function: &str) -> Result<Counts, Error> {
        let path = Path::new(API).segment("functions").segment(function);
        Ok(self.client.get(path)?.json::<Function>()?.counts)
    }

    pub(super) fn active(&self, function: &str) -> Result<Option<String>, Error> {
        let path = Path::new(API).segment("functions").segment(function);
        Ok(self.client.get(path)?.json::<Function>()?.active)
    }

    /// Waits until nothing is under way any more for these functions.
    pub(super) fn settled(&self, functions: &[&str]) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            let mut open = 0;
            for function in functions {
                open += self.counts(function)?.open();
            }
            if open == 0 {
                return Ok(());
            }
            if began.elapsed() > SETTLE_MAX {
                return Err(Error::Failed(format!("{open} deliveries do not settle")));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// All events of a type.
    pub(super) fn events(&self, ty: &str) -> Result<Vec<EventSummary>, Error> {
        let path = Path::new(API).segment("events").query("type", ty);
        let answer = listing::fetch(&self.client, &path, "events", usize::MAX)?;
        let events: Events = serde_json::from_value(answer).map_err(client::Error::Shape)?;
        Ok(events.events)
    }
}
