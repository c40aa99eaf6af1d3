//! The sandbox itself: the engine, the pool of slots and the modules in use.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::task::spawn_blocking;
use tracing::warn;
use triphammer_model::{Digest, Limits};
use triphammer_outbound::{self as outbound, Client};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::artefacts::Artefacts;
use crate::call::{BatchCall, Call, Handed, Invoked};
use crate::check;
use crate::engine;
use crate::error::{InvokeError, ModuleError, SetupError};
use crate::host::{Given, Guest};
use crate::http::Requests;
use crate::invoke::Attempt;
use crate::module::{Entry, Linked, Module};
use crate::state::{NoState, StateReader};
use crate::ticker::Ticker;

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Where compiled modules are kept. Nothing in it is needed: it is all made again.
    pub artefacts: PathBuf,
    /// Instances at the same time; by what the kernel allows when none.
    pub slots: Option<u32>,
    pub limits: Limits,
    /// Modules that are compiled at the same time.
    pub compile_concurrency: usize,
    /// The requests that functions may make; none by default.
    pub http_out: outbound::Options,
}

impl SandboxOptions {
    pub fn new(artefacts: impl Into<PathBuf>) -> Self {
        Self {
            artefacts: artefacts.into(),
            slots: None,
            limits: Limits::default(),
            compile_concurrency: 1,
            http_out: outbound::Options::default(),
        }
    }
}

/// What an upload learns of its module.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub digest: Digest,
    pub module: Module,
    /// What `describe` answered, not parsed yet.
    pub manifest_json: String,
    /// The interfaces that the module imports, with their versions.
    pub imports: Vec<String>,
    /// What an instance takes before it does anything; a manifest that allows less can't run.
    pub memory_bytes: u64,
}

/// How long `describe` may take.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(2);

pub struct Sandbox {
    engine: Engine,
    limits: Arc<Limits>,
    slots: Semaphore,
    slots_max: u32,
    ticker: Ticker,
    shop: Arc<Shop>,
    modules: Mutex<HashMap<Digest, Loading>>,
    client: Arc<Client>,
}

/// One module's place: whoever holds the lock looks for it, and compiles it if there is none.
type Loading = Arc<AsyncMutex<Weak<Linked>>>;

/// Where modules are compiled and linked, on blocking threads.
struct Shop {
    engine: Engine,
    linker: Linker<Guest>,
    artefacts: Artefacts,
    compiling: Semaphore,
    compiled: AtomicU64,
}

impl Sandbox {
    pub fn new(options: SandboxOptions) -> Result<Arc<Self>, SetupError> {
        let SandboxOptions { artefacts: path, slots, limits, compile_concurrency, http_out } =
            options;
        let (engine, slots) = engine::engine(slots.unwrap_or_else(engine::default_slots))?;
        let artefacts = Artefacts::open(&path, &engine)
            .map_err(|source| SetupError::Artefacts { path: path.display().to_string(), source })?;
        let shop = Arc::new(Shop {
            engine: engine.clone(),
            linker: engine::linker(&engine)?,
            artefacts,
            compiling: Semaphore::new(compile_concurrency.max(1)),
            compiled: AtomicU64::new(0),
        });
        Ok(Arc::new(Self {
            ticker: Ticker::start(&engine)?,
            engine,
            limits: Arc::new(limits),
            slots: Semaphore::new(slots as usize),
            slots_max: slots,
            shop,
            modules: Mutex::new(HashMap::new()),
            client: Arc::new(Client::new(http_out)?),
        }))
    }

    /// How many instances run at the same time at most.
    pub fn slots(&self) -> u32 {
        self.slots_max
    }

    /// How many of them attempts hold at the moment.
    pub fn slots_used(&self) -> u32 {
        self.slots_max.saturating_sub(self.slots.available_permits() as u32)
    }

    /// What makes functions' requests.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How many modules were compiled since the start.
    pub fn compiled(&self) -> u64 {
        self.shop.compiled.load(Ordering::Relaxed)
    }

