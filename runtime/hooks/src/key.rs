//! A secret ready to prove a signature. Knows nothing of headers or of what is signed.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::{digest, hmac, signature};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// How a signature comes about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Algorithm {
    HmacSha1,
    HmacSha256,
    HmacSha512,
    Ed25519,
    /// No signature at all: the sender sends the secret itself.
    Token,
}

/// How a signature's bytes are written.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Encoding {
    /// In either case.
    Hex,
    /// RFC 4648, section 4, with its padding: a signature has one spelling.
    Base64,
    /// As it is.
    Text,
}

/// How a secret's bytes are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SecretForm {
    /// As it is.
    #[default]
    Text,
    Hex,
    Base64,
    /// As Standard Webhooks has it: `whsec_` and base64 for HMAC-SHA256, `whpk_` and base64 for
    /// an ed25519 public key. Base64 alone is taken for the first.
    Standard,
}

/// For secrets, which some give without padding.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What was signed, in the pieces that it consists of.
pub(crate) struct Message<'a> {
    pieces: Vec<Cow<'a, [u8]>>,
    joined: OnceCell<Vec<u8>>,
}

/// A signature as the sender gives it.
pub(crate) struct Candidate {
    pub(crate) algorithm: Algorithm,
    pub(crate) bytes: Vec<u8>,
}

/// What proves signatures of one algorithm.
pub(crate) struct Key {
    algorithm: Algorithm,
    material: Material,
}

enum Material {
    Hmac(hmac::Key),
    Ed25519([u8; 32]),
    /// A token's digest: digests have one length, so comparing them tells nothing of the token's.
    Token(digest::Digest),
}

impl<'a> Message<'a> {
    pub(crate) fn new(pieces: Vec<Cow<'a, [u8]>>) -> Self {
        Self { pieces, joined: OnceCell::new() }
    }

    fn joined(&self) -> &[u8] {
        self.joined.get_or_init(|| self.pieces.concat())
    }
}

impl Encoding {
    pub(crate) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => STANDARD.decode(text).ok(),
            Self::Text => Some(text.as_bytes().to_vec()),
        }
    }
}

impl Key {
    /// Says what is wrong with the secret, and nothing of what is in it.
    pub(crate) fn new(
        secret: &Secret,
        form: SecretForm,
        algorithm: Algorithm,
    ) -> Result<Self, &'static str> {
        if secret.bytes().is_empty() {
            return Err("is empty");
        }
        if secret.bytes().len() > Secret::LEN_MAX {
            return Err("is longer than 4096 bytes");
        }
        let (algorithm, bytes) = match form {
            SecretForm::Standard => standard(secret, "whpk_")?,
            form => (algorithm, plain(secret, form)?),
        };
        if bytes.is_empty() {
            return Err("is empty");
        }
        Ok(Self { algorithm, material: Material::new(algorithm, &bytes)? })
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether one of the signatures is that of the message.
    pub(crate) fn proves(&self, message: &Message<'_>, candidates: &[Candidate]) -> bool {
        let mut mine = candidates.iter().filter(|c| c.algorithm == self.algorithm).peekable();
        if mine.peek().is_none() {
            return false;
        }
        match &self.material {
            Material::Hmac(key) => {
                let mut context = hmac::Context::with_key(key);
                message.pieces.iter().for_each(|piece| context.update(piece));
                let tag = context.sign();
                mine.any(|c| bool::from(tag.as_ref().ct_eq(&c.bytes)))
            }
            Material::Ed25519(key) => {
                let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
                mine.any(|c| key.verify(message.joined(), &c.bytes).is_ok())
            }
            Material::Token(token) => mine.any(|c| {
                let given = digest::digest(&digest::SHA256, &c.bytes);
                bool::from(given.as_ref().ct_eq(token.as_ref()))
            }),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(***)", self.algorithm)
    }
}

impl Material {
    fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, &'static str> {
        let hmac = |algorithm| Ok(Self::Hmac(hmac::Key::new(algorithm, bytes)));
        match algorithm {
            Algorithm::HmacSha1 => hmac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Algorithm::HmacSha256 => hmac(hmac::HMAC_SHA256),
            Algorithm::HmacSha512 => hmac(hmac::HMAC_SHA512),
            Algorithm::Ed25519 => match bytes.try_into() {
                Ok(key) => Ok(Self::Ed25519(key)),
                Err(_) => Err("is no ed25519 public key, which has 32 bytes"),
            },
            Algorithm::Token => Ok(Self::Token(digest::digest(&digest::SHA256, bytes))),
        }
    }
}

