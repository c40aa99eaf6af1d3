//! Who a client's certificate says it is, as one line for the audit log. Verifies nothing: that
//! was done before.

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// In characters. A longer name is cut.
const NAME_LEN_MAX: usize = 256;

/// The subject (RFC 4514) and the alternative names of a certificate.
pub(crate) fn of(der: &[u8]) -> String {
    let Ok(certificate) = Certificate::from_der(der) else {
        return "a certificate that is not understood".to_owned();
    };
    let fields = &certificate.tbs_certificate;
    let mut parts = Vec::new();
    if !fields.subject.is_empty() {
        parts.push(fields.subject.to_string());
    }
    if let Ok(Some((_, SubjectAltName(names)))) = fields.get::<SubjectAltName>() {
        parts.extend(names.iter().filter_map(alternative));
    }
    let serial = || format!("serial {}", fields.serial_number);
    let text = if parts.is_empty() { serial() } else { parts.join(", ") };
    text.chars().filter(|c| !c.is_control()).take(NAME_LEN_MAX).collect()
}

fn alternative(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(format!("DNS:{name}")),
        GeneralName::Rfc822Name(name) => Some(format!("email:{name}")),
        GeneralName::UniformResourceIdentifier(name) => Some(format!("URI:{name}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[track_caller]
    fn check(common_name: Option<&str>, names: &[SanType], expect: &str) {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.subject_alt_names = names.to_vec();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let name = of(certificate.der());
        assert!(name.starts_with(expect), "{name}");
        assert!(name.chars().count() <= NAME_LEN_MAX && !name.contains('\n'));
    }

    #[test]
    fn a_certificate_names_its_subject() {
        let dns = SanType::DnsName("shop.internal".try_into().unwrap());
        let uri = SanType::URI("spiffe://example/shop".try_into().unwrap());
        check(Some("shop"), &[], "CN=shop");
        check(
            Some("shop"),
            &[dns.clone(), uri],
            "CN=shop, DNS:shop.internal, URI:spiffe://example/shop",
        );
        check(None, &[dns], "DNS:shop.internal");
        check(None, &[], "serial ");
        check(Some(&"x".repeat(1000)), &[], "CN=xxx");
        check(Some("a\nb"), &[], "CN=a");
        assert_eq!(of(b"nonsense"), "a certificate that is not understood");
    }
}
