//! What a manifest says of the requests that its function makes. Knows nothing of how they are made,
//! nor of what the operator allows beside it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::limits::Limits;
use crate::manifest::InvalidManifest;
use crate::manifest_read::Members;
use crate::target::{Target, TargetPattern};
use crate::text::{bytes_text, duration_text, parse_bytes};

const PATTERNS_MAX: usize = 64;
const REQUESTS_DEFAULT: u32 = 16;
const BYTES_DEFAULT: u64 = 1 << 20;
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// The HTTP requests that each attempt may make.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRules {
    pub allow: Vec<TargetPattern>,
    /// How many.
    pub requests: u32,
    /// The bodies of all requests and responses together.
    pub bytes: u64,
    /// Of each request, up to the end of its response.
    pub timeout: Duration,
}

type Read<T> = Result<T, InvalidManifest>;

impl HttpRules {
    pub(crate) fn read(members: &Members<'_>, limits: &Limits) -> Read<Self> {
        members.only(&["allow", "requests", "bytes", "timeout"])?;
        let requests = members.number("requests", 1..=limits.http_requests_max)?;
        let timeouts = Duration::from_millis(1)..=limits.timeout_max;
        let timeout = members.duration("timeout", timeouts)?;
        Ok(Self {
            allow: read_allow(members)?,
            requests: requests.unwrap_or_else(|| REQUESTS_DEFAULT.min(limits.http_requests_max)),
            bytes: read_bytes(members, limits.http_bytes_max)?,
            timeout: timeout.unwrap_or_else(|| TIMEOUT_DEFAULT.min(limits.timeout_max)),
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "allow": self.allow.iter().map(TargetPattern::to_string).collect::<Vec<_>>(),
            "requests": self.requests,
            "bytes": bytes_text(self.bytes),
            "timeout": duration_text(self.timeout),
        })
    }

    pub fn allows(&self, target: &Target) -> bool {
        self.allow.iter().any(|pattern| pattern.matches(target))
    }
}

fn read_allow(members: &Members<'_>) -> Read<Vec<TargetPattern>> {
    let values = match members.get("allow") {
        Some(Value::Array(values)) => values.as_slice(),
        Some(single @ Value::String(_)) => std::slice::from_ref(single),
        Some(_) => return Err(members.invalid("allow", "must be a pattern or a list of patterns")),
        None => &[],
    };
    if values.is_empty() || values.len() > PATTERNS_MAX {
        return Err(members.invalid("allow", "must name 1 to 64 hosts, such as `api.example.com`"));
    }
    let read = |value: &Value| {
        let text = value.as_str().ok_or_else(|| members.invalid("allow", "must be strings"))?;
        text.parse().map_err(|error| members.invalid("allow", format!("is wrong: {error}")))
    };
    values.iter().map(read).collect()
}

fn read_bytes(members: &Members<'_>, max: u64) -> Read<u64> {
    let Some(text) = members.text("bytes")? else { return Ok(BYTES_DEFAULT.min(max)) };
    let bytes = parse_bytes(text)
        .map_err(|error| members.invalid("bytes", format!("is wrong: {error}")))?;
    if bytes == 0 || bytes > max {
        return Err(members.invalid("bytes", format!("must be 1B to {}", bytes_text(max))));
    }
    Ok(bytes)
}
