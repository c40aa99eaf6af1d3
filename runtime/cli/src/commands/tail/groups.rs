//! What the view knows of the events that pass: one group for each, under the one it came from.
//!
//! Pure: no clock, no terminal, no network. Bounded: the events that came first are forgotten, and
//! long texts and lists are cut, whatever the host says.

use std::collections::{HashMap, VecDeque};

use triphammer_model::{Seq, Timestamp};

use crate::client::types::Failure;
use crate::commands::feed::Happened;
use crate::output::{clip, one_line, short_time};

/// Events that are kept.
pub(super) const EVENTS_MAX: usize = 1_000;
/// Functions of an event that are kept.
const FUNCTIONS_MAX: usize = 32;
/// Attempts of a delivery that are kept: the last ones.
const TRIES_MAX: usize = 5;
/// Children that are named before they are told of.
const EXPECTED_MAX: usize = 4_096;
/// Characters of any text.
const TEXT_MAX: usize = 200;

#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    events: HashMap<Seq, Group>,
    /// In the order in which they were first heard of.
    order: VecDeque<Seq>,
    /// From children not heard of yet to their parents.
    expected: HashMap<Seq, Seq>,
    expected_order: VecDeque<Seq>,
}

/// An event, and what became of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// Of day.
    pub(super) time: String,
    /// Empty when the event came in before the view began.
    pub(super) ty: String,
    pub(super) subject: String,
    /// Functions it was routed to.
    pub(super) functions: Vec<String>,
    pub(super) functions_left_out: usize,
    pub(super) legs: Vec<Leg>,
    parent: Option<Seq>,
    children: Vec<Seq>,
}

/// An event's way to one function.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) function: String,
    /// The last few.
    pub(super) tries: VecDeque<Try>,
}

#[derive(Clone, Debug)]
pub(super) struct Try {
    pub(super) attempt: u32,
    pub(super) revision: String,
    began: Option<Timestamp>,
    pub(super) took_ms: Option<f64>,
    pub(super) outcome: Outcome,
}

#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Running,
    Committed,
    /// Runs again at this time of day.
    Retried {
        due: String,
        error: Option<Failure>,
    },
    Dead {
        error: Option<Failure>,
    },
}

/// One event in the order of the picture.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) seq: Seq,
    /// How far below the first event of its chain it is.
    pub(super) depth: usize,
}

impl Groups {
    pub(super) fn of(&self, seq: Seq) -> Option<&Group> {
        self.events.get(&seq)
    }

    /// Takes in what happened to an event; of other things nothing is kept.
    pub(super) fn take(&mut self, item: &Happened) {
        let Ok(seq) = item.seq.parse::<Seq>() else { return };
        match item.kind.as_str() {
            "accepted" => self.accepted(seq, item),
            "attempted" => self.begin(seq, item),
            "committed" => {
                self.end(seq, item, Outcome::Committed, Some(item.elapsed_ms));
                for child in item.emitted.iter().filter_map(|child| child.parse().ok()) {
                    self.adopt(seq, child);
                }
            }
            "retried" => {
                let due = clip(short_time(&one_line(&item.due)), TEXT_MAX);
                self.end(seq, item, Outcome::Retried { due, error: failure(item) }, None);
            }
            "dead" => self.end(seq, item, Outcome::Dead { error: failure(item) }, None),
            _ => {}
        }
    }

    /// Everything that is kept, chain by chain, each event before what came of it. With words to
    /// look for, only chains that have them somewhere.
    pub(super) fn places(&self, wanted: &str) -> Vec<Place> {
        let wanted = wanted.to_lowercase();
        let mut places = Vec::new();
        for root in self.order.iter().filter(|seq| self.is_root(**seq)) {
            let from = places.len();
            self.chain(*root, &mut places);
            let has = |place: &Place| self.of(place.seq).is_some_and(|g| g.has(place.seq, &wanted));
            if !wanted.is_empty() && !places[from..].iter().any(has) {
                places.truncate(from);
            }
        }
        places
    }

    /// An event and all that came of it. Not by calling itself: a chain may be as long as the list.
    fn chain(&self, root: Seq, places: &mut Vec<Place>) {
        let mut open = vec![Place { seq: root, depth: 0 }];
        while let Some(place) = open.pop() {
            places.push(place);
            let children = self.of(place.seq).map_or(&[][..], |group| &group.children);
            let below = children.iter().rev().filter(|seq| self.events.contains_key(seq));
            open.extend(below.map(|seq| Place { seq: *seq, depth: place.depth + 1 }));
        }
    }

    fn is_root(&self, seq: Seq) -> bool {
        let parent = self.of(seq).and_then(|group| group.parent);
        parent.is_none_or(|parent| !self.events.contains_key(&parent))
    }

