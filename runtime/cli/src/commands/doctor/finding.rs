//! What a check came to.

use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Ok,
    /// A host runs, though not as well as it could.
    Warn,
    /// A host does not run, or not for long.
    Fail,
}

#[derive(Debug)]
pub(super) struct Finding {
    /// What was looked at, in a word or two.
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    /// What there is, with its figures.
    pub(super) says: String,
    /// What to do about it.
    pub(super) next: Option<String>,
}

impl Finding {
    pub(super) fn ok(name: &'static str, says: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, says: says.into(), next: None }
    }

    pub(super) fn warn(
        name: &'static str,
        says: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { name, verdict: Verdict::Warn, says: says.into(), next: Some(next.into()) }
    }

    pub(super) fn fail(
        name: &'static str,
        says: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { name, verdict: Verdict::Fail, says: says.into(), next: Some(next.into()) }
    }

    pub(super) fn json(&self) -> Value {
        let status = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        json!({"name": self.name, "status": status, "says": self.says, "next": self.next})
    }
}
