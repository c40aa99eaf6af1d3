//! Whether a record may be what comes next.

use std::collections::BTreeSet;

use triphammer_journal::{
    Accepted, Definition, DropReason, Entrance, Outcome, Record, RowChange, RowStatus, Settle,
};
use triphammer_model::{DeliveryId, Effects, Event, FunctionName, NewEvent, Seq, Timestamp};

use super::HOPS_MAX;
use super::check_accept::{Way, is_notice};
use super::checker::{Checker, Run, Verdict, ensure};
use super::facts::{Delivery, Fate};
use super::observed::{End, Order, Read};
use super::seen::Seen;

/// Starts without an outcome after which a delivery is dead.
pub(super) const STARTS: u8 = 3;
/// How long every attempt fails in the host before it pauses the function.
const HOST_FAULTS_MS: u64 = 300_000;

impl Checker {
    pub(super) fn check_record(&mut self, seq: Seq, record: &Record) -> Verdict {
        match record {
            Record::Accept(accept) => self.check_accept(seq, accept),
            Record::Settle(settle) => self.check_settle(settle),
            Record::Rows { why: RowChange::Started, rows, .. } => self.check_start(seq, rows),
            Record::Rows { why: RowChange::Redriven, rows, .. } => {
                rows.iter().try_for_each(|row| {
                    ensure!(row.attempts == 0 && row.starts == 0, "{} keeps its past", row.id);
                    self.check_changed(seq, &row.id, Fate::Dead)
                })
            }
            Record::Drop { why, ids, .. } => {
                ids.iter().try_for_each(|id| self.check_drop(seq, *why, id))
            }
            Record::Define { name, definition, raised, .. } => {
                self.check_define(seq, (name, definition), raised)
            }
            Record::WipeState { function, .. } => {
                let asked = self.orders.values_mut().rev().find(|order| {
                    matches!(&order.what, Order::Remove { name, state: true, .. } if name == function)
                });
                asked.ok_or("state is wiped that nobody asked to")?.last = seq.get();
                Ok(())
            }
            Record::Replay { replay, events, .. } => self.check_replay(seq, replay, events),
        }
    }

    fn check_define(
        &mut self,
        seq: Seq,
        (name, definition): (&FunctionName, &Definition),
        raised: &[Accepted],
    ) -> Verdict {
        let raised = self.check_paused_told(name, definition, raised)?;
        if self.breakers.is_due(name) {
            return self.check_breaker_step(name, definition, raised);
        }
        // Each has one such record; a later one may ask for the same again.
        let mut asked = self.orders.iter().filter(|(_, order)| order.last == 0);
        let asked = asked.find(|(_, order)| match &order.what {
            Order::Define { name: n, definition: d } => {
                n == name && self.as_defined(n, d) == *definition
            }
            Order::Remove { name: n, .. } => n == name && definition.deleted,
            _ => false,
        });
        let Some(order) = asked.map(|(order, _)| *order) else {
            return self.check_host_step(name, definition, raised);
        };
        self.check_closed_told(name, definition, raised)?;
        self.orders.get_mut(&order).expect("it was found above").last = seq.get();
        Ok(())
    }

    /// What the host does on its own, breakers apart: it ends a canary, which it tells of, or pauses.
    fn check_host_step(
        &self,
        name: &FunctionName,
        definition: &Definition,
        raised: &[Accepted],
    ) -> Verdict {
        match raised {
            [] => self.check_host_pause(name, definition),
            _ => self.check_canary_end(name, definition, raised),
        }
    }

    /// A function whose every attempt has failed in the host for a while is paused by it.
    fn check_host_pause(&self, name: &FunctionName, definition: &Definition) -> Verdict {
        let mut expect = self.facts.functions.get(name).map(|f| f.definition.clone());
        let expect = expect.as_mut().ok_or("a definition that nobody asked for")?;
        let since = self.host_faults.get(name).copied().unwrap_or(self.now);
        let long = self.now.ms() > since.ms() + HOST_FAULTS_MS;
        ensure!(long, "{name} is defined anew, and nobody asked: it fails in the host {since:?}");
        expect.paused.clone_from(&definition.paused);
        let paused = definition.paused.as_ref().is_some_and(|pause| pause.at == self.now);
        self.notes.saw(Seen::HostPause);
        ensure!(paused && definition == expect, "more than a pause of {name}: {definition:?}");
        Ok(())
    }

