//! Opens everything in the right order, and ends it in the reverse one.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use triphammer_journal::{
    Blobs, CheckpointOptions, CheckpointParts, CheckpointThread, Checkpointer, Dedup,
    DedupOptions, Disk, FsDisk, History, Log, LogOptions, StateStore, Store, StoreOptions,
};
use triphammer_model::{FunctionName, Seq};
use triphammer_sandbox::{Sandbox, SandboxOptions};

use crate::clock::Clock;
use crate::core::{Core, Inner, Parts, Totals};
use crate::deploy::Deployer;
use crate::dispatch;
use crate::error::OpenError;
use crate::feed::Feed;
use crate::pipeline::Options;
use crate::queue::Queue;
use crate::recover::{Recovered, Recovery};
use crate::registry::{Function, Functions, find_revision, routes};
use crate::waiters::Waiters;
