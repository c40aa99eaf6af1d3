//! What deploys, activations and rollbacks make of a function's definition. Pure: decides, and
//! records nothing. Knows nothing of modules.

use triphammer_journal::{Canary, CanaryEnd, Definition};
use triphammer_model::{FunctionName, Limits, Manifest, RevisionId, Timestamp};

use crate::canary::Share;
use crate::error::ChangeError;
use crate::registry::active_manifest;

/// A revision that is to get a share, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) function: &'a FunctionName,
    pub(crate) id: RevisionId,
    pub(crate) manifest: &'a Manifest,
    pub(crate) at: Timestamp,
}

/// Gives the revision its share.
pub(crate) fn give(
    definition: &mut Definition,
    candidate: &Candidate<'_>,
    share: Share,
    limits: &Limits,
) -> Result<(), ChangeError> {
    let Candidate { id, at, .. } = *candidate;
    match share {
        Share::All => {
            give_all(definition, id, at);
            Ok(())
        }
        Share::Canary { weight, failures_max } => {
            check(definition, candidate, limits)?;
            let running = definition.canary.filter(|canary| canary.revision == id);
            if running.is_none() {
                end_canary(definition, at, format!("canary {id} took its place"));
            }
            // Another weight or bound for the same canary: what has been counted stays.
            let since = running.map_or(at, |canary| canary.since);
            definition.canary = Some(Canary { revision: id, weight, since, failures_max });
            Ok(())
        }
    }
}

fn give_all(definition: &mut Definition, id: RevisionId, at: Timestamp) {
    let promoted = definition.canary.is_some_and(|canary| canary.revision == id);
    let reason =
        if promoted { "promoted".to_owned() } else { format!("{id} was given everything") };
    end_canary(definition, at, reason);
    if definition.active != Some(id) {
        definition.previous = definition.active;
        definition.active = Some(id);
    }
}

/// Whether the revision can be a canary beside the active one.
fn check(
    definition: &Definition,
    candidate: &Candidate<'_>,
    limits: &Limits,
) -> Result<(), ChangeError> {
    let Candidate { function, id, manifest, .. } = *candidate;
    let Some(active) = active_manifest(definition, limits) else {
        return Err(ChangeError::CanaryAlone(function.clone()));
    };
    if definition.active == Some(id) {
        return Err(ChangeError::CanaryActive { function: function.clone(), revision: id });
    }
    // One that can't be read runs nothing either.
    if active.is_ok_and(|active| active.key != manifest.key) {
        return Err(ChangeError::CanaryKey { function: function.clone(), revision: id });
    }
    Ok(())
}

/// Ends the canary, if there is one: the active revision gets everything.
pub(crate) fn end_canary(definition: &mut Definition, at: Timestamp, reason: String) {
    if let Some(Canary { revision, .. }) = definition.canary.take() {
        definition.canary_ended = Some(CanaryEnd { revision, at, reason });
    }
}

/// What is surely not meant of a canary's manifest.
pub(crate) fn canary_warning(
    definition: &Definition,
    manifest: &Manifest,
    limits: &Limits,
) -> Option<String> {
    let active = active_manifest(definition, limits)?.ok()?;
    let warning = "while it is a canary it gets what the active revision asks for: its own `on` \
                   counts from when it is promoted";
    (active.on != manifest.on).then(|| warning.to_owned())
}

/// The host changes some members on its own, at any time. What it has changed while an operator's
/// change was prepared stays, unless that change is of the same member.
pub(crate) fn keep_host_changes(
    before: &Definition,
    change: &mut Definition,
    current: &Definition,
) {
    if change.paused == before.paused {
        change.paused.clone_from(&current.paused);
    }
    if change.breaker == before.breaker {
        change.breaker.clone_from(&current.breaker);
    }
    if (change.canary, &change.canary_ended) == (before.canary, &before.canary_ended) {
        change.canary = current.canary;
        change.canary_ended.clone_from(&current.canary_ended);
    }
}

#[cfg(test)]
mod tests {
    use triphammer_journal::{Pause, RevisionDef};
    use triphammer_model::Digest;

    use super::*;

    const AT: Timestamp = Timestamp(100);

    fn id(number: u32) -> RevisionId {
        RevisionId::new(number).unwrap()
    }

    fn manifest(text: &str) -> Manifest {
        Manifest::from_json(text, &Limits::default()).unwrap()
    }

