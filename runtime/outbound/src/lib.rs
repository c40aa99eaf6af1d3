//! The HTTP requests that functions make: which go out, to which address, with which headers and
//! secrets, and how much of everything.
//!
//! Denied by default: a request goes where the function's manifest *and* the operator allow it, and to
//! the very address that was looked at. Knows nothing of Wasm, of queues, or of who writes manifests.

mod address;
mod body;
mod client;
mod connect;
mod counts;
mod error;
mod exchange;
mod headers;
mod observe;
mod resolve;
mod secrets;

#[cfg(test)]
mod tests;

pub use body::ResponseBody;
pub use client::{Client, Options, tls_config};
pub use counts::RequestCounts;
pub use error::{Connecting, Error, SetupError, Side};
pub use exchange::{Answer, Caller, Exchange, Patience, Report};
pub use headers::is_forbidden;
pub use observe::{Observe, Requested};
pub use resolve::{Resolve, Resolved};
pub use secrets::{InvalidSecret, Secret, SecretName, Secrets, placeholder};
