//! What the functions are: their definitions, and the active revision of each, loaded. Knows
//! nothing of deliveries or of the journal.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use triphammer_filter::{Filter, InvalidFilter};
use triphammer_journal::{CanaryEnd, Definition, RevisionDef};
use triphammer_model::{
    FunctionName, InvalidManifest, Limits, Manifest, OrderingKey, RevisionId, Seq, Timestamp,
};
use triphammer_sandbox::Module;

use crate::breaker::Streak;
use crate::canary::RunningCanary;
use crate::capabilities;
use crate::fn_queue::Rules;
use crate::info::{CanaryEnded, CanaryInfo, RevisionInfo};
use crate::measure::FunctionMeter;
use crate::route::RouteTable;

/// A revision that can run. It never changes: a deploy swaps the pointer, and an attempt in
/// flight keeps the revision that it started with.
#[derive(Debug)]
pub(crate) struct Revision {
    pub(crate) function: FunctionName,
    pub(crate) id: RevisionId,
    pub(crate) manifest: Manifest,
    pub(crate) config: Arc<BTreeMap<String, String>>,
    /// The manifest's, compiled.
    pub(crate) filter: Option<Arc<Filter>>,
    /// None of a subscription, and where a script stands in for it: in simulations.
    pub(crate) module: Option<Module>,
}

/// A function as the host runs it.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) definition: Definition,
    /// The active revision; none when there is none, or it could not be loaded.
    pub(crate) active: Option<Arc<Revision>>,
    /// What gets a part of the deliveries beside it; none when there is none.
    pub(crate) canary: Option<RunningCanary>,
    /// Why the active revision could not be loaded.
    pub(crate) broken: Option<String>,
    /// Since when every attempt has failed by a fault of the host's own.
    pub(crate) host_faults_since: Option<Timestamp>,
    /// How often its filter has failed on an event, since the host started.
    pub(crate) filter_errors: Arc<AtomicU64>,
    /// Its failures in a row, while its breaker is closed.
    pub(crate) streak: Streak,
}

impl Function {
    /// With nothing loaded.
    pub(crate) fn new(definition: Definition) -> Self {
        Self {
            definition,
            active: None,
            canary: None,
            broken: None,
            host_faults_since: None,
            filter_errors: Arc::default(),
            streak: Streak::default(),
        }
    }

    /// A function under another definition since `at`: what serves before and after stays loaded, and
    /// `loaded` is what the definition brings in.
    pub(crate) fn after(
        before: Option<&Self>,
        definition: Definition,
        loaded: Option<Arc<Revision>>,
        at: Timestamp,
    ) -> Self {
        let active = before.and_then(|before| before.active.as_ref());
        let canary = before.and_then(|before| before.canary.as_ref());
        let served = active.into_iter().chain(canary.map(|canary| &canary.revision));
        let find = |id| {
            let mut known = loaded.iter().chain(served.clone());
            known.find(|revision| revision.id == id).cloned()
        };
        let mut function = Self::new(definition);
        if let Some(before) = before {
            function.filter_errors = Arc::clone(&before.filter_errors);
        }
        let going_on =
            |before: &Self| before.streak.after(&before.definition, &function.definition, at);
        function.streak = before.map(going_on).unwrap_or_default();
        function.active = function.definition.active.and_then(find);
        function.canary = function
            .definition
            .canary
            .and_then(|defined| Some(RunningCanary::new(defined, find(defined.revision)?, canary)));
        if function.active.is_none() {
            // A pause or a resume does not mend a revision that could not be loaded.
            function.broken = before
                .filter(|before| before.definition.active == function.definition.active)
                .and_then(|before| before.broken.clone());
        }
        function
    }

    /// The revision that the attempts at a delivery run on.
    pub(crate) fn revision_for(
        &self,
        key: Option<&OrderingKey>,
        seq: Seq,
    ) -> Option<&Arc<Revision>> {
        match &self.canary {
            Some(canary) if canary.takes(key, seq) => Some(&canary.revision),
            _ => self.active.as_ref(),
        }
    }

    pub(crate) fn is_runnable(&self) -> bool {
        self.active.is_some() && self.definition.paused.is_none()
    }

