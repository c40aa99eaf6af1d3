//! The contract in `sdk/wit`, as host-side types. Everything here is generated.

#![allow(unreachable_pub, reason = "the macro makes everything public")]

wasmtime::component::bindgen!({
    path: "../../sdk/wit",
    world: "function",
    ownership: Borrowing { duplicate_if_necessary: true },
    imports: { default: trappable },
    exports: { default: async },
});

pub(crate) use self::triphammer::function as imports;

/// The world of batches: its own exports, and the imports and types of the other one.
pub(crate) mod batch {
    wasmtime::component::bindgen!({
        path: "../../sdk/wit",
        world: "batch-function",
        ownership: Borrowing { duplicate_if_necessary: true },
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "triphammer:function/types": super::imports::types,
            "triphammer:function/outbox": super::imports::outbox,
            "triphammer:function/state": super::imports::state,
            "triphammer:function/timers": super::imports::timers,
            "triphammer:function/config": super::imports::config,
            "triphammer:function/log": super::imports::log,
        },
    });
}
