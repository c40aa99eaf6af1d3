//! Why a request is refused, and why a hook can't be. Knows no HTTP beyond a status.
//!
//! No message has a secret, a signature that would have been right, or the value of a header.

use http::StatusCode;

/// Why a request was not taken. Nothing is kept of it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    #[error("webhooks come with POST")]
    Method,
    #[error("the body is larger than the {limit} bytes that this hook takes")]
    TooLarge { limit: usize },
    #[error("this hook takes no such media type")]
    ContentType,
    #[error("the header `{name}` with the signature is missing")]
    SignatureMissing { name: String },
    #[error("the header `{name}` has no signature that can be read: {rule}")]
    SignatureMalformed { name: String, rule: &'static str },
    #[error("the signature is not that of this request by one of the hook's secrets")]
    SignatureWrong,
    #[error("the time at which it was signed is missing")]
    TimestampMissing,
    #[error("the time at which it was signed is not a whole number")]
    TimestampMalformed,
    #[error("it was signed at a time too far from now")]
    TimestampStale,
    #[error("`{name}` is given more than once")]
    HeaderTwice { name: String },
    #[error("the header `{name}` {rule}")]
    HeaderMalformed { name: String, rule: &'static str },
    #[error("the delivery's id, which is signed, is missing")]
    IdMissing,
    #[error("the delivery's id {rule}")]
    IdMalformed { rule: &'static str },
    #[error("the request says no event type")]
    TypeMissing,
    #[error("the event type {rule}")]
    TypeMalformed { rule: &'static str },
    #[error("event types that begin with `triphammer.` are the host's own")]
    TypeReserved,
    #[error("the body is malformed: {rule}")]
    BodyMalformed { rule: &'static str },
    #[error("the form has more than {limit} fields")]
    FieldsTooMany { limit: usize },
    #[error("the URL is not that of a webhook: {rule}")]
    UrlMalformed { rule: &'static str },
}

impl Refused {
    /// Stable and public. Never reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Method => "hook.method",
            Self::TooLarge { .. } => "hook.too_large",
            Self::ContentType => "hook.content_type",
            Self::SignatureMissing { .. } => "hook.signature_missing",
            Self::SignatureMalformed { .. } => "hook.signature_malformed",
            Self::SignatureWrong => "hook.signature_wrong",
            Self::TimestampMissing => "hook.timestamp_missing",
            Self::TimestampMalformed => "hook.timestamp_malformed",
            Self::TimestampStale => "hook.timestamp_stale",
            Self::HeaderTwice { .. } => "hook.header_twice",
            Self::HeaderMalformed { .. } => "hook.header_malformed",
            Self::IdMissing => "hook.id_missing",
            Self::IdMalformed { .. } => "hook.id_malformed",
            Self::TypeMissing => "hook.type_missing",
            Self::TypeMalformed { .. } => "hook.type_malformed",
            Self::TypeReserved => "hook.type_reserved",
            Self::BodyMalformed { .. } => "hook.body_malformed",
            Self::FieldsTooMany { .. } => "hook.fields_too_many",
            Self::UrlMalformed { .. } => "hook.url_malformed",
        }
    }

    /// 401 is whatever leaves open who sent the request: Discord probes for exactly that. What
    /// is malformed besides is 400.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TypeReserved => StatusCode::FORBIDDEN,
            Self::SignatureMissing { .. }
            | Self::SignatureMalformed { .. }
            | Self::SignatureWrong
            | Self::TimestampMissing
            | Self::TimestampMalformed
            | Self::TimestampStale => StatusCode::UNAUTHORIZED,
            Self::HeaderTwice { .. }
            | Self::HeaderMalformed { .. }
            | Self::IdMissing
            | Self::IdMalformed { .. }
            | Self::TypeMissing
            | Self::TypeMalformed { .. }
            | Self::BodyMalformed { .. }
            | Self::FieldsTooMany { .. }
            | Self::UrlMalformed { .. } => StatusCode::BAD_REQUEST,
        }
    }
}

/// Why a hook's settings make no hook. Settings are named as they stand under `[hooks.NAME]`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHook {
    #[error("a hook's name has 1 to 63 of a-z, 0-9 and -, and neither begins nor ends with -")]
    Name,
    #[error("no provider is called `{name}`; there are {known}")]
    ProviderUnknown { name: String, known: String },
    #[error("the setting `{setting}` {rule}")]
    Setting { setting: String, rule: String },
    #[error("secret number {number} {rule}")]
    Secret { number: usize, rule: &'static str },
    #[error("secret number {number} can't be had")]
    SecretUnresolved { number: usize, source: Box<dyn std::error::Error + Send + Sync> },
}

impl InvalidHook {
    /// Stable, for whoever configures the host.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name => "hook.name",
            Self::ProviderUnknown { .. } => "hook.provider_unknown",
            Self::Setting { .. } => "hook.setting",
            Self::Secret { .. } => "hook.secret",
            Self::SecretUnresolved { .. } => "hook.secret_unresolved",
        }
    }

    pub(crate) fn setting(setting: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Setting { setting: setting.into(), rule: rule.into() }
    }
}
