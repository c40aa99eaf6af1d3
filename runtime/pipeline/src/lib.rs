//! The ring: events in, deliveries, attempts, commits, and emitted events round again.
//!
//! ```text
//! intake → journal → queue → dispatch → sandbox → settle → commit → (emitted events) → queue
//! ```
//!
//! One sequencer ([`Core`](core)) decides the order of everything: deduplication, validation of
//! what an attempt read, lanes and sequence numbers. The journal is the truth; all that is kept
//! in memory here is a view of it. Knows nothing of HTTP, and nothing of bytes on disk.

mod admin;
mod alert;
mod batches;
mod boot;
mod breaker;
mod breaker_steps;
mod canary;
mod capabilities;
mod causes;
mod clock;
mod commit;
mod core;
mod debounce;
mod define;
mod deploy;
mod describe;
mod dispatch;
mod dry_run;
mod emits;
mod entry;
mod error;
mod failure;
mod feed;
mod firing;
mod fitting;
mod fn_queue;
mod fn_timers;
mod gates;
mod give_up;
mod hands;
mod history;
mod info;
mod info_functions;
mod info_waiting;
mod intake;
mod lanes;
mod lease;
mod letters;
mod listing;
mod loading;
mod looks;
mod measure;
mod notice;
mod observe;
mod open;
mod options;
mod outgoing;
mod pause;
mod pipeline;
mod push;
mod queue;
mod reads;
mod record_cache;
mod recover;
mod registry;
mod replay;
mod replay_run;
#[cfg(test)]
mod replay_tests;
mod replays;
mod roll_back;
mod rollout;
mod route;
mod sampling;
mod schedules;
mod settle;
mod shares;
mod shed;
#[cfg(test)]
mod sim;
mod slab;
mod state_history;
mod subscriptions;
mod timers;
mod times;
mod traces;
mod tree;
mod wait;
mod waiters;
mod window;

pub use alert::Alert;
pub use breaker::{BreakerInfo, BreakerState};
pub use canary::{InvalidShare, Share};
pub use capabilities::Capabilities;
pub use causes::Cause;
pub use clock::Clock;
pub use error::{AcceptError, ChangeError, DeployError, NotReady, OpenError, QueryError};
pub use feed::FeedItem;
pub use info::{
    AttemptStory, BreakerSteps, CanaryEnded, CanaryInfo, Counts, DeliveryInfo, DeliveryPage,
    DeliveryQuery, DeliveryResult, DeliveryStory, Deploy, Deployed, DryRun, Emitted, EventOutcome,
    EventPage, EventQuery, EventSummary, FunctionInfo, Receipt, Remove, Removed, Replayed,
    RevisionInfo, ScheduleInfo, Selection, Settled, StateEntry, StatePage, StateQuery, Stats,
    Status, Story, WaitKind, Waited, WaitingFor,
};
pub use lanes::LaneInfo;
pub use measure::{Attempts, FunctionMeasures, Measured, Measures, PoolUse};
pub use observe::{Attempted, Ended, Observer, Origin, Place, Received};
pub use options::Options;
pub use pipeline::{Pipeline, Running};
pub use push::{Push, PushError, Pushed};
pub use replays::{NewReplay, ReplayInfo};
pub use state_history::{StateChange, StateChanges};
pub use times::{BOUNDS_US, TimesRecent, TimesTotal};
pub use tree::Tree;
pub use triphammer_journal::{Entrance, LogStats, Replay, ReplayFilter, ReplayState, StateUsage};
pub use triphammer_sandbox::Fault;
pub use wait::Wait;
