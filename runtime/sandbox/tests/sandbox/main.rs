//! The sandbox with real guests: those of `tests/guests`, built here, and small ones as text.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that can't go on fails, its helpers included"
)]

mod guests;
mod harness;
mod text;

mod artefacts;
mod batches;
mod effects;
mod fuzz;
mod limits;
mod modules;
mod neighbours;
mod outside;
mod released;
mod requests;
mod timers;
