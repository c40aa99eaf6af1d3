//! Where the host's log lines go: standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};
use triphammer_server::{Config, LogFormat, OtlpConfig};

use super::Error;

/// Begins to write, and to send warnings to the collector if there is one. `filter` wins over the settings.
pub(crate) fn start(config: &Config, filter: Option<&str>) -> Result<(), Error> {
    let filter = filter.unwrap_or(&config.log.filter);
    let wrong = |error: &dyn std::fmt::Display| Error::Filter {
        filter: filter.to_owned(),
        rule: error.to_string(),
    };
    let parsed = EnvFilter::try_new(filter).map_err(|error| wrong(&error))?;
    let colour = stderr().is_terminal() && !anstream::stderr().current_choice().eq(&NEVER);
    let lines = fmt::layer().with_writer(stderr).with_target(false);
    let lines = match config.log.format {
        LogFormat::Text => lines.with_ansi(colour).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    let sent = config.otlp.as_ref().map(OtlpConfig::host_log);
    let sent = sent.map(|sent| sent.with_filter(LevelFilter::WARN));
    let all = registry().with(lines.with_filter(parsed)).with(sent);
    all.try_init().map_err(|error| wrong(&error))
}

/// `NO_COLOR` is set, among other reasons.
const NEVER: anstream::ColorChoice = anstream::ColorChoice::Never;

#[cfg(test)]
mod tests {
    use triphammer_server::Overrides;

    use super::*;

    #[test]
    fn the_default_is_a_filter_and_nonsense_is_not() {
        let config = Config::load(None, &Overrides::default()).unwrap();
        assert!(EnvFilter::try_new(&config.log.filter).is_ok());
        let error = start(&config, Some("a=b=c=d")).unwrap_err();
        assert!(matches!(error, Error::Filter { .. }), "{error}");
    }
}
