//! Whether a record may be what comes next.

use std::collections::BTreeSet;

use triphammer_journal::{
    Accept, Accepted, Definition, DropReason, Entrance, NewDelivery, Outcome, Record, RowChange,
    RowStatus, Settle,
};
use triphammer_model::{
    DeliveryId, Effects, Event, ExtensionValue, FunctionName, Hops, Manifest, NewEvent, Seq,
    Timestamp,
};

use super::HOPS_MAX;
use super::checker::{Checker, Run, Verdict, ensure};
use super::facts::{Delivery, Fate};
use super::observed::{End, Order, Read};

fn is_notice(event: &Event) -> bool {
    event.ty().starts_with("triphammer.")
}

/// Starts without an outcome after which a delivery is dead.
const STARTS: u8 = 3;
/// The longest wait after a fault of the host's own.
const HOST_WAIT_MS: u64 = 5000;

impl Checker {
    pub(super) fn check_record(&mut self, seq: Seq, record: &Record) -> Verdict {
        match record {
            Record::Accept(accept) => self.check_accept(accept),
            Record::Settle(settle) => self.check_settle(settle),
            Record::Rows { why: RowChange::Started, rows, .. } => self.check_start(seq, rows),
            Record::Rows { why: RowChange::Redriven, rows, .. } => {
                rows.iter().try_for_each(|row| {
                    ensure!(row.attempts == 0 && row.starts == 0, "{} keeps its past", row.id);
                    self.check_changed(seq, &row.id, Fate::Dead)
                })
            }
            Record::Drop { why: DropReason::Expired, ids, .. } => ids.iter().try_for_each(|id| {
                ensure!(self.is_old(id), "{id} is given up before its time");
                Ok(())
            }),
            Record::Drop { ids, .. } => {
                ids.iter().try_for_each(|id| self.check_changed(seq, id, Fate::Open))
            }
            Record::Define { name, definition, raised, .. } => {
                self.check_define(seq, (name, definition), raised)
            }
            Record::WipeState { function, .. } => {
                let asked = self.orders.values_mut().find(|order| {
                    matches!(&order.what, Order::Remove { name, state: true, .. } if name == function)
                });
                asked.ok_or("state is wiped that nobody asked to")?.last = seq.get();
                Ok(())
            }
            Record::Replay { .. } => Err("a replay that nobody asked for".into()),
        }
    }

