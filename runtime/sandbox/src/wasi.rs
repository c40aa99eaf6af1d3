//! WASI 0.2 as far as a language's standard library needs it: clocks, random numbers, stdout and
//! stderr as log lines, the function's configuration as its environment. The file interfaces are
//! linked because every standard library imports them, and there is no file behind them.
//!
//! A guest that never calls WASI pays nothing for it: the context is made at the first call.

use std::borrow::Cow;
use std::collections::BTreeMap;

use triphammer_outbound::placeholder;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::host::Guest;
use crate::http::{Outgoing, Requests};
use crate::logs::Logs;

/// What random numbers one call may ask for, in bytes.
const RANDOM_LEN_MAX: u64 = 64 << 10;
/// Streams, pollables and the like that one guest may hold.
const RESOURCES_MAX: usize = 10_000;
/// The same for one that makes requests, whose headers and bodies wait in the host's own memory.
const RESOURCES_OF_REQUESTS_MAX: usize = 1000;

/// The interfaces of WASI 0.2 that are linked.
pub(crate) const INTERFACES: [&str; 20] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// The context of one guest.
pub(crate) struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    http: Outgoing,
}

impl Wasi {
    pub(crate) fn new(
        logs: &Logs,
        config: &BTreeMap<String, String>,
        requests: Option<Requests>,
    ) -> Self {
        let mut builder = WasiCtx::builder();
        builder.stdout(logs.stdout()).stderr(logs.stderr()).max_random_size(RANDOM_LEN_MAX);
        builder.allow_tcp(false).allow_udp(false);
        for (name, value) in config {
            builder.env(name, shown(value));
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(match requests {
            Some(_) => RESOURCES_OF_REQUESTS_MAX,
            None => RESOURCES_MAX,
        });
        Self { ctx: builder.build(), table, http: Outgoing::new(requests, logs) }
    }

    pub(crate) fn http(&mut self) -> (&mut Outgoing, &mut ResourceTable) {
        (&mut self.http, &mut self.table)
    }
}

/// A value of the configuration as a guest reads it: of a secret only what stands in its place.
pub(crate) fn shown(value: &str) -> Cow<'_, str> {
    placeholder(value).map_or(Cow::Borrowed(value), Cow::Owned)
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi();
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

struct HasIo;

impl HasData for HasIo {
    type Data<'a> = &'a mut ResourceTable;
}

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    fn table(guest: &mut Guest) -> &mut ResourceTable {
        guest.ctx().table
    }
    let l = linker;
    io::error::add_to_linker::<Guest, HasIo>(l, table)?;
    io::poll::add_to_linker::<Guest, HasIo>(l, table)?;
    io::streams::add_to_linker::<Guest, HasIo>(l, table)?;
    clocks::wall_clock::add_to_linker::<Guest, WasiClocks>(l, Guest::clocks)?;
    clocks::monotonic_clock::add_to_linker::<Guest, WasiClocks>(l, Guest::clocks)?;
    random::random::add_to_linker::<Guest, WasiRandom>(l, Guest::random)?;
    random::insecure::add_to_linker::<Guest, WasiRandom>(l, Guest::random)?;
    random::insecure_seed::add_to_linker::<Guest, WasiRandom>(l, Guest::random)?;
    filesystem::types::add_to_linker::<Guest, WasiFilesystem>(l, Guest::filesystem)?;
    filesystem::preopens::add_to_linker::<Guest, WasiFilesystem>(l, Guest::filesystem)?;
    cli::exit::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::environment::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::stdin::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::stdout::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::stderr::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_input::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_output::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stdin::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stdout::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stderr::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    Ok(())
}
