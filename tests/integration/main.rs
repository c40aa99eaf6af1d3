//! The integration tests: the real `trip` as a process, real guests, everything over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests end the test, which the lints only see in functions marked as tests"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod accept;
mod access;
mod alerts;
mod batches;
mod book;
mod breaker;
mod browser;
mod browser_safety;
mod canary;
mod checker;
mod cli;
mod collectors;
mod crash;
mod data_directory;
mod deploy;
mod describe;
mod dev;
mod disks;
mod docs;
mod doctor;
mod feed;
mod filters;
mod flow;
mod guest_calls;
mod guides;
mod hooks;
mod hot_swap;
mod hygiene;
mod insight;
mod ledger;
mod misbehaving;
mod outbound;
mod packaging;
mod pictures;
mod post;
mod prometheus;
mod replay;
mod retry;
mod ring;
mod samples;
mod semantics;
mod serial;
mod state;
mod subscriptions;
mod telemetry;
mod terminal;
mod tidy;
mod time;
mod trust;
mod waiting;
