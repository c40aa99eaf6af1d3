//! Whose modules a host takes: signatures of ed25519 (RFC 8032) over a component and the manifest that
//! is given beside it. Makes them too, for whoever deploys. Knows neither requests nor files.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// What a public key's text begins with.
const PREFIX: &str = "ed25519:";
/// Between the label and the base64 of a private key (RFC 7468, RFC 5958).
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
const PEM_LINE: usize = 64;
/// Keys that a host trusts.
pub(crate) const KEYS_MAX: usize = 64;

/// Whom a host trusts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    pub(crate) keys: Vec<PublicKey>,
    /// Whether a module without a signature is refused.
    pub(crate) required: bool,
}

/// Who signs: `ed25519:` and the base64 of the key's 32 bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicKey([u8; 32]);

/// What signs modules.
pub struct ModuleKey(Ed25519KeyPair);

/// Why a key or a signature is not taken. None shows a part of a private key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    #[error("a public key is `ed25519:` and the base64 of 32 bytes")]
    PublicKey,
    #[error("a private key is ed25519 in PKCS#8, as PEM")]
    PrivateKey,
    #[error("no key could be made")]
    Random,
    #[error("this host takes signed modules only: the header `Triphammer-Signature` is missing")]
    Unsigned,
    #[error("the signature is not the base64 of 64 bytes")]
    Malformed,
    #[error("the signature is not by a key of `trust.keys`, or of another module or manifest")]
    Untrusted,
}

impl TrustError {
    /// Stable and public. Never reworded.
    pub fn code(self) -> &'static str {
        match self {
            Self::PublicKey | Self::PrivateKey => "trust.key",
            Self::Random => "trust.random",
            Self::Unsigned => "trust.unsigned",
            Self::Malformed => "trust.malformed",
            Self::Untrusted => "trust.untrusted",
        }
    }
}

/// What is signed: a label, so that nothing else that the key signs is a module; the component's
/// digest; and the manifest that overrides its own, byte for byte as it is sent, empty for none. The
/// component's own manifest is in the component.
fn message(wasm: &[u8], manifest: Option<&str>) -> Vec<u8> {
    let digest = blake3::hash(wasm).to_hex();
    format!("triphammer module 1\n{digest}\n{}", manifest.unwrap_or_default()).into_bytes()
}

impl Trust {
    /// Whether a module may be taken. A signature that is there is always looked at, where there are
    /// keys to look at it with.
    pub(crate) fn check(
        &self,
        signature: Option<&str>,
        wasm: &[u8],
        manifest: Option<&str>,
    ) -> Result<(), TrustError> {
        let Some(signature) = signature else {
            return if self.required { Err(TrustError::Unsigned) } else { Ok(()) };
        };
        let signature = STANDARD.decode(signature.trim()).map_err(|_| TrustError::Malformed)?;
        if signature.len() != 64 {
            return Err(TrustError::Malformed);
        }
        if self.keys.is_empty() && !self.required {
            return Ok(());
        }
        let message = message(wasm, manifest);
        let by = |key: &PublicKey| {
            UnparsedPublicKey::new(&ED25519, key.0).verify(&message, &signature).is_ok()
        };
        if self.keys.iter().any(by) { Ok(()) } else { Err(TrustError::Untrusted) }
    }
}

impl FromStr for PublicKey {
    type Err = TrustError;

    fn from_str(text: &str) -> Result<Self, TrustError> {
        let bytes = text.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(TrustError::PublicKey)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(self.0))
    }
}

impl ModuleKey {
    /// A new one, and its PEM, which is all there is of it.
    pub fn generate() -> Result<(Self, String), TrustError> {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let der = der.map_err(|_| TrustError::Random)?;
        let encoded = STANDARD.encode(der.as_ref());
        let mut pem = format!("{PEM_BEGIN}\n");
        for line in encoded.as_bytes().chunks(PEM_LINE) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem.push_str(PEM_END);
        pem.push('\n');
        Ok((Self::from_pem(&pem)?, pem))
    }

