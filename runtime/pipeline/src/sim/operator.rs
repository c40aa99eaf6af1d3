//! What an operator does in a history: deploys, pauses, removals, redrives, drops.

use std::sync::Arc;

use triphammer_journal::{Definition, Pause, RevisionDef};
use triphammer_model::{DeliveryId, Digest, FunctionName, Limits, Manifest, RevisionId};

use super::generator::Step;
use super::host::revision;
use super::observed::{Observed, Order};
use super::spec::{FunctionSpec, TYPES, type_name};
use super::world::{Stepped, World};
use crate::canary::Share;
use crate::info::{EventQuery, Remove, Selection};
use crate::registry::{Revision, find_revision};
use crate::replays::NewReplay;
use crate::rollout::{Candidate, end_canary, give};

impl World {
    pub(super) fn administer(&mut self, step: Step) -> Stepped {
        match step {
            Step::Redrive => self.redrive(),
            Step::Drop => self.drop_some(),
            Step::Replay => self.replay(),
            Step::CancelReplay => self.cancel_replay(),
            _ => {
                let at = self.generator.rng.below(self.functions.len() as u64);
                let spec = self.functions[at as usize].clone();
                match step {
                    Step::Deploy => {
                        let spec = self.generator.revision(&spec, at);
                        self.deploy(spec)
                    }
                    Step::Canary => self.canary(spec, at),
                    Step::Remove => self.remove(spec.name),
                    step => self.redefine(&spec.name, step),
                }
            }
        }
    }

    fn definition(&self, name: &FunctionName) -> Definition {
        let inner = self.host.core.lock();
        inner.functions.get(name).map(|f| f.definition.clone()).unwrap_or_default()
    }

    pub(super) fn deploy(&mut self, spec: FunctionSpec) -> Stepped {
        let name = spec.name.clone();
        let mut definition = self.definition(&name);
        let id = self.upload(&mut definition, &spec)?;
        match self.functions.iter_mut().find(|function| function.name == name) {
            Some(function) => *function = spec,
            None => self.functions.push(spec),
        }
        self.give(&name, definition, id, Share::All)
    }

    /// Another revision as a canary; or what can become of the one that there is.
    fn canary(&mut self, spec: FunctionSpec, at: u64) -> Stepped {
        let definition = self.definition(&spec.name);
        if definition.deleted || definition.active.is_none() {
            return Ok(());
        }
        let rng = &mut self.generator.rng;
        let (weight, failures_max) = (1 + rng.below(99) as u8, [0, 50, 100][rng.below(3) as usize]);
        let (share, choice) = (Share::Canary { weight, failures_max }, rng.below(4));
        match definition.canary {
            Some(canary) if choice == 0 => {
                self.give(&spec.name, definition, canary.revision, Share::All)
            }
            Some(canary) if choice == 1 => {
                self.give(&spec.name, definition, canary.revision, share)
            }
            Some(_) if choice == 2 => self.redefine(&spec.name, Step::Rollback),
            _ => {
                let keyed = definition
                    .active
                    .and_then(|id| find_revision(&definition, id))
                    .is_some_and(|def| def.manifest.contains("\"key\""));
                let next = self.generator.revision(&spec, at);
                self.try_out(FunctionSpec { keyed, ..next }, share)
            }
        }
    }

    /// Uploads a canary with the key of the active revision.
    pub(super) fn try_out(&mut self, spec: FunctionSpec, share: Share) -> Stepped {
        let mut definition = self.definition(&spec.name);
        let id = self.upload(&mut definition, &spec)?;
        self.give(&spec.name, definition, id, share)
    }

    fn give(
        &mut self,
        function: &FunctionName,
        mut definition: Definition,
        id: RevisionId,
        share: Share,
    ) -> Stepped {
        let def = find_revision(&definition, id).ok_or("a revision that is not there")?;
        let loaded = revision(function, def);
        let manifest = &loaded.manifest;
        let candidate = Candidate { function, id, manifest, at: self.clock.now() };
        give(&mut definition, &candidate, share, &Limits::default())
            .map_err(|error| error.to_string())?;
        self.define(function, definition, Some(loaded))
    }

    /// Adds a revision that serves nothing yet.
    fn upload(
        &self,
        definition: &mut Definition,
        spec: &FunctionSpec,
    ) -> Result<RevisionId, String> {
        definition.revision_last += 1;
        let id = RevisionId::new(definition.revision_last).expect("it is above zero");
        let manifest = Manifest::from_json(&spec.manifest().to_string(), &Limits::default());
        let manifest = manifest.map_err(|error| error.to_string())?.to_json().to_string();
        definition.revisions.push(RevisionDef {
            id,
            digest: Digest([7; 32]),
            component_len: 0,
            manifest,
            config: <_>::default(),
            created: self.clock.now(),
        });
        definition.deleted = false;
        Ok(id)
    }

    fn define(
        &mut self,
        name: &FunctionName,
        definition: Definition,
        loaded: Option<Arc<Revision>>,
    ) -> Stepped {
        let order = self.number();
        let what = Order::Define { name: name.clone(), definition: definition.clone() };
        self.observe(Observed::Ordered { order, what })?;
        let before = self.definition(name);
        let (core, name) = (Arc::clone(&self.host.core), name.clone());
        let job = async move { core.define(&name, &before, definition, loaded).await.map(|()| 0) };
        self.host.order(order, job);
        self.answer()
    }

