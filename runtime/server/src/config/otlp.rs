//! Where traces and logs go, and how much of them. Sends nothing.
//!
//! The endpoint, the headers and the name of the service may come from OpenTelemetry's own variables, which
//! operators of many services set for all of them.

mod headers;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use toml::Table;
use triphammer_model::{Sampling, bytes_text};
use triphammer_pipeline::Clock;
use triphammer_telemetry::{HostLog, Options, Telemetry};

use super::{ConfigError, field, positive_duration, size};

const ENDPOINT_VARIABLE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const SERVICE_VARIABLE: &str = "OTEL_SERVICE_NAME";
const SERVICE: &str = "triphammer";

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawOtlp {
    /// Empty for that of the environment, or none.
    pub(super) endpoint: String,
    /// Empty for that of the environment, or the project's own.
    pub(super) service: String,
    pub(super) ratio: f64,
    /// 0 for any number.
    pub(super) traces_per_second: u32,
    pub(super) timeout: String,
    pub(super) queue: String,
    /// Empty for none.
    pub(super) certificates: PathBuf,
    /// By their names: where their values are.
    pub(super) headers: Table,
}

impl Default for RawOtlp {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            service: String::new(),
            ratio: 1.0,
            traces_per_second: 1000,
            timeout: "10s".into(),
            queue: bytes_text(8 << 20),
            certificates: PathBuf::new(),
            headers: Table::new(),
        }
    }
}

/// A collector that gets traces and logs.
#[derive(Clone, Debug)]
pub struct OtlpConfig {
    pub(crate) telemetry: Telemetry,
    /// Of the traces that begin here.
    pub(crate) sampling: Sampling,
    /// The most of them; none for any number.
    pub(crate) traces_per_second: Option<NonZeroU32>,
    pub(crate) service: String,
    /// In PEM, trusted besides the system's.
    pub(crate) certificates: Option<Arc<[u8]>>,
}

impl OtlpConfig {
    /// What takes the host's own log lines, from warnings on.
    pub fn host_log(&self) -> HostLog {
        let clock = Clock::system();
        self.telemetry.host_log(move || clock.unix_ns())
    }
}

