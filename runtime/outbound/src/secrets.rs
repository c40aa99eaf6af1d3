//! Secrets of the operator, put into requests in place of what the guest wrote for them. The guest never
//! has one. Knows nothing of where their values come from.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, HeaderValue};
use triphammer_model::{FunctionName, Target, TargetPattern};
use zeroize::Zeroizing;

use crate::error::Error;

/// What a placeholder begins with, and ends with.
const OPEN: &str = "{{secret:";
const CLOSE: &str = "}}";
/// Placeholders that one request may have.
const PLACEHOLDERS_MAX: usize = 8;
/// The longest secret, in bytes.
const VALUE_LEN_MAX: usize = 4096;
const NAME_LEN_MAX: usize = 64;

/// 1 to 64 letters, digits, `_` and `-`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SecretName(Box<str>);

/// A secret, and where it may go. Shown by no formatter, wiped when dropped.
pub struct Secret {
    value: Zeroizing<Vec<u8>>,
    /// Where requests with it may go; never everywhere.
    hosts: Vec<TargetPattern>,
    /// Whose requests may have it.
    functions: Vec<FunctionName>,
}

/// By their names.
#[derive(Debug, Default)]
pub struct Secrets(BTreeMap<SecretName, Secret>);

/// Why a secret is refused, without a part of it.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSecret(&'static str);

impl FromStr for SecretName {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if (1..=NAME_LEN_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.into()));
        }
        Err(InvalidSecret("a secret's name has 1 to 64 letters, digits, `_` and `-`"))
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a guest reads where a value of its configuration is `secret:NAME`.
pub fn placeholder(value: &str) -> Option<String> {
    let name: SecretName = value.strip_prefix("secret:")?.parse().ok()?;
    Some(format!("{OPEN}{name}{CLOSE}"))
}

impl Secret {
    /// One line ending at the end of `value` is not part of it: files that editors write have one.
    pub fn new(
        value: impl Into<Vec<u8>>,
        hosts: Vec<TargetPattern>,
        functions: Vec<FunctionName>,
    ) -> Result<Self, InvalidSecret> {
        let mut value = Zeroizing::new(value.into());
        if value.last() == Some(&b'\n') {
            value.pop();
            if value.last() == Some(&b'\r') {
                value.pop();
            }
        }
        let visible = |byte: &u8| *byte == b' ' || byte.is_ascii_graphic();
        if !(1..=VALUE_LEN_MAX).contains(&value.len()) || !value.iter().all(visible) {
            return Err(InvalidSecret(
                "a secret has 1 to 4096 visible ASCII characters and spaces",
            ));
        }
        if hosts.is_empty() || hosts.contains(&TargetPattern::AnyName) {
            return Err(InvalidSecret("a secret names the `hosts` that it may go to, never `**`"));
        }
        if functions.is_empty() {
            return Err(InvalidSecret("a secret names the `functions` that may use it"));
        }
        Ok(Self { value, hosts, functions })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Secret");
        shown
            .field("hosts", &self.hosts)
            .field("functions", &self.functions)
            .finish_non_exhaustive()
    }
}

impl Secrets {
    pub fn new(secrets: BTreeMap<SecretName, Secret>) -> Self {
        Self(secrets)
    }

    /// Why a function can't use a secret, whatever the host.
    pub fn refusal(&self, name: &SecretName, function: &FunctionName) -> Option<String> {
        match self.0.get(name) {
            None => Some(format!("this host has no secret `{name}`")),
            Some(secret) if !secret.functions.contains(function) => {
                Some(format!("the secret `{name}` is not for the function `{function}`"))
            }
            Some(_) => None,
        }
    }

    /// Puts secrets in the place of their placeholders. Other texts stay as they are.
    pub(crate) fn fill(
        &self,
        headers: &mut HeaderMap,
        function: &FunctionName,
        target: &Target,
    ) -> Result<(), Error> {
        let mut left = PLACEHOLDERS_MAX;
        for value in headers.values_mut() {
            if find(value.as_bytes(), OPEN).is_some() {
                *value = self.filled(value, &mut left, function, target)?;
            }
        }
        Ok(())
    }

    fn filled(
        &self,
        value: &HeaderValue,
        left: &mut usize,
        function: &FunctionName,
        target: &Target,
    ) -> Result<HeaderValue, Error> {
        let mut filled = Zeroizing::new(Vec::new());
        let mut rest = value.as_bytes();
        while let Some(at) = find(rest, OPEN) {
            *left = left.checked_sub(1).ok_or_else(|| {
                Error::Secret(format!("a request has at most {PLACEHOLDERS_MAX} secrets"))
            })?;
            filled.extend_from_slice(&rest[..at]);
            let behind = &rest[at + OPEN.len()..];
            let (name, after) = name_in(behind)?;
            filled.extend_from_slice(self.value(&name, function, target)?);
            rest = after;
        }
        filled.extend_from_slice(rest);
        let text = "a header with a secret has a character that no header has".to_owned();
        let mut value = HeaderValue::from_bytes(&filled).map_err(|_| Error::Secret(text))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// A secret for a request of this function to this target: for what is made with it, such as a
    /// signature, where no placeholder can stand.
    pub fn value(
        &self,
        name: &SecretName,
        function: &FunctionName,
        target: &Target,
    ) -> Result<&[u8], Error> {
        if let Some(refusal) = self.refusal(name, function) {
            return Err(Error::Secret(refusal));
        }
        let secret =
            self.0.get(name).filter(|secret| secret.hosts.iter().any(|h| h.matches(target)));
        match secret {
            Some(secret) => Ok(&secret.value),
            None => Err(Error::Secret(format!("the secret `{name}` does not go to {target}"))),
        }
    }
}

/// The name that a placeholder goes on with, and what comes behind it.
fn name_in(text: &[u8]) -> Result<(SecretName, &[u8]), Error> {
    let read = || {
        // What is longer is no name, however far away the end is.
        let near = &text[..text.len().min(NAME_LEN_MAX + CLOSE.len())];
        let end = find(near, CLOSE)?;
        let name = std::str::from_utf8(&text[..end]).ok()?.parse().ok()?;
        Some((name, &text[end + CLOSE.len()..]))
    };
    read().ok_or_else(|| Error::Secret(format!("`{OPEN}` is not followed by a name and `{CLOSE}`")))
}

fn find(text: &[u8], what: &str) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "s3cr3t-value";

