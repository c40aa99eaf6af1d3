//! A request and what is found in it. Knows no provider, and proves nothing.
//!
//! Whatever is looked at is there once or refused: two headers of one name, of which a proxy sees
//! the first and this host the second, are how requests are smuggled.

use std::borrow::Cow;
use std::cell::OnceCell;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use triphammer_model::is_json_media_type;

use crate::error::Refused;
use crate::form::{self, Form};
use crate::json::{self, Pointer};
use crate::template::Place;

/// A request as it came in.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a Method,
    /// The whole URL as the sender wrote it, such as `https://example.com/hooks/sms?a=b`. Only
    /// providers that sign it look at it; behind a proxy it is not the one that arrives here.
    pub url: &'a str,
    pub headers: &'a HeaderMap,
    /// The raw body. Signatures are over these bytes.
    pub body: &'a Bytes,
}

/// What a body is by its media type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Media {
    Json,
    Form,
    Other,
    /// It isn't said; JSON if it reads as such.
    Unsaid,
}

/// Looks things up in a request. What is costly is done when it is first needed, once.
pub(crate) struct Fields<'a> {
    request: Request<'a>,
    content_type: Option<&'a str>,
    json_field: Option<&'a str>,
    form: OnceCell<Result<Form<'a>, Refused>>,
    json: OnceCell<Result<Option<Cow<'a, str>>, Refused>>,
}

const HEADER_LEN_MAX: usize = 8192;
const CONTENT_TYPE_LEN_MAX: usize = 256;

impl<'a> Fields<'a> {
    /// `json_field` is the form field whose content is JSON, for senders that wrap it so.
    pub(crate) fn new(request: Request<'a>, json_field: Option<&'a str>) -> Result<Self, Refused> {
        let content_type = header(request.headers, &http::header::CONTENT_TYPE)?;
        if content_type.is_some_and(|text| text.len() > CONTENT_TYPE_LEN_MAX) {
            let rule = "is longer than 256 bytes";
            return Err(Refused::HeaderMalformed { name: "content-type".into(), rule });
        }
        let (form, json) = (OnceCell::new(), OnceCell::new());
        Ok(Self { request, content_type, json_field, form, json })
    }

