//! The journal: an append-only log of checksummed records, and what is folded from it. Knows no
//! Wasm and no network. DESIGN.md has every byte.

mod blobs;
mod checkpoint;
#[cfg(test)]
mod checkpoint_model;
#[cfg(test)]
mod checkpoint_sim;
#[cfg(test)]
mod checkpoint_tests;
mod checkpoint_thread;
mod codec;
mod codec_parts;
mod codec_record;
mod dedup;
mod dedup_filter;
mod dedup_fingerprint;
mod dedup_run;
mod dedup_runs;
#[cfg(test)]
mod dedup_tests;
mod disk;
mod disk_fs;
mod error;
mod fold;
mod history;
mod history_columns;
mod history_damage;
mod history_forward;
mod history_index;
mod history_query;
mod log;
mod log_append;
mod log_durable;
mod log_queue;
mod log_read;
mod log_scan;
mod log_stats;
mod record;
mod record_replay;
mod recover;
mod recover_resume;
mod recover_walk;
mod retention;
mod segment;
mod segment_pool;
mod segment_table;
mod segment_walk;
pub mod sim;
mod sim_state;
mod state;
mod state_list;
mod state_shard;
#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod state_ttl_tests;
mod state_usage;
mod store;
mod store_backend;
mod store_commit;
mod store_counters;
mod store_error;
mod store_file;
mod store_keys;
mod store_shrink;
mod store_state;
mod store_value;
mod store_view;
mod writer;

pub use blobs::Blobs;
pub use checkpoint::{CheckpointOptions, CheckpointParts, Checkpointed, Checkpointer};
pub use checkpoint_thread::CheckpointThread;
pub use dedup::{Dedup, DedupOptions, Hit};
pub use dedup_fingerprint::Fingerprint;
pub use disk::{Disk, DiskFile, ZEROS_MAX, read_exact_at};
pub use disk_fs::FsDisk;
pub use error::{AppendError, CodecError, Failure, OpenError, ReadError};
pub use fold::PayloadRef;
pub use history::History;
pub use history_columns::HistoryQuery;
pub use history_forward::{Candidate, Candidates};
pub use history_query::HistoryPage;
pub use log::{Log, LogOptions, LogThreads, Recovered};
pub use log_append::{Appender, Pause as LogPause};
pub use log_durable::{Durable, Follower, Wait};
pub use log_read::{LogReader, RawRecord};
pub use log_scan::{RawScan, Scan};
pub use log_stats::{LogStats, SYNC_CLASSES};
pub use record::{
    Accept, Accepted, Body, Canary, CanaryEnd, DedupEntry, Definition, DeliveryRow, DropReason,
    Entrance, Location, NewDelivery, OpenBreaker, Outcome, Pause, Record, RevisionDef, RowChange,
    RowStatus, Settle, Stored,
};
pub use record_replay::{Replay, ReplayFilter, ReplayState};
pub use recover::Known;
pub use retention::Retention;
pub use segment_pool::Prepared;
pub use segment_pool::Preparer;
pub use segment_table::SegmentInfo;
pub use state::{Range, ReadVersion, StateStore, Versioned};
pub use state_list::{InvalidCursor, StateCursor, StateList, StateListEntry, StateListQuery};
pub use store::Store;
pub use store_counters::{Counters, FunctionCounters};
pub use store_error::{Found, StoreError};
pub use store_file::StoreOptions;
pub use store_keys::Space;
pub use store_state::StateUsage;
pub use writer::{Step, Writer};