    /// Checks a module, compiles it unless that was done before, and asks it what it is.
    pub async fn prepare(&self, wasm: Bytes) -> Result<Prepared, ModuleError> {
        check::check_bytes(&wasm)?;
        let (digest, wasm) = blocking(move || (digest_of(&wasm), wasm)).await?;
        let module = self.module(digest, move || Ok(wasm)).await?;
        let (described, memory_bytes) = self.describe(&module).await;
        let manifest_json = described.map_err(|error| match error {
            InvokeError::Host { message } => ModuleError::Host { message },
            error => {
                // What is refused leaves nothing, or uploads would fill the disk.
                self.forget(&digest);
                ModuleError::Describe { error }
            }
        })?;
        let imports = module.imports().to_vec();
        Ok(Prepared { digest, module, manifest_json, imports, memory_bytes })
    }

    /// A module that was prepared before, in this process or an earlier one. `wasm` is asked only
    /// if it has to be compiled again.
    pub async fn load(
        &self,
        digest: Digest,
        wasm: impl FnOnce() -> io::Result<Bytes> + Send + 'static,
    ) -> Result<Module, ModuleError> {
        let checked = move || {
            let wasm = wasm().map_err(|error| host(&error))?;
            if digest_of(&wasm) == digest { Ok(wasm) } else { Err(ModuleError::Damaged) }
        };
        self.module(digest, checked).await
    }

    /// Deletes what is kept of a module that nobody will load again.
    pub fn forget(&self, digest: &Digest) {
        self.shop.artefacts.remove(digest);
    }

    /// Deletes what is kept of all modules but these: those of dry runs, and of revisions that are
    /// gone. Only before anything is prepared. Returns how many there were.
    pub fn retain(&self, used: &BTreeSet<Digest>) -> io::Result<usize> {
        self.shop.artefacts.retain(used)
    }

    /// Runs one attempt, when there is a slot for it. A module that takes lists is given a list of
    /// one.
    pub async fn invoke(&self, call: Call) -> Invoked {
        let Call { module, event, delivery, idempotency_key, .. } = &call;
        let handed = Handed::new(event, delivery, idempotency_key);
        // Released after the instance is gone, because it is declared before.
        let _slots = self.slots.acquire_many(self.slots_of(module)).await.ok();
        let _running = self.ticker.running();
        let mut given = self.given(&call.state, &call.config, call.memory_bytes);
        given.requests = module.makes_requests().then(|| {
            let (rules, key) = ((&call.http, call.dry_run), Some(idempotency_key.as_str()));
            Requests::new(&self.client, rules, delivery, key, call.trace.as_ref())
        });
        let timeout = call.timeout.min(self.limits.timeout_max);
        let attempt = Attempt::new(&self.engine, given, timeout);
        match &module.0.entry {
            Entry::Single(pre) => attempt.handle(pre, &handed, &self.limits).await,
            Entry::Batch(pre) => attempt.handle_batch(pre, &[handed], &self.limits).await,
        }
    }

    /// Runs one attempt at all deliveries of a batch: one instance, one call, one outcome.
    pub async fn invoke_batch(&self, call: BatchCall) -> Invoked {
        let Entry::Batch(pre) = &call.module.0.entry else { return not_for_batches() };
        let handed = call.items.iter();
        let handed: Vec<_> = handed
            .map(|item| Handed::new(&item.event, &item.delivery, &item.idempotency_key))
            .collect();
        let _slots = self.slots.acquire_many(self.slots_of(&call.module)).await.ok();
        let _running = self.ticker.running();
        let mut given = self.given(&call.state, &call.config, call.memory_bytes);
        let first = call.items.first().filter(|_| call.module.makes_requests());
        given.requests = first.map(|item| {
            let key = (call.items.len() == 1).then_some(&*item.idempotency_key);
            let (rules, trace) = ((&call.http, false), call.trace.as_ref());
            Requests::new(&self.client, rules, &item.delivery, key, trace)
        });
        let timeout = call.timeout.min(self.limits.timeout_max);
        let attempt = Attempt::new(&self.engine, given, timeout);
        attempt.handle_batch(pre, &handed, &self.limits).await
    }

    fn slots_of(&self, module: &Module) -> u32 {
        module.0.slots.min(self.slots_max)
    }

    fn given(
        &self,
        state: &Arc<dyn StateReader>,
        config: &Arc<BTreeMap<String, String>>,
        memory_bytes: u64,
    ) -> Given {
        Given {
            limits: Arc::clone(&self.limits),
            state: Arc::clone(state),
            config: Arc::clone(config),
            memory_bytes: memory_bytes.min(self.limits.memory_bytes_max),
            requests: None,
        }
    }

