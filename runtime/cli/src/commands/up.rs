//! `trip up`: runs a host until it is told to stop.

use std::path::PathBuf;

use serde_json::json;
use triphammer_server::{App, Config, Overrides};

use crate::error::Error;
use crate::host;
use crate::output::{DIM, NAME, Output, paint};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The data directory, made if it is missing [default: ./triphammer-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address and port; any but a loopback one needs tokens and TLS [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Allow an address that other machines reach without tokens or TLS, if the settings have
    /// `access.insecure = true` too: something in front of this host protects it
    #[arg(long)]
    insecure_listen: bool,
    /// A file of settings; flags and TRIPHAMMER_* variables win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to log: a level, or target=level, with commas between [default: that of the settings]
    #[arg(long, env = "TRIPHAMMER_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// Stop when standard input ends
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

pub(crate) fn run(args: Args, output: &mut Output) -> Result<(), Error> {
    let overrides =
        Overrides { listen: args.listen, data: args.data, insecure_listen: args.insecure_listen };
    let config = Config::load(args.config.as_deref(), &overrides).map_err(host::Error::Config)?;
    host::start_log(&config, args.log.as_deref())?;
    let data = config.pipeline.data.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(host::Error::Start)?.block_on(async {
        let failed = |error| host::Error::App(Box::new(error));
        let app = App::build(config).await.map_err(failed)?;
        let stop = host::stop_requested(args.stop_with_stdin)?;
        announce(&app.url(), &data, output)?;
        app.run(stop).await.map_err(failed)?;
        Ok(())
    })
}

/// Every URL, and where the data is.
fn announce(url: &str, data: &std::path::Path, output: &mut Output) -> Result<(), Error> {
    let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    if output.is_json() {
        return output.json_line(&json!({"url": url, "data": data}));
    }
    let line =
        |name: &str, text: String| format!("  {} {text}\n", paint(DIM, format!("{name:<8}")));
    let lines = [
        line("page", format!("{url}/")),
        line("events", format!("{url}/events")),
        line("API", format!("{url}/api/v1/functions")),
        line("feed", format!("{url}/api/v1/stream")),
        line("metrics", format!("{url}/metrics")),
        line("health", format!("{url}/healthz  {url}/readyz")),
        line("data", data.display().to_string()),
    ];
    output.line(format_args!("{} is up (Ctrl-C ends)", paint(NAME, "triphammer")))?;
    output.text(&lines.concat())
}
