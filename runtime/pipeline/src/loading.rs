//! From a revision's definition to one that can run: its module is read, and compiled where there is no
//! artefact of it. Knows nothing of which revision serves.

use std::sync::Arc;

use triphammer_journal::{Definition, RevisionDef};
use triphammer_model::{FunctionName, Manifest, RevisionId};
use triphammer_sandbox::Module;

use crate::deploy::Deployer;
use crate::error::ChangeError;
use crate::registry::{Revision, find_revision, read_filter};

impl Deployer {
    /// A revision of a function that there is, active or not.
    pub(crate) async fn loaded(
        &self,
        name: &FunctionName,
        id: RevisionId,
    ) -> Result<Arc<Revision>, ChangeError> {
        let definition = self.existing(name)?;
        self.load_of(name, &definition, id).await
    }

    pub(crate) async fn load_of(
        &self,
        name: &FunctionName,
        definition: &Definition,
        id: RevisionId,
    ) -> Result<Arc<Revision>, ChangeError> {
        let Some(def) = find_revision(definition, id) else {
            return Err(ChangeError::NoRevision { function: name.clone(), revision: id });
        };
        self.load(name, def).await.map_err(|message| ChangeError::Load {
            function: name.clone(),
            revision: id,
            message,
        })
    }

    /// Loads a revision from its stored module.
    pub(crate) async fn load(
        &self,
        name: &FunctionName,
        def: &RevisionDef,
    ) -> Result<Arc<Revision>, String> {
        let manifest = Manifest::from_json(&def.manifest, &self.core.limits)
            .map_err(|error| error.to_string())?;
        let filter = read_filter(&manifest).map_err(|error| error.to_string())?;
        if manifest.sink.is_some() {
            let (function, config) = (name.clone(), Arc::new(def.config.clone()));
            let (id, module) = (def.id, None);
            return Ok(Arc::new(Revision { function, id, manifest, config, filter, module }));
        }
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
        let (function, id) = (name.clone(), def.id);
        Ok(Arc::new(Revision { function, id, manifest, config, filter, module }))
    }
}
