//! The host's side of one attempt, in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use crate::context::Level;
use crate::event::NewEvent;
use crate::http::{Request, Response};
use crate::outcome::Error;

/// State entries by name: a function's, or one ordering key's.
pub(crate) type Space = BTreeMap<String, Entry>;

/// A state entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) value: Vec<u8>,
    /// When it is gone, on the test's clock.
    pub(crate) until_ms: Option<u64>,
}

/// What becomes of a timer.
#[derive(Debug)]
pub(crate) struct TimerChange {
    pub(crate) name: String,
    /// When it comes due, in milliseconds, and its event; none cancels it.
    pub(crate) set: Option<(u64, NewEvent)>,
}

/// The longest time to live and the longest delay, in milliseconds: 3650 days.
const TIME_MS_MAX: u64 = 3650 * 86_400_000;
const TIMER_NAME_LEN_MAX: usize = 128;

/// What one attempt has read from and asked for.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    pub(crate) space: Space,
    pub(crate) emitted: Vec<NewEvent>,
    pub(crate) timers: Vec<TimerChange>,
    pub(crate) logs: Vec<(Level, String)>,
    pub(crate) requests: Vec<Request>,
    config: BTreeMap<String, String>,
    now_ms: u64,
    web: Web,
}

/// What answers requests.
type Answers = dyn FnMut(&Request) -> Result<Response, Error>;

/// What is on the other side of a test's requests; none when the test says nothing of it.
#[derive(Clone, Default)]
pub(crate) struct Web(pub(crate) Option<Rc<RefCell<Answers>>>);

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Web").field(&self.0.is_some()).finish()
    }
}

impl Attempt {
    pub(crate) fn new(
        space: Space,
        config: BTreeMap<String, String>,
        now_ms: u64,
        web: Web,
    ) -> Self {
        Self { space, config, now_ms, web, ..Self::default() }
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
        Ok(self.0.borrow().space.get(name).map(|entry| entry.value.clone()))
    }

    pub(crate) fn set(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.write(name, value, None);
        Ok(())
    }

    pub(crate) fn set_with_ttl(&self, name: &str, value: &[u8], ttl_ms: u64) -> Result<(), Error> {
        if !(1..=TIME_MS_MAX).contains(&ttl_ms) {
            let message = "a state entry's time to live must be 1 ms to 3650 days";
            return refused("state.ttl", message.to_owned());
        }
        self.write(name, value, Some(ttl_ms));
        Ok(())
    }

    fn write(&self, name: &str, value: &[u8], ttl_ms: Option<u64>) {
        let mut attempt = self.0.borrow_mut();
        let until_ms = ttl_ms.map(|ttl| attempt.now_ms.saturating_add(ttl));
        attempt.space.insert(name.to_owned(), Entry { value: value.to_owned(), until_ms });
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
        Ok(entries.take(limit).map(|(name, entry)| (name.clone(), entry.value.clone())).collect())
    }

    pub(crate) fn emit(&self, event: NewEvent) -> Result<(), Error> {
        check(&event)?;
        self.0.borrow_mut().emitted.push(event);
        Ok(())
    }

    pub(crate) fn set_timer(
        &self,
        name: &str,
        after_ms: u64,
        event: NewEvent,
    ) -> Result<(), Error> {
        check_timer_name(name)?;
        if after_ms > TIME_MS_MAX {
            let message = "a timer may not be set for later than 3650 days";
            return refused("timer.delay", message.to_owned());
        }
        check(&event)?;
        let set = Some((after_ms, event));
        self.0.borrow_mut().timers.push(TimerChange { name: name.to_owned(), set });
        Ok(())
    }

    pub(crate) fn cancel_timer(&self, name: &str) -> Result<(), Error> {
        check_timer_name(name)?;
        self.0.borrow_mut().timers.push(TimerChange { name: name.to_owned(), set: None });
        Ok(())
    }

    pub(crate) fn fetch(&self, request: Request) -> Result<Response, Error> {
        let web = self.0.borrow().web.clone();
        self.0.borrow_mut().requests.push(request.clone());
        match web.0 {
            Some(answers) => (*answers.borrow_mut())(&request),
            None => Err(Error::Request {
                code: "http.denied",
                message: "the test says nothing of requests: use `Host::answering`".to_owned(),
            }),
        }
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

fn check_timer_name(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return refused("timer.name", "a timer's name must not be empty".to_owned());
    }
    if name.len() > TIMER_NAME_LEN_MAX {
        let message = format!("a timer's name may not exceed {TIMER_NAME_LEN_MAX} bytes");
        return refused("limit.timer_name", message);
    }
    Ok(())
}

fn refused(code: &str, message: String) -> Result<(), Error> {
    Err(Error::Refused { code: code.to_owned(), message })
}