    fn check_drop(&mut self, seq: Seq, why: DropReason, id: &DeliveryId) -> Verdict {
        match why {
            DropReason::Removed if self.orphans.remove(id) => Ok(()),
            DropReason::Operator | DropReason::Removed => self.check_changed(seq, id, Fate::Open),
            DropReason::Expired => {
                let expired = self.is_expired(id);
                if expired {
                    self.notes.saw(Seen::Expired);
                }
                let fits = self.is_old(id) || expired;
                ensure!(fits, "{id} is given up before its time");
                Ok(())
            }
            DropReason::Debounced | DropReason::RateLimited => self.check_surplus(id, why),
            DropReason::Cancelled | DropReason::Missed => self.check_taken_back(id, why),
        }
    }

    /// Whether it is open, and no attempt at it may begin any more.
    fn is_expired(&self, id: &DeliveryId) -> bool {
        let delivery = self.facts.deliveries.get(id).filter(|d| d.fate == Fate::Open);
        let expires = delivery.and_then(|delivery| delivery.expires);
        expires.is_some_and(|expires| expires <= self.now) && !self.is_running(id)
    }

    /// Whether it is a dead letter that its function keeps no longer.
    pub(super) fn is_old(&self, id: &DeliveryId) -> bool {
        let keep = self.facts.manifest(&id.function).and_then(|m| m.dead_letter.keep);
        let delivery = self.facts.deliveries.get(id).filter(|d| d.fate == Fate::Dead);
        delivery.zip(keep).is_some_and(|(dead, keep)| dead.died.plus(keep) <= self.now)
    }

    fn check_start(&mut self, seq: Seq, rows: &[triphammer_journal::DeliveryRow]) -> Verdict {
        let [row] = rows else { return Err("a start of several deliveries".into()) };
        let starts = self.facts.deliveries.get(&row.id).map_or(0, |delivery| delivery.starts);
        let run = self.runs.values_mut().find(|run| run.id == row.id && !run.settled);
        let run = run.ok_or_else(|| format!("{} starts without a lease", row.id))?;
        ensure!(run.began == 0, "{} says that it starts when it has", row.id);
        ensure!(self.suspects.contains(&row.id), "{} starts, and was never stopped", row.id);
        let counted = row.starts == starts + 1 || row.starts == starts;
        ensure!(counted && row.starts <= STARTS, "{}: start {} of {starts}", row.id, row.starts);
        run.started = Some(seq);
        Ok(())
    }

    /// Of a delivery that an operator's order changes.
    pub(super) fn check_changed(&mut self, seq: Seq, id: &DeliveryId, from: Fate) -> Verdict {
        let fate = self.facts.deliveries.get(id).map(|delivery| delivery.fate);
        let may = fate == Some(Fate::Dead) || fate == Some(from);
        ensure!(may, "{id} is changed by an operator and is {fate:?}");
        let asked = self.orders.values_mut().find(|order| order.left.contains(id));
        let order = asked.ok_or_else(|| format!("nobody asked for a change of {id}"))?;
        order.left.remove(id);
        order.count += 1;
        order.last = seq.get();
        Ok(())
    }

    fn check_settle(&mut self, settle: &Settle) -> Verdict {
        let id = &settle.id;
        let delivery = self.facts.deliveries.get(id).ok_or_else(|| format!("{id} is unknown"))?;
        ensure!(delivery.fate == Fate::Open, "{id} is settled and was {:?}", delivery.fate);
        let run = self.runs.values().find(|run| run.id == *id && !run.settled);
        let run = run.ok_or_else(|| format!("{id} is settled and nobody runs it"))?;
        ensure!(settle.attempt == run.attempt, "{id}: attempt {} settles", settle.attempt);
        ensure!(settle.revision == run.revision, "{id} settles on {}", settle.revision);
        ensure!(settle.key == delivery.key, "{id} settles under another key");
        self.check_reads(run, delivery, settle.started)?;
        match &settle.outcome {
            Outcome::Committed { .. } => self.check_commit(settle, run, delivery)?,
            Outcome::Retry { row, .. } if run.along.is_empty() => {
                self.check_retry(run, delivery, &row.status, row.attempts)?;
            }
            Outcome::Retry { row, .. } => self.check_parted(run, &row.status, row.attempts)?,
            Outcome::Dead { row, raised } => {
                let RowStatus::Dead { error, .. } = &row.status else {
                    return Err(format!("{id} is dead and alive"));
                };
                ensure!(run.along.is_empty(), "{id} is dead of what its batch came to");
                self.check_dead(run, delivery, &error.code)?;
                let told = delivery.hops.0 < HOPS_MAX && !is_notice(&self.facts.events[&id.seq]);
                ensure!(raised.len() == usize::from(told), "{id} raises {}", raised.len());
                raised.iter().try_for_each(|notice| self.check_notice(id, notice))?;
            }
        }
        if let Outcome::Retry { row, .. } = &settle.outcome
            && let RowStatus::Due(due) = row.status
            && !run.along.is_empty()
        {
            self.part(settle, due);
        }
        self.suspects.remove(id);
        let run = self.runs.values_mut().find(|run| run.id == *id && !run.settled);
        run.expect("it was found above").settled = true;
        Ok(())
    }

