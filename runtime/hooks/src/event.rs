//! How a delivery is named as an event: its type, its id, its attributes. Proves nothing.
//!
//! A provider's type becomes segments of our own form, which patterns match:
//!
//! | in the provider's type | becomes |
//! |---|---|
//! | `A` to `Z` | lower case |
//! | `a` to `z`, `0` to `9`, `_`, `-` | itself |
//! | `.`, `/`, `:` | a dot; dots at the ends and doubled ones go |
//! | anything else | `_` |

use ring::digest;
use triphammer_model::Timestamp;

use crate::error::Refused;

/// The longest type, in bytes: as long as a pattern.
pub(crate) const TYPE_LEN_MAX: usize = 256;
/// The longest id, in bytes.
pub(crate) const ID_LEN_MAX: usize = 512;
/// The longest subject that is kept, in bytes.
const SUBJECT_LEN_MAX: usize = 4096;

/// The type in our form; empty when there is nothing of it.
pub(crate) fn dotted(text: &str) -> String {
    let mut dotted = String::with_capacity(text.len().min(TYPE_LEN_MAX + 4));
    for c in text.chars() {
        match c {
            'a'..='z' | '0'..='9' | '_' | '-' => dotted.push(c),
            'A'..='Z' => dotted.push(c.to_ascii_lowercase()),
            '.' | '/' | ':' if dotted.is_empty() || dotted.ends_with('.') => {}
            '.' | '/' | ':' => dotted.push('.'),
            _ => dotted.push('_'),
        }
        // One more than fits is enough to refuse it.
        if dotted.len() > TYPE_LEN_MAX + 1 {
            break;
        }
    }
    if dotted.ends_with('.') {
        dotted.pop();
    }
    dotted
}

/// Whether the host keeps types that begin so to itself.
pub(crate) fn is_reserved(ty: &str) -> bool {
    ty.split('.').next() == Some("triphammer")
}

pub(crate) fn check_type(ty: &str) -> Result<(), Refused> {
    match ty {
        "" => Err(Refused::TypeMissing),
        ty if ty.len() > TYPE_LEN_MAX => {
            Err(Refused::TypeMalformed { rule: "is longer than 256 bytes" })
        }
        ty if is_reserved(ty) => Err(Refused::TypeReserved),
        _ => Ok(()),
    }
}

pub(crate) fn check_id(id: &str) -> Result<(), Refused> {
    if !(1..=ID_LEN_MAX).contains(&id.len()) {
        return Err(Refused::IdMalformed { rule: "has not 1 to 512 bytes" });
    }
    if !is_attribute(id) {
        return Err(Refused::IdMalformed { rule: "has control characters" });
    }
    Ok(())
}

/// The id of a delivery that has none: equal bodies are one event.
pub(crate) fn digest_id(body: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest::digest(&digest::SHA256, body)))
}

/// The subject, when an event may have it.
pub(crate) fn subject(text: String) -> Option<String> {
    let fits = (1..=SUBJECT_LEN_MAX).contains(&text.len());
    (fits && is_attribute(&text)).then_some(text)
}

/// RFC 3339 as it is; a whole number as seconds since 1970, or, from 12 digits on, milliseconds.
/// Anything else is no time: it only informs, so the event goes on without.
pub(crate) fn time(text: String) -> Option<String> {
    if Timestamp::parse_rfc3339(&text).is_some() {
        return Some(text);
    }
    let number = whole(&text)?;
    let ms = if text.len() < 12 { number.checked_mul(1000)? } else { number };
    // Later is beyond the calendar.
    (ms <= 253_402_207_200_999).then(|| Timestamp(ms).to_rfc3339())
}

/// A number of digits only: no sign, no space, no exponent.
pub(crate) fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// What section "Type System" of CloudEvents 1.0.2 lets a String have.
fn is_attribute(text: &str) -> bool {
    !text.chars().any(|c| {
        let code = u32::from(c);
        c.is_control() || (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_get_our_form() {
        for (given, expect) in [
            ("pull_request.opened", "pull_request.opened"),
            ("orders/create", "orders.create"),
            ("APPLICATION_AUTHORIZED", "application_authorized"),
            ("Push Hook", "push_hook"),
            ("a:B/c.d-e", "a.b.c.d-e"),
            ("..a..b..", "a.b"),
            ("/webhook-collect", "webhook-collect"),
            ("*.**", "_.__"),
            ("ünïcode\u{0}", "_n_code_"),
            ("", ""),
            ("./:", ""),
        ] {
            assert_eq!(dotted(given), expect, "{given}");
        }
        assert_eq!(dotted(&"a".repeat(1 << 20)).len(), TYPE_LEN_MAX + 2);
    }

    #[test]
    fn types_are_checked() {
        let code = |ty: &str| check_type(ty).map_err(|refused| refused.code());
        assert_eq!(code("triphammers.a"), Ok(()));
        assert_eq!(code(&"a".repeat(256)), Ok(()));
        assert_eq!(code(&"a".repeat(257)), Err("hook.type_malformed"));
        assert_eq!(code(""), Err("hook.type_missing"));
        assert_eq!(code("triphammer"), Err("hook.type_reserved"));
        assert_eq!(code("triphammer.delivery.dead"), Err("hook.type_reserved"));
    }

    #[test]
    fn ids_are_checked() {
        assert!(check_id("ü 1").is_ok() && check_id(&"a".repeat(512)).is_ok());
        for id in ["", "a\n", "\u{fffe}", &"a".repeat(513)] {
            assert_eq!(check_id(id).unwrap_err().code(), "hook.id_malformed");
        }
        // FIPS 180-4, the example of one block.
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest_id(b"abc"), abc);
    }

    #[test]
    fn subjects_that_no_event_has_are_left_out() {
        assert_eq!(subject("a/b".into()).as_deref(), Some("a/b"));
        for text in ["", "a\u{7f}", &"a".repeat(4097)] {
            assert_eq!(subject(text.to_owned()), None);
        }
    }

    #[test]
    fn times_are_read() {
        for (given, expect) in [
            ("2026-01-02T03:04:05+01:00", Some("2026-01-02T03:04:05+01:00")),
            ("1614265330", Some("2021-02-25T15:02:10.000Z")),
            ("1614265330123", Some("2021-02-25T15:02:10.123Z")),
            ("253402207200999", Some("9999-12-30T22:00:00.999Z")),
            ("253402207201000", None),
            ("2024-10-18T14:42:53.064834", None),
            ("99999999999999999999", None),
            ("-1", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(time(given.into()).as_deref(), expect, "{given}");
        }
    }
}
