//! Whether a manifest and the component beside it are meant for each other, and its filter is one.

use triphammer_filter::Filter;
use triphammer_model::{InvalidManifest, Limits, Manifest};
use triphammer_sandbox::Prepared;

use crate::error::DeployError;

/// Reads a manifest that says of batches what the component says.
pub(crate) fn read_fitting(
    text: &str,
    prepared: &Prepared,
    limits: &Limits,
) -> Result<Manifest, DeployError> {
    let manifest = Manifest::from_json(text, limits)?;
    if manifest.sink.is_some() {
        let (member, rule) =
            ("sink".to_owned(), "is for subscriptions, which have no module".into());
        return Err(InvalidManifest { code: "manifest.invalid", member, rule }.into());
    }
    if let Some(filter) = &manifest.filter {
        Filter::from_json(filter)?;
    }
    match wrong_batch(manifest.batch.is_some(), prepared.module.handles_batches()) {
        None => Ok(manifest),
        Some(rule) => {
            let (member, rule) = ("batch".to_owned(), rule.to_owned());
            Err(InvalidManifest { code: "manifest.invalid", member, rule }.into())
        }
    }
}

/// What is wrong when only one of them is for batches.
fn wrong_batch(declared: bool, exported: bool) -> Option<&'static str> {
    match (declared, exported) {
        (true, false) => Some("needs a component that exports `handle-batch`"),
        (false, true) => Some("is missing: the component exports `handle-batch`"),
        (true, true) | (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_for_batches_or_neither() {
        assert_eq!(wrong_batch(true, true), None);
        assert_eq!(wrong_batch(false, false), None);
        assert!(wrong_batch(true, false).unwrap().starts_with("needs"));
        assert!(wrong_batch(false, true).unwrap().starts_with("is missing"));
    }
}
