//! Proves from the outside that attempts which ran at the same time did what they would have done
//! one after the other. Knows no host: it is given what each attempt says that it read and wrote,
//! and the number of the record that settled it, which is its place in the order.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// One thing that an attempt did with the state, and what it found or wrote.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Get { name: String, found: Option<String> },
    Scan { prefix: String, after: Option<String>, limit: usize, found: Vec<(String, String)> },
    Set { name: String, value: String },
    Delete { name: String },
}

/// An attempt that settled its delivery.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) order: u64,
    pub(crate) event: String,
    /// Else it was rejected, and leaves nothing.
    pub(crate) committed: bool,
    pub(crate) steps: Vec<Step>,
}

/// All that can be seen of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The ids of the events that were acknowledged.
    pub(crate) acknowledged: BTreeSet<String>,
    pub(crate) attempts: Vec<Attempt>,
    /// As the host shows it in the end.
    pub(crate) state: BTreeMap<String, String>,
}

type State = BTreeMap<String, String>;

impl History {
    /// Everything that is wrong with it.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut found = self.not_settled_once();
        let mut attempts: Vec<&Attempt> = self.attempts.iter().collect();
        attempts.sort_by_key(|attempt| attempt.order);
        let mut state = State::new();
        for attempt in attempts {
            let mut own = state.clone();
            for step in &attempt.steps {
                let Attempt { order, event, .. } = attempt;
                found.extend(take(&mut own, step).map(|why| format!("{order}: {event} {why}")));
            }
            if attempt.committed {
                state = own;
            }
        }
        if state != self.state {
            found.push(format!("the state is {:?} and not {state:?}", self.state));
        }
        found
    }

    fn not_settled_once(&self) -> Vec<String> {
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        self.attempts.iter().for_each(|a| *times.entry(&a.event).or_default() += 1);
        let all = self.acknowledged.iter().map(|event| (event.as_str(), 0));
        let all: BTreeMap<&str, usize> = all.chain(times).collect();
        let wrong = all.into_iter().filter(|(_, times)| *times != 1);
        wrong.map(|(event, times)| format!("{event} was settled {times} times")).collect()
    }
}

/// Does a step; answers how what was seen differs from what there is.
fn take(state: &mut State, step: &Step) -> Option<String> {
    match step {
        Step::Get { name, found } => {
            let there = state.get(name);
            (there != found.as_ref()).then(|| format!("read {name} = {found:?}, not {there:?}"))
        }
        Step::Scan { prefix, after, limit, found } => {
            let there = scan(state, prefix, after.as_deref(), *limit);
            (there != *found).then(|| format!("scanned {prefix}: {found:?}, not {there:?}"))
        }
        Step::Set { name, value } => {
            state.insert(name.clone(), value.clone());
            None
        }
        Step::Delete { name } => {
            state.remove(name);
            None
        }
    }
}

fn scan(state: &State, prefix: &str, after: Option<&str>, limit: usize) -> Vec<(String, String)> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let names = state.range::<str, _>((from, Bound::Unbounded));
    let names = names.filter(|(name, _)| name.starts_with(prefix)).take(limit);
    names.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn get(name: &str, found: Option<&str>) -> Step {
    Step::Get { name: name.into(), found: found.map(str::to_owned) }
}

fn set(name: &str, value: &str) -> Step {
    Step::Set { name: name.into(), value: value.into() }
}

fn scan_from(after: Option<&str>, limit: usize, found: &[(&str, &str)]) -> Step {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let found = found.iter().map(own).collect();
    Step::Scan { prefix: "n".into(), after: after.map(str::to_owned), limit, found }
}

/// A history without fault: two writers, a reader that is rejected, one that deletes.
fn sound() -> History {
    let attempt = |order, event: &str, committed, steps: &[Step]| Attempt {
        order,
        event: event.into(),
        committed,
        steps: steps.to_vec(),
    };
    let delete = |name: &str| Step::Delete { name: name.into() };
    History {
        acknowledged: ["a", "b", "c", "d"].map(str::to_owned).into(),
        attempts: vec![
            attempt(5, "b", true, &[get("n1", Some("a1")), set("n1", "b1"), set("n2", "b2")]),
            attempt(2, "a", true, &[get("n1", None), set("n1", "a1"), get("n1", Some("a1"))]),
            attempt(
                7,
                "c",
                false,
                &[
                    scan_from(None, 9, &[("n1", "b1"), ("n2", "b2")]),
                    scan_from(Some("n1"), 9, &[("n2", "b2")]),
                    set("n3", "c"),
                ],
            ),
            attempt(
                9,
                "d",
                true,
                &[get("n3", None), delete("n1"), scan_from(None, 1, &[("n2", "b2")])],
            ),
        ],
        state: [("n2".to_owned(), "b2".to_owned())].into(),
    }
}

#[track_caller]
fn check(tamper: impl FnOnce(&mut History), expect: &str) {
    let mut history = sound();
    tamper(&mut history);
    let found = history.violations();
    assert!(found.iter().any(|found| found.contains(expect)), "{found:#?}");
}

#[test]
fn a_serial_history_is_sound() {
    assert_eq!(sound().violations(), Vec::<String>::new());
}

#[test]
fn a_stale_read_is_found() {
    // Both have read before either wrote: an update is lost.
    check(|h| h.attempts[0].steps[0] = get("n1", None), "b read n1 = None, not Some(\"a1\")");
}

#[test]
fn a_read_of_what_was_never_committed_is_found() {
    check(|h| h.attempts[3].steps[0] = get("n3", Some("c")), "d read n3");
}

#[test]
fn a_phantom_is_found() {
    check(|h| h.attempts[2].steps[0] = scan_from(None, 9, &[("n1", "b1")]), "c scanned n");
    let more = [("n1", "b1"), ("n2", "b2"), ("n3", "c")];
    check(|h| h.attempts[2].steps[0] = scan_from(None, 9, &more), "c scanned n");
    check(|h| h.attempts[3].steps[2] = scan_from(None, 1, &[]), "d scanned n");
}

#[test]
fn another_order_is_found() {
    check(|h| h.attempts[1].order = 6, "b read n1");
}

#[test]
fn half_a_commit_is_found() {
    check(|h| drop(h.state.remove("n2")), "the state is");
    check(|h| h.attempts[2].committed = true, "the state is");
}

#[test]
fn what_was_settled_twice_or_never_is_found() {
    check(|h| h.attempts.push(h.attempts[0].clone()), "b was settled 2 times");
    check(|h| drop(h.attempts.pop()), "d was settled 0 times");
}
