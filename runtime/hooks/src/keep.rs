//! Headers that an event keeps, as extensions. Knows no provider.
//!
//! `X-GitHub-Hook-ID` becomes `hdrxgithubhookid`: an extension's name has only `a-z` and `0-9`, and
//! `hdr` before it keeps it apart from extensions that mean something to the host.

use http::{HeaderMap, HeaderName};
use triphammer_model::ExtensionValue;

use crate::error::{InvalidHook, Refused};

/// The most headers that an event keeps.
pub(crate) const HEADERS_MAX: usize = 16;
/// The longest value of one, in bytes.
pub(crate) const VALUE_LEN_MAX: usize = 1024;
/// The longest name of an extension, in bytes.
const NAME_LEN_MAX: usize = 64;

/// A header with the name of its extension.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    header: HeaderName,
    extension: String,
}

/// What names of headers with secrets have in them: an event is seen by more people than they.
const SECRETS: [&str; 9] =
    ["auth", "cookie", "signature", "hmac", "token", "secret", "password", "api-key", "apikey"];

/// The headers of the list. `signature` is the one with the signature.
pub(crate) fn check(names: &[String], signature: &HeaderName) -> Result<Vec<Kept>, InvalidHook> {
    let invalid = |rule: String| InvalidHook::setting("keep_headers", rule);
    if names.len() > HEADERS_MAX {
        return Err(invalid(format!("has more than {HEADERS_MAX} headers")));
    }
    let mut kept: Vec<Kept> = Vec::with_capacity(names.len());
    for name in names {
        let shown: String = name.chars().take(NAME_LEN_MAX).collect();
        let header: HeaderName =
            name.parse().map_err(|_| invalid(format!("has `{shown}`, which is no header")))?;
        let secret = SECRETS.iter().any(|part| header.as_str().contains(part));
        if secret || header == *signature {
            return Err(invalid(format!("has `{shown}`, which may be secret and is never kept")));
        }
        let plain = header.as_str().chars().filter(char::is_ascii_alphanumeric);
        let extension: String = "hdr".chars().chain(plain).collect();
        if extension.len() > NAME_LEN_MAX {
            return Err(invalid(format!("has `{shown}`, whose name is too long to keep")));
        }
        if kept.iter().any(|earlier| earlier.extension == extension) {
            return Err(invalid(format!("has `{shown}` twice, as the extension `{extension}`")));
        }
        kept.push(Kept { header, extension });
    }
    Ok(kept)
}

/// The extensions; a header that is given twice is joined, as RFC 9110, section 5.3 has it.
pub(crate) fn extensions(
    kept: &[Kept],
    headers: &HeaderMap,
) -> Result<Vec<(String, ExtensionValue)>, Refused> {
    let mut extensions = Vec::new();
    for Kept { header, extension } in kept {
        let malformed = |rule| Refused::HeaderMalformed { name: header.to_string(), rule };
        let mut joined = String::new();
        for value in headers.get_all(header) {
            let text = value.to_str().map_err(|_| malformed("has more than visible ASCII"))?;
            if joined.len() + text.len() > VALUE_LEN_MAX {
                return Err(malformed("is kept, and longer than 1024 bytes"));
            }
            let separator = if joined.is_empty() { "" } else { ", " };
            joined = [&joined, separator, text].concat();
        }
        // A tab is visible ASCII to a header, and a control character to an event.
        let text = joined.replace('\t', " ");
        if !text.is_empty() {
            extensions.push((extension.clone(), ExtensionValue::Text(text)));
        }
    }
    Ok(extensions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Result<Vec<Kept>, InvalidHook> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        check(&names, &HeaderName::from_static("x-proof"))
    }

    #[track_caller]
    fn kept(values: &[&str], expect: Result<&[&str], &str>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-a-1", value.parse().unwrap());
        }
        let found = extensions(&of(&["X-A-1"]).unwrap(), &headers).map_err(|e| e.code());
        let found = found.map(|f| f.iter().map(|(n, v)| format!("{n}={}", v.to_text())).collect());
        assert_eq!(found, expect.map(|e| e.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>()));
    }

    #[test]
    fn values_are_kept_by_their_extension_s_name() {
        kept(&[], Ok(&[]));
        kept(&[""], Ok(&[]));
        kept(&["b"], Ok(&["hdrxa1=b"]));
        kept(&["b", "c\td"], Ok(&["hdrxa1=b, c d"]));
        kept(&[&"a".repeat(VALUE_LEN_MAX)], Ok(&[&format!("hdrxa1={}", "a".repeat(1024))]));
        kept(&[&"a".repeat(VALUE_LEN_MAX + 1)], Err("hook.header_malformed"));
        kept(&[&"a".repeat(600), &"a".repeat(600)], Err("hook.header_malformed"));
    }

    #[test]
    fn secrets_and_nonsense_are_not_kept() {
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "Set-Cookie",
            "X-Hub-Signature",
            "X-Shopify-Hmac-Sha256",
            "X-Gitlab-Token",
            "X-API-Key",
            "X-Proof",
            "a b",
            "",
            &"a".repeat(62),
        ] {
            assert_eq!(of(&[name]).unwrap_err().code(), "hook.setting", "{name}");
        }
        assert!(of(&["x-a-b", "x-ab"]).is_err());
        assert!(of(&[&"a".repeat(61)]).is_ok());
        let names: Vec<String> = (0..=HEADERS_MAX).map(|n| format!("x-{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(of(&names[1..]).is_ok() && of(&names).is_err());
    }
}
