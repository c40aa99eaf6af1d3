//! The host's side of one attempt, in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use crate::context::Level;
use crate::event::NewEvent;
use crate::outcome::Error;

/// State entries by name: a function's, or one ordering key's.
pub(crate) type Space = BTreeMap<String, Vec<u8>>;

/// What one attempt has read from and asked for.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    pub(crate) space: Space,
    pub(crate) emitted: Vec<NewEvent>,
    pub(crate) logs: Vec<(Level, String)>,
    config: BTreeMap<String, String>,
}

impl Attempt {
    pub(crate) fn new(space: Space, config: BTreeMap<String, String>) -> Self {
        Self { space, config, ..Self::default() }
    }
}

/// The calls that a [`Context`](crate::Context) makes, answered from memory.
#[derive(Debug)]
pub(crate) struct HostCalls(Rc<RefCell<Attempt>>);

impl HostCalls {
    pub(crate) fn new(attempt: Rc<RefCell<Attempt>>) -> Self {
        Self(attempt)
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.borrow().space.get(name).cloned())
    }

    pub(crate) fn set(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.0.borrow_mut().space.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), Error> {
        self.0.borrow_mut().space.remove(name);
        Ok(())
    }

    pub(crate) fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let attempt = self.0.borrow();
        let entries = attempt.space.range::<str, _>((from, Bound::Unbounded));
        let entries = entries.take_while(|(name, _)| name.starts_with(prefix));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(entries.take(limit).map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    pub(crate) fn emit(&self, event: NewEvent) -> Result<(), Error> {
        check(&event)?;
        self.0.borrow_mut().emitted.push(event);
        Ok(())
    }

    pub(crate) fn config(&self, name: &str) -> Option<String> {
        self.0.borrow().config.get(name).cloned()
    }

    pub(crate) fn log(&self, level: Level, message: &str) {
        self.0.borrow_mut().logs.push((level, message.to_owned()));
    }
}

/// What the real host refuses as well.
fn check(event: &NewEvent) -> Result<(), Error> {
    let refused =
        |code: &str, message: String| Err(Error::Refused { code: code.to_owned(), message });
    if event.ty.split('.').next() == Some("triphammer") {
        return refused(
            "event.reserved_type",
            format!("`{}` is one of the host's own types", event.ty),
        );
    }
    let empty = [
        ("type", Some(&event.ty)),
        ("id", event.id.as_ref()),
        ("source", event.source.as_ref()),
        ("subject", event.subject.as_ref()),
    ];
    if let Some((name, _)) = empty.iter().find(|(_, text)| text.is_some_and(String::is_empty)) {
        return refused("event.malformed", format!("`{name}` must not be empty"));
    }
    let plain = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if let Some((name, _)) = event.extensions.iter().find(|(name, _)| !plain(name)) {
        return refused("event.malformed", format!("`{name}` is not a name of a-z and 0-9"));
    }
    Ok(())
}
