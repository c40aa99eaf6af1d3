//! Whether other machines may reach this host as it is. Knows addresses and what protects them.

use std::net::{IpAddr, SocketAddr};

use crate::config::Insecure;

/// What stands between this host and whoever can reach its address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Protection {
    /// Tokens, or certificates of clients.
    pub(crate) authenticated: bool,
    /// TLS.
    pub(crate) encrypted: bool,
}

/// Refuses an address beyond loopback without both, unless that was asked for twice: what is meant
/// for a proxy in front is not what a slip makes.
pub(crate) fn check(
    listen: SocketAddr,
    protection: Protection,
    insecure: Insecure,
) -> Result<(), String> {
    let Protection { authenticated, encrypted } = protection;
    if is_loopback(listen.ip()) || authenticated && encrypted {
        return Ok(());
    }
    let Insecure { by_flag, by_setting } = insecure;
    if by_flag && by_setting {
        return Ok(());
    }
    let (lacks, mend) = match (authenticated, encrypted) {
        (false, false) => ("tokens and TLS", format!("{TOKENS}; {TLS}")),
        (false, true) => ("tokens", TOKENS.to_owned()),
        (true, _) => ("TLS", TLS.to_owned()),
    };
    let said = match (by_flag, by_setting) {
        (true, false) => " (the flag is given, the setting is not)",
        (false, true) => " (the setting is given, the flag is not)",
        _ => "",
    };
    Err(format!(
        "{listen} can be reached from other machines, so this host needs {lacks}: {mend}. Or listen \
         on 127.0.0.1. If something in front of it does that, say so twice: `--insecure-listen` \
         on the command line and `access.insecure = true` in the settings{said}"
    ))
}

const TOKENS: &str = "make a token with `trip token create`";
const TLS: &str = "set `tls.cert` and `tls.key`";

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_at(listen: &str, protected: [bool; 2], said: [bool; 2], expect: Result<(), &str>) {
        let protection = Protection { authenticated: protected[0], encrypted: protected[1] };
        let insecure = Insecure { by_flag: said[0], by_setting: said[1] };
        let found = check(listen.parse().unwrap(), protection, insecure);
        match expect {
            Ok(()) => assert_eq!(found, Ok(()), "{listen}"),
            Err(part) => {
                let error = found.unwrap_err();
                assert!(error.contains(part), "{error}");
                let flags = ["--insecure-listen", "access.insecure = true"];
                assert!(flags.iter().all(|flag| error.contains(flag)), "{error}");
            }
        }
    }

    #[test]
    fn other_machines_need_tokens_and_tls() {
        let (never, open) = ([false; 2], [false; 2]);
        for listen in ["0.0.0.0:7070", "[::]:7070", "10.0.0.1:7070", "[fe80::1]:7070"] {
            check_at(listen, open, never, Err("tokens and TLS"));
            check_at(listen, [true, false], never, Err("needs TLS"));
            check_at(listen, [false, true], never, Err("needs tokens"));
            check_at(listen, [true, true], never, Ok(()));
        }
        for listen in ["127.0.0.1:7070", "127.9.9.9:1", "[::1]:7070", "[::ffff:127.0.0.1]:7070"] {
            check_at(listen, open, never, Ok(()));
        }
    }

    #[test]
    fn an_open_host_is_asked_for_twice() {
        check_at("0.0.0.0:1", [false; 2], [true, false], Err("the setting is not"));
        check_at("0.0.0.0:1", [false; 2], [false, true], Err("the flag is not"));
        check_at("0.0.0.0:1", [false; 2], [true, true], Ok(()));
    }
}
