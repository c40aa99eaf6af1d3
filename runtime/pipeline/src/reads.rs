//! What an attempt reads: committed state, and a note of it where it must be validated.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use triphammer_journal::{Range, ReadVersion, Space, StateStore};
use triphammer_model::Timestamp;
use triphammer_sandbox::{HostError, StateReader};

/// The committed state of one space, as one attempt sees it.
#[derive(Debug)]
pub(crate) struct Reader {
    state: StateStore,
    space: Arc<Space>,
    /// When the attempt began: all that it reads is as of this moment.
    now: Timestamp,
    /// None for a lane, where nothing else can write while the attempt runs.
    noted: Option<Mutex<Vec<ReadVersion>>>,
}

impl Reader {
    /// `validated`: others may write to the space while the attempt runs.
    pub(crate) fn new(
        state: &StateStore,
        space: Arc<Space>,
        now: Timestamp,
        validated: bool,
    ) -> Self {
        let noted = validated.then(|| Mutex::new(Vec::new()));
        Self { state: state.clone(), space, now, noted }
    }

    /// What was read, to be validated when the attempt settles.
    pub(crate) fn take_noted(&self) -> Vec<ReadVersion> {
        let noted = self.noted.as_ref().map(|noted| {
            std::mem::take(&mut *noted.lock().unwrap_or_else(PoisonError::into_inner))
        });
        noted.unwrap_or_default()
    }

    fn note(&self, read: impl FnOnce() -> ReadVersion) {
        if let Some(noted) = &self.noted {
            noted.lock().unwrap_or_else(PoisonError::into_inner).push(read());
        }
    }
}

impl StateReader for Reader {
    fn get(&self, name: &str) -> Result<Option<Bytes>, HostError> {
        let found = self.state.get(&self.space, name, self.now).map_err(host_error)?;
        self.note(|| ReadVersion::Name {
            name: name.to_owned(),
            version: found.as_ref().map(|versioned| versioned.seq),
        });
        Ok(found.map(|versioned| versioned.value))
    }

    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Bytes)>, HostError> {
        let range = Range { prefix, after, limit };
        let found = self.state.scan(&self.space, range, self.now).map_err(host_error)?;
        self.note(|| ReadVersion::Range {
            prefix: prefix.to_owned(),
            after: after.map(str::to_owned),
            limit,
            seen: found.iter().map(|(name, v)| (name.clone(), v.seq)).collect(),
        });
        Ok(found.into_iter().map(|(name, versioned)| (name, versioned.value)).collect())
    }
}

fn host_error(error: impl std::fmt::Display) -> HostError {
    HostError::new(error.to_string())
}
