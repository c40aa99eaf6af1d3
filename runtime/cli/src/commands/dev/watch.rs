//! Which files are watched for changes, and which changes count. Knows nothing of what follows.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::error::Error;

/// Watches a directory until it is dropped. What builds write (`target`) and hidden files are left
/// out, of the watching too: a system watches so many directories and no more.
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    dir: PathBuf,
}

impl Watch {
    /// `changed` is called from a thread of the watcher's own, once or more for each change.
    pub(super) fn start(dir: &Path, changed: impl Fn() + Send + 'static) -> Result<Self, Error> {
        // Changes are told with the path that was watched, or with the real one.
        let real = dir.canonicalize().map_err(|source| Error::file("can't watch", dir, source))?;
        let root = real.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // What the system could not tell may have been a change.
            if event.map_or(true, |event| matters(&root, &event)) {
                changed();
            }
        });
        let mut watch = Self { watcher: watcher.map_err(Error::Watch)?, dir: real };
        watch.renew()?;
        Ok(watch)
    }

    /// Watches directories that have come since, or come again.
    pub(super) fn renew(&mut self) -> Result<(), Error> {
        self.watcher.watch(&self.dir, RecursiveMode::NonRecursive).map_err(Error::Watch)?;
        let entries = fs::read_dir(&self.dir);
        let entries = entries.map_err(|source| Error::file("can't watch", &self.dir, source))?;
        for entry in entries.flatten() {
            if is_left_out(&entry.file_name()) || !entry.path().is_dir() {
                continue;
            }
            match self.watcher.watch(&entry.path(), RecursiveMode::Recursive) {
                Ok(()) => {}
                // Gone again.
                Err(_) if !entry.path().exists() => {}
                Err(error) => return Err(Error::Watch(error)),
            }
        }
        Ok(())
    }
}

/// Whether what was told may mean other sources.
fn matters(root: &Path, event: &Event) -> bool {
    // Compilers read.
    let is_change = !matches!(event.kind, EventKind::Access(_));
    event.need_rescan() || is_change && event.paths.iter().any(|path| is_source(root, path))
}

fn is_source(root: &Path, path: &Path) -> bool {
    let Ok(below) = path.strip_prefix(root) else { return false };
    let mut names = below.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let is_below = below.components().next().is_some();
    is_below && !names.any(is_left_out)
}

fn is_left_out(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    // Editors keep what was there before under names that end so.
    name == "target" || name.starts_with('.') || name.ends_with('~')
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use notify::event::{AccessKind, CreateKind, Flag};

    use super::*;

    #[test]
    fn sources_count_and_what_is_built_or_hidden_does_not() {
        let root = Path::new("/p");
        let is = |path: &str| is_source(root, Path::new(path));
        assert!(is("/p/src/lib.rs") && is("/p/Cargo.toml") && is("/p/a/b/c"));
        for path in ["/p", "/p/target/x", "/p/.git/HEAD", "/p/src/.lib.rs.swp", "/p/a/target/b"] {
            assert!(!is(path), "{path}");
        }
        assert!(!is("/p/src/lib.rs~") && !is("/other/src/lib.rs"));
    }

    #[test]
    fn reading_is_no_change_and_what_was_missed_is_one() {
        let source = Event::new(EventKind::Create(CreateKind::File)).add_path("/p/a.rs".into());
        let root = Path::new("/p");
        assert!(matters(root, &source));
        let read = Event { kind: EventKind::Access(AccessKind::Any), ..source };
        assert!(!matters(root, &read));
        assert!(matters(root, &Event::new(EventKind::Other).set_flag(Flag::Rescan)));
    }

    const LONG: Duration = Duration::from_secs(30);

    /// Waits for a change, and for the rest of what it was told as.
    #[track_caller]
    fn expect(changes: &Receiver<()>) {
        changes.recv_timeout(LONG).unwrap();
        while changes.recv_timeout(Duration::from_millis(50)).is_ok() {}
    }

    #[test]
    fn changes_are_told_wherever_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("src/deep")).unwrap();
        fs::create_dir(root.join("target")).unwrap();
        let (sender, changes) = channel();
        let mut watch = Watch::start(root, move || {
            let _ = sender.send(());
        })
        .unwrap();
        fs::write(root.join("src/deep/a.rs"), "").unwrap();
        expect(&changes);
        fs::create_dir(root.join("more")).unwrap();
        expect(&changes);
        watch.renew().unwrap();
        fs::write(root.join("more/b.rs"), "").unwrap();
        expect(&changes);
        fs::write(root.join("target/c"), "").unwrap();
        fs::write(root.join(".hidden"), "").unwrap();
        fs::write(root.join("Cargo.toml"), "").unwrap();
        expect(&changes);
        assert!(matches!(Watch::start(&root.join("none"), || ()), Err(Error::File { .. })));
    }
}
