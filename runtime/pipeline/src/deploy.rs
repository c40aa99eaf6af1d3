//! A module becomes a revision, and a revision the active one. Knows no HTTP.
//!
//! All that can fail or take long comes first: compiling, checking, storing. The change itself is
//! one record and the swap of a pointer; attempts in flight finish on the revision they hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use triphammer_journal::{Blobs, Body, Definition, Pause, Record, RevisionDef};
use triphammer_model::{FunctionName, Limits, Manifest, RevisionId, Timestamp};
use triphammer_sandbox::{Module, Prepared, Sandbox};

use crate::core::{Core, Inner};
use crate::error::{AcceptError, ChangeError, DeployError};
use crate::feed::FeedItem;
use crate::info::{Deploy, Deployed};
use crate::registry::{Function, Revision, find_revision, routes};

/// Makes the changes of operators, one at a time.
pub(crate) struct Deployer {
    pub(crate) core: Arc<Core>,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) blobs: Blobs,
    /// Held while a change is made: two deploys of one function must not number alike.
    pub(crate) changes: tokio::sync::Mutex<()>,
}

/// Revisions that a function keeps, the active one apart. The oldest go first.
const REVISIONS_MAX: usize = 100;
const CONFIG_ENTRIES_MAX: usize = 256;
const CONFIG_BYTES_MAX: usize = 64 << 10;

/// A module that has passed every check.
struct Checked {
    name: FunctionName,
    prepared: Prepared,
    manifest: Manifest,
    config: BTreeMap<String, String>,
    len: u64,
}

impl Deployer {
    pub(crate) async fn deploy(
        &self,
        name: Option<FunctionName>,
        deploy: Deploy,
    ) -> Result<Deployed, DeployError> {
        if let Some(weight) = deploy.weight.filter(|weight| *weight != 100) {
            return Err(DeployError::Weight(weight));
        }
        let prepared = self.sandbox.prepare(deploy.wasm.clone()).await?;
        let manifest = read_manifest(&deploy, &prepared, &self.core.limits)?;
        let name = name.or_else(|| manifest.name.clone()).ok_or(DeployError::NoName)?;
        let _alone = self.changes.lock().await;
        let definition = self.definition(&name).unwrap_or_default();
        let config = match deploy.config {
            Some(config) => check_config(config)?,
            None => active_config(&definition),
        };
        let len = deploy.wasm.len() as u64;
        let checked = Checked { name, prepared, manifest, config, len };
        self.store(deploy.wasm).await?;
        self.change(checked, definition, deploy.activate).await
    }