    fn accepted(&mut self, seq: Seq, item: &Happened) {
        let text = |text: &str| clip(&one_line(text), TEXT_MAX);
        let group = self.group(seq, item);
        group.ty = text(&item.ty);
        group.subject = item.subject.as_deref().map(text).unwrap_or_default();
        group.functions = item.functions.iter().take(FUNCTIONS_MAX).map(|f| text(f)).collect();
        group.functions_left_out = item.functions.len().saturating_sub(FUNCTIONS_MAX);
    }

    fn begin(&mut self, seq: Seq, item: &Happened) {
        let began = Timestamp::parse_rfc3339(&item.at);
        self.push(seq, item, began);
    }

    fn push(&mut self, seq: Seq, item: &Happened, began: Option<Timestamp>) {
        let Some(leg) = self.leg(seq, item) else { return };
        if leg.tries.len() == TRIES_MAX {
            leg.tries.pop_front();
        }
        leg.tries.push_back(Try {
            attempt: item.attempt,
            revision: clip(&one_line(&item.revision), TEXT_MAX),
            began,
            took_ms: None,
            outcome: Outcome::Running,
        });
    }

    fn end(&mut self, seq: Seq, item: &Happened, outcome: Outcome, took_ms: Option<f64>) {
        let runs = |leg: &Leg| matches!(leg.tries.back(), Some(last) if last.is_running());
        // A dead letter does not say its attempt: it is the one that ran.
        if !self.leg(seq, item).is_some_and(|leg| runs(leg)) {
            self.push(seq, item, None);
        }
        let last = self.leg(seq, item).and_then(|leg| leg.tries.back_mut());
        if let Some(last) = last {
            let ended = Timestamp::parse_rfc3339(&item.at);
            let between = last.began.zip(ended).map(|(began, ended)| ended.since(began));
            last.took_ms = took_ms.or_else(|| between.map(|time| time.as_secs_f64() * 1e3));
            last.outcome = outcome;
        }
    }

    /// Says that one event came of another. What has a parent keeps it.
    fn adopt(&mut self, parent: Seq, child: Seq) {
        if let Some(group) = self.events.get_mut(&child) {
            if group.parent.is_none() && child != parent {
                group.parent = Some(parent);
                self.events.entry(parent).and_modify(|group| group.children.push(child));
            }
        } else if self.expected.insert(child, parent).is_none() {
            self.expected_order.push_back(child);
            if self.expected_order.len() > EXPECTED_MAX {
                let oldest = self.expected_order.pop_front();
                oldest.and_then(|oldest| self.expected.remove(&oldest));
            }
        }
    }

    fn leg(&mut self, seq: Seq, item: &Happened) -> Option<&mut Leg> {
        let function = clip(&one_line(&item.function), TEXT_MAX);
        let legs = &mut self.group(seq, item).legs;
        if let Some(at) = legs.iter().position(|leg| leg.function == function) {
            return legs.get_mut(at);
        }
        if legs.len() == FUNCTIONS_MAX {
            return None;
        }
        legs.push(Leg { function, tries: VecDeque::new() });
        legs.last_mut()
    }

    /// The event's group; the oldest makes room for a new one.
    fn group(&mut self, seq: Seq, item: &Happened) -> &mut Group {
        if !self.events.contains_key(&seq) {
            if self.order.len() == EVENTS_MAX {
                let oldest = self.order.pop_front();
                oldest.and_then(|oldest| self.events.remove(&oldest));
            }
            self.order.push_back(seq);
            let time = clip(short_time(&one_line(&item.at)), TEXT_MAX);
            self.events.insert(seq, Group { time, ..Group::default() });
            if let Some(parent) = self.expected.remove(&seq) {
                self.adopt(parent, seq);
            }
        }
        self.events.entry(seq).or_default()
    }
}

impl Group {
    /// How many lines it takes.
    pub(super) fn height(&self) -> usize {
        1 + self.legs.iter().map(|leg| leg.tries.len()).sum::<usize>()
    }

    fn has(&self, seq: Seq, wanted: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(wanted);
        let mut errors = self.legs.iter().flat_map(|leg| &leg.tries).filter_map(Try::error);
        has(&self.ty)
            || has(&self.subject)
            || has(&format!("#{seq}"))
            || self.functions.iter().any(|name| has(name))
            || self.legs.iter().any(|leg| has(&leg.function))
            || errors.any(|error| has(&error.code) || has(&error.message))
    }
}

impl Try {
    fn is_running(&self) -> bool {
        matches!(self.outcome, Outcome::Running)
    }

    pub(super) fn error(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Running | Outcome::Committed => None,
            Outcome::Retried { error, .. } | Outcome::Dead { error } => error.as_ref(),
        }
    }
}

fn failure(item: &Happened) -> Option<Failure> {
    let text = |text: &str| clip(&one_line(text), TEXT_MAX);
    let cut = |error: &Failure| Failure { code: text(&error.code), message: text(&error.message) };
    item.error.as_ref().map(cut)
}

#[cfg(test)]
pub(super) mod tests;
