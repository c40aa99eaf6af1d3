//! Where a request goes, and patterns of where requests may go: scheme, host and port, as manifests
//! and operators write them. Knows no network: no name is resolved here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The longest pattern, and the longest authority, in bytes: a name, brackets and a port fit.
const LEN_MAX: usize = 320;
/// Of a DNS name.
const NAME_LEN_MAX: usize = 253;
const LABEL_LEN_MAX: usize = 63;

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A host as a URL names it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum TargetHost {
    /// Lower-case, of the letters that DNS has.
    Name(Box<str>),
    /// Written out. One that is mapped into IPv6 is the address of IPv4.
    Address(IpAddr),
}

/// Where one request goes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    pub scheme: Scheme,
    pub host: TargetHost,
    pub port: u16,
}

/// Hosts: one (`api.example.com`, `192.0.2.1`, `[2001:db8::1]`), or all names below one
/// (`*.example.com`, which is not `example.com`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HostPattern {
    Exact(TargetHost),
    /// What comes behind the star, the dot included.
    Below(Box<str>),
}

/// Targets: a [`HostPattern`] with scheme (`https` when left out) and port (that of the scheme when
/// left out), or `**`, which is every name, scheme and port. An address is matched only by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TargetPattern {
    AnyName,
    At { scheme: Scheme, host: HostPattern, port: u16 },
}

/// Why a text is no target, or no pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` {rule}")]
pub struct InvalidTarget {
    text: String,
    rule: &'static str,
}

fn invalid(text: &str, rule: &'static str) -> InvalidTarget {
    // What is shown has a bounded length and no line ends.
    let text = text.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c });
    InvalidTarget { text: text.collect(), rule }
}

impl Target {
    /// `authority` is what a URL has between `//` and the path. User names are refused.
    pub fn new(scheme: Scheme, authority: &str) -> Result<Self, InvalidTarget> {
        let (host, port) = split(authority)?;
        let port = port.unwrap_or_else(|| scheme.port());
        Ok(Self { scheme, host: host.parse()?, port })
    }

    /// What matches this target and no other.
    pub fn pattern(&self) -> TargetPattern {
        let host = HostPattern::Exact(self.host.clone());
        TargetPattern::At { scheme: self.scheme, host, port: self.port }
    }

    /// Host and port as the header `Host` has them: a scheme's own port is left out.
    pub fn authority(&self) -> String {
        match self.port == self.scheme.port() {
            true => self.host.to_string(),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

impl FromStr for TargetHost {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            let address: Ipv6Addr =
                inner.parse().map_err(|_| invalid(text, "is no IPv6 address"))?;
            return Ok(Self::Address(IpAddr::V6(address).to_canonical()));
        }
        let name = text.to_ascii_lowercase();
        check_name(&name)?;
        if !is_number(name.rsplit('.').next().unwrap_or_default()) {
            return Ok(Self::Name(name.into()));
        }
        // What resolvers take for an address, such as `127.1` and `0x7f000001`, is one, or nothing.
        let address: Ipv4Addr = name
            .parse()
            .map_err(|_| invalid(text, "is neither a name nor an IPv4 address of four numbers"))?;
        Ok(Self::Address(address.into()))
    }
}

impl fmt::Display for TargetHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl HostPattern {
    pub fn matches(&self, host: &TargetHost) -> bool {
        match (self, host) {
            (Self::Exact(exact), host) => exact == host,
            (Self::Below(suffix), TargetHost::Name(name)) => {
                name.len() > suffix.len() && name.ends_with(&**suffix)
            }
            (Self::Below(_), TargetHost::Address(_)) => false,
        }
    }
}

impl FromStr for HostPattern {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        let Some(parent) = text.strip_prefix("*.") else {
            return text.parse().map(Self::Exact);
        };
        match parent.parse()? {
            TargetHost::Name(name) => Ok(Self::Below(format!(".{name}").into())),
            TargetHost::Address(_) => Err(invalid(text, "has a star before an address")),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl TargetPattern {
    pub fn matches(&self, target: &Target) -> bool {
        match self {
            Self::AnyName => matches!(target.host, TargetHost::Name(_)),
            Self::At { scheme, host, port } => {
                *scheme == target.scheme && *port == target.port && host.matches(&target.host)
            }
        }
    }
}

impl FromStr for TargetPattern {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        if text == "**" {
            return Ok(Self::AnyName);
        }
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Https, text),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(_) => return Err(invalid(text, "has a scheme other than `https` and `http`")),
        };
        let (host, port) = split(rest)?;
        Ok(Self::At { scheme, host: host.parse()?, port: port.unwrap_or_else(|| scheme.port()) })
    }
}

impl fmt::Display for TargetPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::At { scheme, host, port } = self else { return f.write_str("**") };
        if *scheme == Scheme::Http {
            f.write_str("http://")?;
        }
        match *port == scheme.port() {
            true => host.fmt(f),
            false => write!(f, "{host}:{port}"),
        }
    }
}

