//! Whether replays make what they are asked for: each event of the past once, in order, marked, not
//! faster than they may, and nothing after their end.

use std::collections::BTreeMap;

use triphammer_journal::{Accepted, Replay, ReplayState};
use triphammer_model::{Event, ExtensionValue, FunctionName, Hops, Seq, Timestamp};

use super::check_accept::Way;
use super::checker::{Checker, Verdict, ensure};
use super::observed::Order;
use super::seen::Seen;

/// When each has made how many, since the host is up.
pub(super) type Paces = BTreeMap<u64, Vec<(Timestamp, u64)>>;

const SECOND_MS: u64 = 1000;

impl Checker {
    pub(super) fn check_replay(
        &mut self,
        seq: Seq,
        replay: &Replay,
        events: &[Accepted],
    ) -> Verdict {
        let id = replay.id;
        let Some(before) = self.facts.replays.get(&id).cloned() else {
            return self.check_begun(seq, replay, events);
        };
        ensure!(before.is_running(), "replay {id} goes on after its end");
        let stays = Replay { state: replay.state.clone(), ..before.clone() };
        match &replay.state {
            ReplayState::Cancelled { at } => {
                let asked = self.orders.values_mut().find(|order| match order.what {
                    Order::CancelReplay(asked) => asked == id,
                    _ => false,
                });
                asked.ok_or_else(|| format!("nobody cancelled replay {id}"))?.last = seq.get();
                ensure!(
                    *replay == stays && events.is_empty(),
                    "replay {id} is cancelled, and runs"
                );
                self.notes.saw(Seen::ReplayCancelled);
                ensure!(*at == self.now, "replay {id} is cancelled at {at:?}");
                Ok(())
            }
            ReplayState::Failed { .. } => {
                let gone = replay.function.as_ref().is_some_and(|name| self.is_gone(name));
                ensure!(gone, "replay {id} fails: {:?}", replay.state);
                ensure!(*replay == stays && events.is_empty(), "replay {id} fails, and runs");
                Ok(())
            }
            ReplayState::Running | ReplayState::Done { .. } => {
                self.check_replayed(&before, replay, events)
            }
        }
    }

    pub(super) fn is_gone(&self, name: &FunctionName) -> bool {
        self.facts.manifest(name).is_none()
    }

    fn check_begun(&mut self, seq: Seq, replay: &Replay, events: &[Accepted]) -> Verdict {
        let last = self.facts.replays.keys().last().copied().unwrap_or(0);
        let asked = self.orders.values_mut().rev().find(|order| match &order.what {
            Order::Replay { ty, function, rate } => {
                (ty, function, *rate) == (&replay.filter.ty, &replay.function, replay.rate)
            }
            _ => false,
        });
        let order = asked.ok_or("a replay that nobody asked for")?;
        (order.last, order.count) = (seq.get(), replay.id);
        let begins = replay.id == last + 1
            && replay.is_running()
            && (replay.created, replay.next, replay.end) == (self.now, Seq::FIRST, seq)
            && (replay.done, replay.deliveries, events.len()) == (0, 0, 0);
        ensure!(begins, "a replay begins as {replay:?}");
        Ok(())
    }

    /// A step makes all that is asked for up to where it says that it is.
    fn check_replayed(&mut self, before: &Replay, replay: &Replay, made: &[Accepted]) -> Verdict {
        let (id, next) = (replay.id, replay.next);
        ensure!(before.next <= next, "replay {id} goes on to {next}");
        ensure!(before.end.get() <= self.durable + 1, "replay {id} is of what is not on disk");
        let ended = next >= before.end;
        let deliveries: usize = made.iter().map(|accepted| accepted.deliveries.len()).sum();
        let after = Replay {
            next,
            done: before.done + made.len() as u64,
            deliveries: before.deliveries + deliveries as u64,
            state: if ended { ReplayState::Done { at: self.now } } else { ReplayState::Running },
            ..before.clone()
        };
        ensure!(*replay == after, "replay {id} is {replay:?}, not {after:?}");
        if ended {
            self.notes.saw(Seen::ReplayDone);
        }
        if before.done > 0 && !self.paces.contains_key(&id) {
            self.notes.saw(Seen::ReplayGoesOn);
        }
        self.check_made(before, next, made)?;
        self.check_pace(before, made.len() as u64)
    }

    fn check_made(&self, before: &Replay, next: Seq, made: &[Accepted]) -> Verdict {
        let id = before.id;
        made.iter().for_each(|_| self.notes.saw(Seen::Replayed));
        let mut made_next = made.iter().peekable();
        for (seq, event) in
            self.facts.events.range(before.next..next.min(before.end).max(before.next))
        {
            if !is_asked_for(before, event) {
                continue;
            }
            match made_next.next_if(|made| is_again(*seq, event, &made.event)) {
                // What the log has let go of can't be made again.
                None => ensure!(seq.get() < self.kept, "replay {id} leaves out event {seq}"),
                Some(made) => {
                    let mark = (made.hops, made.dedup);
                    ensure!(mark == (Hops(0), None), "replay {id} makes {made:?}");
                    self.check_routes(made, Way::Replayed(before.function.as_ref()))?;
                }
            }
        }
        let more = made_next.next();
        ensure!(more.is_none(), "replay {id} makes an event that is not asked for: {more:?}");
        Ok(())
    }

    /// Not above its rate: a step is a twentieth of a second, and one may be late.
    fn check_pace(&mut self, replay: &Replay, made: u64) -> Verdict {
        let (id, now) = (replay.id, self.now);
        let times = self.paces.entry(id).or_default();
        times.retain(|(time, _)| time.ms() + SECOND_MS > now.ms());
        times.push((now, made));
        let within: u64 = times.iter().map(|(_, made)| made).sum();
        let rate = u64::from(replay.rate);
        let most = rate + 2 * (rate / 20).max(1);
        ensure!(within <= most, "replay {id} makes {within} in a second, at a rate of {rate}");
        Ok(())
    }
}

fn is_asked_for(replay: &Replay, event: &Event) -> bool {
    match &replay.filter.ty {
        Some(ty) => event.ty() == ty,
        None => !event.ty().starts_with("triphammer."),
    }
}

/// Whether it is the same event once more, marked as such.
fn is_again(seq: Seq, event: &Event, made: &Event) -> bool {
    made.extension("replayof") == Some(ExtensionValue::Text(seq.to_string()))
        && (made.id(), made.source(), made.ty()) == (event.id(), event.source(), event.ty())
        && (made.subject(), made.data()) == (event.subject(), event.data())
}
