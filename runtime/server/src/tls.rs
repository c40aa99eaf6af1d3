//! TLS: certificates read from files, again when they change, and who a client's certificate says
//! it is. Knows nothing of HTTP.
//!
//! A connection keeps what it began with. Files that do not fit together, as in the middle of a
//! change of certificate and key, leave the old ones in use.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tracing::{error, info};
use triphammer_access::Watch;

use crate::config::TlsConfig;
use crate::http2;

/// The certificates of a host, as they are now.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsConfig,
    watch: Watch,
    current: RwLock<Arc<ServerConfig>>,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    #[error("can't read {path}", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} {rule}", path = path.display())]
    Malformed { path: PathBuf, rule: &'static str },
    #[error("the certificate {path} can't be used", path = path.display())]
    Unfit { path: PathBuf, source: rustls::Error },
}

/// A larger file is no chain of certificates.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What is spoken inside, the best first.
const PROTOCOLS: [&[u8]; 2] = [http2::NAME, b"http/1.1"];

impl TlsError {
    /// Stable, for whoever starts this host.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "tls.unreadable",
            Self::Malformed { .. } => "tls.malformed",
            Self::Unfit { .. } => "tls.unfit",
        }
    }
}

impl From<std::io::Error> for TlsError {
    fn from(source: std::io::Error) -> Self {
        Self::Read { path: "the files of certificates".into(), source }
    }
}

impl Tls {
    /// Reads the files. Blocks.
    pub(crate) fn open(files: TlsConfig) -> Result<Self, TlsError> {
        let mut paths = vec![files.cert.clone(), files.key.clone()];
        paths.extend(files.client_ca.clone());
        let watch = Watch::new(paths)?;
        let current = RwLock::new(Arc::new(read(&files)?));
        Ok(Self { files, watch, current })
    }

    /// Whether clients need certificates.
    pub(crate) fn is_mutual(&self) -> bool {
        self.files.client_ca.is_some()
    }

    /// For one connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current))
    }

    /// Whether it is time to [look](Self::refresh) at the files again. True for one caller only.
    pub(crate) fn is_due(&self) -> bool {
        self.watch.is_due()
    }

    /// Reads the files again if they have changed; true if there is something new. Blocks.
    pub(crate) fn refresh(&self) -> bool {
        match self.watch.if_changed(|| read(&self.files)) {
            Ok(None) => false,
            Ok(Some(config)) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                info!("the certificates were read again");
                true
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                error!(code = error.code(), %error, cause, "the certificates stay as they were");
                false
            }
        }
    }
}

fn read(files: &TlsConfig) -> Result<ServerConfig, TlsError> {
    let unfit = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Unfit { path, source }
    };
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes(&files.key)?).map_err(|_| {
        TlsError::Malformed { path: files.key.clone(), rule: "has no private key as PEM" }
    })?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unfit(&files.cert))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => builder.with_client_cert_verifier(verifier(path, &provider)?),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(unfit(&files.cert))?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(config)
}

fn verifier(
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let unfit = |source| TlsError::Unfit { path: path.to_owned(), source };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(unfit)?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    builder.build().map_err(|error| unfit(rustls::Error::General(error.to_string())))
}

/// At least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let malformed =
        || TlsError::Malformed { path: path.to_owned(), rule: "has no certificates as PEM" };
    let bytes = bytes(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(malformed)
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
