//! From what the engine says to what a person reads: which limit it was, or the guest's own last
//! words.

use std::collections::VecDeque;
use std::time::Duration;

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::error::{InvokeError, Limit, Stop};
use crate::invoke::{CALL_BYTES_MAX, Failed};
use crate::logs::{Written, cut};

/// Where an attempt was when it failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// The instance was being made.
    Start,
    Call,
}

/// What a panic's message may be long, in bytes.
const LAST_WORDS_LEN_MAX: usize = 2 << 10;
/// Frames of the guest that are named.
const FRAMES_MAX: usize = 5;

pub(crate) fn explain(
    failed: Failed,
    written: &Written,
    timeout: Duration,
    reply_len_max: Option<usize>,
) -> InvokeError {
    let Some((phase, error)) = failed else { return InvokeError::Deadline { timeout } };
    match error.downcast_ref::<Stop>() {
        Some(Stop::Limit(exceeded)) => return (*exceeded).into(),
        Some(Stop::Deadline) => return InvokeError::Deadline { timeout },
        Some(Stop::Host(error)) => return InvokeError::Host { message: error.to_string() },
        None => {}
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return InvokeError::Exit { status: *status };
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return InvokeError::Trap { message: trap_message(*trap, &error, written) };
    }
    let in_guest = error.downcast_ref::<WasmBacktrace>().is_some();
    let message = format!("{error:#}");
    if message.contains("fuel allocated for hostcalls") {
        // Copied out of the guest either for a call, or as what it returns.
        return match reply_len_max.filter(|_| !in_guest) {
            Some(max) => Limit::Reply.exceeded(max).into(),
            None => Limit::Call.exceeded(CALL_BYTES_MAX).into(),
        };
    }
    let pool = error.downcast_ref::<PoolConcurrencyLimitError>().is_some();
    match phase {
        Phase::Start if pool || !in_guest => InvokeError::Host { message },
        // A guest that breaks the calling convention, or a call that the host can't answer.
        Phase::Start | Phase::Call => InvokeError::Trap { message: root(&error) },
    }
}

fn trap_message(trap: Trap, error: &wasmtime::Error, written: &Written) -> String {
    let said = last_words(&written.stderr);
    let mut message = match trap {
        Trap::StackOverflow => "stack overflow: the call stack is exhausted".to_owned(),
        Trap::MemoryOutOfBounds => {
            "out of bounds memory access, which may be a stack overflow".to_owned()
        }
        // What a panic or an abort becomes; the guest's own words say more.
        Trap::UnreachableCodeReached if said.is_some() => String::new(),
        other => other.to_string(),
    };
    if let Some(said) = &said {
        message = if message.is_empty() { said.clone() } else { format!("{message}; {said}") };
    }
    match frames(error) {
        Some(frames) if said.is_none() => format!("{message} (in {frames})"),
        _ => message,
    }
}

/// The end of stderr, from the last panic on if there was one.
fn last_words(stderr: &VecDeque<String>) -> Option<String> {
    let panic_in = |line: &String| line.find("panicked at");
    let (start, at) =
        stderr.iter().enumerate().rev().find_map(|(n, line)| Some((n, panic_in(line)?)))?;
    let lines = stderr.iter().skip(start).filter(|line| !line.starts_with("note: run with"));
    let text = lines.map(String::as_str).collect::<Vec<_>>().join(" ");
    // Before it stands the thread, of which a guest has only one.
    Some(cut(text[at..].trim(), LAST_WORDS_LEN_MAX).to_owned())
}

/// The innermost functions, when the module names them.
fn frames(error: &wasmtime::Error) -> Option<String> {
    let backtrace: &WasmBacktrace = error.downcast_ref()?;
    let mut names: Vec<_> =
        backtrace.frames().iter().filter_map(|frame| frame.func_name()).map(plain).collect();
    names.dedup();
    names.truncate(FRAMES_MAX);
    (!names.is_empty()).then(|| names.join(", called by "))
}

/// A function's name without what a Rust compiler adds to it: `_ZN4name5inner17h…E`.
fn plain(name: &str) -> String {
    let mut rest = name.strip_prefix("_ZN").unwrap_or_default();
    let mut parts = Vec::new();
    while let Some((part, after)) = length_prefixed(rest) {
        parts.push(part);
        rest = after;
    }
    // The last one is a hash.
    parts.pop();
    if parts.is_empty() { cut(name, 128).to_owned() } else { parts.join("::") }
}

fn length_prefixed(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let len: usize = text[..digits].parse().ok()?;
    text[digits..].split_at_checked(len)
}

fn root(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_readable() {
        assert_eq!(
            plain("_ZN9misbehave7endless6deeper17h3a9674854f2d965bE.llvm.1"),
            "misbehave::endless::deeper"
        );
        for name in ["memcpy", "_ZN", "_ZN99x", "", "_ZNü"] {
            assert_eq!(plain(name), name);
        }
    }

    #[track_caller]
    fn check(stderr: &[&str], expect: Option<&str>) {
        let stderr = stderr.iter().map(|&line| line.to_owned()).collect();
        assert_eq!(last_words(&stderr).as_deref(), expect);
    }

    #[test]
    fn the_last_panic_is_told() {
        let thread = "thread 'main' panicked at src/lib.rs:1:2:";
        let note = "note: run with `RUST_BACKTRACE=1` environment variable";
        check(&[], None);
        check(&["a warning"], None);
        check(&["a warning", thread, "why", note], Some("panicked at src/lib.rs:1:2: why"));
        check(&[thread, "why", thread, "again"], Some("panicked at src/lib.rs:1:2: again"));
    }
}
