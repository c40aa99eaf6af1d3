//! Old records that can't be read because they are damaged: what they hold is left out of listings,
//! which go on, and each is told of once. Knows no log, and repairs nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::ReadError;
use crate::history::History;
use crate::store_error::StoreError;

/// Records that have been told of: their files, and their offsets there.
#[derive(Debug, Default)]
pub(crate) struct Damages {
    told: Mutex<BTreeSet<(PathBuf, u64)>>,
}

/// Of more than these nobody is told: the answers still say what they leave out.
const TOLD_MAX: usize = 1000;

impl Damages {
    /// Whether it is the first time, which is when it is told.
    fn tell(&self, file: &Path, offset: u64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (file.to_path_buf(), offset);
        told.len() < TOLD_MAX && told.insert(key)
    }
}

impl History {
    /// Whether this is about one record that is damaged, which a listing leaves out. The first time
    /// it is in the host's log, with file and offset.
    pub fn leaves_out(&self, error: &StoreError) -> bool {
        let StoreError::Read(ReadError::Damaged { file, offset, .. }) = error else { return false };
        if self.shared.damages.tell(file, *offset) {
            tracing::warn!(code = error.code(), %error, "listings leave out what can't be read");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use triphammer_model::Seq;

    use super::*;
    use crate::checkpoint_sim::{World, small_options};
    use crate::history_columns::HistoryQuery;
    use crate::segment::segment_name;

    #[test]
    fn a_record_is_told_of_once_and_not_without_bound() {
        let damages = Damages::default();
        let file = PathBuf::from("0.seg");
        assert!(damages.tell(&file, 7) && !damages.tell(&file, 7) && damages.tell(&file, 8));
        let told = (0..2 * TOLD_MAX as u64).filter(|offset| damages.tell(&file, 9 + offset));
        assert_eq!(told.count(), TOLD_MAX - 2);
    }

    /// All pages of this size: the events, and those that are left out.
    fn listed(world: &World, limit: usize) -> (Vec<Seq>, Vec<Seq>) {
        let (mut events, mut damaged) = (Vec::new(), Vec::new());
        let mut query = HistoryQuery { limit, ..HistoryQuery::default() };
        loop {
            let page = world.up.parts.history.query(&query).unwrap();
            assert!(page.events.len() + page.damaged.len() <= limit);
            events.extend(page.events.iter().map(|found| found.seq));
            damaged.extend(page.damaged);
            match page.next {
                Some(next) => query.before_seq = Some(next),
                None => return (events, damaged),
            }
        }
    }

    #[test]
    fn a_listing_has_all_but_what_is_damaged_and_names_that() {
        let mut world = World::new(11, small_options());
        for _ in 0..80 {
            world.append();
        }
        world.write();
        world.up.checkpointer.step(world.maker.now).unwrap();
        // What was just written is read from memory.
        world.restart(false);
        let history = world.up.parts.history.clone();
        let all: Vec<Seq> = world.model.events.keys().rev().copied().collect();
        assert!(all.len() > 40, "{}", all.len());
        assert_eq!(listed(&world, 7), (all.clone(), Vec::new()));
        let mut records: BTreeMap<_, Vec<Seq>> = BTreeMap::new();
        for seq in &all {
            let (place, _) = history.locate(*seq).unwrap().unwrap();
            records.entry((place.segment, place.offset)).or_default().push(*seq);
        }
        assert!(records.values().any(|events| events.len() > 1), "{records:?}");
        for ((segment, offset), of_record) in records {
            let flip = || world.sim.flip_bit(&segment_name(segment), u64::from(offset) + 33, 1);
            flip();
            let others: Vec<Seq> =
                all.iter().filter(|seq| !of_record.contains(seq)).copied().collect();
            for limit in [1, 7, 1000] {
                assert_eq!(listed(&world, limit), (others.clone(), of_record.clone()));
            }
            let error = history.event(of_record[0]).unwrap_err();
            assert_eq!(error.code(), "journal.damaged", "asked for alone, it is an error");
            flip();
        }
        assert_eq!(listed(&world, 7), (all, Vec::new()));
    }
}
