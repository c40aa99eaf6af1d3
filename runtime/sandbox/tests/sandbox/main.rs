//! The sandbox with real guests: those of `tests/guests`, built here, and small ones as text.

mod guests;
mod harness;
mod text;

mod artefacts;
mod effects;
mod limits;
mod modules;
mod neighbours;
mod outside;
mod released;
