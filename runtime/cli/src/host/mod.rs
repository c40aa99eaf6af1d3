//! A host, run in this process for `trip up`, or as a child that can be killed for `trip demo`.

mod error;
mod log;
mod process;
mod signal;

pub(crate) use self::error::Error;
pub(crate) use self::log::start as start_log;
pub(crate) use self::process::HostProcess;
pub(crate) use self::signal::{interrupted, stop_flag, stop_requested, when_asked_to_stop};
