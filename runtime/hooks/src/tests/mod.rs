//! Hooks from outside: settings in, requests in, outcomes out. One genuine request of each
//! provider, from which the tests make all others.

mod document;
mod events;
mod fuzz;
mod settings;
mod tamper;
mod times;
mod vectors;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use triphammer_model::{Event, EventParts, Timestamp};

use crate::{Hook, InvalidHook, Outcome, Refused, Reply, Request, Secret};

/// A genuine request, and what it is about.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) provider: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) url: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) now_ms: u64,
    /// How many of the first headers can't be changed without being refused.
    pub(crate) proven: usize,
    /// Whether the body can't be changed either.
    pub(crate) body_proven: bool,
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

impl Sample {
    pub(crate) fn hook(&self) -> Hook {
        hook(&format!("provider='{}'\nsecrets=['x']", self.provider), &[self.secret]).unwrap()
    }

    pub(crate) fn header_map(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let value = HeaderValue::from_str(value).unwrap();
            headers.append(name.parse::<HeaderName>().unwrap(), value);
        }
        headers
    }

    pub(crate) fn verify(&self) -> Result<Outcome, Refused> {
        self.verify_with(&self.hook(), &self.header_map(), self.body.as_bytes())
    }

    pub(crate) fn verify_with(
        &self,
        hook: &Hook,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Outcome, Refused> {
        let body = Bytes::copy_from_slice(body);
        let request = Request { method: &Method::POST, url: self.url, headers, body: &body };
        hook.verify(request, Timestamp(self.now_ms))
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(header, _)| *header != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The event that it becomes; the model takes it.
    #[track_caller]
    pub(crate) fn event(&self) -> EventParts {
        match self.verify().unwrap() {
            Outcome::Event(verified) => {
                Event::new(&verified.parts).unwrap();
                verified.parts
            }
            Outcome::Answer(reply) => panic!("{reply:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn answer(&self) -> Reply {
        match self.verify().unwrap() {
            Outcome::Answer(reply) => reply,
            Outcome::Event(verified) => panic!("{verified:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn refused(&self, code: &str) {
        assert_eq!(self.verify().unwrap_err().code(), code, "{}", self.provider);
    }
}

/// A hook called `h`. The secrets of the settings are names for those given here, in turn.
pub(crate) fn hook(toml: &str, secrets: &[&str]) -> Result<Hook, InvalidHook> {
    let raw = toml::from_str(toml).unwrap();
    let next = std::cell::Cell::new(0);
    Hook::new("h", raw, |_| {
        let index = next.replace(next.get() + 1);
        secrets.get(index).map(|secret| Secret::new(*secret)).ok_or_else(|| "none left".into())
    })
}

/// The host's own HMAC, which its published vectors hold for, signs what the samples have to.
pub(crate) fn hmac_hex(secret: &[u8], message: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    hex::encode(ring::hmac::sign(&key, message.as_bytes()))
}

fn sample(
    provider: &'static str,
    secret: &'static str,
    headers: &[(&'static str, &str)],
    body: &str,
    now_s: u64,
) -> Sample {
    Sample {
        provider,
        secret,
        url: "https://example.com/hooks/h",
        headers: headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        body: body.to_owned(),
        now_ms: now_s * 1000,
        proven: 1,
        body_proven: true,
    }
}

pub(crate) fn by_name(provider: &str) -> Sample {
    let mut found = samples().into_iter();
    found.find(|sample| sample.provider == provider).unwrap()
}

/// One genuine request of each provider that is built in, then of further schemes of theirs.
pub(crate) fn samples() -> Vec<Sample> {
    [vectors::published(), vectors::computed()].concat()
}
