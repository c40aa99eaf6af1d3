//! A module becomes a revision, and a revision the active one. Knows no HTTP.
//!
//! All that can fail or take long comes first: compiling, checking, storing. The change itself is
//! one record and the swap of a pointer (`define`); attempts in flight finish on the revision they hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use triphammer_journal::{Blobs, Definition, RevisionDef};
use triphammer_model::{Digest, FunctionName, Limits, Manifest, RevisionId};
use triphammer_sandbox::{Module, Prepared, Sandbox};

use crate::canary::{InvalidShare, Share};
use crate::capabilities::Capabilities;
use crate::core::Core;
use crate::error::{AcceptError, ChangeError, DeployError};
use crate::fitting::read_fitting;
use crate::info::{Deploy, Deployed};
use crate::outgoing;
use crate::registry::{Revision, find_revision, read_filter};
use crate::rollout::{Candidate, canary_warning, end_canary, give};

/// Makes the changes of operators, one at a time.
pub(crate) struct Deployer {
    pub(crate) core: Arc<Core>,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) blobs: Blobs,
    pub(crate) subscriptions_max: usize,
    /// Held while a change is made: two deploys of one function must not number alike.
    pub(crate) changes: tokio::sync::Mutex<()>,
}

/// Revisions that a function keeps, those that serve among them. The oldest go first.
const REVISIONS_MAX: usize = 100;
const CONFIG_ENTRIES_MAX: usize = 256;
const CONFIG_BYTES_MAX: usize = 64 << 10;

/// A module, or a sink, that has passed every check.
pub(crate) struct Checked {
    pub(crate) name: FunctionName,
    pub(crate) digest: Digest,
    /// None of a subscription.
    pub(crate) module: Option<Module>,
    /// Of the module.
    pub(crate) imports: Vec<String>,
    pub(crate) manifest: Manifest,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) len: u64,
}

