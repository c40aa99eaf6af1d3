//! Certificates for one test: somebody who signs, and what they have signed, as files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Signs certificates. Whoever trusts its file trusts all of them.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, as PEM.
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// For a host on this machine, or a client of this name.
    pub(crate) fn sign(&self, name: &str) -> Pair {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { cert, key: key.serialize_pem() }
    }

    /// Its own certificate, in a file of this name.
    pub(crate) fn write(&self, path: &Path) -> String {
        fs::write(path, &self.pem).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Pair {
    /// What a server that shows it needs.
    pub(crate) fn server(&self) -> ServerConfig {
        let chain = vec![CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        builder.with_no_client_auth().with_single_cert(chain, key).unwrap()
    }

    /// Into `{name}.crt` and `{name}.key`, in the place of what was there.
    pub(crate) fn write(&self, dir: &Path, name: &str) -> [String; 2] {
        let write = |extension: &str, text: &str| {
            let path: PathBuf = dir.join(format!("{name}.{extension}"));
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        [write("crt", &self.cert), write("key", &self.key)]
    }
}
