//! Where the host's log lines go: standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use super::Error;

/// What the compiler of components says is for its developers.
pub(crate) const LOG_DEFAULT: &str = "info,cranelift=warn,wasmtime=warn";

pub(crate) fn start(filter: &str) -> Result<(), Error> {
    let wrong = |error: &dyn std::fmt::Display| Error::Filter {
        filter: filter.to_owned(),
        rule: error.to_string(),
    };
    let parsed = EnvFilter::try_new(filter).map_err(|error| wrong(&error))?;
    let colour = stderr().is_terminal() && !anstream::stderr().current_choice().eq(&NEVER);
    tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(stderr)
        .with_ansi(colour)
        .with_target(false)
        .try_init()
        .map_err(|error| wrong(&error))
}

/// `NO_COLOR` is set, among other reasons.
const NEVER: anstream::ColorChoice = anstream::ColorChoice::Never;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_filter_and_nonsense_is_not() {
        assert!(EnvFilter::try_new(LOG_DEFAULT).is_ok());
        let error = start("a=b=c=d").unwrap_err();
        assert!(matches!(error, Error::Filter { .. }), "{error}");
    }
}
