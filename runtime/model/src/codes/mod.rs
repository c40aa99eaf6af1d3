//! Every error code that a user can meet: what it says, and what to do next. `docs/errors.md` is
//! written from this table, `trip explain` reads it, and tests hold it against the sources.
//!
//! Words only: which error has which code is said where the error is.

mod access;
mod attempts;
mod events;
mod functions;
mod hooks;
mod host;
mod outbound;
mod telemetry;

#[cfg(test)]
mod tests;

/// One error code.
#[derive(Debug, Eq, PartialEq)]
pub struct Code {
    /// Such as `filter.syntax`. Never reworded, and never given another meaning.
    pub code: &'static str,
    /// The HTTP status of answers with this code; none for what is never an answer.
    pub status: Option<u16>,
    /// What has happened, in Markdown, as a part of a sentence.
    pub says: &'static str,
    /// What to do next, in the same form.
    pub next: &'static str,
}

/// Codes that are met in the same place.
#[derive(Debug, Eq, PartialEq)]
pub struct Section {
    pub title: &'static str,
    /// A paragraph before the codes, in Markdown; empty for none.
    pub about: &'static str,
    pub codes: &'static [Code],
}

/// All sections, in the order in which they are shown.
pub const SECTIONS: &[Section] = &[
    events::EVENTS,
    events::FILTERS,
    hooks::HOOKS,
    attempts::ATTEMPTS,
    attempts::GIVEN_UP,
    attempts::GUEST,
    outbound::OUTBOUND,
    functions::FUNCTIONS,
    functions::SUBSCRIPTIONS,
    functions::DELIVERIES,
    events::REPLAYS,
    access::ACCESS,
    access::TOKENS,
    host::HTTP,
    host::HOST,
    hooks::HOOK_SETTINGS,
    telemetry::TELEMETRY,
    host::JOURNAL,
];

/// All codes, section by section.
pub fn all() -> impl Iterator<Item = &'static Code> {
    SECTIONS.iter().flat_map(|section| section.codes)
}

/// What there is to say of a code.
pub fn find(code: &str) -> Option<&'static Code> {
    all().find(|known| known.code == code)
}

const fn refused(status: u16, code: &'static str, says: &'static str, next: &'static str) -> Code {
    Code { code, status: Some(status), says, next }
}

/// Of what is never an answer over HTTP.
const fn noted(code: &'static str, says: &'static str, next: &'static str) -> Code {
    Code { code, status: None, says, next }
}
