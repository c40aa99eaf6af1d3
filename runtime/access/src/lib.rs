//! Who may do what: tokens with scopes, kept hashed in a file, how fast each may be used, and the
//! log of all that was changed.
//!
//! A token is shown once, when it is made. What is kept is a hash, which can be compared and not
//! used. Knows nothing of HTTP, of TLS, or of what the scopes stand for.

mod audit;
mod audit_read;
mod error;
mod file;
mod pattern;
mod rate;
mod raw;
mod scope;
mod store;
mod text;
mod token;
mod watch;

pub use audit::{Actor, AuditLog, Entry};
pub use audit_read::AuditPage;
pub use error::Error;
pub use file::TokenFile;
pub use pattern::FunctionPattern;
pub use rate::{Limiter, Quota, Rate};
pub use scope::{Scope, Scopes};
pub use store::{Changed, Found, Refusal, Tokens};
pub use text::{Hash, TokenText};
pub use token::{NewToken, Secret, Token};
pub use watch::Watch;