    async fn store(&self, wasm: Bytes) -> Result<(), ChangeError> {
        let blobs = self.blobs.clone();
        let stored = tokio::task::spawn_blocking(move || blobs.put(&wasm)).await;
        match stored {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(%error, "a component could not be stored");
                Err(AcceptError::Journal.into())
            }
            Err(_) => Err(AcceptError::Stopped.into()),
        }
    }

    async fn change(
        &self,
        checked: Checked,
        mut definition: Definition,
        activate: bool,
    ) -> Result<Deployed, DeployError> {
        let Checked { name, prepared, manifest, config, len } = checked;
        let text = manifest.to_json().to_string();
        let same = |def: &&RevisionDef| {
            def.digest == prepared.digest && def.config == config && def.manifest == text
        };
        let known = definition.revisions.iter().find(same).map(|def| def.id);
        let id = match known {
            Some(id) => id,
            None => {
                let created = self.core.clock.now();
                let def = |id| RevisionDef {
                    id,
                    digest: prepared.digest,
                    component_len: len,
                    manifest: text.clone(),
                    config: config.clone(),
                    created,
                };
                add_revision(&mut definition, def)
            }
        };
        definition.deleted = false;
        let active = activate || definition.active == Some(id);
        if active && definition.active != Some(id) {
            definition.previous = definition.active;
            definition.active = Some(id);
        }
        // A revision that is only kept ready changes nothing of what serves.
        let serving = if active {
            Some(Arc::new(Revision {
                function: name.clone(),
                id,
                manifest: manifest.clone(),
                config: Arc::new(config.clone()),
                module: Some(prepared.module.clone()),
            }))
        } else {
            self.core.lock().functions.get(&name).and_then(|f| f.active.clone())
        };
        let unchanged = self.definition(&name).is_some_and(|before| before == definition);
        if !unchanged || active && self.is_broken(&name) {
            self.core.define(&name, definition, serving).await?;
        }
        let warnings = manifest.warnings();
        Ok(Deployed {
            name,
            revision: id,
            digest: prepared.digest,
            active,
            created: known.is_none(),
            manifest,
            warnings,
            imports: prepared.imports,
        })
    }

    /// Makes another revision the active one.
    pub(crate) async fn activate(
        &self,
        name: &FunctionName,
        choose: impl FnOnce(&Definition) -> Option<RevisionId>,
    ) -> Result<(), ChangeError> {
        let _alone = self.changes.lock().await;
        let mut definition =
            self.definition(name).ok_or_else(|| ChangeError::NoFunction(name.clone()))?;
        let id = choose(&definition).ok_or_else(|| ChangeError::NoPrevious(name.clone()))?;
        let Some(def) = find_revision(&definition, id).cloned() else {
            return Err(ChangeError::NoRevision { function: name.clone(), revision: id });
        };
        if definition.active == Some(id) && !self.is_broken(name) {
            return Ok(());
        }
        let revision = self.load(name, &def).await.map_err(|message| ChangeError::Load {
            function: name.clone(),
            revision: id,
            message,
        })?;
        if definition.active != Some(id) {
            definition.previous = definition.active;
            definition.active = Some(id);
        }
        self.core.define(name, definition, Some(revision)).await
    }

    /// Loads a revision from its stored module.
    pub(crate) async fn load(
        &self,
        name: &FunctionName,
        def: &RevisionDef,
    ) -> Result<Arc<Revision>, String> {
        let manifest = Manifest::from_json(&def.manifest, &self.core.limits)
            .map_err(|error| error.to_string())?;
        let (blobs, digest) = (self.blobs.clone(), def.digest);
        let wasm = move || match blobs.get(&digest) {
            Ok(Some(wasm)) => Ok(wasm),
            Ok(None) => {
                let missing = format!("the component {digest} is not in the data directory");
                Err(std::io::Error::new(std::io::ErrorKind::NotFound, missing))
            }
            Err(error) => Err(std::io::Error::other(error)),
        };
        let module: Module =
            self.sandbox.load(def.digest, wasm).await.map_err(|error| error.to_string())?;
        let module = Some(module);
        let config = Arc::new(def.config.clone());
        Ok(Arc::new(Revision { function: name.clone(), id: def.id, manifest, config, module }))
    }

    pub(crate) async fn set_paused(
        &self,
        name: &FunctionName,
        reason: Option<String>,
    ) -> Result<(), ChangeError> {
        let _alone = self.changes.lock().await;
        let mut definition =
            self.definition(name).ok_or_else(|| ChangeError::NoFunction(name.clone()))?;
        if definition.paused.is_some() == reason.is_some() {
            return Ok(());
        }
        let at = self.core.clock.now();
        definition.paused = reason.map(|reason| Pause { at, reason });
        let active = self.core.lock().functions.get(name).and_then(|f| f.active.clone());
        self.core.define(name, definition, active).await
    }

    /// It has an active revision, which could not be loaded.
    fn is_broken(&self, name: &FunctionName) -> bool {
        self.core.lock().functions.get(name).is_some_and(|function| function.broken.is_some())
    }

    fn definition(&self, name: &FunctionName) -> Option<Definition> {
        self.core.lock().functions.get(name).map(|function| function.definition.clone())
    }
}

impl Core {
    /// Records a definition and makes it true. A deploy that would change the ordering key under
    /// deliveries that wait is refused here, where none can come in between.
    pub(crate) async fn define(
        &self,
        name: &FunctionName,
        definition: Definition,
        active: Option<Arc<Revision>>,
    ) -> Result<(), ChangeError> {
        let last = {
            let mut inner = self.lock();
            let due_before = inner.queue.next_due();
            self.check_key_change(&inner, name, active.as_deref())?;
            let last = self.define_in(&mut inner, name, definition, active)?;
            // Its dead letters may be kept for a shorter time than before.
            self.wake(inner, due_before);
            last
        };
        self.durable.wait(last).await.map_err(|_| AcceptError::Journal)?;
        Ok(())
    }