    pub(crate) fn rules(&self) -> Rules {
        let manifest = self.active.as_ref().map(|revision| &revision.manifest);
        let probe = self.definition.breaker.as_ref().map(|open| open.probe);
        Rules { probe, ..Rules::of(manifest, self.is_runnable()) }
    }

    /// Since when and why it is paused, by an operator or because it could not be loaded.
    pub(crate) fn paused(&self) -> Option<(Timestamp, String)> {
        let paused = self.definition.paused.as_ref().map(|p| (p.at, p.reason.clone()));
        let broken = || self.broken.as_ref().map(|why| (Timestamp::default(), why.clone()));
        paused.or_else(broken)
    }

    pub(crate) fn canary_info(&self) -> Option<CanaryInfo> {
        let canary = self.definition.canary?;
        // Before it is loaded, nothing has been counted.
        let tally = self.canary.as_ref().map(|running| running.tally).unwrap_or_default();
        Some(CanaryInfo {
            revision: canary.revision,
            weight: canary.weight,
            since: canary.since,
            attempts: tally.attempts,
            failures: tally.failures,
            failures_max: canary.failures_max,
        })
    }

    pub(crate) fn canary_ended(&self) -> Option<CanaryEnded> {
        let CanaryEnd { revision, at, reason } = self.definition.canary_ended.clone()?;
        Some(CanaryEnded { revision, at, reason })
    }

    pub(crate) fn revision_infos(&self, meter: Option<&FunctionMeter>) -> Vec<RevisionInfo> {
        let active = self.definition.active;
        let info = |def: &RevisionDef| RevisionInfo {
            measured: meter.and_then(|meter| meter.revision(def.id)).unwrap_or_default(),
            id: def.id,
            digest: def.digest,
            component_len: def.component_len,
            manifest: serde_json::from_str(&def.manifest).unwrap_or_default(),
            config: def.config.clone(),
            created: def.created,
            active: active == Some(def.id),
            capabilities: self.loaded(def.id).map(capabilities::of),
        };
        self.definition.revisions.iter().map(info).collect()
    }

    /// A revision that serves now, and whose module is therefore there.
    fn loaded(&self, id: RevisionId) -> Option<&Revision> {
        let canary = self.canary.as_ref().map(|canary| canary.revision.as_ref());
        self.active.as_deref().into_iter().chain(canary).find(|revision| revision.id == id)
    }
}

pub(crate) type Functions = HashMap<FunctionName, Function>;

/// The table of all that is active now. A paused function still gets its events, and a function
/// whose module could not be loaded does too: only its operator ends a subscription.
pub(crate) fn routes(functions: &Functions, version: u64, limits: &Limits) -> RouteTable {
    let mut table = RouteTable::new(version);
    for (name, function) in functions {
        let errors = &function.filter_errors;
        // Read once, when it was loaded: there may be thousands, and this is done at each change.
        if let Some(active) = &function.active {
            table.add(name, &active.manifest, active.filter.clone(), errors);
            continue;
        }
        let Some(Ok(manifest)) = active_manifest(&function.definition, limits) else { continue };
        match read_filter(&manifest) {
            Ok(filter) => table.add(name, &manifest, filter, errors),
            // It was checked when it was deployed, by a host that knew more than this one.
            Err(error) => {
                tracing::error!(function = %name, %error, "the filter of a function is none");
            }
        }
    }
    table
}

/// The filter of a manifest, compiled.
pub(crate) fn read_filter(manifest: &Manifest) -> Result<Option<Arc<Filter>>, InvalidFilter> {
    let filter = manifest.filter.as_ref().map(Filter::from_json).transpose()?;
    Ok(filter.map(Arc::new))
}

/// The manifest of the active revision, if there is one.
pub(crate) fn active_manifest(
    definition: &Definition,
    limits: &Limits,
) -> Option<Result<Manifest, InvalidManifest>> {
    let active = definition.active?;
    let def = definition.revisions.iter().find(|def| def.id == active)?;
    Some(Manifest::from_json(&def.manifest, limits))
}

/// Finds a revision's definition.
pub(crate) fn find_revision(definition: &Definition, id: RevisionId) -> Option<&RevisionDef> {
    definition.revisions.iter().find(|def| def.id == id)
}
