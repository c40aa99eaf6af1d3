//! `trip doctor`: whether this machine is fit for a host, and whether one answers. Changes nothing
//! but a file of its own, which it removes.

mod clock;
mod data;
mod disk;
mod finding;
mod host;
mod memory;
mod proc;
mod system;

use std::path::PathBuf;

use serde_json::json;
use triphammer_server::{Config, ConfigError, Overrides};

use self::finding::{Finding, Verdict};
use crate::args::Global;
use crate::error::{Error, chain};
use crate::output::{BAD, GOOD, NAME, NOTE, Output, one_line, paint};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The data directory [default: the settings' one, or ./triphammer-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The host's file of settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, output: &mut Output) -> Result<(), Error> {
    let overrides = Overrides { data: args.data.clone(), ..Overrides::default() };
    let config = Config::load(args.config.as_deref(), &overrides);
    let mut findings = vec![settings(args, &config)];
    let config = config.ok();
    let data = match (&config, &args.data) {
        (Some(config), _) => config.pipeline.data.clone(),
        (None, Some(data)) => data.clone(),
        (None, None) => PathBuf::from("triphammer-data"),
    };
    let answers = host::look(global, &mut findings);
    data::look(&data, answers, &mut findings);
    system::look(config.as_ref(), &mut findings);
    memory::look(config.as_ref(), &mut findings);
    findings.extend(clock::look());
    show(&findings, output)?;
    match findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count() {
        0 => Ok(()),
        failed => Err(Error::Failed(format!("{failed} of {} checks failed", findings.len()))),
    }
}

fn settings(args: &Args, config: &Result<Config, ConfigError>) -> Finding {
    let what = match &args.config {
        Some(file) => one_line(&file.display().to_string()),
        None => "the defaults and TRIPHAMMER_* variables".to_owned(),
    };
    match config {
        Ok(_) => Finding::ok("settings", format!("{what}: valid")),
        Err(error) => Finding::fail(
            "settings",
            format!("{} ({})", chain(error), error.code()),
            "mend what is named; docs/reference/configuration.md has every setting",
        ),
    }
}

fn show(findings: &[Finding], output: &mut Output) -> Result<(), Error> {
    if output.is_json() {
        let checks: Vec<_> = findings.iter().map(Finding::json).collect();
        return output.json(&json!({ "checks": checks }));
    }
    for Finding { name, verdict, says, next } in findings {
        let (style, word) = match verdict {
            Verdict::Ok => (GOOD, "ok  "),
            Verdict::Warn => (NOTE, "warn"),
            Verdict::Fail => (BAD, "fail"),
        };
        output.line(format_args!(
            "{} {} {says}",
            paint(style, word),
            paint(NAME, format!("{name:<9}"))
        ))?;
        if let Some(next) = next {
            output.line(format_args!("               next: {next}"))?;
        }
    }
    Ok(())
}
