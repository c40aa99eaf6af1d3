//! What this process has used, as the operating system counts it. Knows `/proc` of Linux; other
//! systems say nothing.

use std::fs;

/// CPU time since the start, and memory now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usage {
    /// User and system time of all threads, in milliseconds.
    pub(crate) cpu_ms: u64,
    /// Resident memory, in bytes.
    pub(crate) rss_bytes: u64,
}

/// Linux tells every process of hundredths of a second, whatever its own clock is.
const TICK_MS: u64 = 10;

/// None where there is no `/proc`, or it is not Linux's.
pub(crate) fn usage() -> Option<Usage> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Unlike `statm` it counts in a unit that does not depend on the machine's pages.
    let status = fs::read_to_string("/proc/self/status").ok()?;
    Some(Usage { cpu_ms: cpu_ms(&stat)?, rss_bytes: rss_bytes(&status)? })
}

/// The second field, the command, may itself have spaces and brackets.
fn cpu_ms(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)?.checked_mul(TICK_MS)
}

fn rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_whatever_the_command_is_called() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 100";
        assert_eq!(cpu_ms(stat), Some(3000));
        assert_eq!(cpu_ms("nonsense"), None);
        assert_eq!(rss_bytes("Name:\ttrip\nVmRSS:\t   2048 kB\n"), Some(2 << 20));
        assert_eq!(rss_bytes("Name:\ttrip\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_measured() {
        assert!(usage().unwrap().rss_bytes > 100_000);
    }
}