    fn secrets() -> Secrets {
        let secret = |hosts: &str| {
            Secret::new(VALUE, vec![hosts.parse().unwrap()], vec!["pay".parse().unwrap()]).unwrap()
        };
        let named = |name: &str, hosts| (name.parse().unwrap(), secret(hosts));
        Secrets::new([named("KEY", "api.example.com"), named("k-2", "*.example.com")].into())
    }

    fn fill(value: &str, function: &str, host: &str) -> Result<HeaderValue, Error> {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", value.parse().unwrap());
        let target = Target::new(triphammer_model::Scheme::Https, host).unwrap();
        secrets().fill(&mut headers, &function.parse().unwrap(), &target)?;
        Ok(headers["authorization"].clone())
    }

    #[track_caller]
    fn check(value: &str, expect: &str) {
        let filled = fill(value, "pay", "api.example.com").unwrap();
        assert_eq!(filled.to_str().unwrap(), expect);
        assert_eq!(filled.is_sensitive(), value != expect);
    }

    #[track_caller]
    fn refused(value: &str, function: &str, host: &str, says: &str) {
        let error = fill(value, function, host).unwrap_err();
        assert_eq!(error.code(), "outbound.secret");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!format!("{error:?}").contains(VALUE));
    }

    #[test]
    fn placeholders_become_secrets() {
        check("Bearer {{secret:KEY}}", "Bearer s3cr3t-value");
        check("{{secret:KEY}}:{{secret:k-2}}!", "s3cr3t-value:s3cr3t-value!");
        check("{{{secret:KEY}}}", "{s3cr3t-value}");
        for other in ["", "secret:KEY", "{{KEY}}", "{{ secret:KEY }}", "{{SECRET:KEY}}", "{{secret"]
        {
            check(other, other);
        }
    }

    #[test]
    fn what_is_not_allowed_is_told_without_the_secret() {
        let key = "{{secret:KEY}}";
        refused(key, "other", "api.example.com", "not for the function `other`");
        refused(key, "pay", "evil.example.com", "does not go to https://evil.example.com");
        refused(key, "pay", "api.example.com:8443", "does not go to");
        refused("{{secret:NONE}}", "pay", "api.example.com", "no secret `NONE`");
        for malformed in ["{{secret:}}", "{{secret:KEY}", "{{secret:K Y}}", "{{secret:KEY"] {
            refused(malformed, "pay", "api.example.com", "not followed by a name");
        }
        let long = format!("{{{{secret:{}}}}}", "K".repeat(65));
        refused(&long, "pay", "api.example.com", "not followed by a name");
        refused(&key.repeat(9), "pay", "api.example.com", "at most 8");
    }

    #[test]
    fn http_is_another_target() {
        let mut headers = HeaderMap::new();
        headers.insert("x", "{{secret:KEY}}".parse().unwrap());
        let plain = Target::new(triphammer_model::Scheme::Http, "api.example.com").unwrap();
        assert!(secrets().fill(&mut headers, &"pay".parse().unwrap(), &plain).is_err());
    }

    #[test]
    fn secrets_are_checked_and_never_shown() {
        let new = |value: &str, hosts: &[&str], functions: &[&str]| {
            let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
            Secret::new(value, hosts, functions.iter().map(|name| name.parse().unwrap()).collect())
        };
        assert!(!format!("{:?}", new(VALUE, &["a"], &["f"]).unwrap()).contains(VALUE));
        assert_eq!(&**new("a\r\n", &["a"], &["f"]).unwrap().value, b"a");
        for value in ["", "\n", "a\nb", "a\n\n", "ä", "a\0", &"x".repeat(4097)] {
            assert!(new(value, &["a"], &["f"]).is_err(), "{value:?}");
        }
        assert!(new(VALUE, &[], &["f"]).is_err());
        assert!(new(VALUE, &["a", "**"], &["f"]).is_err());
        assert!(new(VALUE, &["a"], &[]).is_err());
    }

    #[test]
    fn values_of_a_configuration_become_placeholders() {
        assert_eq!(placeholder("secret:KEY").as_deref(), Some("{{secret:KEY}}"));
        for other in ["", "KEY", "secret:", "secret:a b", "Secret:KEY", " secret:KEY"] {
            assert_eq!(placeholder(other), None, "{other}");
        }
    }
}
