//! The tokens as a running host has them: found by what a client presents, and read again when
//! the file changes. Knows no scopes and no routes; the time is a parameter.
//!
//! The file is looked at when a token is asked for, at most once a second, so a revoked token is
//! good for a second at the most. A file that can't be read changes nothing: a slip of an editor
//! neither opens a host nor closes it. One that is gone, or empty, takes all tokens away; it never
//! makes a host stop asking for them.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use triphammer_model::Timestamp;

use crate::error::Error;
use crate::file::TokenFile;
use crate::rate::{Limiter, Quota};
use crate::scope::Scopes;
use crate::text::{Hash, id_of};
use crate::token::{Proof, Secret, Token};
use crate::watch::Watch;

#[derive(Debug)]
pub struct Tokens {
    file: TokenFile,
    /// The one of the configuration, which has no limits.
    fixed: Option<Arc<Held>>,
    required: AtomicBool,
    current: RwLock<Arc<Set>>,
    /// Its time is that of the limits as well.
    watch: Watch,
}

/// Why the file was not read again.
enum Unread {
    Io(io::Error),
    Wrong(Error),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

type Set = HashMap<String, Arc<Held>>;

#[derive(Debug)]
struct Held {
    token: Token,
    limiter: Option<Limiter>,
}

/// A token that was proven, by which of its secrets.
#[derive(Clone, Debug)]
pub struct Found {
    held: Arc<Held>,
    hash: Hash,
    fixed: bool,
}

/// Why what a client presents is no good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// There is no such token, or its secret is another.
    Unknown,
    /// It was good, and its time is over.
    Expired,
}

/// What was found when the file had changed: names of tokens.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changed {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
}

/// Hashing more would be work for nothing.
const TEXT_LEN_MAX: usize = 4096;
/// What the token of the configuration is called.
const FIXED: &str = "configuration";

impl Tokens {
    /// Reads the file. Tokens are asked for if `required`, if there is one in the configuration,
    /// or if there is a file, be it empty.
    pub fn open(file: TokenFile, required: bool, fixed: Option<&[u8]>) -> Result<Self, Error> {
        let watch = Watch::new(vec![file.path().to_owned()]);
        let watch = watch.map_err(Error::io("read", file.path()))?;
        let read = file.read()?;
        let fixed = fixed.map(|text| Arc::new(Held { token: fixed_token(text), limiter: None }));
        let required = required || fixed.is_some() || read.is_some();
        let set = held(read.unwrap_or_default(), &Set::new());
        Ok(Self {
            file,
            fixed,
            required: required.into(),
            current: RwLock::new(Arc::new(set)),
            watch,
        })
    }

    /// Whether anybody needs a token. Once it is so, it stays so.
    pub fn is_required(&self) -> bool {
        self.required.load(Ordering::Acquire)
    }

    /// Whether there is a token that anybody could use.
    pub fn is_empty(&self) -> bool {
        self.fixed.is_none() && self.set().is_empty()
    }

