//! Subscriptions of sinks: functions that have a sink in place of a module. What a function has they
//! have too: revisions, retries, dead letters, pauses. Knows no HTTP.

use std::collections::BTreeMap;

use triphammer_filter::Filter;
use triphammer_journal::Definition;
use triphammer_model::{Digest, FunctionName, InvalidManifest, Manifest};

use crate::canary::Share;
use crate::core::Core;
use crate::deploy::{Checked, Deployer};
use crate::error::{ChangeError, DeployError};
use crate::info::Deployed;

impl Deployer {
    /// Makes a manifest with a sink the active one under this name.
    pub(crate) async fn subscribe(
        &self,
        name: FunctionName,
        manifest: &str,
    ) -> Result<Deployed, DeployError> {
        let manifest = Manifest::from_json(manifest, &self.core.limits)?;
        if let Some(filter) = &manifest.filter {
            Filter::from_json(filter)?;
        }
        check_members(&manifest)?;
        let _alone = self.changes.lock().await;
        let before = self.definition(&name).unwrap_or_default();
        self.core.check_kind(&name, &before, true)?;
        self.check_number(&before)?;
        // There are no bytes that it could be of.
        let digest = Digest([0; 32]);
        let config = BTreeMap::new();
        let checked =
            Checked { name, digest, module: None, imports: Vec::new(), manifest, config, len: 0 };
        self.change(checked, before, Some(Share::All)).await
    }
}

impl Deployer {
    /// Whether there may be one more, if this is one.
    fn check_number(&self, before: &Definition) -> Result<(), ChangeError> {
        let max = self.subscriptions_max;
        if !before.revisions.is_empty() && !before.deleted {
            return Ok(());
        }
        let inner = self.core.lock();
        let active = inner.functions.values().filter_map(|function| function.active.as_ref());
        match active.filter(|revision| revision.manifest.sink.is_some()).count() < max {
            true => Ok(()),
            false => Err(ChangeError::TooManySubscriptions { max }),
        }
    }
}

/// Members that say something of a handler, which a sink is not.
fn check_members(manifest: &Manifest) -> Result<(), InvalidManifest> {
    let wrong = |member: &str, rule: &str| {
        let (member, rule) = (member.to_owned(), rule.to_owned());
        Err(InvalidManifest { code: "manifest.invalid", member, rule })
    };
    if manifest.sink.is_none() {
        return wrong("sink", "is missing");
    }
    if !manifest.schedules.is_empty() {
        return wrong("schedule", "is for functions: a sink takes events only");
    }
    if manifest.http.is_some() {
        return wrong("http", "is for functions: a sink is where the events go");
    }
    Ok(())
}

impl Core {
    /// A name stands for functions with modules, or for sinks, as long as it is there.
    pub(crate) fn check_kind(
        &self,
        name: &FunctionName,
        definition: &Definition,
        sink: bool,
    ) -> Result<(), ChangeError> {
        let Some(newest) = definition.revisions.last().filter(|_| !definition.deleted) else {
            return Ok(());
        };
        let manifest = Manifest::from_json(&newest.manifest, &self.limits);
        match manifest.is_ok_and(|manifest| manifest.sink.is_some()) {
            is if is == sink => Ok(()),
            true => Err(ChangeError::IsSubscription(name.clone())),
            false => Err(ChangeError::IsFunction(name.clone())),
        }
    }
}
