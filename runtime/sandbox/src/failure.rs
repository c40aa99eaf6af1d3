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
    let is_panic = |line: &String| line.contains("panicked at");
    let start = stderr.iter().rposition(is_panic)?;
    let lines = stderr.iter().skip(start).filter(|line| !line.starts_with("note: run with"));
    let text = lines.map(String::as_str).collect::<Vec<_>>().join(" ");
    Some(cut(text.trim(), LAST_WORDS_LEN_MAX).to_owned())
}

fn frames(error: &wasmtime::Error) -> Option<String> {
    let backtrace: &WasmBacktrace = error.downcast_ref()?;
    let names: Vec<_> =
        backtrace.frames().iter().filter_map(|f| f.func_name()).take(FRAMES_MAX).collect();
    (!names.is_empty()).then(|| names.join(" < "))
}

fn root(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}