    pub(crate) fn body(&self) -> &'a Bytes {
        self.request.body
    }

    pub(crate) fn content_type(&self) -> Option<&'a str> {
        self.content_type
    }

    pub(crate) fn media(&self) -> Media {
        match self.content_type {
            None => Media::Unsaid,
            Some(text) if is_json_media_type(text) => Media::Json,
            Some(text) if essence(text).eq_ignore_ascii_case(FORM) => Media::Form,
            Some(_) => Media::Other,
        }
    }

    pub(crate) fn header(&self, name: &HeaderName) -> Result<Option<&'a str>, Refused> {
        header(self.request.headers, name)
    }

    pub(crate) fn query(&self, name: &str) -> Result<Option<String>, Refused> {
        form::query(self.request.url, name)
    }

    pub(crate) fn url(&self, port: form::Port) -> Result<Cow<'a, str>, Refused> {
        form::url(self.request.url, port)
    }

    /// The form's fields; none when the body is no form.
    pub(crate) fn form(&self) -> Result<&Form<'a>, Refused> {
        let parse = || match self.media() {
            Media::Form => form::parse(self.request.body),
            _ => Ok(Form::new()),
        };
        self.form.get_or_init(parse).as_ref().map_err(Clone::clone)
    }

    /// The body's JSON text, checked; none when it is something else.
    pub(crate) fn json(&self) -> Result<Option<&str>, Refused> {
        let json = self.json.get_or_init(|| self.find_json());
        json.as_ref().map(Option::as_deref).map_err(Clone::clone)
    }

    fn find_json(&self) -> Result<Option<Cow<'a, str>>, Refused> {
        let wrong = |rule| Refused::BodyMalformed { rule };
        let body = self.request.body;
        match self.media() {
            _ if body.is_empty() => Ok(None),
            Media::Json => json::check(body).map(|text| Some(text.into())).map_err(wrong),
            Media::Unsaid => Ok(json::check(body).ok().map(Into::into)),
            Media::Other => Ok(None),
            Media::Form => {
                let Some(name) = self.json_field else { return Ok(None) };
                let Some(text) = form::one(self.form()?, name)? else { return Ok(None) };
                json::check(text.as_bytes()).map_err(wrong)?;
                Ok(Some(text.to_owned().into()))
            }
        }
    }

    pub(crate) fn scalar(&self, pointer: &Pointer) -> Result<Option<String>, Refused> {
        Ok(self.json()?.and_then(|text| json::scalar(text, pointer)))
    }

    pub(crate) fn exists(&self, pointer: &Pointer) -> Result<bool, Refused> {
        Ok(self.json()?.is_some_and(|text| json::exists(text, pointer)))
    }

    /// What is at a place of the request itself; nothing at those that only a hook knows.
    pub(crate) fn at(&self, place: &Place) -> Result<Option<Cow<'a, str>>, Refused> {
        Ok(match place {
            Place::Header(name) => self.header(name)?.map(Cow::Borrowed),
            Place::Json(pointer) => self.scalar(pointer)?.map(Cow::Owned),
            Place::Form(name) => {
                form::one(self.form()?, name)?.map(|text| Cow::Owned(text.to_owned()))
            }
            Place::Query(name) => self.query(name)?.map(Cow::Owned),
            Place::Url(port) => Some(self.url(*port)?),
            Place::Params => Some(Cow::Owned(form::sorted(self.form()?))),
            Place::Id | Place::Timestamp | Place::Body | Place::Type | Place::Hook => None,
        })
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// A media type without its parameters.
pub(crate) fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refused::HeaderTwice { name: name.to_string() });
    }
    let malformed = |rule| Refused::HeaderMalformed { name: name.to_string(), rule };
    if value.len() > HEADER_LEN_MAX {
        return Err(malformed("is longer than 8192 bytes"));
    }
    value.to_str().map(Some).map_err(|_| malformed("has more than visible ASCII"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, body: &'static str, place: &str, expect: Result<&str, &str>) {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert("content-type", content_type.parse().unwrap());
        }
        let body = Bytes::from_static(body.as_bytes());
        let url = "https://a/b?q=%31";
        let request = Request { method: &Method::POST, url, headers: &headers, body: &body };
        let fields = Fields::new(request, Some("payload")).unwrap();
        let template: crate::template::Template = place.parse().unwrap();
        let found = fields.at(template.places().next().unwrap());
        let found = found.map(Option::unwrap_or_default).map_err(|refused| refused.code());
        assert_eq!(found.as_deref(), expect.as_deref(), "{place}");
    }

    #[test]
    fn values_are_found_by_media_type() {
        check("application/json", r#"{"a":1}"#, "{json:/a}", Ok("1"));
        check("application/x+json; q", r#"{"a":1}"#, "{json:/a}", Ok("1"));
        check("application/json", "{", "{json:/a}", Err("hook.body_malformed"));
        check("application/json", "", "{json:/a}", Ok(""));
        check("", r#"{"a":1}"#, "{json:/a}", Ok("1"));
        check("", "{", "{json:/a}", Ok(""));
        check("text/plain", r#"{"a":1}"#, "{json:/a}", Ok(""));
        let form = "Application/X-WWW-form-urlencoded ; charset=utf-8";
        check(form, "a=%41&b", "{form:a}", Ok("A"));
        check(form, "b=2&a=1", "{params}", Ok("a1b2"));
        check("text/plain", "a=1", "{form:a}", Ok(""));
        check(form, "a=1&a=2", "{form:a}", Err("hook.header_twice"));
        check(form, "payload=%7B%22a%22:1%7D", "{json:/a}", Ok("1"));
        check(form, "payload=%7B", "{json:/a}", Err("hook.body_malformed"));
        check(form, "other=1", "{json:/a}", Ok(""));
        check("", "", "{query:q}", Ok("1"));
        check("", "", "{header:content-type}", Ok(""));
        check("a/b", "", "{header:content-type}", Ok("a/b"));
        check("", "", "{url:port}", Ok("https://a:443/b?q=%31"));
    }

    #[test]
    fn a_header_is_there_once_and_is_text() {
        let name = HeaderName::from_static("x-a");
        let of = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&name, http::HeaderValue::from_bytes(value).unwrap());
            }
            header(&headers, &name).map(|found| found.map(str::to_owned)).map_err(|e| e.code())
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[b"a b"]), Ok(Some("a b".into())));
        assert_eq!(of(&[b"a", b"a"]), Err("hook.header_twice"));
        assert_eq!(of(&[b"\xfc"]), Err("hook.header_malformed"));
        assert_eq!(of(&[&[b'a'; HEADER_LEN_MAX]]).map(|found| found.is_some()), Ok(true));
        assert_eq!(of(&[&[b'a'; HEADER_LEN_MAX + 1]]), Err("hook.header_malformed"));
    }

    #[test]
    fn the_media_type_is_not_endless() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "a".repeat(257).parse().unwrap());
        let body = Bytes::new();
        let request = Request { method: &Method::POST, url: "", headers: &headers, body: &body };
        let refused = Fields::new(request, None).err().map(|refused| refused.code());
        assert_eq!(refused, Some("hook.header_malformed"));
    }
}
