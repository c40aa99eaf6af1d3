//! Memory: what there is for this process, beside what the settings let a host take.

use std::path::Path;

use triphammer_server::Config;

use super::finding::Finding;
use super::proc;
use crate::output::bytes;

/// A host with nothing to do, and modules of functions.
const OWN: u64 = 128 << 20;

pub(super) fn look(config: Option<&Config>, findings: &mut Vec<Finding>) {
    let group = proc::text("/proc/self/cgroup").as_deref().and_then(proc::memory_group);
    let group = group.and_then(|(dir, file)| least(&dir, file));
    let machine = proc::text("/proc/meminfo").and_then(|text| total(&text));
    // A group without a limit says a number larger than any machine's.
    let limit = match (group, machine) {
        (Some(group), Some(machine)) => Some(group.min(machine)),
        (group, machine) => group.or(machine),
    };
    findings.extend(limit.zip(config.map(wanted)).map(|(limit, wanted)| fits(limit, wanted)));
}

/// The lowest limit of a group and of those that it is in.
fn least(dir: &Path, file: &str) -> Option<u64> {
    let groups = dir.ancestors().take_while(|dir| dir.starts_with("/sys/fs/cgroup"));
    groups.filter_map(|dir| proc::number(dir.join(file))).min()
}

/// The machine's memory in bytes, by `/proc/meminfo`.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.saturating_mul(1024))
}

/// What a host may take when it is busy, in bytes: its caches, bodies that are being received, and
/// one instance on each thread as large as it may get.
fn wanted(config: &Config) -> u64 {
    let options = &config.pipeline;
    let instances = options.limits.memory_bytes_max.saturating_mul(options.workers as u64);
    [options.payload_bytes_max, options.state_cache_bytes as u64, config.http.body_memory_bytes]
        .into_iter()
        .fold(OWN.saturating_add(instances), u64::saturating_add)
}

fn fits(limit: u64, wanted: u64) -> Finding {
    let says = format!("{} for this process, {} for a busy host", bytes(limit), bytes(wanted));
    if limit < wanted {
        let next =
            "give it more, or lower `limits.memory`, `http.body_memory` and `memory`'s caches";
        Finding::warn("memory", says, next)
    } else {
        Finding::ok("memory", says)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn memory_is_read_and_compared() {
        assert_eq!(total("MemFree: 1 kB\nMemTotal:    2048 kB\n"), Some(2 << 20));
        assert_eq!(total("MemTotal: much"), None);
        assert_eq!(fits(1 << 30, 2 << 30).verdict, Verdict::Warn);
        assert_eq!(fits(2 << 30, 1 << 30).verdict, Verdict::Ok);
        assert_eq!(least(Path::new("/nowhere/at/all"), "memory.max"), None);
    }
}
