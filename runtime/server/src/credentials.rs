//! Where a request carries its token. Knows nothing of which tokens there are.
//!
//! One place, once. A request with two tokens means one thing to this host and may mean another
//! to what stands in front of it, so it is refused, whichever of them would be good.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap};

use crate::problem::Problem;
use crate::query::Query;

/// As the web hooks of CloudEvents have it (section 3.2). URLs get logged along the way, so this
/// is for senders that can do no other.
const PARAMETER: &str = "access_token";

/// Why a request has no token that could be looked for.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// It has one too many, or its query is wrong.
    Refused(Problem),
    /// What it has is no token.
    Malformed,
}

impl From<Problem> for Unusable {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// The token of a request, as bytes; none when it has none. `query` is given where a token may
/// stand in it.
pub(crate) fn token(headers: &HeaderMap, query: Option<&str>) -> Result<Option<Vec<u8>>, Unusable> {
    let in_header = in_header(headers)?;
    let in_query = match query {
        Some(query) => Query::parse(Some(query))?.text(PARAMETER),
        None => None,
    };
    match (in_header, in_query) {
        (Some(_), Some(_)) => Err(twice("in `Authorization` and in the query")),
        (Some(token), None) => Ok(Some(token)),
        (None, query) => Ok(query.map(String::into_bytes)),
    }
}

/// A token comes as `Bearer`, or as the password of `Basic`, which is what a browser can ask for.
fn in_header(headers: &HeaderMap) -> Result<Option<Vec<u8>>, Unusable> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(twice("in two `Authorization` headers"));
    }
    let text = value.to_str().map_err(|_| Unusable::Malformed)?;
    let (scheme, credentials) = text.split_once(' ').ok_or(Unusable::Malformed)?;
    let credentials = credentials.trim_matches(' ');
    if credentials.is_empty() || !credentials.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Unusable::Malformed);
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(credentials.as_bytes().to_vec()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Unusable::Malformed);
    }
    let pair = STANDARD.decode(credentials).map_err(|_| Unusable::Malformed)?;
    let password = pair.splitn(2, |&b| b == b':').nth(1).ok_or(Unusable::Malformed)?;
    Ok(Some(password.to_vec()))
}

fn twice(place: &str) -> Unusable {
    let detail = format!("the request has a token {place}: once is enough");
    Unusable::Refused(Problem::bad_request("access.credentials", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(unusable: &Unusable) -> &str {
        match unusable {
            Unusable::Refused(problem) => problem.code(),
            Unusable::Malformed => "malformed",
        }
    }

    #[track_caller]
    fn check(headers: &[&str], query: Option<&str>, expect: Result<Option<&str>, &str>) {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(AUTHORIZATION, value.parse().unwrap());
        }
        let found = token(&map, query);
        let expect = expect.map(|token| token.map(|token| token.as_bytes().to_vec()));
        assert_eq!(found.as_ref().map_err(code), expect.as_ref().map_err(|code| *code));
    }

    #[test]
    fn a_token_is_in_one_place() {
        check(&[], None, Ok(None));
        check(&["Bearer abc"], None, Ok(Some("abc")));
        check(&["bEaReR   abc "], None, Ok(Some("abc")));
        check(&["Basic YW55OmFiYw=="], None, Ok(Some("abc")));
        check(&["basic YTpiOmM="], None, Ok(Some("b:c")));
        check(&[], Some("access_token=a%62c"), Ok(Some("abc")));
        check(&[], Some("access%5Ftoken=abc"), Ok(Some("abc")));
        check(&[], Some("Access_Token=abc"), Ok(None));
        check(&[], Some(""), Ok(None));
    }

    #[test]
    fn two_tokens_are_none() {
        let refused = Err("access.credentials");
        check(&["Bearer abc", "Bearer abc"], None, refused);
        check(&["Bearer abc", "x"], None, refused);
        check(&["Bearer abc"], Some("access_token=abc"), refused);
        check(&["Bearer abc, Bearer def"], None, Err("malformed"));
        check(&[], Some("access_token=abc&access_token=abc"), Err("http.query"));
        check(&[], Some("access_token=abc&access%5ftoken=def"), Err("http.query"));
    }

    #[test]
    fn other_shapes_are_refused() {
        for wrong in
            ["", "Bearer", "Bearer ", "abc", "Bearerabc", "Digest abc", "Basic !", "Basic YWJj"]
        {
            check(&[wrong], None, Err("malformed"));
        }
        let mut map = HeaderMap::new();
        let value = hyper::header::HeaderValue::from_bytes(b"Bearer \xff").unwrap();
        map.insert(AUTHORIZATION, value);
        assert_eq!(code(&token(&map, None).unwrap_err()), "malformed");
    }
}
