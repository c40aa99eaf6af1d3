//! What a guest finds behind the contract's imports: everything is checked, limited and buffered
//! here. Nothing happens outside until the attempt has succeeded and is committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use triphammer_model::{Effects, Limits, LogLevel, Reply};
use wasmtime::Result;

use crate::bindings::imports::{config, log, outbox, state, timers, types};
use crate::error::HostError;
use crate::http::Requests;
use crate::logs::Logs;
use crate::memory::MemoryMeter;
use crate::outbox::{DELAY_MS_MAX, Outbox};
use crate::state::{State, StateReader, Write};
use crate::wasi::{Wasi, shown};

/// The data of one store: one guest, one attempt.
pub(crate) struct Guest {
    pub(crate) logs: Logs,
    pub(crate) memory: MemoryMeter,
    limits: Arc<Limits>,
    state: State,
    outbox: Outbox,
    config: Arc<BTreeMap<String, String>>,
    /// Until WASI is first called.
    requests: Option<Requests>,
    wasi: Option<Box<Wasi>>,
}

/// What a guest is given to work with.
pub(crate) struct Given {
    pub(crate) limits: Arc<Limits>,
    pub(crate) state: Arc<dyn StateReader>,
    pub(crate) config: Arc<BTreeMap<String, String>>,
    pub(crate) memory_bytes: u64,
    /// None for a guest that makes none.
    pub(crate) requests: Option<Requests>,
}

impl Guest {
    pub(crate) fn new(given: Given) -> Self {
        let Given { limits, state, config, memory_bytes, requests } = given;
        Self {
            logs: Logs::new(Arc::clone(&limits)),
            memory: MemoryMeter::new(memory_bytes),
            limits,
            state: State::new(state),
            outbox: Outbox::default(),
            config,
            requests,
            wasi: None,
        }
    }

    pub(crate) fn wasi(&mut self) -> &mut Wasi {
        let requests = &mut self.requests;
        let make = || Box::new(Wasi::new(&self.logs, &self.config, requests.take()));
        self.wasi.get_or_insert_with(make)
    }

    /// Called only when the guest has succeeded; otherwise what it asked for is dropped with it.
    pub(crate) fn into_effects(self, reply: Option<Reply>) -> Effects {
        let (emits, timers) = self.outbox.into_effects();
        Effects { writes: self.state.into_writes(), emits, timers, reply }
    }

    fn check_name(&self, name: &str) -> Result<(), Refusal> {
        let max = self.limits.state_name_len_max;
        if name.is_empty() {
            return Err(Refusal::new("state.name", "a state name must not be empty"));
        }
        if name.len() > max {
            let message = format!("a state name may not exceed {max} bytes");
            return Err(Refusal::new("limit.state_name", message));
        }
        Ok(())
    }

    fn check_value(&self, value: &[u8]) -> Result<(), Refusal> {
        let max = self.limits.state_value_len_max;
        if value.len() > max {
            let message = format!("a state value may not exceed {max} bytes");
            return Err(Refusal::new("limit.state_value", message));
        }
        Ok(())
    }
}

/// A call that the guest may answer for itself: it gets the code and the sentence.
pub(crate) struct Refusal {
    code: &'static str,
    message: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<Refusal> for outbox::Error {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code.to_owned(), message: refusal.message }
    }
}

/// The outcome of a call: refused ones go to the guest, an error outside ends the attempt.
type Answer<T> = Result<Result<T, state::Error>>;

impl types::Host for Guest {}

impl outbox::Host for Guest {
    fn emit(&mut self, event: outbox::NewEvent) -> Answer<()> {
        let emitted = self.outbox.emit(event, &self.limits)?;
        Ok(emitted.map_err(Into::into))
    }
}

impl state::Host for Guest {
    fn get(&mut self, name: String) -> Answer<Option<Vec<u8>>> {
        if let Err(refusal) = self.check_name(&name) {
            return Ok(Err(refusal.into()));
        }
        Ok(Ok(self.state.get(&name).map_err(stop)?.map(Into::into)))
    }

    fn set(&mut self, name: String, value: Vec<u8>) -> Answer<()> {
        let checked = self.check_name(&name).and_then(|()| self.check_value(&value));
        if let Err(refusal) = checked {
            return Ok(Err(refusal.into()));
        }
        self.state.write(name, Write::Set(value.into(), None), &self.limits)?;
        Ok(Ok(()))
    }

    fn set_with_ttl(&mut self, name: String, value: Vec<u8>, ttl_ms: u64) -> Answer<()> {
        let checked = self.check_name(&name).and_then(|()| self.check_value(&value));
        if let Err(refusal) = checked.and_then(|()| check_ttl(ttl_ms)) {
            return Ok(Err(refusal.into()));
        }
        self.state.write(name, Write::Set(value.into(), Some(ttl_ms)), &self.limits)?;
        Ok(Ok(()))
    }

    fn delete(&mut self, name: String) -> Answer<()> {
        if let Err(refusal) = self.check_name(&name) {
            return Ok(Err(refusal.into()));
        }
        self.state.write(name, Write::Delete, &self.limits)?;
        Ok(Ok(()))
    }

    fn scan(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Answer<Vec<(String, Vec<u8>)>> {
        let limit = self.limits.state_scan_max.min(limit as usize);
        let entries = self.state.scan(&prefix, after.as_deref(), limit).map_err(stop)?;
        Ok(Ok(entries.into_iter().map(|(name, value)| (name, value.into())).collect()))
    }
}

impl timers::Host for Guest {
    fn set(&mut self, name: String, after_ms: u64, event: timers::TimerEvent) -> Answer<()> {
        let set = self.outbox.set_timer(name, after_ms, event, &self.limits)?;
        Ok(set.map_err(Into::into))
    }

    fn cancel(&mut self, name: String) -> Answer<()> {
        let cancelled = self.outbox.cancel_timer(name, &self.limits)?;
        Ok(cancelled.map_err(Into::into))
    }
}

impl config::Host for Guest {
    fn get(&mut self, name: String) -> Result<Option<String>> {
        Ok(self.config.get(&name).map(|value| shown(value).into_owned()))
    }
}

impl log::Host for Guest {
    fn write(&mut self, level: log::Level, message: String) -> Result<()> {
        let level = match level {
            log::Level::Trace => LogLevel::Trace,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        Ok(self.logs.write(level, &message)?)
    }
}

fn check_ttl(ttl_ms: u64) -> Result<(), Refusal> {
    if (1..=DELAY_MS_MAX).contains(&ttl_ms) {
        return Ok(());
    }
    Err(Refusal::new("state.ttl", "a state entry's time to live must be 1 ms to 3650 days"))
}

fn stop(error: HostError) -> crate::error::Stop {
    error.into()
}