    pub fn from_pem(pem: &str) -> Result<Self, TrustError> {
        let inner = pem.trim().strip_prefix(PEM_BEGIN).and_then(|rest| rest.strip_suffix(PEM_END));
        let encoded: String = inner.ok_or(TrustError::PrivateKey)?.split_whitespace().collect();
        let der = STANDARD.decode(encoded).map_err(|_| TrustError::PrivateKey)?;
        // Other tools leave the public key out.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der);
        pair.map(Self).map_err(|_| TrustError::PrivateKey)
    }

    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    /// The value of the header `Triphammer-Signature`.
    pub fn sign(&self, wasm: &[u8], manifest: Option<&str>) -> String {
        STANDARD.encode(self.0.sign(&message(wasm, manifest)))
    }
}

impl fmt::Debug for ModuleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ModuleKey").field(&self.public().to_string()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `openssl genpkey -algorithm ed25519`, which leaves the public key out.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";

    fn trust(keys: &[&ModuleKey], required: bool) -> Trust {
        Trust { keys: keys.iter().map(|key| key.public()).collect(), required }
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let (key, pem) = ModuleKey::generate().unwrap();
        assert_eq!(ModuleKey::from_pem(&pem).unwrap().public(), key.public());
        assert_eq!(key.public().to_string().parse(), Ok(key.public()));
        assert!(!format!("{key:?}").contains(pem.lines().nth(1).unwrap()));
        // RFC 8032, section 7.1, test 1.
        let known = ModuleKey::from_pem(PEM).unwrap().public();
        assert_eq!(known.0[..4], [0xd7, 0x5a, 0x98, 0x01]);
        for wrong in ["", PEM_BEGIN, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
        {
            assert_eq!(ModuleKey::from_pem(wrong).unwrap_err(), TrustError::PrivateKey);
        }
        for wrong in ["", "ed25519:", "ed25519:AAAA", &known.to_string()[8..]] {
            assert_eq!(wrong.parse::<PublicKey>(), Err(TrustError::PublicKey), "{wrong}");
        }
    }

    #[test]
    fn a_signature_is_over_module_and_manifest() {
        let (key, _) = ModuleKey::generate().unwrap();
        let other = ModuleKey::from_pem(PEM).unwrap();
        let trust = trust(&[&other, &key], true);
        let signed = key.sign(b"wasm", Some("{}"));
        assert_eq!(trust.check(Some(&signed), b"wasm", Some("{}")), Ok(()));
        for (wasm, manifest) in
            [(&b"wasn"[..], Some("{}")), (b"wasm", None), (b"wasm", Some("{ }"))]
        {
            assert_eq!(trust.check(Some(&signed), wasm, manifest), Err(TrustError::Untrusted));
        }
        assert_eq!(trust.check(None, b"wasm", None), Err(TrustError::Unsigned));
        let stranger = ModuleKey::generate().unwrap().0.sign(b"wasm", None);
        assert_eq!(trust.check(Some(&stranger), b"wasm", None), Err(TrustError::Untrusted));
        for malformed in ["", "?", "AAAA"] {
            assert_eq!(trust.check(Some(malformed), b"wasm", None), Err(TrustError::Malformed));
        }
    }

    #[test]
    fn without_keys_nothing_is_asked_for_and_nothing_passes_that_is_asked_for() {
        let (key, _) = ModuleKey::generate().unwrap();
        let signed = key.sign(b"wasm", None);
        assert_eq!(trust(&[], false).check(None, b"wasm", None), Ok(()));
        assert_eq!(trust(&[], false).check(Some(&signed), b"other", None), Ok(()));
        assert_eq!(
            trust(&[], true).check(Some(&signed), b"wasm", None),
            Err(TrustError::Untrusted)
        );
        // What is wrong is refused even where nothing has to be signed.
        let key = trust(&[&key], false);
        assert_eq!(key.check(Some(&signed), b"other", None), Err(TrustError::Untrusted));
        assert_eq!(key.check(None, b"other", None), Ok(()));
    }
}