    fn check_key_change(
        &self,
        inner: &Inner,
        name: &FunctionName,
        active: Option<&Revision>,
    ) -> Result<(), ChangeError> {
        let before = inner.functions.get(name).and_then(|f| f.active.as_ref());
        let (Some(before), Some(active)) = (before, active) else { return Ok(()) };
        let waiting = inner.queue.find(name).map_or(0, |id| inner.queue.function(id).open());
        if waiting > 0 && before.manifest.key != active.manifest.key {
            return Err(ChangeError::KeyChange { function: name.clone(), waiting });
        }
        Ok(())
    }

    /// Appends the record of a definition and swaps what it changes, under the lock.
    pub(crate) fn define_in(
        &self,
        inner: &mut Inner,
        name: &FunctionName,
        definition: Definition,
        active: Option<Arc<Revision>>,
    ) -> Result<triphammer_model::Seq, ChangeError> {
        let at = self.clock.now();
        let (definition_now, raised) = (definition.clone(), Vec::new());
        let record = Record::Define { at, name: name.clone(), definition: definition_now, raised };
        let (seq, location) = inner.log.append(&Body::encode(&record))?;
        self.history.note(seq, &record, location);
        self.swap(inner, name, definition, active);
        self.announce_deployed(inner, name, seq, at);
        Ok(seq)
    }

    fn swap(
        &self,
        inner: &mut Inner,
        name: &FunctionName,
        definition: Definition,
        active: Option<Arc<Revision>>,
    ) {
        let mut function = Function::new(definition, active);
        if function.active.is_none() {
            // A pause or a resume does not mend a revision that could not be loaded.
            let before = inner.functions.get(name);
            function.broken = before
                .filter(|before| before.definition.active == function.definition.active)
                .and_then(|before| before.broken.clone());
        }
        let rules = function.rules();
        inner.functions.insert(name.clone(), function);
        let id = inner.queue.function_id(name);
        inner.queue.configure(id, rules);
        let version = inner.routes_version + 1;
        let table = routes(&inner.functions, version, &self.limits);
        self.set_routes(inner, table);
    }

    fn announce_deployed(
        &self,
        inner: &mut Inner,
        name: &FunctionName,
        seq: triphammer_model::Seq,
        at: Timestamp,
    ) {
        let active = inner.functions.get(name).and_then(|f| f.definition.active);
        if let Some(revision) = active {
            let function = name.clone();
            inner.feed.push(seq.get(), || FeedItem::Deployed { function, revision, at });
            self.news.notify_one();
        }
    }

    /// Pauses a function on the host's own decision.
    pub(crate) fn pause_in(&self, inner: &mut Inner, name: &FunctionName, reason: String) {
        let Some(function) = inner.functions.get(name) else { return };
        let (mut definition, active) = (function.definition.clone(), function.active.clone());
        tracing::warn!(function = %name, reason, "function paused");
        definition.paused = Some(Pause { at: self.clock.now(), reason });
        // It fails only with the journal, which ends the process.
        let _ = self.define_in(inner, name, definition, active);
    }
}

fn read_manifest(
    deploy: &Deploy,
    prepared: &Prepared,
    limits: &Limits,
) -> Result<Manifest, DeployError> {
    let text = deploy.manifest.as_deref().unwrap_or(&prepared.manifest_json);
    Ok(Manifest::from_json(text, limits)?)
}

fn check_config(config: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, DeployError> {
    let bytes: usize = config.iter().map(|(name, value)| name.len() + value.len()).sum();
    if config.len() > CONFIG_ENTRIES_MAX {
        return Err(DeployError::Config("more than 256 entries"));
    }
    if bytes > CONFIG_BYTES_MAX {
        return Err(DeployError::Config("more than 64 KiB"));
    }
    Ok(config)
}

fn active_config(definition: &Definition) -> BTreeMap<String, String> {
    let def = definition.active.and_then(|id| find_revision(definition, id));
    def.map(|def| def.config.clone()).unwrap_or_default()
}

fn add_revision(
    definition: &mut Definition,
    def: impl FnOnce(RevisionId) -> RevisionDef,
) -> RevisionId {
    definition.revision_last += 1;
    let Some(id) = RevisionId::new(definition.revision_last) else {
        unreachable!("one more than a number is above zero")
    };
    definition.revisions.push(def(id));
    while definition.revisions.len() > REVISIONS_MAX {
        let kept = [definition.active, definition.previous, Some(id)];
        let oldest = definition.revisions.iter().position(|d| !kept.contains(&Some(d.id)));
        let Some(oldest) = oldest else { break };
        definition.revisions.remove(oldest);
    }
    id
}
