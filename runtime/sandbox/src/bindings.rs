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