    fn check_define(
        &mut self,
        seq: Seq,
        (name, definition): (&FunctionName, &Definition),
        raised: &[Accepted],
    ) -> Verdict {
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
            return self.check_canary_end(name, definition, raised);
        };
        self.check_closed_told(name, definition, raised)?;
        self.orders.get_mut(&order).expect("it was found above").last = seq.get();
        Ok(())
    }

    /// Whether it is a dead letter that its function keeps no longer.
    pub(super) fn is_old(&self, id: &DeliveryId) -> bool {
        let keep = self.facts.manifest(&id.function).and_then(|m| m.dead_letter.keep);
        let delivery = self.facts.deliveries.get(id).filter(|d| d.fate == Fate::Dead);
        delivery.zip(keep).is_some_and(|(dead, keep)| dead.died.plus(keep) <= self.now)
    }

    fn check_accept(&mut self, accept: &Accept) -> Verdict {
        if accept.entrance == Entrance::Host {
            if let [probing] = &accept.events[..]
                && probing.event.ty() == "triphammer.breaker.probing"
            {
                return self.check_probing_told(probing);
            }
            let owed = std::mem::take(&mut self.owed);
            ensure!(owed.len() == accept.events.len(), "{owed:?} died, and others are told of");
            let all = owed.iter().zip(&accept.events);
            return all.into_iter().try_for_each(|(id, notice)| self.check_notice(id, notice));
        }
        ensure!(accept.entrance == Entrance::Ingress, "an event came in by {:?}", accept.entrance);
        let events: Vec<&Event> = accept.events.iter().map(|accepted| &accepted.event).collect();
        ensure!(self.is_sent(&events), "events that nobody sent, or not together");
        let mut new = BTreeSet::new();
        for accepted in &accept.events {
            let event = &accepted.event;
            let (source, id) = (event.source().to_owned(), event.id().to_owned());
            let again =
                self.facts.known.contains_key(&(Entrance::Ingress, source.clone(), id.clone()));
            ensure!(
                (!again || self.failed) && new.insert((source, id.clone())),
                "event {id} is taken in twice"
            );
            ensure!(accepted.dedup.is_some(), "event {id} can't be recognised again");
            ensure!(accepted.hops == Hops(0), "event {id} has come a long way");
            self.check_routes(accepted, None)?;
        }
        Ok(())
    }

    pub(super) fn check_routes(&self, accepted: &Accepted, due: Option<Timestamp>) -> Verdict {
        let expect = self.facts.route(&accepted.event);
        let same = |(name, key): &(_, Result<Option<String>, ()>), found: &NewDelivery| {
            let (found_key, dead) = (&found.key, &found.dead);
            *name == found.function
                && match key {
                    Ok(key) => {
                        key.as_deref() == found_key.as_ref().map(|key| key.as_str())
                            && dead.is_none()
                            && found.due == due
                    }
                    Err(()) => dead.as_ref().is_some_and(|e| e.code == "route.key_missing"),
                }
        };
        let found = &accepted.deliveries;
        let all = expect.len() == found.len() && expect.iter().zip(found).all(|(e, f)| same(e, f));
        for new in found {
            let own = match accepted.event.extension("priority") {
                Some(ExtensionValue::Integer(own @ 0..10)) => Some(own as u32),
                _ => None,
            };
            let of = |manifest: &Manifest| u32::from(manifest.priority.get());
            let expect = own.or_else(|| self.facts.manifest(&new.function).map(of));
            let found = u32::from(new.priority.get());
            ensure!(expect == Some(found), "priority {found}, not {expect:?}");
        }
        ensure!(all, "event {} goes to {found:?}, not {expect:?}", accepted.event.id());
        Ok(())
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
    fn check_changed(&mut self, seq: Seq, id: &DeliveryId, from: Fate) -> Verdict {
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
            Outcome::Retry { row, .. } => {
                self.check_retry(run, delivery, &row.status, row.attempts)?;
            }
            Outcome::Dead { row, raised } => {
                let RowStatus::Dead { error, .. } = &row.status else {
                    return Err(format!("{id} is dead and alive"));
                };
                self.check_dead(run, delivery, &error.code)?;
                let told = delivery.hops.0 < HOPS_MAX && !is_notice(&self.facts.events[&id.seq]);
                ensure!(raised.len() == usize::from(told), "{id} raises {}", raised.len());
                raised.iter().try_for_each(|notice| self.check_notice(id, notice))?;
            }
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
        let Some(End::Commit(Effects { writes, emits, reply, .. })) = &run.end else {
            return Err(format!("{id} is committed and has not succeeded"));
        };
        let Outcome::Committed { writes: done, emitted, reply: replied, .. } = &settle.outcome
        else {
            return Ok(());
        };
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
        ensure!(emits.is_empty() || delivery.hops.0 < HOPS_MAX, "{id} emits past the last hop");
        let emits = self.not_known(id, emits);
        ensure!(emits.len() == emitted.len(), "{id} emits {} events", emitted.len());
        for (emit, accepted) in emits.iter().zip(emitted) {
            self.check_emitted(settle, delivery, emit, accepted)?;
        }
        Ok(())
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
        delivery: &Delivery,
        emit: &NewEvent,
        accepted: &Accepted,
    ) -> Verdict {
        let (id, event, parts) = (&settle.id, &accepted.event, &emit.parts);
        let same = event.ty() == parts.ty
            && event.subject() == parts.subject.as_deref()
            && event.data() == parts.data.as_deref()
            && (parts.id.is_empty() || event.id() == parts.id);
        ensure!(same, "{id} emits another event than it asked for");
        ensure!(accepted.hops.0 == delivery.hops.0 + 1, "{id} emits at {:?}", accepted.hops);
        let repeated = |e: &Event| e.id() == event.id() && e.source() == event.source();
        ensure!(!self.facts.events.values().any(repeated), "event {} is emitted twice", event.id());
        let due = emit.delay_ms.map(|ms| Timestamp(settle.at.0 + ms));
        self.check_routes(accepted, due)
    }

    /// Dead letters from the beginning: the host tells of them next.
    pub(super) fn owe(&mut self, seq: Seq, record: &Record) {
        let (offset, events) = record.events();
        for (index, accepted) in (seq.get() + offset..).zip(events) {
            let seq = Seq::new(index).expect("it is above zero");
            let dead = accepted.deliveries.iter().filter(|new| new.dead.is_some());
            if !is_notice(&accepted.event) {
                let id = |new: &NewDelivery| DeliveryId { seq, function: new.function.clone() };
                self.owed.extend(dead.map(id));
            }
        }
    }

    /// The host's own event about a dead letter.
    fn check_notice(&self, id: &DeliveryId, notice: &Accepted) -> Verdict {
        let event = &notice.event;
        let about =
            event.ty() == "triphammer.delivery.dead" && event.subject() == Some(&id.to_string());
        ensure!(about, "{id} is dead, and the host tells of {:?}", event.subject());
        let hops = self.facts.deliveries[id].hops.0 + 1;
        ensure!(notice.hops.0 == hops, "the notice of {id} is at {:?}", notice.hops);
        self.check_routes(notice, None)
    }

    fn check_retry(
        &self,
        run: &Run,
        delivery: &Delivery,
        status: &RowStatus,
        attempts: u32,
    ) -> Verdict {
        let id = &run.id;
        let RowStatus::Due(due) = status else { return Err(format!("{id} is retried and dead")) };
        let policy = self.policy(run)?;
        let ceiling = policy.ceiling(run.attempt - 1).as_millis() as u64;
        let wait = due.0.checked_sub(self.now.0).ok_or("a retry that is due in the past")?;
        let counted = match run.end {
            Some(End::HostFault) => {
                ensure!(wait <= ceiling.min(HOST_WAIT_MS), "{id} waits {wait} ms");
                0
            }
            Some(End::Trap | End::Retry { after_ms: None }) => {
                ensure!(wait <= ceiling, "{id} waits {wait} ms of at most {ceiling}");
                1
            }
            Some(End::Retry { after_ms: Some(after) }) => {
                ensure!(wait == after, "{id} waits {wait} ms, and asked for {after}");
                1
            }
            _ => return Err(format!("{id} is tried again after {:?}", run.end)),
        };
        let age = self.now.0 - delivery.place.0.0 + wait;
        let old = policy.age.is_some_and(|most| u128::from(age) > most.as_millis());
        ensure!(counted == 0 || !old, "{id} would be {age} ms old");
        let left = counted == 0 || run.attempt < policy.attempts;
        ensure!(left, "{id} is tried again after its last attempt");
        ensure!(attempts == delivery.attempts + counted, "{id} has had {attempts} attempts");
        Ok(())
    }

    fn check_dead(&self, run: &Run, delivery: &Delivery, code: &str) -> Verdict {
        let policy = self.policy(run)?;
        let wait = match run.end {
            Some(End::Retry { after_ms: Some(after) }) => u128::from(after),
            _ => policy.ceiling(run.attempt - 1).as_millis(),
        };
        let age = u128::from(self.now.0 - delivery.place.0.0) + wait;
        let old = policy.age.is_some_and(|most| age > most.as_millis());
        let last = run.attempt >= policy.attempts || old;
        let may = match (&run.end, code) {
            (Some(End::Reject), "invoke.rejected") => true,
            (Some(End::Trap), "invoke.trap") | (Some(End::Retry { .. }), "invoke.retry") => last,
            (Some(End::Commit(effects)), "limit.hops") => {
                !effects.emits.is_empty() && delivery.hops.0 >= HOPS_MAX
            }
            (None, "invoke.crashed") => delivery.starts == STARTS && run.began == 0,
            _ => false,
        };
        ensure!(may, "{} is dead of {code} after {:?}, attempt {}", run.id, run.end, run.attempt);
        Ok(())
    }

    /// Of the revision that the attempt runs on.
    fn policy(&self, run: &Run) -> Result<triphammer_model::RetryPolicy, String> {
        let function = &self.facts.functions[&run.id.function];
        let revisions = &function.definition.revisions;
        let def = revisions.iter().find(|def| def.id == run.revision);
        let def = def.ok_or_else(|| format!("{} runs on what is not kept", run.id))?;
        let manifest = Manifest::from_json(&def.manifest, &Default::default());
        Ok(manifest.map_err(|error| error.to_string())?.retry)
    }
}
