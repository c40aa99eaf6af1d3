//! Functions that do not run because an operator, or the host, has said so. A pause is part of the
//! definition, so it outlives deploys and restarts. Knows nothing of why a breaker opens.

use triphammer_journal::Pause;
use triphammer_model::FunctionName;

use crate::core::{Core, Inner};
use crate::define::Change;
use crate::deploy::Deployer;
use crate::error::ChangeError;

impl Deployer {
    /// Pauses a function for a reason, or resumes it: then it runs, whether a pause held it back or
    /// its breaker.
    pub(crate) async fn set_paused(
        &self,
        name: &FunctionName,
        reason: Option<String>,
    ) -> Result<(), ChangeError> {
        let _alone = self.changes.lock().await;
        let before = self.existing(name)?;
        let mut definition = before.clone();
        match reason {
            Some(_) if before.paused.is_some() => return Ok(()),
            Some(reason) => definition.paused = Some(Pause { at: self.core.clock.now(), reason }),
            None if before.paused.is_none() && before.breaker.is_none() => return Ok(()),
            None => (definition.paused, definition.breaker) = (None, None),
        }
        self.core.define(name, &before, definition, None).await
    }
}

impl Core {
    /// Pauses a function on the host's own decision.
    pub(crate) fn pause_in(&self, inner: &mut Inner, name: &FunctionName, reason: String) {
        let Some(function) = inner.functions.get(name) else { return };
        let mut definition = function.definition.clone();
        tracing::warn!(function = %name, reason, "function paused");
        definition.paused = Some(Pause { at: self.clock.now(), reason });
        // It fails only with the journal, which ends the process.
        let _ = self.define_in(inner, name, definition, Change::default());
    }
}
