//! One hook: its settings checked, and requests verified by it. Pure: no clock, no I/O.
//!
//! Whatever a request says of itself is believed only once it is proven.

use std::borrow::Cow;

use http::{HeaderName, Method};
use triphammer_model::{EventParts, FunctionName, Timestamp};

use crate::answer::Reply;
use crate::builtin;
use crate::error::{InvalidHook, Refused};
use crate::event;
use crate::keep::{self, Kept};
use crate::key::Key;
use crate::prove::prove;
use crate::provider::{self, Provider};
use crate::raw::{RawHook, RawProviderRef};
use crate::request::{Fields, Request, essence};
use crate::secret::Secret;
use crate::settings;
use crate::template::{Place, Template};

/// Verifies requests and makes events of them.
#[derive(Debug)]
pub struct Hook {
    name: String,
    provider: Provider,
    keys: Vec<Key>,
    ty: Option<Template>,
    source: String,
    kept: Vec<Kept>,
    body_bytes_max: usize,
}

/// What a request is that was proven.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    Event(Box<Verified>),
    /// A challenge or a ping: answered at once, and no event.
    Answer(Reply),
}

/// An event to be, and what the provider hears once it is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified {
    pub parts: EventParts,
    /// None when any 2xx will do.
    pub reply: Option<Reply>,
}

/// The cause of a secret that can't be had.
pub type ResolveError = Box<dyn std::error::Error + Send + Sync>;

impl Hook {
    /// The most secrets that are active at once.
    pub const SECRETS_MAX: usize = 8;
    /// The largest body unless the settings say otherwise, in bytes.
    pub const BODY_BYTES_DEFAULT: usize = 1 << 20;
    /// The largest body that the settings can allow, in bytes.
    pub const BODY_BYTES_MAX: usize = 32 << 20;

    /// Checks the settings. `resolve` is given each of `secrets` as it is written, such as
    /// `env:NAME`, and says what the secret is.
    pub fn new(
        name: &str,
        raw: RawHook,
        resolve: impl Fn(&str) -> Result<Secret, ResolveError>,
    ) -> Result<Self, InvalidHook> {
        // The rules of a name are those of a function's: both are parts of paths.
        name.parse::<FunctionName>().map_err(|_| InvalidHook::Name)?;
        let mut provider = match raw.provider {
            RawProviderRef::Builtin(builtin) => {
                let described = builtin::find(&builtin)?;
                Provider::check(described, &builtin)?
            }
            RawProviderRef::Custom(custom) => Provider::check(*custom, name)?,
        };
        if let Some(header) = raw.header {
            let wrong = |_| InvalidHook::setting("header", "is no header's name");
            provider.signature.header = header.parse::<HeaderName>().map_err(wrong)?;
        }
        if let Some(tolerance_ms) = provider::tolerance("tolerance", raw.tolerance.as_deref())? {
            let rule = "needs a provider that signs the time, which this one does not";
            let timestamp = provider.timestamp.as_mut();
            timestamp.ok_or_else(|| InvalidHook::setting("tolerance", rule))?.tolerance_ms =
                tolerance_ms;
        }
        let names = raw.keep_headers.as_ref().unwrap_or(&provider.keep_headers);
        Ok(Self {
            name: name.to_owned(),
            keys: settings::keys(&provider, &raw.secrets, resolve)?,
            ty: raw.ty.map(|text| settings::event_type(&text)).transpose()?,
            source: raw.source.map_or_else(|| Ok(format!("/hooks/{name}")), settings::source)?,
            kept: keep::check(names, &provider.signature.header)?,
            body_bytes_max: settings::body_limit(raw.body_limit.as_deref())?,
            provider,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The largest body that is taken, in bytes: more need not be read.
    pub fn body_bytes_max(&self) -> usize {
        self.body_bytes_max
    }

    /// Proves the request and says what it is. `now` is the time at which it came in.
    pub fn verify<'a>(&'a self, request: Request<'a>, now: Timestamp) -> Result<Outcome, Refused> {
        if request.method != Method::POST {
            return Err(Refused::Method);
        }
        if request.body.len() > self.body_bytes_max {
            return Err(Refused::TooLarge { limit: self.body_bytes_max });
        }
        let fields = Fields::new(request, self.provider.json_field.as_deref())?;
        prove(&self.provider, &self.keys, &fields, now)?;
        self.check_content_type(&fields)?;
        // What says that it is JSON is JSON, looked at or not.
        fields.json()?;
        for answer in &self.provider.answers {
            if answer.applies(&fields)? {
                let reply = answer.reply(&fields)?;
                if !answer.event {
                    return Ok(Outcome::Answer(reply));
                }
                let parts = self.event(&fields, &request)?;
                return Ok(Outcome::Event(Verified { parts, reply: Some(reply) }.into()));
            }
        }
        let parts = self.event(&fields, &request)?;
        Ok(Outcome::Event(Verified { parts, reply: None }.into()))
    }

    fn check_content_type(&self, fields: &Fields<'_>) -> Result<(), Refused> {
        let allowed = &self.provider.content_types;
        let given = essence(fields.content_type().unwrap_or_default());
        match allowed.is_empty() || allowed.iter().any(|ty| ty.eq_ignore_ascii_case(given)) {
            true => Ok(()),
            false => Err(Refused::ContentType),
        }
    }

    fn event(&self, fields: &Fields<'_>, request: &Request<'_>) -> Result<EventParts, Refused> {
        let rule = &self.provider.event;
        let id = first(&rule.id, fields)?.unwrap_or_else(|| event::digest_id(fields.body()));
        event::check_id(&id)?;
        let body = fields.body();
        let unsaid = (!body.is_empty()).then_some("application/octet-stream");
        Ok(EventParts {
            id,
            source: self.source.clone(),
            ty: self.event_type(fields)?,
            subject: first(&rule.subject, fields)?.and_then(event::subject),
            time: first(&rule.time, fields)?.and_then(event::time),
            datacontenttype: fields
                .content_type()
                .filter(|text| !text.is_empty())
                .or(unsaid)
                .map(|text| text.replace('\t', " ")),
            dataschema: None,
            extensions: keep::extensions(&self.kept, request.headers)?,
            // HTTP can't tell an empty payload from none.
            data: (!body.is_empty()).then(|| body.clone()),
        })
    }

    fn event_type(&self, fields: &Fields<'_>) -> Result<String, Refused> {
        let found = first(&self.provider.event.ty, fields)?;
        let found = event::dotted(found.as_deref().unwrap_or_default());
        if found.is_empty() {
            return Err(Refused::TypeMissing);
        }
        let full = format!("{}.{found}", self.provider.prefix);
        let ty = match &self.ty {
            None => full,
            Some(template) => {
                let value = |place: &Place| match place {
                    Place::Type => Ok(Some(Cow::Borrowed(found.as_str()))),
                    Place::Hook => Ok(Some(Cow::Borrowed(self.name.as_str()))),
                    place => fields.at(place),
                };
                event::dotted(&template.render(&value)?.ok_or(Refused::TypeMissing)?)
            }
        };
        event::check_type(&ty)?;
        Ok(ty)
    }
}

/// The first of the templates that has everything.
fn first(templates: &[Template], fields: &Fields<'_>) -> Result<Option<String>, Refused> {
    for template in templates {
        if let Some(text) = template.render(&|place| fields.at(place))? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}
