//! A token as its holder has it, and the hash that is kept of it.
//!
//! The hash is BLAKE3's, once: a secret of 192 random bits can't be guessed, however fast each
//! guess is. Slow hashes are for passwords, which people choose.

use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};

use crate::error::Error;

/// `trip_<id>_<secret>`: the id is public, the secret is not. Shown by no formatter.
#[derive(Clone)]
pub struct TokenText {
    text: String,
}

/// What is kept of a token's text. Compared in constant time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hash(blake3::Hash);

const PREFIX: &str = "trip_";
/// In bytes; each is two characters.
const ID_LEN: usize = 6;
const SECRET_LEN: usize = 24;

impl TokenText {
    /// A new one with an id of its own.
    pub fn generate() -> Result<Self, Error> {
        Self::with_id(&hex::encode(random::<ID_LEN>()?))
    }

    /// A new secret under a known id.
    pub(crate) fn with_id(id: &str) -> Result<Self, Error> {
        let secret = hex::encode(random::<SECRET_LEN>()?);
        Ok(Self { text: format!("{PREFIX}{id}_{secret}") })
    }

    /// The whole text, to be shown to its holder and to nobody else.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    pub fn id(&self) -> &str {
        id_of(&self.text).unwrap_or_default()
    }

    pub fn hash(&self) -> Hash {
        Hash::of(self.text.as_bytes())
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenText({}…)", self.id())
    }
}

/// The id in a text that has the shape of a token. Says nothing of whether there is such a token.
pub(crate) fn id_of(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    (is_id(id) && is_hex(secret, SECRET_LEN)).then_some(id)
}

pub(crate) fn is_id(text: &str) -> bool {
    is_hex(text, ID_LEN)
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == 2 * len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}

impl Hash {
    pub fn of(text: &[u8]) -> Self {
        Self(blake3::hash(text))
    }

    /// As it is kept: `blake3:` and hexadecimal digits.
    pub(crate) fn to_text(self) -> String {
        format!("{KIND}{}", self.0.to_hex())
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(KIND)?;
        blake3::Hash::from_hex(digits).ok().map(Self)
    }
}

const KIND: &str = "blake3:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_an_id_and_a_secret_of_its_own() {
        let (one, other) = (TokenText::generate().unwrap(), TokenText::generate().unwrap());
        assert_eq!(one.reveal().len(), 5 + 12 + 1 + 48);
        assert_eq!(id_of(one.reveal()), Some(one.id()));
        assert!(one.id() != other.id() && one.hash() != other.hash());
        let again = TokenText::with_id(one.id()).unwrap();
        assert!(again.id() == one.id() && again.hash() != one.hash());
        assert!(!format!("{one:?}").contains(&one.reveal()[18..]));
    }

    #[test]
    fn what_has_another_shape_has_no_id() {
        let text = TokenText::generate().unwrap().reveal().to_owned();
        for wrong in [
            text.to_uppercase(),
            text.replace("trip_", "Trip_"),
            text.replacen('_', "-", 2),
            text[..text.len() - 1].to_owned(),
            format!("{text}0"),
            format!(" {text}"),
            text.replace("trip_", ""),
            String::new(),
        ] {
            assert_eq!(id_of(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_hash_comes_back() {
        let hash = Hash::of(b"x");
        assert_eq!(Hash::parse(&hash.to_text()), Some(hash));
        for wrong in ["", "blake3:", "blake3:00", "sha256:00", &hash.to_text()[7..]] {
            assert_eq!(Hash::parse(wrong), None, "{wrong}");
        }
    }
}
