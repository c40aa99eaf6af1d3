//! Signs by Standard Webhooks, for what the host sends itself. Knows no HTTP client and no clock.
//!
//! The scheme is that of the section "Signature scheme" of the specification:
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use std::fmt;

use base64::Engine;
use ring::hmac;
use ring::signature::Ed25519KeyPair;

use crate::key::{Algorithm, BASE64, standard};
use crate::secret::Secret;

/// What signs: `whsec_…` for HMAC-SHA256, `whsk_…` for ed25519.
pub struct SigningKey(Pair);

enum Pair {
    Hmac(hmac::Key),
    Ed25519(Box<Ed25519KeyPair>),
}

/// The values of the three headers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signed {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`: seconds since 1970.
    pub timestamp: String,
    /// `webhook-signature`: one signature for each key.
    pub signature: String,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    #[error("the signing secret {rule}")]
    Secret { rule: &'static str },
    #[error("there is no key to sign with, or more than {max}")]
    Keys { max: usize },
    #[error("a message's id has 1 to 255 visible characters of ASCII, and no full stop")]
    Id,
}

impl SignError {
    /// Stable and public. Never reworded.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Secret { .. } => "sign.secret",
            Self::Keys { .. } => "sign.keys",
            Self::Id => "sign.id",
        }
    }
}

/// The most keys that sign one message: receivers try them all.
pub const KEYS_MAX: usize = 8;
const ID_LEN_MAX: usize = 255;

impl SigningKey {
    /// A `whsk_` key is the 32 bytes of the seed, or these and the public key's 32.
    pub fn new(secret: &Secret) -> Result<Self, SignError> {
        let wrong = |rule| SignError::Secret { rule };
        let (algorithm, bytes) = standard(secret, "whsk_").map_err(wrong)?;
        if bytes.is_empty() {
            return Err(wrong("is empty"));
        }
        if algorithm == Algorithm::HmacSha256 {
            return Ok(Self(Pair::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &bytes))));
        }
        let pair = match bytes.split_at_checked(32) {
            Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
            Some((seed, public)) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
            None => return Err(wrong("is no ed25519 key, which has 32 or 64 bytes")),
        };
        let pair = pair.map_err(|_| wrong("is no ed25519 key, which has 32 or 64 bytes"))?;
        Ok(Self(Pair::Ed25519(Box::new(pair))))
    }

    fn sign(&self, message: &[u8]) -> String {
        match &self.0 {
            Pair::Hmac(key) => format!("v1,{}", BASE64.encode(hmac::sign(key, message))),
            Pair::Ed25519(pair) => format!("v1a,{}", BASE64.encode(pair.sign(message))),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Signs with every key, the new one first while secrets change. `timestamp` is in seconds since
/// 1970. The id has no full stop, because that is what parts it from the timestamp.
pub fn sign(
    keys: &[SigningKey],
    id: &str,
    timestamp: u64,
    body: &[u8],
) -> Result<Signed, SignError> {
    if !(1..=KEYS_MAX).contains(&keys.len()) {
        return Err(SignError::Keys { max: KEYS_MAX });
    }
    let visible = id.bytes().all(|b| b.is_ascii_graphic() && b != b'.');
    if !(1..=ID_LEN_MAX).contains(&id.len()) || !visible {
        return Err(SignError::Id);
    }
    let timestamp = timestamp.to_string();
    let message = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let signatures: Vec<String> = keys.iter().map(|key| key.sign(&message)).collect();
    Ok(Signed { id: id.to_owned(), timestamp, signature: signatures.join(" ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<SigningKey, SignError> {
        SigningKey::new(&Secret::new(text))
    }

    /// RFC 8032, section 7.1, test 1: seed and public key.
    const SEED: [u8; 32] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c,
        0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
        0x7f, 0x60,
    ];

    #[test]
    fn the_published_vectors_hold() {
        // libraries/javascript/src/webhook.test.ts of standard-webhooks, "sign function works".
        let first = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = sign(&[first], id, 1_614_265_330, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signed.signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!((signed.id.as_str(), signed.timestamp.as_str()), (id, "1614265330"));
        // rust/src/webhooks.rs of svix-webhooks, "test_sign".
        let second = key("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let signed = sign(&[second], "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body);
        assert_eq!(signed.unwrap().signature, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    }

    #[test]
    fn every_key_signs() {
        let keys = [key(&format!("whsk_{}", BASE64.encode(SEED))).unwrap(), key("AAAA").unwrap()];
        let signed = sign(&keys, "m", 1, b"{}").unwrap();
        let schemes: Vec<_> =
            signed.signature.split(' ').map(|s| s.split_once(',').unwrap().0).collect();
        assert_eq!(schemes, ["v1a", "v1"]);
    }

    #[test]
    fn what_can_t_be_signed_is_refused() {
        for text in ["", "whsec_", "whsec_?", "whsk_AAAA", "whpk_AAAA"] {
            assert_eq!(key(text).unwrap_err().code(), "sign.secret", "{text}");
        }
        let long = BASE64.encode([SEED, [0; 32]].concat());
        assert_eq!(key(&format!("whsk_{long}")).unwrap_err().code(), "sign.secret");
        for id in ["", "a.b", "a b", "ü", &"a".repeat(256)] {
            let refused = sign(&[key("AAAA").unwrap()], id, 1, b"").unwrap_err();
            assert_eq!(refused.code(), "sign.id", "{id}");
        }
        assert_eq!(sign(&[], "m", 1, b"").unwrap_err().code(), "sign.keys");
        let many: Vec<_> = (0..=KEYS_MAX).map(|_| key("AAAA").unwrap()).collect();
        assert_eq!(sign(&many, "m", 1, b"").unwrap_err().code(), "sign.keys");
        assert_eq!(format!("{:?}", many[0]), "***");
    }
}