/// Host and port. The host may still be anything without a colon, or in brackets.
fn split(authority: &str) -> Result<(&str, Option<u16>), InvalidTarget> {
    if authority.len() > LEN_MAX {
        return Err(invalid(authority, "is too long"));
    }
    let end = match authority.starts_with('[') {
        true => authority.find(']').map_or(authority.len(), |at| at + 1),
        false => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(end);
    if rest.is_empty() {
        return Ok((host, None));
    }
    let digits = rest.strip_prefix(':').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let port = digits.and_then(|digits| digits.parse().ok()).filter(|port| *port != 0);
    match port {
        Some(port) => Ok((host, Some(port))),
        None => Err(invalid(authority, "has a port that is not 1 to 65535")),
    }
}

fn check_name(name: &str) -> Result<(), InvalidTarget> {
    if !name.is_ascii() {
        return Err(invalid(name, "is not ASCII: names are written in their `xn--` form"));
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let label =
        |label: &str| (1..=LABEL_LEN_MAX).contains(&label.len()) && label.bytes().all(allowed);
    if name.len() > NAME_LEN_MAX || !name.split('.').all(label) {
        return Err(invalid(
            name,
            "is no host: a name, an IPv4 address, or an IPv6 one in brackets",
        ));
    }
    Ok(())
}

/// Whether the last label of a name makes it an address.
fn is_number(label: &str) -> bool {
    let hex =
        label.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    hex || label.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        let (scheme, authority) = url.split_once("://").unwrap();
        let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
        Target::new(scheme, authority).unwrap()
    }

    #[track_caller]
    fn check(pattern: &str, takes: &[&str], leaves: &[&str]) {
        let pattern: TargetPattern = pattern.parse().unwrap();
        for url in takes {
            assert!(pattern.matches(&target(url)), "{pattern} {url}");
        }
        for url in leaves {
            assert!(!pattern.matches(&target(url)), "{pattern} {url}");
        }
        assert_eq!(pattern.to_string().parse(), Ok(pattern));
    }

    #[test]
    fn patterns_match_scheme_host_and_port() {
        check(
            "api.example.com",
            &["https://api.example.com", "https://API.example.com:443"],
            &[
                "http://api.example.com",
                "https://api.example.com:8443",
                "https://xapi.example.com",
                "https://api.example.com.evil.org",
                "https://example.com",
            ],
        );
        check(
            "*.Example.com:8443",
            &["https://a.example.com:8443", "https://a.b.example.com:8443"],
            &["https://example.com:8443", "https://aexample.com:8443", "https://a.example.com"],
        );
        check("http://svc", &["http://svc:80"], &["https://svc", "http://svc:8080"]);
        check("http://svc:8080", &["http://svc:8080"], &["http://svc"]);
        check("**", &["https://a", "http://b.c:1"], &["https://8.8.8.8", "http://[::1]:80"]);
    }

    #[test]
    fn addresses_are_matched_only_as_they_are() {
        check("8.8.8.8", &["https://8.8.8.8", "https://[::ffff:8.8.8.8]"], &["https://8.8.8.9"]);
        check("[2001:db8::1]:1", &["https://[2001:0db8:0::1]:1"], &["https://[2001:db8::1]"]);
        check("*.a", &["https://8.a"], &["https://8.8.8.8"]);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let long = "a".repeat(400);
        let label = "a".repeat(64);
        for text in [
            "",
            "*",
            "***",
            "*.",
            "*a.b",
            "a.*",
            "*.*.a",
            "*.1.2",
            "https://",
            "ftp://a",
            "a/b",
            "a?b",
            "a#b",
            "u@a",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:1:2",
            "a b",
            "a\r\nb",
            "a..b",
            ".a",
            "a.",
            "ä.de",
            "127.1",
            "2130706433",
            "0x7f000001",
            "a.0x1",
            "1.2.3.4.5",
            "[::1",
            "[::1]x",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            "::1",
            "https://**",
            "**:1",
            &long,
            &label,
        ] {
            assert!(text.parse::<TargetPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for authority in ["", "user@a", "a:b@c", "127.1", "0177.0.0.1", "a%2eb", "a.", "*.a", "[a]"]
        {
            assert!(Target::new(Scheme::Https, authority).is_err(), "{authority}");
        }
    }

    #[test]
    fn errors_are_short_and_on_one_line() {
        let error = format!("a\n{}", "x".repeat(1000)).parse::<TargetPattern>().unwrap_err();
        assert!(error.to_string().len() < 200 && !error.to_string().contains('\n'), "{error}");
    }

    #[test]
    fn targets_are_written_without_the_port_of_their_scheme() {
        for url in ["https://a", "http://a", "https://a:80", "http://[2001:db8::1]:443"] {
            assert_eq!(target(url).to_string(), url);
        }
        assert_eq!(target("http://A:80").authority(), "a");
    }
}
