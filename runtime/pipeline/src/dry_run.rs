//! An attempt whose effects are shown and thrown away.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use triphammer_journal::Space;
use triphammer_model::{
    Delivery, DeliveryId, Digest, ErrorInfo, Event, FunctionName, Manifest, RevisionId, Seq,
};
use triphammer_sandbox::{Call, Module};

use crate::deploy::Deployer;
use crate::error::{ChangeError, DeployError};
use crate::fitting::read_fitting;
use crate::info::DryRun;
use crate::reads::Reader;
use crate::route::find_key;

impl Deployer {
    /// Runs an event through a revision, the active one unless another is named. Nothing of it is kept.
    pub(crate) async fn test(
        &self,
        name: &FunctionName,
        revision: Option<RevisionId>,
        event: Event,
    ) -> Result<DryRun, ChangeError> {
        let active = match revision {
            Some(id) => self.loaded(name, id).await?,
            None => {
                let inner = self.core.lock();
                let function = inner.functions.get(name).filter(|f| !f.definition.deleted);
                let function = function.ok_or_else(|| ChangeError::NoFunction(name.clone()))?;
                function.active.clone().ok_or_else(|| ChangeError::NotActive(name.clone()))?
            }
        };
        let dry = Dry {
            name: name.clone(),
            revision: Some(active.id),
            manifest: active.manifest.clone(),
            config: Arc::clone(&active.config),
            module: active
                .module
                .clone()
                .ok_or_else(|| ChangeError::IsSubscription(name.clone()))?,
        };
        Ok(self.dry_run(dry, event).await)
    }

    /// The same for a module that is not deployed: it starts with no state.
    pub(crate) async fn test_module(
        &self,
        wasm: Bytes,
        config: BTreeMap<String, String>,
        event: Event,
    ) -> Result<DryRun, DeployError> {
        let prepared = self.sandbox.prepare(wasm).await?;
        // It is in memory, and nobody asks for it again.
        self.forget_unused(&prepared.digest);
        let manifest = read_fitting(&prepared.manifest_json, &prepared, &self.core.limits)?;
        let Ok(none) = "not-deployed".parse::<FunctionName>() else {
            unreachable!("the text is a name")
        };
        let dry = Dry {
            name: manifest.name.clone().unwrap_or(none),
            revision: None,
            manifest,
            config: Arc::new(config),
            module: prepared.module,
        };
        Ok(self.dry_run(dry, event).await)
    }

    /// Deletes what was compiled of a module that no revision is made of. One that is deployed at
    /// this moment is only compiled again when it is next loaded.
    pub(crate) fn forget_unused(&self, digest: &Digest) {
        if !self.core.modules().contains(digest) {
            self.sandbox.forget(digest);
        }
    }

    async fn dry_run(&self, dry: Dry, event: Event) -> DryRun {
        let core = &self.core;
        // A missing key is no reason not to try: the run then has the space without one.
        let key = dry.manifest.key.as_ref().and_then(|source| find_key(source, &event).ok());
        let space = Arc::new(Space::new(dry.name.clone(), key.clone()));
        let now = core.clock.now();
        let (Some(seq), Some(first)) = (Seq::new(u64::MAX), RevisionId::new(1)) else {
            unreachable!("both are above zero")
        };
        let delivery = Delivery {
            id: DeliveryId { seq, function: dry.name },
            revision: dry.revision.unwrap_or(first),
            attempt: 1,
            key,
            accepted: now,
            deadline: now.plus(dry.manifest.timeout),
        };
        let call = Call {
            module: dry.module,
            event,
            idempotency_key: "dry-run".into(),
            delivery,
            config: dry.config,
            state: Arc::new(Reader::new(&core.state, space, now, false)) as _,
            timeout: dry.manifest.timeout,
            memory_bytes: dry.manifest.memory_bytes,
            http: dry.manifest.http.clone(),
            // What is shown and thrown away is in nobody's trace.
            trace: None,
            dry_run: true,
        };
        let invoked = self.sandbox.invoke(call).await;
        let result = invoked.result.map_err(|error| ErrorInfo {
            code: error.code().to_owned(),
            message: error.to_string(),
        });
        DryRun {
            revision: dry.revision,
            manifest: dry.manifest,
            result,
            logs: invoked.logs,
            logs_left_out: invoked.logs_left_out,
            elapsed: invoked.elapsed,
        }
    }
}

/// What a dry run runs.
struct Dry {
    name: FunctionName,
    revision: Option<RevisionId>,
    manifest: Manifest,
    config: Arc<BTreeMap<String, String>>,
    module: Module,
}
