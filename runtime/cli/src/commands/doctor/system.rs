//! The operating system: its version, the cores, and its limits on a process.

use rustix::process::{Resource, getrlimit};
use triphammer_server::Config;

use super::finding::Finding;
use super::proc;
use crate::output::{bytes, count, one_line};

/// Open files besides connections: segments, the checkpoint, modules, requests of functions.
const FILES_OWN: u64 = 512;
/// Connections that a host takes by default.
const CONNECTIONS: u64 = 1024;
/// The oldest Linux whose io and memory calls are all known to be there.
const KERNEL_MIN: (u32, u32) = (5, 4);
/// The default of Linux.
const MAPS_MIN: u64 = 65_530;
/// Bytes of addresses below which the sandbox has room for a few instances only.
const ADDRESSES_MIN: u64 = 1 << 38;

pub(super) fn look(config: Option<&Config>, findings: &mut Vec<Finding>) {
    let name = rustix::system::uname();
    let release =
        format!("{} {}", name.sysname().to_string_lossy(), name.release().to_string_lossy());
    findings.push(kernel(&one_line(&release)));
    findings.push(cores(std::thread::available_parallelism().map_or(1, usize::from)));
    let connections = config.map_or(CONNECTIONS, |config| config.http.connections_max as u64);
    findings.push(files(getrlimit(Resource::Nofile).current, connections));
    findings.push(addresses(getrlimit(Resource::As).current));
    let maps = proc::number("/proc/sys/vm/max_map_count");
    findings.extend(maps.map(mappings));
    findings.extend(proc::number("/proc/sys/vm/overcommit_memory").map(overcommit));
}

fn kernel(name: &str) -> Finding {
    let Some(release) = name.strip_prefix("Linux ") else {
        let says = format!("{name}: made for Linux");
        return Finding::warn("kernel", says, "use Linux for what matters");
    };
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < KERNEL_MIN => {
            Finding::warn("kernel", name, "use Linux 5.4 or later")
        }
        _ => Finding::ok("kernel", name),
    }
}

fn cores(cores: usize) -> Finding {
    match cores {
        0 | 1 => Finding::warn(
            "cores",
            "1: functions, HTTP and the journal take turns",
            "give the host two or more",
        ),
        cores => Finding::ok("cores", cores.to_string()),
    }
}

/// `limit` is none where there is no limit.
fn files(limit: Option<u64>, connections: u64) -> Finding {
    let need = connections.saturating_add(FILES_OWN);
    match limit {
        Some(limit) if limit < need => Finding::warn(
            "files max",
            format!(
                "{} may be open: {} connections and the host's own take {}",
                count(limit),
                count(connections),
                count(need)
            ),
            format!(
                "raise it with `ulimit -n {need}` or LimitNOFILE={need}, or lower `http.connections_max`"
            ),
        ),
        Some(limit) => Finding::ok("files max", format!("{} may be open", count(limit))),
        None => Finding::ok("files max", "no limit"),
    }
}

fn addresses(limit: Option<u64>) -> Finding {
    match limit {
        Some(limit) if limit < ADDRESSES_MIN => Finding::warn(
            "addresses",
            format!("limited to {}: each instance of a function reserves some GB", bytes(limit)),
            "lift it with `ulimit -v unlimited` or LimitAS=infinity; limit memory by a control group",
        ),
        Some(limit) => Finding::ok("addresses", bytes(limit)),
        None => Finding::ok("addresses", "no limit"),
    }
}

fn mappings(max: u64) -> Finding {
    let says = format!("{} mappings", count(max));
    if max < MAPS_MIN {
        let says = format!("{says}: each instance of a function takes some");
        Finding::warn("mappings", says, "raise vm.max_map_count to 65530 or more")
    } else {
        Finding::ok("mappings", says)
    }
}

fn overcommit(mode: u64) -> Finding {
    match mode {
        2 => Finding::warn(
            "reserve",
            "vm.overcommit_memory = 2: what the sandbox reserves and never fills counts as used",
            "set vm.overcommit_memory to 0 or 1",
        ),
        mode => Finding::ok("reserve", format!("vm.overcommit_memory = {mode}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn what_is_too_little_is_told() {
        let verdict = |finding: Finding| finding.verdict;
        assert_eq!(verdict(kernel("Linux 6.1.0-13-amd64")), Verdict::Ok);
        assert_eq!(verdict(kernel("Linux 5.3.1")), Verdict::Warn);
        assert_eq!(verdict(kernel("Linux of my own")), Verdict::Ok);
        assert_eq!(verdict(kernel("Darwin 25.0")), Verdict::Warn);
        assert_eq!([1, 2].map(cores).map(verdict), [Verdict::Warn, Verdict::Ok]);
        assert_eq!(verdict(files(Some(1024), 1024)), Verdict::Warn);
        assert_eq!(verdict(files(Some(1 << 16), 1024)), Verdict::Ok);
        assert_eq!(verdict(files(None, u64::MAX)), Verdict::Ok);
        assert_eq!(verdict(addresses(Some(1 << 32))), Verdict::Warn);
        assert_eq!(verdict(addresses(None)), Verdict::Ok);
        assert_eq!([1000, 65_530].map(mappings).map(verdict), [Verdict::Warn, Verdict::Ok]);
        assert_eq!([0, 2].map(overcommit).map(verdict), [Verdict::Ok, Verdict::Warn]);
    }

    #[test]
    fn this_machine_is_looked_at() {
        let mut findings = Vec::new();
        look(None, &mut findings);
        assert!(findings.len() >= 4, "{findings:?}");
        assert!(!findings.iter().any(|finding| finding.verdict == Verdict::Fail));
    }
}