    /// A pause, a resume, or a rollback.
    pub(super) fn redefine(&mut self, name: &FunctionName, step: Step) -> Stepped {
        let mut definition = self.definition(name);
        let pause = Pause { at: self.clock.now(), reason: "paused by an operator".into() };
        match step {
            Step::Pause if definition.paused.is_none() => definition.paused = Some(pause),
            Step::Resume if definition.paused.is_some() || definition.breaker.is_some() => {
                (definition.paused, definition.breaker) = (None, None);
            }
            Step::Rollback if definition.canary.is_some() => {
                end_canary(&mut definition, self.clock.now(), "rolled back".into());
            }
            Step::Rollback => match definition.previous {
                Some(id) if !definition.deleted => {
                    return self.give(name, definition, id, Share::All);
                }
                _ => return Ok(()),
            },
            _ => return Ok(()),
        }
        if definition.deleted { Ok(()) } else { self.define(name, definition, None) }
    }

    pub(super) fn resume_all(&mut self) -> Stepped {
        for name in self.functions.iter().map(|f| f.name.clone()).collect::<Vec<_>>() {
            self.redefine(&name, Step::Resume)?;
            self.look()?;
        }
        Ok(())
    }

    fn remove(&mut self, name: FunctionName) -> Stepped {
        let (discard, state) = (self.generator.rng.chance(70), self.generator.rng.chance(50));
        self.remove_this(name, Remove { discard, state })
    }

    pub(super) fn remove_this(&mut self, name: FunctionName, how: Remove) -> Stepped {
        let Remove { discard, state } = how;
        let order = self.number();
        let what = Order::Remove { name: name.clone(), discard, state };
        self.observe(Observed::Ordered { order, what })?;
        let core = Arc::clone(&self.host.core);
        let job = async move { core.remove(&name, how).await };
        self.host.order(order, job);
        self.answer()
    }

    /// Some of the deliveries that the host shows, in any order.
    fn some_deliveries(&mut self) -> Vec<DeliveryId> {
        let deliveries = self.host.shown().deliveries;
        let mut ids = Vec::new();
        for (id, ..) in deliveries {
            if self.generator.rng.chance(60) {
                let at = self.generator.rng.below(ids.len() as u64 + 1);
                ids.insert(at as usize, id.clone());
                if self.generator.rng.chance(10) {
                    ids.push(id);
                }
            }
        }
        ids
    }

    fn redrive(&mut self) -> Stepped {
        let ids = self.some_deliveries();
        self.redrive_these(ids)
    }

    pub(super) fn redrive_these(&mut self, ids: Vec<DeliveryId>) -> Stepped {
        let order = self.number();
        self.observe(Observed::Ordered { order, what: Order::Redrive(ids.clone()) })?;
        let core = Arc::clone(&self.host.core);
        let job = async move { core.redrive(&Selection::Ids(ids)).await };
        self.host.order(order, job);
        self.answer()
    }

    fn replay(&mut self) -> Stepped {
        let generator = &mut self.generator;
        let ty = generator.rng.chance(60).then(|| type_name(generator.rng.below(TYPES)));
        let function = generator.pick(&self.functions).map(|spec| spec.name.clone());
        let function = function.filter(|_| generator.rng.chance(50));
        let rate = 1 + generator.rng.below(60) as u32;
        self.replay_these(ty, function, rate)
    }

    pub(super) fn replay_these(
        &mut self,
        ty: Option<String>,
        function: Option<FunctionName>,
        rate: u32,
    ) -> Stepped {
        let order = self.number();
        let what = Order::Replay { ty: ty.clone(), function: function.clone(), rate };
        self.observe(Observed::Ordered { order, what })?;
        let ty = ty.map(|ty| ty.parse().expect("it is a type"));
        let events = EventQuery { ty, ..EventQuery::default() };
        self.host.start_replay(order, NewReplay { events, function, rate });
        self.answer()
    }

    fn cancel_replay(&mut self) -> Stepped {
        let running: Vec<u64> =
            self.host.core.lock().replays.running().map(|replay| replay.id).collect();
        let Some(id) = self.generator.pick(&running).copied() else { return Ok(()) };
        self.cancel_this(id)
    }

    pub(super) fn cancel_this(&mut self, id: u64) -> Stepped {
        let order = self.number();
        self.observe(Observed::Ordered { order, what: Order::CancelReplay(id) })?;
        self.host.cancel_replay(order, id);
        self.answer()
    }

    fn drop_some(&mut self) -> Stepped {
        let mut ids = self.some_deliveries();
        ids.truncate(2);
        self.drop_these(ids)
    }

    pub(super) fn drop_these(&mut self, ids: Vec<DeliveryId>) -> Stepped {
        let order = self.number();
        self.observe(Observed::Ordered { order, what: Order::Drop(ids.clone()) })?;
        let core = Arc::clone(&self.host.core);
        let job = async move { core.drop_deliveries(&Selection::Ids(ids)).await };
        self.host.order(order, job);
        self.answer()
    }
}
