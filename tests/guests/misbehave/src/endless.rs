//! What never ends by itself: time, memory and stack.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use triphammer_sdk::Context;

use crate::Outcome;

/// How much memory is taken at a time.
const STEP_BYTES: usize = 1 << 20;
const PAGE_BYTES: usize = 4096;

pub(crate) fn spin() -> Outcome {
    let mut n = 0u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

/// Each call is short, so a host that looks at the clock only between guest instructions is late.
pub(crate) fn spin_in_host_calls(ctx: &Context) -> Outcome {
    loop {
        black_box(ctx.config("there-is-none"));
        black_box(ctx.state().get_bytes("there-is-none")?);
    }
}

/// Waits inside one host call.
pub(crate) fn sleep() -> Outcome {
    thread::sleep(Duration::from_secs(3600));
    Ok(None)
}

/// Takes memory and touches every page of it.
pub(crate) fn grow() -> Outcome {
    let mut taken = Vec::new();
    loop {
        let mut step = vec![0u8; STEP_BYTES];
        step.iter_mut().step_by(PAGE_BYTES).for_each(|byte| *byte = 1);
        taken.push(black_box(step));
    }
}

/// Frames without memory of their own, so that the call stack ends first.
pub(crate) fn recurse() -> Outcome {
    black_box(deeper(0));
    Ok(None)
}

#[inline(never)]
fn deeper(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX { depth } else { deeper(depth + 1).wrapping_mul(3) }
}

/// Large frames, so that the stack inside linear memory ends first.
pub(crate) fn recurse_in_memory() -> Outcome {
    black_box(deeper_in_memory([0; PAGE_BYTES]));
    Ok(None)
}

#[inline(never)]
fn deeper_in_memory(mut frame: [u8; PAGE_BYTES]) -> u8 {
    frame[0] = black_box(&frame)[1].wrapping_add(1);
    if frame[0] == 0 { frame[0] } else { deeper_in_memory(black_box(frame)).wrapping_add(frame[2]) }
}
