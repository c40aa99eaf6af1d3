//! Compiled modules on disk, by digest: a restart maps them instead of compiling. Everything here
//! can be made again from the modules, so damage means "compile", never an error.
//!
//! One directory for each engine that made them; those of other engines are deleted. An artefact
//! `DIGEST.cwasm` is believed only with its hash in `DIGEST.sum`. Nothing is synced: a file torn
//! by a crash does not fit its hash.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::warn;
use triphammer_model::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

pub(crate) struct Artefacts {
    dir: PathBuf,
    temporary: AtomicU64,
}

impl Artefacts {
    pub(crate) fn open(root: &Path, engine: &Engine) -> io::Result<Self> {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let name = format!("engine-{:016x}", hasher.finish());
        let dir = root.join(&name);
        // What is in here is run as code: nobody else may write it.
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            let other = entry.file_name().to_string_lossy().starts_with("engine-");
            if other && entry.file_name() != name.as_str() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "tmp") {
                fs::remove_file(path)?;
            }
        }
        Ok(Self { dir, temporary: AtomicU64::new(0) })
    }

    /// None when there is no artefact, or none to be trusted.
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let path = self.path(digest, "cwasm");
        let expected = fs::read_to_string(self.path(digest, "sum")).ok()?;
        let artefact = fs::read(&path).ok()?;
        if sum(&artefact) != expected {
            warn!(%digest, "compiled module is damaged, compiling again");
            return None;
        }
        drop(artefact);
        #[allow(
            unsafe_code,
            reason = "the file is this engine's own, in a directory that only this user writes, \
                      and its hash was checked just now"
        )]
        // SAFETY: see the reason; it is never changed in place, only replaced by renaming.
        let loaded = unsafe { Component::deserialize_file(engine, &path) };
        loaded
            .inspect_err(
                |error| warn!(%digest, "compiled module can't be used, compiling again: {error:#}"),
            )
            .ok()
    }

    pub(crate) fn store(&self, digest: &Digest, artefact: &[u8]) -> io::Result<()> {
        self.replace(&self.path(digest, "cwasm"), artefact)?;
        self.replace(&self.path(digest, "sum"), sum(artefact).as_bytes())
    }

    pub(crate) fn remove(&self, digest: &Digest) {
        for extension in ["sum", "cwasm"] {
            let path = self.path(digest, extension);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    warn!(path = %path.display(), %error, "compiled module could not be deleted");
                }
                _ => {}
            }
        }
    }

    /// Deletes all that are not of these modules. Returns how many there were.
    pub(crate) fn retain(&self, used: &BTreeSet<Digest>) -> io::Result<usize> {
        let names: BTreeSet<String> = used.iter().map(Digest::to_string).collect();
        let mut removed = 0;
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let is_used = path
                .file_stem()
                .is_some_and(|stem| names.contains(stem.to_string_lossy().as_ref()));
            if !is_used {
                fs::remove_file(&path)?;
                removed += usize::from(path.extension().is_some_and(|ext| ext == "cwasm"));
            }
        }
        Ok(removed)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.dir.join(format!("{number}.tmp"));
        let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // It may not exist, and a new start removes it anyway.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn path(&self, digest: &Digest, extension: &str) -> PathBuf {
        self.dir.join(format!("{digest}.{extension}"))
    }
}

fn sum(artefact: &[u8]) -> String {
    blake3::hash(artefact).to_hex().to_string()
}