fn plain(secret: &Secret, form: SecretForm) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let decoded = match form {
        SecretForm::Hex => hex::decode(secret.bytes()).map_err(|_| "is not hex")?,
        SecretForm::Base64 => BASE64.decode(secret.bytes()).map_err(|_| "is not base64")?,
        SecretForm::Text | SecretForm::Standard => secret.bytes().to_vec(),
    };
    Ok(Zeroizing::new(decoded))
}

/// What the prefix says it is. `asymmetric` is the prefix of the half of a pair that is wanted.
pub(crate) fn standard(
    secret: &Secret,
    asymmetric: &str,
) -> Result<(Algorithm, Zeroizing<Vec<u8>>), &'static str> {
    let text = secret.text().ok_or("is not text")?;
    let (algorithm, encoded) = match (text.strip_prefix("whsec_"), text.strip_prefix(asymmetric)) {
        (Some(encoded), _) => (Algorithm::HmacSha256, encoded),
        (None, Some(encoded)) => (Algorithm::Ed25519, encoded),
        (None, None) if text.starts_with("whsk_") || text.starts_with("whpk_") => {
            return Err("is the other half of the key pair");
        }
        (None, None) => (Algorithm::HmacSha256, text),
    };
    let bytes = BASE64.decode(encoded).map_err(|_| "is not base64 after its prefix")?;
    Ok((algorithm, Zeroizing::new(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str, form: SecretForm, algorithm: Algorithm) -> Result<Key, &'static str> {
        Key::new(&Secret::new(secret), form, algorithm)
    }

    #[track_caller]
    fn check(secret: &str, algorithm: Algorithm, pieces: &[&str], signature: &str) {
        let key = key(secret, SecretForm::Hex, algorithm).unwrap();
        let message = Message::new(pieces.iter().map(|piece| piece.as_bytes().into()).collect());
        let mut bytes = hex::decode(signature).unwrap();
        let of = |bytes: &[u8]| [Candidate { algorithm, bytes: bytes.to_vec() }];
        assert!(key.proves(&message, &of(&bytes)));
        assert!(!key.proves(&message, &of(&bytes[1..])));
        bytes[0] ^= 1;
        assert!(!key.proves(&message, &of(&bytes)));
        assert!(!key.proves(&message, &[]));
    }

    #[test]
    fn published_vectors_hold() {
        // RFC 2202, section 3, test case 2, and RFC 4231, section 4.3.
        let (jefe, data) = ("4a656665", ["what do ya want ", "for nothing?"]);
        check(jefe, Algorithm::HmacSha1, &data, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        check(
            jefe,
            Algorithm::HmacSha256,
            &data,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        );
        check(
            jefe,
            Algorithm::HmacSha512,
            &data,
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
             9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        );
        // RFC 8032, section 7.1, test 2.
        check(
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            Algorithm::Ed25519,
            &["r"],
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
    }

    #[test]
    fn a_token_is_the_secret_itself() {
        check("6162", Algorithm::Token, &[], "6162");
    }

    #[test]
    fn a_signature_of_another_algorithm_is_not_looked_at() {
        let key = key("ab", SecretForm::Text, Algorithm::Token).unwrap();
        let candidate = Candidate { algorithm: Algorithm::HmacSha1, bytes: b"ab".to_vec() };
        assert!(!key.proves(&Message::new(Vec::new()), &[candidate]));
    }

    #[test]
    fn a_secret_that_is_no_key_is_refused() {
        let hmac = Algorithm::HmacSha256;
        for (secret, form, algorithm, rule) in [
            ("", SecretForm::Text, hmac, "is empty"),
            ("xyz", SecretForm::Hex, hmac, "is not hex"),
            ("a", SecretForm::Base64, hmac, "is not base64"),
            (
                "abcd",
                SecretForm::Hex,
                Algorithm::Ed25519,
                "is no ed25519 public key, which has 32 bytes",
            ),
            ("whsec_", SecretForm::Standard, hmac, "is empty"),
            ("whsec_%", SecretForm::Standard, hmac, "is not base64 after its prefix"),
            ("whsk_AAAA", SecretForm::Standard, hmac, "is the other half of the key pair"),
            (
                "whpk_AAAA",
                SecretForm::Standard,
                hmac,
                "is no ed25519 public key, which has 32 bytes",
            ),
        ] {
            assert_eq!(key(secret, form, algorithm).err(), Some(rule), "{secret}");
        }
        let long = "a".repeat(Secret::LEN_MAX + 1);
        assert!(key(&long, SecretForm::Text, hmac).is_err());
        assert!(key(&long[1..], SecretForm::Text, hmac).is_ok());
    }

    #[test]
    fn keys_show_nothing() {
        let key = key("hunter2", SecretForm::Text, Algorithm::Token).unwrap();
        assert_eq!(format!("{key:?}"), "Token(***)");
    }
}
