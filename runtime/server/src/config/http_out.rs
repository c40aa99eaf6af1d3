//! What functions may request, and the secrets that they may send along. Requests nothing.
//!
//! A secret's value is in no error: not even the part of the file that has a mistake is shown.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use triphammer_model::{FunctionName, Limits, TargetPattern, bytes_text, duration_text};
use triphammer_outbound::{Options, Secret, SecretName, Secrets};

use super::{ConfigError, count, field, positive_duration, size};

/// The most secrets that a host has.
const SECRETS_MAX: usize = 1000;
/// The longest file with a secret or with certificates, in bytes.
const FILE_LEN_MAX: u64 = 1 << 20;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHttpOut {
    pub(super) allow: Vec<String>,
    pub(super) allow_private: Vec<String>,
    pub(super) requests: u32,
    pub(super) bytes: String,
    pub(super) concurrency: usize,
    pub(super) connect_timeout: String,
    pub(super) response_head: String,
    /// Empty for none.
    pub(super) certificates: PathBuf,
}

impl Default for RawHttpOut {
    fn default() -> Self {
        let (options, limits) = (Options::default(), Limits::default());
        Self {
            allow: Vec::new(),
            allow_private: Vec::new(),
            requests: limits.http_requests_max,
            bytes: bytes_text(limits.http_bytes_max),
            concurrency: options.requests_max,
            connect_timeout: duration_text(options.connect_timeout),
            response_head: bytes_text(options.head_bytes_max as u64),
            certificates: PathBuf::new(),
        }
    }
}

/// One of three says what it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSecret {
    /// A text; read as such later, for an error of the parser would show what it is.
    value: Option<Value>,
    env: Option<String>,
    file: Option<PathBuf>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    functions: Vec<String>,
}

pub(super) fn read(
    raw: &RawHttpOut,
    secrets: &Table,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<Options, ConfigError> {
    if raw.requests == 0 {
        return Err(field("http_out.requests", "must be at least 1"));
    }
    let certificates = match raw.certificates.as_os_str().is_empty() {
        true => None,
        false => Some(
            read_file(&raw.certificates)
                .map_err(|source| ConfigError::Read { path: raw.certificates.clone(), source })?,
        ),
    };
    Ok(Options {
        allow: patterns("http_out.allow", &raw.allow)?,
        allow_private: patterns("http_out.allow_private", &raw.allow_private)?,
        secrets: Arc::new(read_secrets(secrets, environment)?),
        requests_max: count("http_out.concurrency", raw.concurrency)?,
        connect_timeout: positive_duration("http_out.connect_timeout", &raw.connect_timeout)?,
        head_bytes_max: size("http_out.response_head", &raw.response_head)?,
        certificates: certificates.map(Into::into),
        ..Options::default()
    })
}

fn patterns<P: FromStr>(name: &'static str, texts: &[String]) -> Result<Vec<P>, ConfigError>
where
    P::Err: Display,
{
    let read =
        |text: &String| text.parse().map_err(|error| field(name, format!("is wrong: {error}")));
    texts.iter().map(read).collect()
}

fn read_secrets(
    table: &Table,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<Secrets, ConfigError> {
    if table.len() > SECRETS_MAX {
        return Err(field("secrets", format!("has more than {SECRETS_MAX} secrets")));
    }
    let read = table.iter().map(|(name, value)| one(name, value, environment));
    Ok(Secrets::new(read.collect::<Result<BTreeMap<_, _>, _>>()?))
}

fn one(
    name: &str,
    value: &Value,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<(SecretName, Secret), ConfigError> {
    let wrong = |rule: String| ConfigError::Secret { name: name.to_owned(), rule };
    let raw = RawSecret::deserialize(value.clone()).map_err(|source| {
        ConfigError::SecretSyntax { name: name.to_owned(), source: source.into() }
    })?;
    let known = name.parse().map_err(|error| wrong(format!("{error}")))?;
    let hosts: Vec<TargetPattern> = each(&raw.hosts, "hosts").map_err(wrong)?;
    let functions: Vec<FunctionName> = each(&raw.functions, "functions").map_err(wrong)?;
    let value = resolve(raw, environment).map_err(wrong)?;
    let secret = Secret::new(value, hosts, functions).map_err(|error| wrong(error.to_string()))?;
    Ok((known, secret))
}

fn each<T: FromStr>(texts: &[String], member: &str) -> Result<Vec<T>, String>
where
    T::Err: Display,
{
    let read = |text: &String| text.parse().map_err(|error| format!("`{member}`: {error}"));
    texts.iter().map(read).collect()
}

fn resolve(
    raw: RawSecret,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<Vec<u8>, String> {
    match (raw.value, raw.env, raw.file) {
        (Some(Value::String(value)), None, None) => Ok(value.into_bytes()),
        (Some(_), None, None) => Err("its `value` is not a text in quotes".to_owned()),
        (None, Some(name), None) => environment(&name)
            .map(String::into_bytes)
            .ok_or_else(|| format!("the environment variable {name} is not set")),
        (None, None, Some(path)) => {
            read_file(&path).map_err(|error| format!("can't read {}: {error}", path.display()))
        }
        _ => Err("it has one of `env`, `file` and `value`".to_owned()),
    }
}

fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        return Err(std::io::Error::other(format!("it has more than {FILE_LEN_MAX} bytes")));
    }
    Ok(bytes)
}
