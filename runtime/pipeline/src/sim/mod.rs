//! Random histories of the whole ring on a simulated disk: real intake, queue, dispatch, commit,
//! recovery and checkpoints; scripted handlers, a clock that is moved, and crashes anywhere. What
//! is seen of a history goes to a checker that knows the promises and nothing of the code.
//!
//! A history follows from its seed alone, byte for byte. Knows no wasm and no thread.

mod breaker_cases;
mod cases;
mod check_breaker;
mod check_canary;
mod check_record;
mod check_views;
mod checker;
mod facts;
mod generator;
mod host;
mod later;
mod observed;
mod operator;
mod script;
mod tamper;
mod world;

/// Of every simulated host: so low that chains of events reach it.
const HOPS_MAX: u16 = 3;

/// Seeds that every run of the tests tries. `TRIPHAMMER_SIM_SEEDS` asks for more.
const SEEDS: u64 = 300;

/// The last things that happened before a violation.
const TAIL: usize = 40;

fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test asks how long it may take")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

#[track_caller]
fn check(seed: u64) {
    if let Err(violation) = world::run(seed) {
        let from = violation.history.len().saturating_sub(TAIL);
        for observed in &violation.history[from..] {
            eprintln!("{observed:?}");
        }
        panic!(
            "{}\nseed {seed}; again: TRIPHAMMER_SIM_SEED={seed} cargo test -p triphammer-pipeline \
             sim::every_history",
            violation.message
        );
    }
}

#[test]
fn every_history_keeps_the_promises() {
    if let Some(seed) = number("TRIPHAMMER_SIM_SEED") {
        return check(seed);
    }
    let seeds = number("TRIPHAMMER_SIM_SEEDS").unwrap_or(SEEDS);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || (thread..seeds).step_by(threads as usize).for_each(check));
        }
    });
}

#[test]
fn a_seed_gives_the_same_history_again() {
    for seed in 0..20 {
        let text = || format!("{:?}", world::run(seed).map_err(|violation| violation.message));
        assert_eq!(text(), text(), "seed {seed}");
    }
}
