//! The webhooks of this host, and how often each was asked. Knows no provider.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use triphammer_hooks::Hook;

use crate::config::Hooks as Configured;

/// All that are configured.
#[derive(Debug)]
pub(crate) struct Hooks {
    configured: Arc<Configured>,
    counts: BTreeMap<String, Counts>,
    retired: Vec<String>,
    /// In front of the path, where senders reach this host; else what they say in `Host`.
    pub(crate) public_url: Option<String>,
}

/// Since the start.
#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    answered: AtomicU64,
    refused: AtomicU64,
}

/// What came of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Came {
    /// An event was taken in.
    Accepted,
    /// A challenge or a ping, which is no event.
    Answered,
    Refused,
}

/// One as it is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct HookInfo<'h> {
    pub(crate) name: &'h str,
    pub(crate) accepted: u64,
    pub(crate) answered: u64,
    pub(crate) refused: u64,
}

impl Hooks {
    pub(crate) fn new(
        configured: Arc<Configured>,
        retired: Vec<String>,
        public_url: Option<String>,
    ) -> Self {
        let counts = configured.keys().map(|name| (name.clone(), Counts::default())).collect();
        Self { configured, counts, retired, public_url }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Hook> {
        self.configured.get(name)
    }

    /// There was one, and its sender is to stop.
    pub(crate) fn was(&self, name: &str) -> bool {
        self.retired.iter().any(|retired| retired == name)
    }

    pub(crate) fn count(&self, name: &str, came: Came) {
        let Some(counts) = self.counts.get(name) else { return };
        let counter = match came {
            Came::Accepted => &counts.accepted,
            Came::Answered => &counts.answered,
            Came::Refused => &counts.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn infos(&self) -> impl Iterator<Item = HookInfo<'_>> {
        self.counts.iter().map(|(name, counts)| HookInfo {
            name,
            accepted: counts.accepted.load(Ordering::Relaxed),
            answered: counts.answered.load(Ordering::Relaxed),
            refused: counts.refused.load(Ordering::Relaxed),
        })
    }
}
