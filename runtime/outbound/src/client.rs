//! What all requests of a host have in common: the operator's rules, the secrets, what TLS trusts, and
//! how many requests are under way.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tracing::{debug, warn};
use triphammer_model::{HostPattern, Target, TargetPattern};

use crate::connect::{Connector, tls};
use crate::counts::{Counters, RequestCounts};
use crate::error::SetupError;
use crate::observe::Observe;
use crate::resolve::{Resolve, System};
use crate::secrets::Secrets;

/// The smallest buffer that hyper reads heads with.
const HEAD_BYTES_MIN: usize = 8 << 10;

/// How requests may go out. The default is that none does.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where requests may go, if the function's manifest allows it as well.
    pub allow: Vec<TargetPattern>,
    /// Which hosts may have addresses that are not on the public internet.
    pub allow_private: Vec<HostPattern>,
    pub secrets: Arc<Secrets>,
    /// Requests under way at the same time, over all functions.
    pub requests_max: usize,
    /// Up to a connection: the wait for a place, the lookup of the name, and TLS included.
    pub connect_timeout: Duration,
    /// The head of a response, in bytes; at least 8 KiB.
    pub head_bytes_max: usize,
    /// Certificates in PEM that are trusted besides the system's.
    pub certificates: Option<Arc<[u8]>>,
    /// What `User-Agent` says when the guest says nothing.
    pub user_agent: String,
    /// Who is told of requests in traces that are recorded.
    pub observer: Option<Arc<dyn Observe>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            allow_private: Vec::new(),
            secrets: Arc::default(),
            requests_max: 256,
            connect_timeout: Duration::from_secs(5),
            head_bytes_max: 64 << 10,
            certificates: None,
            user_agent: "triphammer".to_owned(),
            observer: None,
        }
    }
}

/// Shared by all functions of a host.
pub struct Client {
    allow: Vec<TargetPattern>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) connector: Connector,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) connect_timeout: Duration,
    pub(crate) head_bytes_max: usize,
    pub(crate) user_agent: HeaderValue,
    pub(crate) counters: Arc<Counters>,
    pub(crate) observer: Option<Arc<dyn Observe>>,
}

impl Client {
    pub fn new(options: Options) -> Result<Self, SetupError> {
        Self::with_resolver(options, Box::new(System::default()))
    }

    /// The same, with names looked up by `resolver`.
    pub fn with_resolver(options: Options, resolver: Box<dyn Resolve>) -> Result<Self, SetupError> {
        let Options { allow, allow_private, secrets, certificates, user_agent, observer, .. } =
            options;
        // Where nothing goes out nothing has to be trusted, and reading it all takes its time.
        let roots = match allow.is_empty() {
            true => RootCertStore::empty(),
            false => roots(certificates.as_deref())?,
        };
        let tls = Arc::new(tls(roots).map_err(SetupError::Tls)?).into();
        let default = HeaderValue::from_static("triphammer");
        Ok(Self {
            allow,
            secrets,
            connector: Connector { resolver, tls, allow_private },
            places: Arc::new(Semaphore::new(options.requests_max.min(Semaphore::MAX_PERMITS))),
            connect_timeout: options.connect_timeout,
            head_bytes_max: options.head_bytes_max.max(HEAD_BYTES_MIN),
            user_agent: HeaderValue::try_from(user_agent).unwrap_or(default),
            counters: Arc::default(),
            observer,
        })
    }

    /// Whether the operator allows it.
    pub fn allows(&self, target: &Target) -> bool {
        self.allow.iter().any(|pattern| pattern.matches(target))
    }

    /// What came of all requests so far.
    pub fn counts(&self) -> RequestCounts {
        self.counters.read()
    }

    /// Of the operator.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("allow", &self.allow).finish_non_exhaustive()
    }
}

/// What TLS to others than functions' targets is set up with: the system's certificates are trusted, and
/// these in PEM.
pub fn tls_config(certificates: Option<&[u8]>) -> Result<Arc<ClientConfig>, SetupError> {
    let config = tls(roots(certificates)?).map_err(SetupError::Tls)?;
    Ok(Arc::new(config))
}

/// The system's certificates, and the operator's.
fn roots(certificates: Option<&[u8]>) -> Result<RootCertStore, SetupError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        debug!(%error, "a certificate of the system can't be read");
    }
    roots.add_parsable_certificates(system.certs);
    if let Some(pem) = certificates {
        let own = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let own = own.map_err(|_| SetupError::Certificates)?;
        let (added, ignored) = roots.add_parsable_certificates(own);
        if added == 0 || ignored > 0 {
            return Err(SetupError::Certificates);
        }
    }
    if roots.is_empty() {
        warn!("no certificates are trusted, so nothing is reached by HTTPS: install the system's");
    }
    Ok(roots)
}
