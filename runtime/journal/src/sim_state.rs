//! What the simulated disk holds: every file as it looks, as it would be found after the power
//! went, and the changes in between.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::sim::{Faults, Rng};

const SECTOR: usize = 512;

#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) rng: Rng,
    pub(crate) epoch: u64,
    pub(crate) halted: bool,
    pub(crate) faults: Faults,
    pub(crate) ops: u64,
    pub(crate) names: BTreeMap<String, u64>,
    stable_names: BTreeMap<String, u64>,
    name_changes: Vec<NameChange>,
    inodes: BTreeMap<u64, Inode>,
    last_inode: u64,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    visible: Vec<u8>,
    stable: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    Write { offset: u64, data: Vec<u8> },
    SetLen { len: u64 },
}

#[derive(Clone, Debug)]
enum NameChange {
    Create { name: String, inode: u64 },
    Rename { from: String, to: String },
    Remove { name: String },
}

impl State {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            epoch: 0,
            halted: false,
            faults: Faults::default(),
            ops: 0,
            names: BTreeMap::new(),
            stable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            inodes: BTreeMap::new(),
            last_inode: 0,
        }
    }

    /// Counts an operation; whether the power goes during it.
    fn begin(&mut self) -> bool {
        self.ops += 1;
        self.halted = self.faults.halt_at.is_some_and(|at| self.ops >= at);
        self.halted
    }

    pub(crate) fn create(&mut self, name: &str) -> io::Result<u64> {
        if self.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let halt = self.begin();
        self.last_inode += 1;
        let inode = self.last_inode;
        self.inodes.insert(inode, Inode::default());
        self.change_names(NameChange::Create { name: name.into(), inode });
        fail_if(halt).map(|()| inode)
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        if !self.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let halt = self.begin();
        self.change_names(NameChange::Rename { from: from.into(), to: to.into() });
        fail_if(halt)
    }

    pub(crate) fn remove(&mut self, name: &str) -> io::Result<()> {
        if !self.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let halt = self.begin();
        self.change_names(NameChange::Remove { name: name.into() });
        fail_if(halt)
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    pub(crate) fn sync_dir(&mut self) -> io::Result<()> {
        let halt = self.begin();
        fail_if(halt || self.faults.fail_sync_at == Some(self.ops))?;
        if !self.faults.lie_about_syncs {
            self.stable_names = self.names.clone();
            self.name_changes.clear();
        }
        Ok(())
    }

    pub(crate) fn inode(&self, inode: u64) -> &Vec<u8> {
        static GONE: Vec<u8> = Vec::new();
        self.inodes.get(&inode).map_or(&GONE, |inode| &inode.visible)
    }

    pub(crate) fn visible(&self, name: &str) -> Option<&Vec<u8>> {
        self.names.get(name).map(|inode| self.inode(*inode))
    }

    pub(crate) fn free_bytes(&self) -> u64 {
        let used: usize = self.names.values().map(|inode| self.inode(*inode).len()).sum();
        self.faults.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(used as u64))
    }

    pub(crate) fn change(&mut self, inode: u64, mut change: Change) -> io::Result<()> {
        let end = match &change {
            Change::Write { offset, data } => offset + data.len() as u64,
            Change::SetLen { len } => *len,
        };
        if end.saturating_sub(self.inode(inode).len() as u64) > self.free_bytes() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let halt = self.begin();
        let fails = self.faults.fail_write_at == Some(self.ops);
        if fails && let Change::Write { data, .. } = &mut change {
            data.truncate(self.rng.below(data.len() as u64 + 1) as usize);
        }
        let Some(inode) = self.inodes.get_mut(&inode) else { return fail_if(true) };
        change.apply(&mut inode.visible);
        inode.changes.push(change);
        fail_if(halt || fails)
    }

    pub(crate) fn sync(&mut self, inode: u64) -> io::Result<()> {
        let halt = self.begin();
        fail_if(halt)?;
        let fails = self.faults.fail_sync_at == Some(self.ops);
        let Some(inode) = self.inodes.get_mut(&inode) else { return fail_if(true) };
        if fails {
            // The kernel takes the pages for clean from here on: a further sync skips them.
            lose_some(&mut self.rng, &mut inode.stable, std::mem::take(&mut inode.changes));
        } else if !self.faults.lie_about_syncs {
            for change in inode.changes.drain(..) {
                change.apply(&mut inode.stable);
            }
        }
        fail_if(fails)
    }

    pub(crate) fn crash(&mut self) {
        let keep = *[0, 50, 90, 100].get(self.rng.below(4) as usize).unwrap_or(&50);
        for change in std::mem::take(&mut self.name_changes) {
            if self.rng.chance(keep) {
                change.apply(&mut self.stable_names);
            }
        }
        self.names = self.stable_names.clone();
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        self.inodes.retain(|inode, _| named.contains(inode));
        for inode in self.inodes.values_mut() {
            lose_some(&mut self.rng, &mut inode.stable, std::mem::take(&mut inode.changes));
            inode.visible = inode.stable.clone();
        }
    }

    pub(crate) fn flip_bit(&mut self, name: &str, byte: u64, bit: u8) {
        let inode = self.names.get(name).and_then(|inode| self.inodes.get_mut(inode));
        let Some(inode) = inode else { return };
        for contents in [&mut inode.visible, &mut inode.stable] {
            if let Some(byte) = contents.get_mut(byte as usize) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }
}

fn fail_if(failed: bool) -> io::Result<()> {
    if failed { Err(io::Error::other("simulated failure")) } else { Ok(()) }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Create { name, inode } => {
                names.insert(name.clone(), *inode);
            }
            Self::Rename { from, to } => {
                // Its creation may have been lost.
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Remove { name } => {
                names.remove(name);
            }
        }
    }
}

impl Change {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => write(contents, *offset as usize, data),
            Self::SetLen { len } => set_len(contents, *len as usize),
        }
    }
}

/// In whole pieces: `resize` takes a byte at a time where nothing is optimised.
fn set_len(contents: &mut Vec<u8>, len: usize) {
    static ZEROS: [u8; 4096] = [0; 4096];
    contents.truncate(len);
    while contents.len() < len {
        contents.extend_from_slice(&ZEROS[..ZEROS.len().min(len - contents.len())]);
    }
}

fn write(contents: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if contents.len() < end {
        set_len(contents, end);
    }
    contents[offset..end].copy_from_slice(data);
}

/// Applies any part of the changes: of each sector, the changes up to some point. The change at
/// that point may be torn.
fn lose_some(rng: &mut Rng, contents: &mut Vec<u8>, changes: Vec<Change>) {
    // How much is lost differs from crash to crash, or the extremes would never be seen.
    let keep = *[0, 50, 90, 98, 100].get(rng.below(5) as usize).unwrap_or(&50);
    let mut stopped = BTreeSet::new();
    for change in changes {
        let Change::Write { offset, data } = change else {
            if rng.chance(keep) {
                change.apply(contents);
            }
            continue;
        };
        let (mut at, mut rest) = (offset as usize, &data[..]);
        while !rest.is_empty() {
            let len = (SECTOR - at % SECTOR).min(rest.len());
            let (piece, after) = rest.split_at(len);
            if !stopped.contains(&(at / SECTOR)) {
                if rng.chance(keep) {
                    write(contents, at, piece);
                } else {
                    stopped.insert(at / SECTOR);
                    if rng.chance(10) {
                        let torn = rng.below(len as u64) as usize;
                        write(contents, at, &piece[..torn]);
                    }
                }
            }
            (at, rest) = (at + len, after);
        }
    }
}
