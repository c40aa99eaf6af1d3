//! Which web pages may talk to this host. Knows no paths, no tokens and no events.
//!
//! A browser is the danger: any web page can make it send requests to `localhost`. Two headers
//! that a page can't forge tell such a request apart. `Host` names where the browser believes it
//! is (a rebound DNS name gives itself away there), and `Origin` the page that asks. Tokens are
//! [`crate::gate`]'s.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HOST, HeaderMap, ORIGIN};
use hyper::{StatusCode, Uri};

use crate::problem::Problem;

/// Asked about every request before anything else happens.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// Lower-case, without a port.
    hosts: Vec<String>,
    /// Whether any address is ours, because this host listens on all of them.
    any_address: bool,
}

impl Guard {
    pub(crate) fn new(listen: SocketAddr, allowed_hosts: &[String]) -> Self {
        let own = ["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
        let address = match listen.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let hosts = own.into_iter().chain([address]).chain(allowed_hosts.iter().cloned()).collect();
        Self { hosts, any_address: listen.ip().is_unspecified() }
    }

    /// Refuses what must not come in. `headers` and `uri` are those of the request.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = self.check_host(uri, headers)?;
        self.check_origin(headers, host)
    }

    fn check_host<'h>(&self, uri: &Uri, headers: &'h HeaderMap) -> Result<&'h str, Problem> {
        let refused = |detail: String| Problem::new(StatusCode::FORBIDDEN, "http.host", detail);
        let mut values = headers.get_all(HOST).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(refused("a request has exactly one `Host` header".into()));
        };
        let value = value.to_str().unwrap_or_default();
        // A request in absolute form names a host of its own, which must be ours as well.
        let named = [Some(value), uri.authority().map(|authority| authority.as_str())];
        for name in named.into_iter().flatten() {
            if !self.is_ours(name) {
                return Err(refused(format!(
                    "the host `{}` is not one of this server's names; `allowed_hosts` adds names",
                    name.chars().take(128).collect::<String>()
                )));
            }
        }
        Ok(value)
    }

    fn is_ours(&self, authority: &str) -> bool {
        let Some(name) = without_port(authority) else {
            return false;
        };
        self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
            // A literal address was never looked up, so it can't have been rebound.
            || self.any_address && is_address(name)
    }

    /// A request without `Origin` is none that a page made another site send with effect.
    fn check_origin(&self, headers: &HeaderMap, host: &str) -> Result<(), Problem> {
        for value in headers.get_all(ORIGIN) {
            let origin = value.to_str().unwrap_or_default();
            let authority =
                origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            if !authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host)) {
                let shown: String = origin.chars().take(128).collect();
                let detail = format!("pages of the origin `{shown}` may not use this host");
                return Err(Problem::new(StatusCode::FORBIDDEN, "http.origin", detail));
            }
        }
        Ok(())
    }
}

/// The name of `name`, `name:port` or `[v6]:port`; none when it is none of these.
fn without_port(authority: &str) -> Option<&str> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (name, port) = authority.split_at(end);
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let plain = port.is_empty() || port.strip_prefix(':').is_some_and(digits);
    (plain && !name.is_empty()).then_some(name)
}

fn is_address(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(listen: &str) -> Guard {
        Guard::new(listen.parse().unwrap(), &["events.example.com".into()])
    }

    fn ask(guard: &Guard, uri: &str, headers: &[(&'static str, &str)]) -> &'static str {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        match guard.check(&uri.parse().unwrap(), &map) {
            Ok(()) => "ok",
            Err(problem) if problem.code() == "http.host" => "host",
            Err(_) => "origin",
        }
    }

    #[track_caller]
    fn check_host(listen: &str, host: &str, expect: &str) {
        assert_eq!(ask(&guard(listen), "/", &[("host", host)]), expect, "{host}");
    }

    #[test]
    fn only_own_names_are_hosts() {
        let local = "127.0.0.1:7070";
        for host in ["localhost", "LocalHost:1", "127.0.0.1:7070", "[::1]:80", "[::1]"] {
            check_host(local, host, "ok");
        }
        check_host(local, "events.example.com:443", "ok");
        for host in ["evil.example", "127.0.0.2", "", ":80", "localhost:", "localhost:x", "[::1"] {
            check_host(local, host, "host");
        }
        for host in ["localhost.evil.example", "localhost@evil.example", "::1", "10.0.0.1"] {
            check_host(local, host, "host");
        }
        check_host("10.0.0.1:7070", "10.0.0.1:7070", "ok");
        check_host("10.0.0.1:7070", "10.0.0.2:7070", "host");
    }

    #[test]
    fn on_all_addresses_any_address_is_ours_and_no_name() {
        check_host("0.0.0.0:7070", "10.0.0.2:7070", "ok");
        check_host("[::]:7070", "[fe80::1]:7070", "ok");
        check_host("0.0.0.0:7070", "evil.example", "host");
    }

    #[test]
    fn a_host_is_named_once() {
        let guard = guard("127.0.0.1:7070");
        assert_eq!(ask(&guard, "/", &[]), "host");
        assert_eq!(ask(&guard, "/", &[("host", "localhost"), ("host", "localhost")]), "host");
        assert_eq!(ask(&guard, "http://evil.example/", &[("host", "localhost")]), "host");
        assert_eq!(ask(&guard, "http://localhost/", &[("host", "localhost")]), "ok");
    }

    #[track_caller]
    fn check_origin(origin: &str, expect: &str) {
        let headers = [("host", "localhost:7070"), ("origin", origin)];
        assert_eq!(ask(&guard("127.0.0.1:7070"), "/events", &headers), expect, "{origin}");
    }

    #[test]
    fn pages_of_others_are_refused() {
        check_origin("http://localhost:7070", "ok");
        check_origin("https://localhost:7070", "ok");
        check_origin("http://localhost:3000", "origin");
        check_origin("http://127.0.0.1:7070", "origin");
        check_origin("https://evil.example", "origin");
        check_origin("null", "origin");
        check_origin("", "origin");
        check_origin("file://localhost:7070", "origin");
    }
}
