//! The sandbox: wasmtime narrowed to "bytes to a checked module" and "a module, an event and its
//! state to an outcome". Nothing else in the project knows wasmtime.
//!
//! Every attempt gets a fresh instance, so nothing leaks from one event to the next, and a kill is
//! a drop. All that a guest asks for is buffered here and given out only when it has succeeded.
//! Knows nothing of queues, retries, revisions or where state is kept.

mod artefacts;
mod bindings;
mod call;
mod check;
mod engine;
mod error;
mod failure;
mod host;
mod http;
mod invoke;
mod logs;
mod memory;
mod module;
mod new_event;
mod outbox;
mod sandbox;
mod state;
mod ticker;
mod wasi;

pub use call::{BatchCall, BatchItem, Call, Invoked};
pub use error::{Fault, HostError, InvokeError, Limit, LimitExceeded, ModuleError, SetupError};
pub use module::Module;
pub use sandbox::{Prepared, Sandbox, SandboxOptions};
pub use state::{NoState, StateReader};
