//! Takes the header with the signatures apart. Knows nothing of keys or of what is signed.

use std::collections::BTreeMap;

use http::HeaderName;

use crate::error::{InvalidHook, Refused};
use crate::key::{Algorithm, Candidate, Encoding, SecretForm};
use crate::provider::{header, invalid};
use crate::raw::{RawFormat, RawSignature};

/// Where a provider's signatures stand, and how.
#[derive(Clone, Debug)]
pub(crate) struct SignatureRule {
    pub(crate) header: HeaderName,
    pub(crate) format: Format,
    pub(crate) encoding: Encoding,
    /// The parameter of the query that has the body's SHA-256 in hex, for schemes that sign the
    /// URL instead of the body.
    pub(crate) body_hash: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Format {
    /// One signature, after a prefix.
    Plain { prefix: String, prefix_optional: bool, algorithm: Algorithm },
    /// `t=1,v1=…,v1=…`: those of the part are signatures.
    Pairs { separator: char, part: String, algorithm: Algorithm },
    /// `v1,… v1a,…`: each with its scheme's name.
    Versions(Vec<(String, Algorithm)>),
}

/// More than any sender gives while secrets change; each costs a verification.
pub(crate) const SIGNATURES_MAX: usize = 8;
/// The most items of a list, ours or not.
const ITEMS_MAX: usize = 32;
const VERSIONS_MAX: usize = 4;

impl SignatureRule {
    /// Takes only what goes together.
    pub(crate) fn check(raw: RawSignature) -> Result<Self, InvalidHook> {
        let header = header("signature.header", &raw.header)?;
        let (pairs, versions) = (raw.format == RawFormat::Pairs, raw.format == RawFormat::Versions);
        let misplaced = [
            ("prefix", raw.format != RawFormat::Plain && !raw.prefix.is_empty()),
            ("prefix_optional", raw.prefix_optional && raw.prefix.is_empty()),
            ("separator", !pairs && raw.separator.is_some()),
            ("part", !pairs && raw.part.is_some()),
            ("versions", !versions && !raw.versions.is_empty()),
            ("algorithm", versions && raw.algorithm.is_some()),
            ("secret", !versions && raw.secret == SecretForm::Standard),
        ];
        if let Some((name, _)) = misplaced.iter().find(|(_, misplaced)| *misplaced) {
            return Err(invalid(&format!("signature.{name}"), "does not go with this `format`"));
        }
        let missing = |name: &str| invalid(&format!("signature.{name}"), "is missing");
        let algorithm = || raw.algorithm.ok_or_else(|| missing("algorithm"));
        let format = match raw.format {
            RawFormat::Plain => Format::Plain {
                algorithm: algorithm()?,
                prefix: raw.prefix,
                prefix_optional: raw.prefix_optional,
            },
            RawFormat::Pairs => Format::Pairs {
                algorithm: algorithm()?,
                separator: raw.separator.ok_or_else(|| missing("separator"))?,
                part: raw.part.ok_or_else(|| missing("part"))?,
            },
            RawFormat::Versions => versions_of(raw.versions, raw.secret)?,
        };
        Ok(Self { header, format, encoding: raw.encoding, body_hash: raw.body_hash })
    }

    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        match &self.format {
            Format::Plain { algorithm, .. } | Format::Pairs { algorithm, .. } => vec![*algorithm],
            Format::Versions(versions) => {
                versions.iter().map(|(_, algorithm)| *algorithm).collect()
            }
        }
    }

    /// The signatures that can be read. Those of other schemes are passed over.
    pub(crate) fn candidates(&self, header: &str) -> Result<Vec<Candidate>, Refused> {
        let malformed = |rule| Refused::SignatureMalformed { name: self.header.to_string(), rule };
        let decode = |algorithm, text: &str| {
            self.encoding.decode(text).map(|bytes| Candidate { algorithm, bytes })
        };
        let candidates: Vec<_> = match &self.format {
            Format::Plain { prefix, prefix_optional, algorithm } => {
                let text = match strip_prefix(header, prefix) {
                    None if *prefix_optional => header,
                    stripped => stripped.ok_or_else(|| malformed("its prefix is missing"))?,
                };
                decode(*algorithm, text).into_iter().collect()
            }
            Format::Pairs { separator, part, algorithm } => {
                let pairs = pairs(header, *separator).ok_or_else(|| malformed(TOO_MANY))?;
                let mine = pairs.iter().filter(|(name, _)| name == part);
                mine.filter_map(|(_, text)| decode(*algorithm, text)).collect()
            }
            Format::Versions(versions) => {
                if header.split(' ').count() > ITEMS_MAX {
                    return Err(malformed(TOO_MANY));
                }
                let items = header.split(' ').filter_map(|item| item.split_once(','));
                let known = items.filter_map(|(name, text)| {
                    let (_, algorithm) = versions.iter().find(|(version, _)| version == name)?;
                    decode(*algorithm, text)
                });
                known.collect()
            }
        };
        match candidates.len() {
            0 => Err(malformed("none is there that is encoded as it must be")),
            count if count > SIGNATURES_MAX => Err(malformed(TOO_MANY)),
            _ => Ok(candidates),
        }
    }

