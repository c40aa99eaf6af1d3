//! `POST /events/{type}`: any body as an event. The header `Idempotency-Key` is the event's id in
//! an entrance of its own, so that a request sent again is one event.
//!
//! A repetition answers what the first one did; one that comes while the first is on its way to
//! the disk waits for it. A CloudEvent has an id already: with one, the header may only say the
//! same.

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use triphammer_model::Event;
use triphammer_pipeline::{Entrance, Wait};

use super::ingress;
use crate::caller::Caller;
use crate::codec::{self, Mode, Plain};
use crate::problem::Problem;
use crate::query::Query;
use crate::route::{Answer, Server, header};

const HEADER: &str = "idempotency-key";
const KEY_LEN_MAX: usize = 255;

/// An event, by which entrance it comes, and whether its sender waits.
type Given = (Entrance, Event, Option<Wait>);

pub(crate) async fn answer(
    server: &Server,
    caller: &Caller,
    request: Request<Incoming>,
    ty: &str,
) -> Answer {
    let given = given(server, request, ty).await;
    let (entrance, event, wait) = ingress::paid(server, caller, given)?;
    ingress::take_in(server, caller, entrance, vec![event], wait).await
}

async fn given(server: &Server, request: Request<Incoming>, ty: &str) -> Result<Given, Problem> {
    let (parts, body) = request.into_parts();
    let mut query = Query::parse(parts.uri.query())?;
    let (source, subject) = (query.filled("source"), query.filled("subject"));
    query.done()?;
    let wait = ingress::wait(&parts.headers)?;
    let key = key(&parts.headers)?;
    let own_id = parts.headers.contains_key("ce-id");
    // With an id of its own it is a CloudEvent whose type is written in the path.
    let entrance = if own_id { Entrance::Ingress } else { Entrance::Post };
    let plain =
        Plain { ty: percent_decoded(ty)?, source, subject, id: key.clone().filter(|_| !own_id) };
    let allowance = ingress::allowance(server, Mode::Binary);
    let received = server.bodies.read(&parts.headers, body, allowance).await?;
    let made = || server.pipeline.new_id();
    let mut event =
        codec::decode_plain(plain, &parts.headers, received.bytes, &server.bounds, made)?;
    codec::carry(&parts.headers, std::slice::from_mut(&mut event), &server.bounds);
    if let Some(key) = key {
        check_id(&key, std::slice::from_ref(&event))?;
    }
    ingress::check_type(&event)?;
    Ok((entrance, event, wait))
}

fn percent_decoded(ty: &str) -> Result<String, Problem> {
    let bytes = codec::percent_decoded(ty.as_bytes());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes.into_owned()).ok());
    text.ok_or_else(|| Problem::bad_request("http.name", "the type is not percent-encoded UTF-8"))
}

/// Refuses CloudEvents whose id is not the key that they came with.
pub(super) fn check_events(headers: &HeaderMap, events: &[Event]) -> Result<(), Problem> {
    if !headers.contains_key(HEADER) {
        return Ok(());
    }
    match key(headers)? {
        Some(key) => check_id(&key, events),
        None => Ok(()),
    }
}

fn check_id(key: &str, events: &[Event]) -> Result<(), Problem> {
    if events.iter().all(|event| event.id() == key) {
        return Ok(());
    }
    let detail = "a CloudEvent's `id` is its idempotency key: leave the header \
                  `Idempotency-Key` out, or give it the same value";
    Err(Problem::bad_request("event.idempotency_key", detail))
}

/// The key, as a string of RFC 9651 or as it stands.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(text) = header(headers, HEADER)? else { return Ok(None) };
    let text = text.trim();
    let key = match text.strip_prefix('"') {
        Some(rest) => unquoted(rest),
        None => text.bytes().all(is_bare).then(|| text.to_owned()),
    };
    let key = key.filter(|key| (1..=KEY_LEN_MAX).contains(&key.len()));
    key.map(Some).ok_or_else(|| {
        let detail = format!(
            "the header `Idempotency-Key` is a string in double quotes, or the same without them \
             when it has no spaces, quotes, commas or semicolons: 1 to {KEY_LEN_MAX} printable \
             ASCII characters"
        );
        Problem::bad_request("event.idempotency_key", detail)
    })
}

fn is_bare(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',' | b';')
}

/// What stands between the quotes, the first of which is gone.
fn unquoted(rest: &str) -> Option<String> {
    let mut out = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(out),
            '\\' => out.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            c @ ' '..='~' => out.push(c),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expect: Option<&str>) {
        let mut headers = HeaderMap::new();
        let value_bytes = hyper::header::HeaderValue::from_bytes(value.as_bytes());
        headers.insert(HEADER, value_bytes.unwrap());
        let found = key(&headers).map_err(|problem| problem.code().to_owned());
        let expect = match expect {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err("event.idempotency_key".to_owned()),
        };
        assert_eq!(found, expect, "{value}");
    }

    #[test]
    fn keys_are_strings_with_or_without_their_quotes() {
        check(r#""8e03978e-40d5-43dd""#, Some("8e03978e-40d5-43dd"));
        check("8e03978e-40d5-43dd", Some("8e03978e-40d5-43dd"));
        check(r#"  "with a space, \"quotes\" and \\"  "#, Some(r#"with a space, "quotes" and \"#));
        check(&"k".repeat(255), Some(&"k".repeat(255)));
        let long = "k".repeat(256);
        for wrong in
            ["", r#""""#, r#"""#, r#""a"#, r#""a"b"#, r#""a";p=1"#, r#""\n""#, "a b", "a,b"]
        {
            check(wrong, None);
        }
        check(&long, None);
        check("\u{fc}", None);
    }

    #[test]
    fn a_cloudevent_has_its_id() {
        let event = |id: &str| {
            Event::new(&triphammer_model::EventParts {
                id: id.into(),
                source: "/s".into(),
                ty: "t".into(),
                ..Default::default()
            })
            .unwrap()
        };
        let mut headers = HeaderMap::new();
        check_events(&headers, &[event("a")]).unwrap();
        headers.insert(HEADER, "a".parse().unwrap());
        check_events(&headers, &[event("a")]).unwrap();
        let refused = check_events(&headers, &[event("a"), event("b")]).unwrap_err();
        assert_eq!(refused.code(), "event.idempotency_key");
    }
}
