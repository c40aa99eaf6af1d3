//! Whom a client trusts, and how it proves itself: certificates, from files. Knows no HTTP.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::Error;
use crate::args::Trust;

/// What a connection is encrypted with, and to whom it is.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
}

impl Tls {
    /// For a host of this name or address.
    pub(super) fn new(trust: &Trust, host: &str) -> Result<Self, Error> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let invalid = |_| Error::Url { url: host.to_owned(), rule: "that is no name of a host" };
        let name = ServerName::try_from(bare).map_err(invalid)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::Tls)?
            .with_root_certificates(roots(trust.ca.as_deref())?);
        let mut config = match (&trust.client_cert, &trust.client_key) {
            (Some(cert), Some(key)) => {
                builder.with_client_auth_cert(certificates(cert)?, private_key(key)?)
            }
            _ => Ok(builder.with_no_client_auth()),
        }
        .map_err(Error::Tls)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), name })
    }
}

/// Those in the file and no others; without one, those of the system.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(Error::Tls)?;
            }
        }
        None => {
            // What of the system's can't be read is left out: nothing is trusted for it.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

/// At least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = || Error::Pem { path: path.to_owned(), what: "certificates" };
    let bytes = bytes(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(wrong)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let wrong = |_| Error::Pem { path: path.to_owned(), what: "private key" };
    PrivateKeyDer::from_pem_slice(&bytes(path)?).map_err(wrong)
}

fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::File { path: PathBuf::from(path), source };
    std::fs::read(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(trust: &Trust) -> String {
        Tls::new(trust, "localhost").map_or_else(|error| format!("{error}"), |_| "ok".to_owned())
    }

    #[test]
    fn files_that_are_no_certificates_are_named() {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| Some(scratch.path().join(name));
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        std::fs::write(path("cert").unwrap(), pem).unwrap();
        std::fs::write(path("key").unwrap(), key.serialize_pem()).unwrap();
        std::fs::write(path("empty").unwrap(), "").unwrap();
        let trust = |ca: &str, cert: &str, key: &str| Trust {
            ca: path(ca),
            client_cert: path(cert),
            client_key: path(key),
        };
        assert_eq!(code(&trust("cert", "cert", "key")), "ok");
        assert!(code(&trust("empty", "cert", "key")).contains("certificates"));
        assert!(code(&trust("cert", "key", "key")).contains("certificates"));
        assert!(code(&trust("cert", "cert", "cert")).contains("private key"));
        assert!(code(&trust("nothing", "cert", "key")).contains("nothing"));
    }

    #[test]
    fn an_address_is_a_name_too() {
        let trust = Trust::default();
        for host in ["127.0.0.1", "[::1]", "host.example"] {
            assert!(Tls::new(&trust, host).is_ok(), "{host}");
        }
    }
}