    /// The value of another part of a list of pairs, which is there once.
    pub(crate) fn part<'h>(&self, header: &'h str, name: &str) -> Result<Option<&'h str>, Refused> {
        let Format::Pairs { separator, .. } = &self.format else { return Ok(None) };
        let malformed =
            || Refused::SignatureMalformed { name: self.header.to_string(), rule: TOO_MANY };
        let pairs = pairs(header, *separator).ok_or_else(malformed)?;
        let mut found = pairs.iter().filter(|(part, _)| *part == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Refused::HeaderTwice { name: format!("{}: {name}", self.header) }),
            (first, None) => Ok(first.map(|(_, value)| *value)),
        }
    }
}

/// Which secret goes with which scheme is known by its prefix, or there is one scheme.
fn versions_of(
    versions: BTreeMap<String, Algorithm>,
    secret: SecretForm,
) -> Result<Format, InvalidHook> {
    let wrong = |rule: &str| Err(invalid("signature.versions", rule));
    if !(1..=VERSIONS_MAX).contains(&versions.len()) {
        return wrong("must name 1 to 4 schemes");
    }
    let versions: Vec<_> = versions.into_iter().collect();
    let standard = |algorithm| matches!(algorithm, Algorithm::HmacSha256 | Algorithm::Ed25519);
    if secret == SecretForm::Standard {
        if !versions.iter().all(|(_, algorithm)| standard(*algorithm)) {
            return wrong("has an algorithm that `standard` secrets are not for");
        }
    } else if versions.iter().any(|(_, algorithm)| *algorithm != versions[0].1) {
        return wrong("has several algorithms, which needs `standard` secrets");
    }
    Ok(Format::Versions(versions))
}

const TOO_MANY: &str = "there are too many";

/// Prefixes such as `Basic` may be in either case.
fn strip_prefix<'h>(header: &'h str, prefix: &str) -> Option<&'h str> {
    let (start, rest) = header.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// None when there are too many; items without `=` are passed over.
fn pairs(header: &str, separator: char) -> Option<Vec<(&str, &str)>> {
    if header.split(separator).count() > ITEMS_MAX {
        return None;
    }
    let items = header.split(separator).filter_map(|item| item.trim().split_once('='));
    Some(items.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(format: Format) -> SignatureRule {
        let header = HeaderName::from_static("x-signature");
        SignatureRule { header, format, encoding: Encoding::Hex, body_hash: None }
    }

    fn plain(prefix: &str, prefix_optional: bool) -> SignatureRule {
        let (prefix, algorithm) = (prefix.to_owned(), Algorithm::HmacSha256);
        rule(Format::Plain { prefix, prefix_optional, algorithm })
    }

    fn stripe() -> SignatureRule {
        let (part, algorithm) = ("v1".to_owned(), Algorithm::HmacSha256);
        rule(Format::Pairs { separator: ',', part, algorithm })
    }

    fn standard() -> SignatureRule {
        let versions = [("v1", Algorithm::HmacSha256), ("v1a", Algorithm::Ed25519)];
        rule(Format::Versions(versions.map(|(name, a)| (name.to_owned(), a)).into()))
    }

    #[track_caller]
    fn check(rule: &SignatureRule, header: &str, expect: Option<&[u8]>) {
        let found = rule.candidates(header).ok();
        let found: Option<Vec<u8>> = found.map(|c| c.into_iter().flat_map(|c| c.bytes).collect());
        assert_eq!(found.as_deref(), expect, "{header}");
    }

    #[test]
    fn a_plain_signature_has_its_prefix() {
        check(&plain("sha256=", false), "sha256=0aFF", Some(&[10, 255]));
        check(&plain("sha256=", false), "SHA256=0a", Some(&[10]));
        check(&plain("sha256=", true), "0a", Some(&[10]));
        for header in ["0a", "sha256=", "sha256=0", "sha256=0a,0a", "sha1=0a", "", "ü"] {
            let expect = (header == "sha256=").then_some(&[][..]);
            check(&plain("sha256=", false), header, expect);
        }
    }

    #[test]
    fn lists_have_several_and_others_are_passed_over() {
        check(&stripe(), "t=1,v1=01, v1=02,v0=03,x,v1=zz", Some(&[1, 2]));
        check(&stripe(), "t=1,v0=03", None);
        check(&standard(), "v1,01 v2,02 v1a,03 x", Some(&[1, 3]));
        check(&standard(), "v2,02", None);
        check(&standard(), "v1 01", None);
        check(&standard(), "", None);
    }

    #[test]
    fn lists_are_bounded() {
        check(&stripe(), &["v1=01"; SIGNATURES_MAX].join(","), Some(&[1; SIGNATURES_MAX]));
        check(&stripe(), &["v1=01"; SIGNATURES_MAX + 1].join(","), None);
        check(&stripe(), &format!("v1=01{}", ",".repeat(ITEMS_MAX)), None);
        check(&standard(), &["v1,01"; SIGNATURES_MAX + 1].join(" "), None);
        check(&standard(), &format!("v1,01{}", " ".repeat(ITEMS_MAX)), None);
    }

    #[test]
    fn a_part_is_there_once() {
        assert_eq!(stripe().part("t=1,v1=01", "t").unwrap(), Some("1"));
        assert_eq!(stripe().part("v1=01", "t").unwrap(), None);
        assert_eq!(stripe().part("t=1,v1=01,t=1", "t").unwrap_err().code(), "hook.header_twice");
        assert_eq!(standard().part("t=1", "t").unwrap(), None);
    }
}
