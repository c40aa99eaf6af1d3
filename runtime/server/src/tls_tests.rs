//! Certificates that are good, and that are not.

use std::fs;

use rcgen::{CertificateParams, KeyPair};

use super::*;

/// A certificate that signs itself, and its key, as PEM.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

struct Scratch {
    dir: tempfile::TempDir,
    files: TlsConfig,
}

impl Scratch {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name| dir.path().join(name);
        let files = TlsConfig { cert: path("cert"), key: path("key"), client_ca: None };
        let scratch = Self { dir, files };
        scratch.write(&pair());
        scratch
    }

    fn write(&self, (cert, key): &(String, String)) {
        fs::write(&self.files.cert, cert).unwrap();
        fs::write(&self.files.key, key).unwrap();
    }

    #[track_caller]
    fn refused(&self, code: &str) {
        assert_eq!(Tls::open(self.files.clone()).unwrap_err().code(), code);
    }
}

#[test]
fn certificates_and_keys_must_be_there_and_fit() {
    let mut scratch = Scratch::new();
    assert!(!Tls::open(scratch.files.clone()).unwrap().is_mutual());
    let (cert, key) = pair();
    fs::write(&scratch.files.key, &key).unwrap();
    scratch.refused("tls.unfit");
    fs::write(&scratch.files.key, &cert).unwrap();
    scratch.refused("tls.malformed");
    scratch.write(&(key.clone(), key.clone()));
    scratch.refused("tls.malformed");
    scratch.write(&("-----BEGIN CERTIFICATE-----\n!\n".into(), key.clone()));
    scratch.refused("tls.malformed");
    scratch.write(&(String::new(), key.clone()));
    scratch.refused("tls.malformed");
    scratch.write(&(cert, key));
    let ca = scratch.dir.path().join("ca");
    scratch.files.client_ca = Some(ca.clone());
    scratch.refused("tls.unreadable");
    fs::write(&ca, "").unwrap();
    scratch.refused("tls.malformed");
    fs::write(&ca, pair().0).unwrap();
    assert!(Tls::open(scratch.files.clone()).unwrap().is_mutual());
    fs::remove_file(&scratch.files.key).unwrap();
    scratch.refused("tls.unreadable");
}

#[test]
fn what_is_broken_leaves_the_old_certificate_in_use() {
    let scratch = Scratch::new();
    let tls = Tls::open(scratch.files.clone()).unwrap();
    let first = Arc::clone(&tls.current.read().unwrap());
    assert!(!tls.refresh());
    let (cert, key) = pair();
    fs::write(&scratch.files.cert, &cert).unwrap();
    // The new certificate with the old key: the change is half done.
    assert!(!tls.refresh());
    assert!(Arc::ptr_eq(&first, &tls.current.read().unwrap()));
    fs::write(&scratch.files.key, &key).unwrap();
    assert!(tls.refresh());
    let second = Arc::clone(&tls.current.read().unwrap());
    assert!(!Arc::ptr_eq(&first, &second) && !tls.refresh());
    fs::write(&scratch.files.cert, "nonsense").unwrap();
    assert!(!tls.refresh());
    fs::remove_file(&scratch.files.cert).unwrap();
    assert!(!tls.refresh());
    assert!(Arc::ptr_eq(&second, &tls.current.read().unwrap()));
}
