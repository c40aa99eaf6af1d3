//! Dead letters by what they died of. Nothing is indexed for it: it walks them part by part, and gives
//! the lock back after each.

use std::collections::BTreeMap;
use std::ops::Bound;

use triphammer_journal::RowStatus;
use triphammer_model::{DeliveryId, FunctionName, Seq, Timestamp};

use crate::core::Core;
use crate::entry::DeadLetter;

/// Dead letters of one function with one error code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cause {
    pub function: FunctionName,
    pub code: String,
    pub count: u64,
    /// When the first and the last of them died.
    pub oldest: Timestamp,
    pub newest: Timestamp,
    /// What some of them say, each once.
    pub messages: Vec<String>,
    /// The one that died last.
    pub example: DeliveryId,
}

/// Dead letters that are looked at before the lock is given back, and in all.
const PART: usize = 1024;
const LOOKS_MAX: usize = 1_000_000;
const MESSAGES_MAX: usize = 3;
/// Causes that are kept apart.
const CAUSES_MAX: usize = 500;

#[derive(Debug, Default)]
struct Causes {
    found: BTreeMap<(FunctionName, String), Cause>,
    looks: usize,
    truncated: bool,
}

impl Core {
    /// Those with the most dead letters first, and whether there are more than were looked at.
    pub(crate) fn causes(&self, only: Option<&FunctionName>) -> (Vec<Cause>, bool) {
        let mut causes = Causes::default();
        let functions = self.lock().queue.functions().len();
        for index in 0..functions {
            let mut from = Bound::Unbounded;
            while let Some(last) = self.part(index, only, from, &mut causes) {
                from = Bound::Excluded(last);
                // A lock that is taken again at once is taken before those who wait for it.
                std::thread::yield_now();
            }
        }
        let Causes { found, truncated, .. } = causes;
        let mut found: Vec<Cause> = found.into_values().collect();
        found.sort_by_key(|cause| std::cmp::Reverse(cause.count));
        (found, truncated)
    }

    /// The last that it looked at, if there may be more.
    fn part(
        &self,
        index: usize,
        only: Option<&FunctionName>,
        from: Bound<Seq>,
        causes: &mut Causes,
    ) -> Option<Seq> {
        let inner = self.lock();
        let function = &inner.queue.functions()[index];
        if only.is_some_and(|only| *only != function.name) {
            return None;
        }
        let mut last = None;
        for letter in function.dead.from(from).take(PART) {
            if causes.looks == LOOKS_MAX {
                causes.truncated = true;
                return None;
            }
            causes.looks += 1;
            causes.count(letter);
            last = Some(letter.row.id.seq);
        }
        last
    }
}

impl Causes {
    fn count(&mut self, letter: &DeadLetter) {
        let row = &letter.row;
        let RowStatus::Dead { at, error } = &row.status else { return };
        let of = (row.id.function.clone(), error.code.clone());
        if self.found.len() == CAUSES_MAX && !self.found.contains_key(&of) {
            self.truncated = true;
            return;
        }
        let cause = self.found.entry(of).or_insert_with_key(|(function, code)| Cause {
            function: function.clone(),
            code: code.clone(),
            count: 0,
            oldest: *at,
            newest: *at,
            messages: Vec::new(),
            example: row.id.clone(),
        });
        cause.count += 1;
        cause.oldest = cause.oldest.min(*at);
        if *at >= cause.newest {
            (cause.newest, cause.example) = (*at, row.id.clone());
        }
        let is_new = !cause.messages.contains(&error.message);
        if is_new && cause.messages.len() < MESSAGES_MAX {
            cause.messages.push(error.message.clone());
        }
    }
}