/// None where nothing is sent; mistakes are mistakes there too.
pub(super) fn read(
    raw: &RawOtlp,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<Option<OtlpConfig>, ConfigError> {
    let timeout = positive_duration("otlp.timeout", &raw.timeout)?;
    let queue_bytes_max = size("otlp.queue", &raw.queue)?;
    let sampling = Sampling::new(raw.ratio)
        .ok_or_else(|| field("otlp.ratio", "must be a number from 0 to 1"))?;
    let own_headers = headers::of_table(&raw.headers, environment)?;
    let certificates = match raw.certificates.as_os_str().is_empty() {
        true => None,
        false => Some(
            std::fs::read(&raw.certificates)
                .map_err(|source| ConfigError::Read { path: raw.certificates.clone(), source })?,
        ),
    };
    let given = |text: &str, variable: &str| match text.is_empty() {
        true => environment(variable).filter(|text| !text.is_empty()),
        false => Some(text.to_owned()),
    };
    let Some(endpoint) = given(&raw.endpoint, ENDPOINT_VARIABLE) else { return Ok(None) };
    let endpoint = endpoint.parse().map_err(|error: triphammer_telemetry::InvalidEndpoint| {
        match raw.endpoint.is_empty() {
            true => ConfigError::Environment {
                name: ENDPOINT_VARIABLE.to_owned(),
                rule: error.to_string(),
            },
            false => field("otlp.endpoint", error.to_string()),
        }
    })?;
    let headers = headers::or_of_variable(own_headers, environment)?;
    let options = Options { endpoint, headers, timeout, queue_bytes_max };
    Ok(Some(OtlpConfig {
        telemetry: Telemetry::new(options),
        sampling,
        traces_per_second: NonZeroU32::new(raw.traces_per_second),
        service: given(&raw.service, SERVICE_VARIABLE).unwrap_or_else(|| SERVICE.to_owned()),
        certificates: certificates.map(Into::into),
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, Overrides};
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Option<OtlpConfig>, ConfigError> {
        let environment = |name: &str| {
            let given = environment.iter().find(|(given, _)| *given == name);
            given.map(|(_, value)| (*value).to_owned())
        };
        let path = Path::new("test.toml");
        Config::from_parts(path, text, environment, &Overrides::default()).map(|c| c.otlp)
    }

    #[track_caller]
    fn refused(text: &str, environment: &[(&str, &str)], code: &str, named: &str) {
        let error = load(text, environment).unwrap_err();
        assert_eq!(error.code(), code, "{text}");
        assert!(error.to_string().contains(named), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    const ENDPOINT: &str = "[otlp]\nendpoint = \"http://collector:4318\"\n";

    #[test]
    fn nothing_is_sent_unless_it_is_said_where_to() {
        assert!(load("", &[]).unwrap().is_none());
        assert!(load("", &[(ENDPOINT_VARIABLE, "")]).unwrap().is_none());
        let otlp = load(ENDPOINT, &[]).unwrap().unwrap();
        assert_eq!((otlp.sampling, otlp.service.as_str()), (Sampling::ALL, "triphammer"));
        assert_eq!(otlp.traces_per_second, NonZeroU32::new(1000));
        let any = load(&format!("{ENDPOINT}traces_per_second = 0"), &[]).unwrap().unwrap();
        assert_eq!(any.traces_per_second, None);
    }

    #[test]
    fn the_settings_win_over_the_variables_of_opentelemetry() {
        let variables = [(ENDPOINT_VARIABLE, "https://other/"), (SERVICE_VARIABLE, "shop")];
        let otlp = load("", &variables).unwrap().unwrap();
        assert!(otlp.telemetry.endpoint().is_tls());
        assert_eq!(otlp.service, "shop");
        let own = format!("{ENDPOINT}service = \"mine\"\nratio = 0");
        let otlp = load(&own, &variables).unwrap().unwrap();
        assert!(!otlp.telemetry.endpoint().is_tls());
        assert_eq!((otlp.service.as_str(), otlp.sampling), ("mine", Sampling::NONE));
        let ratio = [("TRIPHAMMER_OTLP_RATIO", "0.5")];
        assert_eq!(load(ENDPOINT, &ratio).unwrap().unwrap().sampling, Sampling::new(0.5).unwrap());
    }

    #[test]
    fn headers_may_come_from_the_variable_and_are_never_shown() {
        let given = |headers| [("OTEL_EXPORTER_OTLP_HEADERS", headers), ("KEY", "s3cret-2")];
        let own = format!("{ENDPOINT}[otlp.headers]\nc = \"env:KEY\"");
        for text in [ENDPOINT, &own] {
            let otlp = load(text, &given("a=s3cret-1")).unwrap().unwrap();
            assert!(!format!("{otlp:?}").contains("s3cret"));
        }
        refused(ENDPOINT, &given("s3cret"), "config.environment", "OTEL_EXPORTER_OTLP_HEADERS");
        // Who sends nothing need not mind what others are told.
        assert!(load("", &given("s3cret")).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_named() {
        refused("[otlp]\nendpoint = \"collector\"", &[], "config.invalid", "`otlp.endpoint`");
        let wrong = [(ENDPOINT_VARIABLE, "http://user:s3cret@collector")];
        refused("", &wrong, "config.environment", ENDPOINT_VARIABLE);
        refused("[otlp]\nratio = 2.0", &[], "config.invalid", "`otlp.ratio`");
        refused("[otlp]\ntimeout = \"0s\"", &[], "config.invalid", "`otlp.timeout`");
        refused("[otlp]\nqueue = \"1B\"", &[], "config.invalid", "`otlp.queue`");
        refused("[otlp]\ncertificates = \"/nowhere\"", &[], "config.unreadable", "/nowhere");
        let ratio = [("TRIPHAMMER_OTLP_RATIO", "all")];
        refused("", &ratio, "config.environment", "it must be a number");
        refused("[log]\nformat = \"xml\"", &[], "config.invalid", "`log.format`");
    }
}