    /// Their names, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.set().values().map(|held| held.token.name.clone()).collect();
        names.extend(self.fixed.iter().map(|held| held.token.name.clone()));
        names.sort_unstable();
        names
    }

    /// Those that are kept, in the order of their names.
    pub fn all(&self) -> Vec<Token> {
        let mut all: Vec<_> = self.set().values().map(|held| held.token.clone()).collect();
        all.extend(self.fixed.iter().map(|held| held.token.clone()));
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all.dedup_by(|a, b| a.id == b.id);
        all
    }

    /// Whether it is time to [look](Self::refresh) at the file again. True for one caller only.
    pub fn is_due(&self) -> bool {
        self.watch.is_due()
    }

    /// Reads the file again if it has changed since it was last read. Blocks.
    pub fn refresh(&self) -> Result<Option<Changed>, Error> {
        let changed = self.watch.if_changed(|| self.read_again().map_err(Unread::Wrong));
        match changed {
            Ok(changed) => Ok(changed.filter(|changed| *changed != Changed::default())),
            Err(Unread::Wrong(error)) => Err(error),
            Err(Unread::Io(error)) => Err(Error::io("read", self.file.path())(error)),
        }
    }

    fn read_again(&self) -> Result<Changed, Error> {
        let read = self.file.read()?;
        if read.is_some() {
            self.required.store(true, Ordering::Release);
        }
        let old = self.set();
        let new = held(read.unwrap_or_default(), &old);
        let changed = difference(&old, &new);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(changed)
    }

    /// The token that a client presents.
    pub fn find(&self, text: &[u8], now: Timestamp) -> Result<Found, Refusal> {
        if text.len() > TEXT_LEN_MAX {
            return Err(Refusal::Unknown);
        }
        let hash = Hash::of(text);
        if let Some(fixed) = &self.fixed
            && fixed.token.proves(hash, now) == Proof::Good
        {
            return Ok(Found { held: Arc::clone(fixed), hash, fixed: true });
        }
        let id = std::str::from_utf8(text).ok().and_then(id_of).ok_or(Refusal::Unknown)?;
        let set = self.set();
        let held = set.get(id).ok_or(Refusal::Unknown)?;
        match held.token.proves(hash, now) {
            Proof::Wrong => Err(Refusal::Unknown),
            Proof::Ended => Err(Refusal::Expired),
            Proof::Good if held.token.is_expired(now) => Err(Refusal::Expired),
            Proof::Good => Ok(Found { held: Arc::clone(held), hash, fixed: false }),
        }
    }

    /// Whether a token that was found is still there, with the same secret, and for the same.
    pub fn still_holds(&self, found: &Found, now: Timestamp) -> bool {
        if found.fixed {
            return true;
        }
        let (set, then) = (self.set(), &found.held.token);
        set.get(&then.id).is_some_and(|held| {
            let token = &held.token;
            token.proves(found.hash, now) == Proof::Good
                && !token.is_expired(now)
                && token.scopes == then.scopes
                && token.types == then.types
                && token.functions == then.functions
        })
    }

    /// Takes so many of what the token is limited in; none when it has no limit. Else how long to
    /// wait.
    pub fn take(&self, found: &Found, count: u64) -> Result<Option<Quota>, Duration> {
        let limiter = found.held.limiter.as_ref();
        limiter.map(|limiter| limiter.take(count, self.watch.elapsed())).transpose()
    }

    /// Whether one could be taken, or how long to wait for it.
    pub fn check(&self, found: &Found) -> Result<(), Duration> {
        let limiter = found.held.limiter.as_ref();
        limiter.map_or(Ok(()), |limiter| limiter.check(self.watch.elapsed()))
    }

    /// What is left of its limit.
    pub fn left(&self, found: &Found) -> Option<Quota> {
        found.held.limiter.as_ref().map(|limiter| limiter.left(self.watch.elapsed()))
    }

    fn set(&self) -> Arc<Set> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Found {
    pub fn token(&self) -> &Token {
        &self.held.token
    }
}

fn fixed_token(text: &[u8]) -> Token {
    let secret = Secret { hash: Hash::of(text), created: Timestamp(0), until: None };
    Token {
        id: FIXED.to_owned(),
        name: FIXED.to_owned(),
        scopes: Scopes::ALL,
        types: None,
        functions: None,
        rate: None,
        created: Timestamp(0),
        expires: None,
        secrets: vec![secret],
    }
}

/// What was used of a limit stays used, unless the limit is another.
fn held(tokens: Vec<Token>, old: &Set) -> Set {
    let limiter = |token: &Token| {
        let rate = token.rate?;
        let limiter = Limiter::new(rate);
        let before = old.get(&token.id).and_then(|held| held.limiter.as_ref());
        if let Some(before) = before.filter(|before| before.rate() == rate) {
            limiter.go_on_from(before);
        }
        Some(limiter)
    };
    tokens
        .into_iter()
        .map(|token| {
            let unchanged = old.get(&token.id).filter(|held| held.token == token);
            let held = unchanged.map_or_else(
                || Arc::new(Held { limiter: limiter(&token), token: token.clone() }),
                Arc::clone,
            );
            (token.id, held)
        })
        .collect()
}

fn difference(old: &Set, new: &Set) -> Changed {
    let mut changed = Changed::default();
    for (id, held) in new {
        match old.get(id) {
            None => changed.added.push(held.token.name.clone()),
            Some(before) if before.token != held.token => {
                changed.changed.push(held.token.name.clone());
            }
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|(id, _)| !new.contains_key(*id));
    changed.removed.extend(gone.map(|(_, held)| held.token.name.clone()));
    for names in [&mut changed.added, &mut changed.changed, &mut changed.removed] {
        names.sort_unstable();
    }
    changed
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
