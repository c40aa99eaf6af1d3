//! Components, kept under their digest: immutable, so there is nothing to version. Knows no Wasm.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use triphammer_model::Digest;

use crate::disk::{Disk, read_exact_at};
use crate::store_error::StoreError;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    disk: Arc<dyn Disk>,
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

const PREFIX: &str = "module-";
const SUFFIX: &str = ".wasm";
const NEW_SUFFIX: &str = ".wasm.new";

impl Blobs {
    pub fn new(disk: &Arc<dyn Disk>) -> Self {
        Self { disk: Arc::clone(disk) }
    }

    /// Puts the component on disk, whole or not at all. It is there when this returns.
    pub fn put(&self, wasm: &[u8]) -> Result<Digest> {
        let digest = digest(wasm);
        if self.get(&digest).is_ok_and(|kept| kept.is_some()) {
            return Ok(digest);
        }
        let (name, new) = (name(&digest), format!("{PREFIX}{digest}{NEW_SUFFIX}"));
        let io = || StoreError::io(self.disk.path(&new));
        let file = self.disk.open_or_create(&new).map_err(io())?;
        file.set_len(0).map_err(io())?;
        file.write_at(0, wasm).map_err(io())?;
        file.sync_data().map_err(io())?;
        self.disk.rename(&new, &name).map_err(io())?;
        self.disk.sync_dir().map_err(io())?;
        Ok(digest)
    }

    /// The component with this digest; one whose bytes are not those of its name is damage.
    pub fn get(&self, wanted: &Digest) -> Result<Option<Bytes>> {
        let name = name(wanted);
        let path = self.disk.path(&name);
        let io = || StoreError::io(path.clone());
        let file = match self.disk.open(&name) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(io())?,
        };
        let mut wasm = vec![0; file.len().map_err(io())? as usize];
        read_exact_at(&*file, 0, &mut wasm).map_err(io())?;
        if digest(&wasm) != *wanted {
            let what = "it is not the component that its name says; deploy the component again";
            return Err(StoreError::Damaged { file: path, what });
        }
        Ok(Some(wasm.into()))
    }

    /// Removes every other component, and what unfinished puts have left. Says how many.
    pub fn retain(&self, used: &BTreeSet<Digest>) -> Result<usize> {
        let used: BTreeSet<String> = used.iter().map(name).collect();
        let io = || StoreError::io(self.disk.path(PREFIX));
        let names = self.disk.list().map_err(io())?;
        let mut removed = 0;
        for file in names.iter().filter(|file| file.starts_with(PREFIX)) {
            let ours = file.ends_with(SUFFIX) || file.ends_with(NEW_SUFFIX);
            if ours && !used.contains(file) {
                self.disk.remove(file).map_err(io())?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

fn name(digest: &Digest) -> String {
    format!("{PREFIX}{digest}{SUFFIX}")
}

fn digest(wasm: &[u8]) -> Digest {
    Digest(*blake3::hash(wasm).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Faults, SimDisk};

    #[test]
    fn a_component_is_there_whole_or_not_at_all() {
        for halt in 1..12 {
            let sim = SimDisk::new(halt);
            let wasm = vec![halt as u8; 5000];
            sim.set_faults(Faults { halt_at: Some(halt), ..Faults::default() });
            let put = Blobs::new(&sim.boot()).put(&wasm);
            sim.crash();
            let blobs = Blobs::new(&sim.boot());
            let kept = blobs.get(&digest(&wasm)).unwrap();
            assert!(kept.as_ref().is_none_or(|kept| *kept == wasm));
            assert!(put.is_err() || kept.is_some());
            assert_eq!(blobs.put(&wasm).unwrap(), digest(&wasm));
            assert_eq!(blobs.get(&digest(&wasm)).unwrap().unwrap(), wasm);
        }
    }

    #[test]
    fn what_is_not_used_goes_and_what_is_damaged_is_told() {
        let sim = SimDisk::new(1);
        let disk = sim.boot();
        disk.create("module-half.wasm.new").unwrap();
        disk.create("other.wasm").unwrap();
        let blobs = Blobs::new(&disk);
        let digests = [&b"one"[..], b"two", b"three"].map(|wasm| blobs.put(wasm).unwrap());
        assert_eq!(blobs.retain(&digests[..1].iter().copied().collect()).unwrap(), 3);
        assert!(blobs.get(&digests[0]).unwrap().is_some());
        assert!(blobs.get(&digests[1]).unwrap().is_none());
        assert!(sim.contents("other.wasm").is_some());
        sim.flip_bit(&name(&digests[0]), 1, 1);
        assert_eq!(blobs.get(&digests[0]).unwrap_err().code(), "journal.damaged");
        blobs.put(b"one").unwrap();
        assert!(blobs.get(&digests[0]).unwrap().is_some(), "deployed again");
    }
}
