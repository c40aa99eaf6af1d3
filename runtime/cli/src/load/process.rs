//! What a process has used so far, as the operating system counts it.

use std::fs;

/// CPU time and memory of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) cpu_ms: f64,
    pub(crate) rss_bytes: u64,
}

/// Linux counts in hundredths of a second for every process that runs on it.
const TICK_MS: f64 = 10.0;

/// None for a process that is not there, and on systems without `/proc`.
pub(crate) fn usage(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Usage { cpu_ms: cpu_ms(&stat)?, rss_bytes: rss_bytes(&status)? })
}

/// User and system time. The second field, the command, may itself have spaces and brackets.
fn cpu_ms(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 * TICK_MS)
}

fn rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_whatever_the_command_is_called() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 100";
        assert_eq!(cpu_ms(stat), Some(3000.0));
        assert_eq!(cpu_ms("nonsense"), None);
        assert_eq!(rss_bytes("Name:\ttrip\nVmRSS:\t   2048 kB\n"), Some(2 << 20));
        assert_eq!(rss_bytes("Name:\ttrip\n"), None);
    }
}
