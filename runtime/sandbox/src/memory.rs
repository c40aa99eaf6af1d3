//! Counts all memories and tables of an instance together, and ends the attempt when they pass
//! its limit: a guest that is told "no" would only abort, and nobody would know why.

use wasmtime::{ResourceLimiter, Result};

use crate::error::{Limit, Stop};

/// What an entry of a table takes in the host.
const TABLE_ENTRY_BYTES: usize = size_of::<usize>();

pub(crate) struct MemoryMeter {
    used: u64,
    max: u64,
    last_growth: u64,
}

impl MemoryMeter {
    pub(crate) fn new(max: u64) -> Self {
        Self { used: 0, max, last_growth: 0 }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    fn grow(&mut self, bytes: usize) -> Result<bool> {
        let growth = u64::try_from(bytes).unwrap_or(u64::MAX);
        let used = self.used.saturating_add(growth);
        if used > self.max {
            return Err(Stop::from(Limit::Memory.exceeded(self.max)).into());
        }
        (self.used, self.last_growth) = (used, growth);
        Ok(true)
    }

    fn give_back(&mut self) {
        self.used = self.used.saturating_sub(std::mem::take(&mut self.last_growth));
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        self.last_growth = 0;
        // Past its own declared maximum a memory does not grow, which the guest expects.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.grow(desired.saturating_sub(current))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> Result<()> {
        self.give_back();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        self.last_growth = 0;
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.grow(desired.saturating_sub(current).saturating_mul(TABLE_ENTRY_BYTES))
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> Result<()> {
        self.give_back();
        Ok(())
    }
}
