//! How much of everything one attempt may use. Each has a code that its error names.

use std::time::Duration;

/// Per attempt, unless it says otherwise. The manifest may ask for less, never for more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// `invoke.deadline`: wall-clock time of a call.
    pub timeout_max: Duration,
    /// `limit.memory`: all memories and tables of an instance together, in bytes.
    pub memory_bytes_max: u64,
    /// `limit.emits`: emitted events.
    pub emits_max: usize,
    /// `limit.emit_bytes`: emitted events together, in bytes.
    pub emit_bytes_max: usize,
    /// `limit.timers`: timers set or cancelled, each time counted. Those that are set count among
    /// the emitted events too.
    pub timers_max: usize,
    /// `limit.state_writes`: different names written.
    pub state_writes_max: usize,
    /// `limit.state_bytes`: written names and values together, in bytes.
    pub state_bytes_max: usize,
    /// `limit.state_name`: a state name, in bytes. Answered to the guest, not fatal.
    pub state_name_len_max: usize,
    /// `limit.state_value`: a state value, in bytes. Answered to the guest, not fatal.
    pub state_value_len_max: usize,
    /// `limit.state_scan`: entries that one scan returns; more are left for the next.
    pub state_scan_max: usize,
    /// `limit.function_state`: all state of a function together, names and values, in bytes.
    pub function_state_bytes_max: u64,
    /// `limit.reply`: a reply, in bytes.
    pub reply_len_max: usize,
    /// Log lines that are kept; the rest are counted.
    pub log_lines_kept: usize,
    /// Log bytes that are kept; the rest are counted.
    pub log_bytes_kept: usize,
    /// `limit.logs`: log lines, kept or not.
    pub log_lines_max: usize,
    /// `outbound.requests`: requests that a manifest may ask for.
    pub http_requests_max: u32,
    /// `outbound.bytes`: bodies of requests and responses together that a manifest may ask for, in
    /// bytes.
    pub http_bytes_max: u64,
    /// `limit.hops`: emits between an event and the one that came in.
    pub hops_max: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout_max: Duration::from_secs(15 * 60),
            memory_bytes_max: 256 << 20,
            emits_max: 1000,
            emit_bytes_max: 4 << 20,
            timers_max: 1000,
            state_writes_max: 10_000,
            state_bytes_max: 8 << 20,
            state_name_len_max: 512,
            state_value_len_max: 1 << 20,
            state_scan_max: 1000,
            function_state_bytes_max: 4 << 30,
            reply_len_max: 1 << 20,
            log_lines_kept: 200,
            log_bytes_kept: 64 << 10,
            log_lines_max: 100_000,
            http_requests_max: 100,
            http_bytes_max: 64 << 20,
            hops_max: 32,
        }
    }
}
