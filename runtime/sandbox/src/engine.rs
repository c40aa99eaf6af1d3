//! The engine and its pool: everything that is set once and measured, see ARCHITECTURE.md.

use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig, Strategy};

use crate::bindings::Function;
use crate::error::SetupError;
use crate::host::Guest;
use crate::http;
use crate::wasi;

/// Memories that an instance in one slot may have; one with more takes several slots.
pub(crate) const MEMORIES_PER_SLOT: u32 = 2;
pub(crate) const TABLES_PER_SLOT: u32 = 8;
/// Core instances that a component may have, and so each slot: those of JavaScript and Python have
/// 13 to 40. They are only counted, so that many cost nothing.
const CORE_INSTANCES_PER_SLOT: u32 = 100;
/// The most memories and tables that one component may have.
pub(crate) const MEMORIES_MAX: u32 = 16;
pub(crate) const TABLES_MAX: u32 = 64;
/// More instances than this never run at the same time, whatever the kernel allows.
const SLOTS_MAX: u32 = 1000;
const SLOTS_MIN: u32 = 8;
/// Mappings of a memory, and of an async stack.
const MAPPINGS_PER_SLOT: u32 = 4 * MEMORIES_PER_SLOT + 2;
/// What Linux allows a process by default.
const MAPPINGS_DEFAULT: u32 = 65_530;

/// Memory below this is cleaned by the host and stays mapped, instead of being unmapped: no page
/// faults and no calls of `madvise` when the slot is used again. Only good with `PAGEMAP_SCAN`,
/// which tells the pages that were touched.
const MEMORY_KEPT: usize = 1 << 20;
const TABLE_KEPT: usize = 64 << 10;

/// Half of the mappings that the kernel allows are for instances; the rest is for everything else.
pub(crate) fn default_slots() -> u32 {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
    let mappings: u32 = text.trim().parse().unwrap_or(MAPPINGS_DEFAULT);
    (mappings / 2 / MAPPINGS_PER_SLOT).clamp(SLOTS_MIN, SLOTS_MAX)
}

/// The engine, and for how many slots it has room.
pub(crate) fn engine(slots: u32) -> Result<(Engine, u32), SetupError> {
    let mut slots = slots.max(1);
    loop {
        match Engine::new(&config(slots)) {
            Ok(engine) => return Ok((engine, slots)),
            // A limit on the address space, of a container perhaps: the pool is only reserved,
            // never filled, so a smaller one may do.
            Err(_) if slots > SLOTS_MIN => slots = (slots / 2).max(SLOTS_MIN),
            Err(error) => return Err(SetupError::Engine(format!("{error:#}"))),
        }
    }
}

fn config(slots: u32) -> Config {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift);
    config.allocation_strategy(pool(slots));
    config.epoch_interruption(true);
    config.memory_init_cow(true);
    // Component-model async is not offered, and its bookkeeping costs every call.
    config.concurrency_support(false);
    config
}

fn pool(slots: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES_PER_SLOT))
        .max_core_instances_per_component(CORE_INSTANCES_PER_SLOT)
        .total_memories(slots.saturating_mul(MEMORIES_PER_SLOT).max(MEMORIES_MAX))
        .total_tables(slots.saturating_mul(TABLES_PER_SLOT).max(TABLES_MAX))
        .total_stacks(slots)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memories_per_module(MEMORIES_MAX)
        .max_tables_per_module(TABLES_MAX);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(MEMORY_KEPT)
            .table_keep_resident(TABLE_KEPT);
    }
    pool
}

/// Everything that a guest may import, once for all guests.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<Guest>, SetupError> {
    let mut linker = Linker::new(engine);
    let linked = wasi::add_to_linker(&mut linker);
    let linked = linked.and_then(|()| http::add_to_linker(&mut linker)).and_then(|()| {
        Function::add_to_linker::<_, wasmtime::component::HasSelf<_>>(&mut linker, |guest| guest)
    });
    linked.map_err(|error| SetupError::Engine(format!("{error:#}")))?;
    Ok(linker)
}
