//! A module that has been checked, compiled and linked. Cheap to clone; its code is unmapped with
//! the last clone and the last instance.

use std::sync::Arc;

use triphammer_model::Digest;
use wasmtime::component::{Component, Linker};

use crate::bindings::FunctionPre;
use crate::bindings::batch::BatchFunctionPre;
use crate::check;
use crate::engine::{MEMORIES_PER_SLOT, TABLES_PER_SLOT};
use crate::error::ModuleError;
use crate::host::Guest;
use crate::http;

#[derive(Clone)]
pub struct Module(pub(crate) Arc<Linked>);

pub(crate) struct Linked {
    pub(crate) digest: Digest,
    pub(crate) entry: Entry,
    /// How many slots of the pool an instance takes.
    pub(crate) slots: u32,
    pub(crate) makes_requests: bool,
    imports: Vec<String>,
}

/// What of it handles events.
pub(crate) enum Entry {
    Single(FunctionPre<Guest>),
    Batch(BatchFunctionPre<Guest>),
}

impl Module {
    pub(crate) fn link(
        digest: Digest,
        component: &Component,
        linker: &Linker<Guest>,
    ) -> Result<Self, ModuleError> {
        let entry = check::link(component, linker)?;
        let imports = check::imports(component);
        let makes_requests = http::is_imported(&imports);
        let slots = slots(component);
        Ok(Self(Arc::new(Linked { digest, entry, slots, makes_requests, imports })))
    }

    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Whether it takes a list of events at a time, and so needs a manifest with `batch`; one that
    /// takes single events must not have it.
    pub fn handles_batches(&self) -> bool {
        matches!(self.0.entry, Entry::Batch(_))
    }

    /// Whether it imports what HTTP requests are made with.
    pub fn makes_requests(&self) -> bool {
        self.0.makes_requests
    }

    /// The interfaces that it imports, with their versions.
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Module").field(&self.0.digest.to_string()).finish()
    }
}

fn slots(component: &Component) -> u32 {
    let needs = component.resources_required();
    let (memories, tables) = needs.map_or((1, 1), |needs| (needs.num_memories, needs.num_tables));
    memories.div_ceil(MEMORIES_PER_SLOT).max(tables.div_ceil(TABLES_PER_SLOT)).max(1)
}