    async fn describe(&self, module: &Module) -> (Result<String, InvokeError>, u64) {
        let _slots = self.slots.acquire_many(self.slots_of(module)).await.ok();
        let _running = self.ticker.running();
        let given = Given {
            limits: Arc::clone(&self.limits),
            state: Arc::new(NoState),
            config: Arc::new(BTreeMap::new()),
            memory_bytes: self.limits.memory_bytes_max,
            requests: None,
        };
        Attempt::new(&self.engine, given, DESCRIBE_TIMEOUT).describe(&module.0.entry).await
    }

    /// The one copy of a module: in use, from its artefact, or compiled. Everyone who asks for the
    /// same one meanwhile waits for it.
    async fn module(
        &self,
        digest: Digest,
        wasm: impl FnOnce() -> Result<Bytes, ModuleError> + Send + 'static,
    ) -> Result<Module, ModuleError> {
        let loading = self.loading(digest);
        let mut linked = loading.lock().await;
        if let Some(linked) = linked.upgrade() {
            return Ok(Module(linked));
        }
        let shop = Arc::clone(&self.shop);
        let module = shop.module(digest, wasm).await?;
        *linked = Arc::downgrade(&module.0);
        Ok(module)
    }

    fn loading(&self, digest: Digest) -> Loading {
        // Nothing panics while it holds the lock.
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody waits for and nobody has: the lock is free when the count is one.
        modules.retain(|_, loading| {
            let idle = Arc::strong_count(loading) == 1;
            !idle || loading.try_lock().is_ok_and(|linked| linked.strong_count() > 0)
        });
        Arc::clone(modules.entry(digest).or_default())
    }
}

impl Shop {
    async fn module(
        self: Arc<Self>,
        digest: Digest,
        wasm: impl FnOnce() -> Result<Bytes, ModuleError> + Send + 'static,
    ) -> Result<Module, ModuleError> {
        let shop = Arc::clone(&self);
        let kept = blocking(move || {
            let component = shop.artefacts.load(&shop.engine, &digest)?;
            // It was linked before it was kept; if it can't be now, it is compiled again.
            Module::link(digest, &component, &shop.linker).ok()
        });
        if let Some(module) = kept.await? {
            return Ok(module);
        }
        let _permit = self.compiling.acquire().await.ok();
        let shop = Arc::clone(&self);
        blocking(move || shop.compile(digest, &wasm()?)).await?
    }

    fn compile(&self, digest: Digest, wasm: &[u8]) -> Result<Module, ModuleError> {
        let malformed = |error: wasmtime::Error| ModuleError::Malformed {
            message: format!("the component is not valid: {error:#}"),
        };
        let compiled = self.engine.precompile_component(wasm).map_err(malformed)?;
        self.compiled.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.artefacts.store(&digest, &compiled) {
            warn!(%digest, %error, "compiled module could not be kept");
        }
        let component = match self.artefacts.load(&self.engine, &digest) {
            Some(component) => component,
            None => deserialize(&self.engine, &compiled)?,
        };
        Module::link(digest, &component, &self.linker)
            .inspect_err(|_| self.artefacts.remove(&digest))
    }
}

#[allow(unsafe_code, reason = "the bytes came from this engine, in this process, just now")]
fn deserialize(engine: &Engine, compiled: &[u8]) -> Result<Component, ModuleError> {
    // SAFETY: see the reason.
    let component = unsafe { Component::deserialize(engine, compiled) };
    // What this engine has compiled it refuses only when the pool has no place for it.
    component.map_err(|error| ModuleError::Resources { message: error.root_cause().to_string() })
}

/// The caller's mistake, which must not look like the event's.
fn not_for_batches() -> Invoked {
    let message = "the module handles single events, not batches".to_owned();
    Invoked {
        result: Err(InvokeError::Host { message }),
        logs: Vec::new(),
        logs_left_out: 0,
        elapsed: Duration::ZERO,
        memory_bytes: 0,
    }
}

fn digest_of(wasm: &[u8]) -> Digest {
    Digest(*blake3::hash(wasm).as_bytes())
}

fn host(error: &dyn std::error::Error) -> ModuleError {
    ModuleError::Host { message: error.to_string() }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ModuleError> {
    spawn_blocking(work).await.map_err(|error| host(&error))
}
