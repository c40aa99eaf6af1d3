//! How a handler ends: a reply, a fault, and the errors that become faults.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Why a call to the host, or reading and writing JSON around it, failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The host refused the call.
    Refused {
        /// The host's stable code.
        code: String,
        /// The host's sentence for people.
        message: String,
    },
    /// What is stored is not of the type asked for.
    Decode {
        /// The name of the state entry.
        name: String,
        /// Where it went wrong.
        source: serde_json::Error,
    },
    /// An HTTP request failed, or was not allowed.
    Request {
        /// `http.denied`, `http.failed`, `http.malformed`, `http.status`, `http.timeout`,
        /// `http.too_large` or `http.url`.
        code: &'static str,
        /// What happened, for people.
        message: String,
    },
    /// A value could not be written as JSON.
    Encode {
        /// What was to be written.
        what: &'static str,
        /// Why it could not.
        source: serde_json::Error,
    },
}

impl Error {
    /// A name for this error that never changes: the host's own, `state.decode`, `json.encode`, or
    /// one that begins with `http.`.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Request { code, .. } => code,
            Self::Decode { .. } => "state.decode",
            Self::Encode { .. } => "json.encode",
        }
    }

    pub(crate) fn encode(what: &'static str) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Encode { what, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, message } => write!(f, "{message} ({code})"),
            Self::Request { code, message } => write!(f, "{message} ({code})"),
            Self::Decode { name, .. } => {
                write!(f, "the state entry `{name}` is not of the type asked for")
            }
            Self::Encode { what, .. } => write!(f, "{what} can't be written as JSON"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused { .. } | Self::Request { .. } => None,
            Self::Decode { source, .. } | Self::Encode { source, .. } => Some(source),
        }
    }
}

/// Rounded up, so that nothing happens sooner than was asked.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    let rest = u128::from(!duration.subsec_nanos().is_multiple_of(1_000_000));
    u64::try_from(duration.as_millis() + rest).unwrap_or(u64::MAX)
}

/// Why an attempt failed, and whether trying again may help.
///
/// `?` makes a retryable fault of any error; say [`reject`](Self::reject) where trying again is
/// useless.
///
/// ```
/// use triphammer_sdk::Fault;
///
/// fn parse(text: &str) -> Result<u16, Fault> {
///     Ok(text.parse::<u16>()?)
/// }
/// assert_eq!(parse("x"), Err(Fault::retry("invalid digit found in string")));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a fault does nothing until the handler returns it"]
pub enum Fault {
    /// It may pass: try again.
    Retry {
        /// What went wrong.
        message: String,
        /// When to try again; by the retry policy when none.
        after: Option<Duration>,
    },
    /// Trying again is useless: the delivery becomes a dead letter.
    Reject {
        /// What went wrong.
        message: String,
    },
}

impl Fault {
    /// Try again, by the retry policy.
    pub fn retry(message: impl Into<String>) -> Self {
        Self::Retry { message: message.into(), after: None }
    }

    /// Try again after this long; whole milliseconds, rounded up.
    pub fn retry_after(message: impl Into<String>, after: Duration) -> Self {
        Self::Retry { message: message.into(), after: Some(after) }
    }

    /// Don't try again.
    pub fn reject(message: impl Into<String>) -> Self {
        Self::Reject { message: message.into() }
    }

    /// What went wrong.
    pub fn message(&self) -> &str {
        match self {
            Self::Retry { message, .. } | Self::Reject { message } => message,
        }
    }
}

/// A fault is not an `Error` itself, so that every error can become one.
impl<E: std::error::Error> From<E> for Fault {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self::Retry { message, after: None }
    }
}

/// An answer for a sender that waits for one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// The media type of `data`.
    pub content_type: String,
    /// The answer.
    pub data: Vec<u8>,
}

impl Reply {
    /// An answer of any media type.
    pub fn new(content_type: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Self { content_type: content_type.into(), data: data.into() }
    }

    /// An answer in plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new("text/plain; charset=utf-8", text.into())
    }

    /// An answer in JSON. A handler that answers nothing else returns [`Json`].
    pub fn json<T: Serialize + ?Sized>(data: &T) -> Result<Self, Error> {
        let data = serde_json::to_vec(data).map_err(Error::encode("the reply"))?;
        Ok(Self::new("application/json", data))
    }
}

/// A reply in JSON.
///
/// ```
/// use triphammer_sdk::{Context, Event, Fault, Json, function};
///
/// #[function(on = "numbers.drawn")]
/// fn sum(event: Event<Vec<u64>>, _ctx: &mut Context) -> Result<Json<u64>, Fault> {
///     Ok(Json(event.data.iter().sum()))
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Json<T>(pub T);

/// What a handler can return in `Ok`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something a handler can return",
    label = "return `()`, `Json<T>`, `Reply`, or an `Option` of these"
)]
pub trait IntoReply {
    /// The reply, if there is one.
    fn into_reply(self) -> Result<Option<Reply>, Error>;
}

impl IntoReply for () {
    fn into_reply(self) -> Result<Option<Reply>, Error> {
        Ok(None)
    }
}

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Option<Reply>, Error> {
        Ok(Some(self))
    }
}

impl<T: Serialize> IntoReply for Json<T> {
    fn into_reply(self) -> Result<Option<Reply>, Error> {
        Reply::json(&self.0).map(Some)
    }
}

impl<R: IntoReply> IntoReply for Option<R> {
    fn into_reply(self) -> Result<Option<Reply>, Error> {
        self.map_or(Ok(None), IntoReply::into_reply)
    }
}
