//! Forms (`application/x-www-form-urlencoded`) and the query of a URL. Knows nothing of hooks.

use std::borrow::Cow;

use crate::error::Refused;

/// A form's fields, decoded, in the order in which they came.
pub(crate) type Form<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// The most fields that a form has.
pub(crate) const FIELDS_MAX: usize = 1000;
/// The longest URL, in bytes.
pub(crate) const URL_LEN_MAX: usize = 8192;

/// What becomes of a URL's port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Port {
    AsSent,
    /// There is none.
    Removed,
    /// There is one: the scheme's own when the URL has none.
    Added,
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Form<'_>, Refused> {
    let fields: Form<'_> = form_urlencoded::parse(bytes).take(FIELDS_MAX + 1).collect();
    if fields.len() > FIELDS_MAX {
        return Err(Refused::FieldsTooMany { limit: FIELDS_MAX });
    }
    Ok(fields)
}

/// The field of this name; refused when there are two.
pub(crate) fn one<'f>(form: &'f Form<'_>, name: &str) -> Result<Option<&'f str>, Refused> {
    let mut found = form.iter().filter(|(field, _)| field == name);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(Refused::HeaderTwice { name: name.to_owned() }),
        (first, None) => Ok(first.map(|(_, value)| value.as_ref())),
    }
}

/// Names and values one after the other, by name and value, each pair once: what Twilio signs.
pub(crate) fn sorted(form: &Form<'_>) -> String {
    let mut pairs: Vec<_> = form.iter().collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs.iter().flat_map(|(name, value)| [name.as_ref(), value.as_ref()]).collect()
}

/// The query's value of this name.
pub(crate) fn query(url: &str, name: &str) -> Result<Option<String>, Refused> {
    let url = check_url(url)?.0;
    let before_fragment = url.split('#').next().unwrap_or_default();
    let query = before_fragment.split_once('?').map_or("", |(_, query)| query);
    let form = parse(query.as_bytes())?;
    Ok(one(&form, name)?.map(str::to_owned))
}

/// The URL as it was signed.
pub(crate) fn url(url: &str, port: Port) -> Result<Cow<'_, str>, Refused> {
    let (url, scheme_end, default_port) = check_url(url)?;
    let (scheme, rest) = url.split_at(scheme_end);
    let authority_len = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_len);
    let host_start = authority.rfind('@').map_or(0, |at| at + 1);
    // In an IPv6 address only a colon after the bracket begins a port.
    let search_start = authority.rfind(']').unwrap_or(host_start).max(host_start);
    let colon = authority[search_start..].find(':').map(|index| search_start + index);
    Ok(match (port, colon) {
        (Port::AsSent, _) | (Port::Removed, None) | (Port::Added, Some(_)) => Cow::Borrowed(url),
        (Port::Removed, Some(colon)) => format!("{scheme}{}{path}", &authority[..colon]).into(),
        (Port::Added, None) => format!("{scheme}{authority}:{default_port}{path}").into(),
    })
}

/// The URL, where its authority begins, and its scheme's port.
fn check_url(url: &str) -> Result<(&str, usize, u16), Refused> {
    let wrong = |rule| Err(Refused::UrlMalformed { rule });
    if url.len() > URL_LEN_MAX {
        return wrong("it is longer than 8192 bytes");
    }
    match url.split_once("://") {
        Some(("https", _)) => Ok((url, "https://".len(), 443)),
        Some(("http", _)) => Ok((url, "http://".len(), 80)),
        _ => wrong("it must begin with `https://` or `http://`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_found_once() {
        let form = parse(b"a=1&b=%2B+x&&c&a%3d=2").unwrap();
        assert_eq!(one(&form, "b").unwrap(), Some("+ x"));
        assert_eq!(one(&form, "c").unwrap(), Some(""));
        assert_eq!(one(&form, "d").unwrap(), None);
        let twice = parse(b"a=1&%61=1").unwrap();
        assert_eq!(one(&twice, "a").unwrap_err().code(), "hook.header_twice");
    }

    #[test]
    fn a_form_has_a_thousand_fields_at_most() {
        assert!(parse("a&".repeat(FIELDS_MAX).as_bytes()).is_ok());
        let refused = parse("a&".repeat(FIELDS_MAX + 1).as_bytes()).unwrap_err();
        assert_eq!(refused.code(), "hook.fields_too_many");
        assert!(parse(&b"&".repeat(1 << 20)).unwrap().is_empty());
    }

    #[test]
    fn signed_fields_are_sorted_and_there_once() {
        assert_eq!(sorted(&parse(b"b=2&a=1&B=3&b=1&b=2").unwrap()), "B3a1b1b2");
        assert_eq!(sorted(&parse(b"").unwrap()), "");
    }

    #[track_caller]
    fn check(given: &str, removed: &str, added: &str) {
        assert_eq!(url(given, Port::AsSent).unwrap(), given);
        assert_eq!(url(given, Port::Removed).unwrap(), removed);
        assert_eq!(url(given, Port::Added).unwrap(), added);
    }

    #[test]
    fn ports_come_and_go() {
        check("https://a.b/c?d", "https://a.b/c?d", "https://a.b:443/c?d");
        check("http://a.b:8080", "http://a.b", "http://a.b:8080");
        check("http://a.b?x=:1", "http://a.b?x=:1", "http://a.b:80?x=:1");
        check("https://u:p@a:1/", "https://u:p@a/", "https://u:p@a:1/");
        check("https://u:p@a/", "https://u:p@a/", "https://u:p@a:443/");
        check("https://[::1]:1/", "https://[::1]/", "https://[::1]:1/");
        check("https://[::1]/", "https://[::1]/", "https://[::1]:443/");
    }

    #[test]
    fn a_url_is_absolute_and_not_too_long() {
        for wrong in
            ["", "/hooks/a", "ftp://a/", "HTTPS//a", &format!("https://{}", "a".repeat(8192))]
        {
            assert_eq!(url(wrong, Port::Removed).unwrap_err().code(), "hook.url_malformed");
            assert_eq!(query(wrong, "a").unwrap_err().code(), "hook.url_malformed");
        }
    }

    #[test]
    fn the_query_is_looked_at_as_a_form() {
        assert_eq!(query("https://a/b?c=%31&d#?c=2", "c").unwrap().as_deref(), Some("1"));
        assert_eq!(query("https://a/b#?c=2", "c").unwrap(), None);
        assert!(query("https://a/b?c=1&c=1", "c").is_err());
    }
}
