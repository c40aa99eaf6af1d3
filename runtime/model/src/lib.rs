//! The words of Triphammer as types: events, names, manifests, limits and what an attempt asks for.
//!
//! Plain data, checked where it is parsed. No I/O, no clock, no async, and no idea of how any of
//! it is stored or sent.

pub mod codes;
mod cron;
mod delivery;
mod effects;
mod event;
mod event_check;
mod event_times;
mod ids;
mod limits;
mod manifest;
mod manifest_flow;
mod manifest_http;
mod manifest_read;
mod manifest_retry;
mod pattern;
mod schedule;
mod sink;
mod target;
mod text;
mod time;
mod trace;
mod trace_ids;

pub use cron::{Cron, InvalidCron};
pub use delivery::{Delivery, DeliveryId, ErrorInfo, Hops, InvalidKey, OrderingKey};
pub use effects::{
    Effects, LogLevel, LogLine, NewEvent, Reply, StateRead, StateWrite, TimerChange, TimerEvent,
};
pub use event::{Event, EventParts, ExtensionValue, is_json_media_type};
pub use event_check::InvalidEvent;
pub use event_times::Timing;
pub use ids::{Digest, FunctionName, InvalidName, InvalidSeq, RevisionId, Seq};
pub use limits::Limits;
pub use manifest::{InvalidManifest, KeySource, Manifest};
pub use manifest_flow::{Batch, Breaker, DeadLetterPolicy, Debounce, Priority, Rate};
pub use manifest_http::HttpRules;
pub use manifest_retry::RetryPolicy;
pub use pattern::{InvalidPattern, TypePattern};
pub use schedule::{Missed, Schedule, Zone};
pub use sink::{Sink, SinkMode};
pub use target::{HostPattern, InvalidTarget, Scheme, Target, TargetHost, TargetPattern};
pub use text::{InvalidText, bytes_text, duration_text, parse_bytes, parse_duration};
pub use time::Timestamp;
pub use trace::{Sampling, TRACEPARENT, TRACESTATE, TraceContext};
pub use trace_ids::{SpanId, TraceId};