    /// r1 is active; r1 and r2 have the same key, r3 another.
    fn definition() -> Definition {
        let revision = |number, key: &str| RevisionDef {
            id: id(number),
            digest: Digest([0; 32]),
            component_len: 1,
            manifest: format!(r#"{{"on":["a"],"key":"{key}"}}"#),
            config: Default::default(),
            created: Timestamp(1),
        };
        Definition {
            revisions: vec![revision(1, "subject"), revision(2, "subject"), revision(3, "source")],
            active: Some(id(1)),
            ..Definition::default()
        }
    }

    fn try_give(definition: &mut Definition, number: u32, share: Share) -> Result<(), ChangeError> {
        let limits = Limits::default();
        let def = definition.revisions.iter().find(|def| def.id == id(number)).unwrap();
        let manifest = manifest(&def.manifest);
        let function = "f".parse().unwrap();
        let candidate =
            Candidate { function: &function, id: id(number), manifest: &manifest, at: AT };
        give(definition, &candidate, share, &limits)
    }

    fn with_canary() -> Definition {
        let mut definition = definition();
        try_give(&mut definition, 2, TEN).unwrap();
        definition
    }

    const TEN: Share = Share::Canary { weight: 10, failures_max: 50 };

    #[track_caller]
    fn check_end(definition: &Definition, active: u32, previous: Option<u32>, reason: &str) {
        assert_eq!((definition.active, definition.previous), (Some(id(active)), previous.map(id)));
        let end = definition.canary_ended.as_ref().unwrap();
        assert_eq!((end.revision, end.at, end.reason.as_str()), (id(2), AT, reason));
    }

    #[test]
    fn a_canary_leaves_the_active_revision_where_it_is() {
        let definition = with_canary();
        assert_eq!((definition.active, definition.previous), (Some(id(1)), None));
        let expect = Canary { revision: id(2), weight: 10, since: AT, failures_max: 50 };
        assert_eq!((definition.canary, definition.canary_ended), (Some(expect), None));
    }

    #[test]
    fn a_canary_ends_when_something_gets_everything() {
        let mut promoted = with_canary();
        try_give(&mut promoted, 2, Share::All).unwrap();
        check_end(&promoted, 2, Some(1), "promoted");
        let mut other = with_canary();
        try_give(&mut other, 3, Share::All).unwrap();
        check_end(&other, 3, Some(1), "r3 was given everything");
        let mut same = with_canary();
        try_give(&mut same, 1, Share::All).unwrap();
        check_end(&same, 1, None, "r1 was given everything");
        assert!([promoted, other, same].iter().all(|definition| definition.canary.is_none()));
    }

    #[test]
    fn another_weight_is_the_same_canary_and_another_revision_is_not() {
        let mut heavier = with_canary();
        heavier.canary.as_mut().unwrap().since = Timestamp(7);
        let share = Share::Canary { weight: 50, failures_max: 5 };
        try_give(&mut heavier, 2, share).unwrap();
        let expect = Canary { revision: id(2), weight: 50, since: Timestamp(7), failures_max: 5 };
        assert_eq!((heavier.canary, &heavier.canary_ended), (Some(expect), &None));

        let mut replaced = with_canary();
        replaced.revisions[2].manifest = replaced.revisions[0].manifest.clone();
        try_give(&mut replaced, 3, TEN).unwrap();
        check_end(&replaced, 1, None, "canary r3 took its place");
        assert_eq!(replaced.canary.unwrap().revision, id(3));
    }

    #[test]
    fn what_can_be_no_canary_is_refused_and_changes_nothing() {
        let mut first = Definition { active: None, ..definition() };
        assert!(matches!(try_give(&mut first, 1, TEN), Err(ChangeError::CanaryAlone(_))));
        for (number, code) in [(1, "canary.is_active"), (3, "canary.key")] {
            let mut changed = definition();
            assert_eq!(try_give(&mut changed, number, TEN).unwrap_err().code(), code);
            assert_eq!(changed, definition());
        }
    }

    #[test]
    fn what_the_host_did_meanwhile_stays() {
        let before = with_canary();
        let mut current = before.clone();
        end_canary(&mut current, AT, "it failed".into());
        let pause = Pause { at: AT, reason: "p".into() };

        let mut paused = Definition { paused: Some(pause.clone()), ..before.clone() };
        keep_host_changes(&before, &mut paused, &current);
        assert_eq!(paused, Definition { paused: Some(pause), ..current.clone() });

        let mut promoted = before.clone();
        try_give(&mut promoted, 2, Share::All).unwrap();
        let asked = promoted.clone();
        keep_host_changes(&before, &mut promoted, &current);
        assert_eq!(promoted, asked, "the operator's word on the same member is the last");
    }
}
