//! HTTPS: who is trusted.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::server::{Server, Then};
use super::{Attempt, get, options, rules};
use crate::{Client, Options, SetupError};

/// A certificate in PEM for `name`, and a server that has it.
async fn server(name: &str) -> (Arc<[u8]>, Server) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_vec();
    let tls = Some(TlsAcceptor::from(Arc::new(config)));
    (cert.pem().into_bytes().into(), Server::start(Then::Answer(answer), tls).await)
}

#[tokio::test]
async fn the_operators_certificates_are_trusted_for_their_names() {
    let (pem, server) = server("api.local").await;
    let port = server.address.port();
    let trusting = Options { certificates: Some(pem), ..options() };
    let mut attempt = Attempt::new(trusting, rules());
    let url = format!("https://api.local:{port}/");
    assert_eq!(attempt.send(get(url)).await.unwrap(), "200 hi");
    let other = attempt.send(get(format!("https://other.local:{port}/"))).await.unwrap_err();
    assert_eq!(other.code(), "outbound.tls");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_certificate_that_nobody_knows_is_refused() {
    let (_, server) = server("api.local").await;
    let mut attempt = Attempt::new(options(), rules());
    let url = format!("https://api.local:{}/", server.address.port());
    assert_eq!(attempt.send(get(url)).await.unwrap_err().code(), "outbound.tls");
    assert_eq!(server.requests().len(), 0);
    attempt.counted(0, 0, 1);
}

#[test]
fn what_is_no_certificate_is_told_at_start() {
    for text in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let certificates = Some(text.as_bytes().into());
        let error = Client::new(Options { certificates, ..options() }).unwrap_err();
        assert!(matches!(error, SetupError::Certificates), "{text}");
        assert_eq!(error.code(), "outbound.certificates");
    }
}
