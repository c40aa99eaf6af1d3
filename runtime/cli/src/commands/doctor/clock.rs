//! Whether the machine's clock is kept right, where that can be asked for.

use std::process::{Command, Stdio};

use super::finding::Finding;

/// None where nobody knows.
pub(super) fn look() -> Option<Finding> {
    let mut command = Command::new("timedatectl");
    command.args(["show", "--property=NTPSynchronized", "--value"]);
    let asked = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    told(String::from_utf8_lossy(&asked.stdout).trim())
}

fn told(answer: &str) -> Option<Finding> {
    match answer {
        "yes" => Some(Finding::ok("clock", "kept by a time server")),
        "no" => Some(Finding::warn(
            "clock",
            "kept by nobody: schedules, expiry and signatures go by it",
            "switch on systemd-timesyncd or chrony",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn what_is_not_known_is_not_told() {
        assert_eq!(told("yes").map(|found| found.verdict), Some(Verdict::Ok));
        assert_eq!(told("no").map(|found| found.verdict), Some(Verdict::Warn));
        assert!(told("").is_none() && told("Failed to connect to bus").is_none());
    }
}