    /// The order of the commits explains every read: what was read is what is committed now, as of
    /// the time at which the attempt began.
    fn check_reads(&self, run: &Run, delivery: &Delivery, started: Timestamp) -> Verdict {
        let space = (run.id.function.clone(), delivery.key.clone());
        for read in &run.reads {
            let now = match read {
                Read::Name { name, .. } => {
                    let mut all = self.facts.state_at(started);
                    let found = all.find(|((s, n), _)| *s == space && n == name);
                    let kept = self.facts.state.contains_key(&(space.clone(), name.clone()));
                    if found.is_none() && kept {
                        self.notes.saw(Seen::StateGone);
                    }
                    Read::Name { name: name.clone(), value: found.map(|(_, v)| v.clone()) }
                }
                Read::Scan { prefix, .. } => {
                    let all = self
                        .facts
                        .state_at(started)
                        .filter(|((s, name), _)| *s == space && name.starts_with(prefix.as_str()));
                    let found = all.map(|((_, name), value)| (name.clone(), value.clone()));
                    Read::Scan { prefix: prefix.clone(), found: found.collect() }
                }
            };
            ensure!(now == *read, "{} settles on {read:?}, which is {now:?}", run.id);
        }
        Ok(())
    }

    fn check_commit(&self, settle: &Settle, run: &Run, delivery: &Delivery) -> Verdict {
        let id = &settle.id;
        let Some(End::Commit(Effects { writes, emits, reply, timers })) = &run.end else {
            return Err(format!("{id} is committed and has not succeeded"));
        };
        let Outcome::Committed { writes: done, emitted, reply: replied, also, cancelled } =
            &settle.outcome
        else {
            return Ok(());
        };
        self.check_also(run, also)?;
        ensure!(done == writes, "{id} wrote other state than it asked for");
        ensure!(replied == reply, "{id} replied otherwise than it asked for");
        let space = (id.function.clone(), delivery.key.clone());
        let commits = self.facts.commits.get(&space).copied().unwrap_or(0) + 1;
        let count = done.iter().find(|write| write.name == "count").and_then(|w| w.value.clone());
        let count = count.map(|value| String::from_utf8_lossy(&value).into_owned());
        ensure!(
            count.as_deref() == Some(&commits.to_string()),
            "{id} counts {count:?} at commit {commits}"
        );
        let hops = self.hops(run);
        ensure!(emits.is_empty() || hops < HOPS_MAX, "{id} emits past the last hop");
        let emits = self.not_known(id, emits);
        let set = timers.iter().filter(|change| change.set.is_some()).count();
        let all = emits.len() + set == emitted.len();
        ensure!(all, "{id} emits {} events, {set} timers among them", emitted.len());
        let (emitted, set) = emitted.split_at(emits.len());
        for (emit, accepted) in emits.iter().zip(emitted) {
            self.check_emitted(settle, hops, emit, accepted)?;
        }
        self.check_timers(settle, timers, set, cancelled)
    }

    /// Of what a handler emits, that which it has not emitted before.
    fn not_known<'a>(&self, id: &DeliveryId, emits: &'a [NewEvent]) -> Vec<&'a NewEvent> {
        let mut seen = BTreeSet::new();
        let entrance = Entrance::Function(id.function.clone());
        let source = format!("/functions/{}", id.function);
        let is_new = |emit: &&NewEvent| {
            let own = emit.parts.id.clone();
            let known = (entrance.clone(), source.clone(), own.clone());
            own.is_empty() || (!self.facts.known.contains_key(&known) && seen.insert(own))
        };
        emits.iter().filter(is_new).collect()
    }

    fn check_emitted(
        &self,
        settle: &Settle,
        hops: u16,
        emit: &NewEvent,
        accepted: &Accepted,
    ) -> Verdict {
        let (id, event, parts) = (&settle.id, &accepted.event, &emit.parts);
        let same = event.ty() == parts.ty
            && event.subject() == parts.subject.as_deref()
            && event.data() == parts.data.as_deref()
            && (parts.id.is_empty() || event.id() == parts.id);
        ensure!(same, "{id} emits another event than it asked for");
        ensure!(accepted.hops.0 == hops + 1, "{id} emits at {:?}", accepted.hops);
        let repeated = |e: &Event| e.id() == event.id() && e.source() == event.source();
        ensure!(!self.facts.events.values().any(repeated), "event {} is emitted twice", event.id());
        self.check_routes(accepted, Way::Routed(emit.delay_ms))
    }
}
