//! The file of tokens: read whole, replaced whole. Knows nothing of who uses them.
//!
//! A change is made on a copy beside it, which is synced and takes its place, so that a reader
//! sees all of the old or all of the new. Changes wait for each other at a lock file. The new
//! file belongs to whoever the directory belongs to: a host that is not root must be able to read
//! what root has changed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use triphammer_model::Timestamp;

use crate::error::Error;
use crate::raw::{self, TOKENS_MAX};
use crate::text::TokenText;
use crate::token::{NewToken, Token};

/// Where tokens are kept. Nothing is open, and nothing is remembered.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: PathBuf,
}

/// Room for a thousand tokens with all they can have.
const BYTES_MAX: u64 = 8 << 20;

impl TokenFile {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tokens; none at all when there is no file.
    pub fn read(&self) -> Result<Option<Vec<Token>>, Error> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &self.path)(error)),
        };
        let wrong = |rule| Error::File { path: self.path.clone(), rule };
        let mut bytes = Vec::new();
        let read = file.take(BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(Error::io("read", &self.path))?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err(wrong("the file is larger than 8 MiB".to_owned()));
        }
        let text = String::from_utf8(bytes).map_err(|_| wrong("they are not UTF-8".to_owned()))?;
        raw::read(&text).map(Some).map_err(wrong)
    }

    /// Makes a token. Its text is in the answer, and nowhere else.
    pub fn create(&self, new: NewToken, now: Timestamp) -> Result<(Token, TokenText), Error> {
        self.change(|tokens| {
            if tokens.iter().any(|token| token.name == new.name) {
                return Err(Error::Exists(new.name));
            }
            if tokens.len() >= TOKENS_MAX {
                return Err(Error::TooMany { max: TOKENS_MAX });
            }
            let text = TokenText::generate()?;
            let token = Token::new(new, &text, now)?;
            tokens.push(token.clone());
            Ok((token, text))
        })
    }

    /// Takes a token away, by its name.
    pub fn revoke(&self, name: &str) -> Result<Token, Error> {
        self.change(|tokens| {
            let index = tokens.iter().position(|token| token.name == name);
            index.map(|index| tokens.remove(index)).ok_or_else(|| Error::NoToken(name.to_owned()))
        })
    }

    /// Gives a token a new secret; the old ones are good for `grace` from now.
    pub fn rotate(
        &self,
        name: &str,
        grace: Duration,
        now: Timestamp,
    ) -> Result<(Token, TokenText), Error> {
        self.change(|tokens| {
            let token = tokens.iter_mut().find(|token| token.name == name);
            let token = token.ok_or_else(|| Error::NoToken(name.to_owned()))?;
            let text = token.rotate(grace, now)?;
            Ok((token.clone(), text))
        })
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<Token>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let dir = self.directory()?;
        let lock_path = self.path.with_extension("lock");
        let lock = owner_only().truncate(false).open(&lock_path);
        let lock = lock.map_err(Error::io("open", &lock_path))?;
        // Let go of with the file, when this function ends.
        lock.lock().map_err(Error::io("lock", &lock_path))?;
        let mut tokens = self.read()?.unwrap_or_default();
        let changed = change(&mut tokens)?;
        let text = raw::write(&tokens);
        let text = text.map_err(|rule| Error::File { path: self.path.clone(), rule })?;
        self.replace(&dir, &text).map_err(Error::io("write", &self.path))?;
        Ok(changed)
    }

    /// Made when there is none, for the owner alone.
    fn directory(&self) -> Result<PathBuf, Error> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let dir = parent.unwrap_or_else(|| Path::new("."));
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(Error::io("make", dir))?;
        Ok(dir.to_owned())
    }

    fn replace(&self, dir: &Path, text: &str) -> io::Result<()> {
        let new_path = self.path.with_extension("new");
        let mut file = owner_only().truncate(true).open(&new_path)?;
        let (owner, now) = (fs::metadata(dir)?, file.metadata()?);
        if (owner.uid(), owner.gid()) != (now.uid(), now.gid()) {
            fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new_path, &self.path)?;
        File::open(dir)?.sync_all()
    }
}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::scope::Scope;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn new(name: &str) -> NewToken {
        let scopes = [Scope::Send].into_iter().collect();
        NewToken { name: name.into(), scopes, ..NewToken::default() }
    }

    fn names(file: &TokenFile) -> Vec<String> {
        file.read().unwrap().unwrap().into_iter().map(|token| token.name).collect()
    }

    #[test]
    fn tokens_are_made_rotated_and_revoked() {
        let scratch = tempfile::tempdir().unwrap();
        let file = TokenFile::new(scratch.path().join("a/b/tokens.toml"));
        assert!(file.read().unwrap().is_none());
        let (token, text) = file.create(new("ci"), NOW).unwrap();
        assert_eq!(token.id, text.id());
        file.create(new("shop"), NOW).unwrap();
        assert_eq!(file.create(new("ci"), NOW).unwrap_err().code(), "access.exists");
        let (rotated, newer) = file.rotate("ci", Duration::from_secs(9), NOW).unwrap();
        assert_eq!((rotated.id, rotated.secrets.len()), (token.id, 2));
        assert_eq!(names(&file), ["ci", "shop"]);
        file.revoke("ci").unwrap();
        assert_eq!(file.revoke("ci").unwrap_err().code(), "access.no_token");
        assert_eq!(file.rotate("ci", Duration::ZERO, NOW).unwrap_err().code(), "access.no_token");
        file.revoke("shop").unwrap();
        // It was there once: that it is empty is not as if it had never been.
        assert_eq!(file.read().unwrap(), Some(vec![]));
        let written = fs::read_to_string(file.path()).unwrap();
        assert!(!written.contains(&newer.reveal()[18..]));
    }

    #[test]
    fn only_the_owner_can_read_it() {
        let scratch = tempfile::tempdir().unwrap();
        let file = TokenFile::new(scratch.path().join("access/tokens.toml"));
        file.create(new("ci"), NOW).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(file.path()), 0o600);
        assert_eq!(mode(file.path().parent().unwrap()), 0o700);
    }

    #[test]
    fn what_is_wrong_is_neither_used_nor_overwritten() {
        let scratch = tempfile::tempdir().unwrap();
        let file = TokenFile::new(scratch.path().join("tokens.toml"));
        fs::write(file.path(), "version = 1\n[[token]]\nname = 'x'").unwrap();
        assert_eq!(file.read().unwrap_err().code(), "access.file");
        assert_eq!(file.create(new("ci"), NOW).unwrap_err().code(), "access.file");
        assert!(fs::read_to_string(file.path()).unwrap().contains("'x'"));
        fs::write(file.path(), vec![b'#'; BYTES_MAX as usize + 1]).unwrap();
        assert_eq!(file.read().unwrap_err().code(), "access.file");
        fs::write(file.path(), b"\xff").unwrap();
        assert_eq!(file.read().unwrap_err().code(), "access.file");
    }

    #[test]
    fn changes_at_the_same_time_are_all_kept() {
        let scratch = tempfile::tempdir().unwrap();
        let file = TokenFile::new(scratch.path().join("tokens.toml"));
        std::thread::scope(|scope| {
            for n in 0..16 {
                let file = &file;
                scope.spawn(move || file.create(new(&format!("t{n}")), NOW).unwrap());
            }
        });
        assert_eq!(names(&file).len(), 16);
    }
}