impl Deployer {
    pub(crate) async fn deploy(
        &self,
        name: Option<FunctionName>,
        deploy: Deploy,
    ) -> Result<Deployed, DeployError> {
        if !deploy.activate && deploy.share != Share::All {
            return Err(InvalidShare::NotActivated.into());
        }
        let prepared = self.sandbox.prepare(deploy.wasm.clone()).await?;
        let manifest = read_manifest(&deploy, &prepared, &self.core.limits)
            .inspect_err(|_| self.forget_unused(&prepared.digest))?;
        let name = name.or_else(|| manifest.name.clone()).ok_or(DeployError::NoName)?;
        let _alone = self.changes.lock().await;
        let before = self.definition(&name).unwrap_or_default();
        self.core.check_kind(&name, &before, false)?;
        let config = match deploy.config {
            Some(config) => check_config(config)?,
            None => active_config(&before),
        };
        let len = deploy.wasm.len() as u64;
        let Prepared { digest, module, imports, .. } = prepared;
        let module = Some(module);
        let checked = Checked { name, digest, module, imports, manifest, config, len };
        self.store(deploy.wasm).await?;
        self.change(checked, before, deploy.activate.then_some(deploy.share)).await
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

    pub(crate) async fn change(
        &self,
        checked: Checked,
        before: Definition,
        share: Option<Share>,
    ) -> Result<Deployed, DeployError> {
        let mut definition = before.clone();
        let Checked { name, digest, module, imports, manifest, config, len } = checked;
        let text = manifest.to_json().to_string();
        let same = |def: &&RevisionDef| {
            def.digest == digest && def.config == config && def.manifest == text
        };
        let known = definition.revisions.iter().find(same).map(|def| def.id);
        let at = self.core.clock.now();
        let id = match known {
            Some(id) => id,
            None => {
                let def = |id| RevisionDef {
                    id,
                    digest,
                    component_len: len,
                    manifest: text.clone(),
                    config: config.clone(),
                    created: at,
                };
                add_revision(&mut definition, def)
            }
        };
        definition.deleted = false;
        if let Some(share) = share {
            let candidate = Candidate { function: &name, id, manifest: &manifest, at };
            give(&mut definition, &candidate, share, &self.core.limits)?;
        }
        let active = definition.active == Some(id);
        let canary = definition.canary.is_some_and(|canary| canary.revision == id);
        let mut warnings = manifest.warnings();
        let makes_requests = module.as_ref().is_some_and(Module::makes_requests);
        let of = outgoing::Of { function: &name, manifest: &manifest, config: &config };
        warnings.extend(outgoing::warnings(&of, makes_requests, self.sandbox.client()));
        if canary {
            warnings.extend(canary_warning(&definition, &manifest, &self.core.limits));
        }
        // One that is only kept ready is not among those that serve.
        let revision = Arc::new(Revision {
            function: name.clone(),
            id,
            manifest: manifest.clone(),
            config: Arc::new(config),
            filter: read_filter(&manifest)?,
            module,
        });
        let capabilities = self.capabilities(&revision);
        if definition != before || active && self.is_broken(&name) {
            self.core.define(&name, &before, definition, Some(revision)).await?;
        }
        Ok(Deployed {
            name,
            revision: id,
            digest,
            active,
            canary,
            created: known.is_none(),
            manifest,
            warnings,
            imports,
            capabilities,
        })
    }

    /// Of a revision, beside those of the active one.
    fn capabilities(&self, revision: &Revision) -> Capabilities {
        let inner = self.core.lock();
        let function = inner.functions.get(&revision.function);
        Capabilities::new(revision, function.and_then(|function| function.active.as_deref()))
    }

    /// Gives another revision all of the function's work, or a share of it.
    pub(crate) async fn activate(
        &self,
        name: &FunctionName,
        id: RevisionId,
        share: Share,
    ) -> Result<(), ChangeError> {
        let _alone = self.changes.lock().await;
        self.activate_alone(name, self.existing(name)?, id, share).await
    }

    /// Ends the canary; without one, makes the revision active that was before.
    pub(crate) async fn rollback(&self, name: &FunctionName) -> Result<(), ChangeError> {
        let _alone = self.changes.lock().await;
        let before = self.existing(name)?;
        if before.canary.is_some() {
            let mut definition = before.clone();
            let reason = "rolled back by an operator".to_owned();
            end_canary(&mut definition, self.core.clock.now(), reason);
            return self.core.define(name, &before, definition, None).await;
        }
        let id = before.previous.ok_or_else(|| ChangeError::NoPrevious(name.clone()))?;
        self.activate_alone(name, before, id, Share::All).await
    }

    /// `changes` is held.
    async fn activate_alone(
        &self,
        name: &FunctionName,
        before: Definition,
        id: RevisionId,
        share: Share,
    ) -> Result<(), ChangeError> {
        let mut definition = before.clone();
        let revision = self.load_of(name, &definition, id).await?;
        let at = self.core.clock.now();
        let candidate = Candidate { function: name, id, manifest: &revision.manifest, at };
        give(&mut definition, &candidate, share, &self.core.limits)?;
        if definition == before && !self.is_broken(name) {
            return Ok(());
        }
        self.core.define(name, &before, definition, Some(revision)).await
    }

    /// It has an active revision, which could not be loaded.
    fn is_broken(&self, name: &FunctionName) -> bool {
        self.core.lock().functions.get(name).is_some_and(|function| function.broken.is_some())
    }

    pub(crate) fn existing(&self, name: &FunctionName) -> Result<Definition, ChangeError> {
        self.definition(name).ok_or_else(|| ChangeError::NoFunction(name.clone()))
    }

    pub(crate) fn definition(&self, name: &FunctionName) -> Option<Definition> {
        self.core.lock().functions.get(name).map(|function| function.definition.clone())
    }
}

fn read_manifest(
    deploy: &Deploy,
    prepared: &Prepared,
    limits: &Limits,
) -> Result<Manifest, DeployError> {
    let text = deploy.manifest.as_deref().unwrap_or(&prepared.manifest_json);
    read_fitting(text, prepared, limits)
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
        let canary = definition.canary.map(|canary| canary.revision);
        let kept = [definition.active, definition.previous, canary, Some(id)];
        let oldest = definition.revisions.iter().position(|d| !kept.contains(&Some(d.id)));
        let Some(oldest) = oldest else { break };
        definition.revisions.remove(oldest);
    }
    id
}
