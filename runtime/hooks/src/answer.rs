//! What a provider wants to hear: the echo of a challenge, a pong, an acknowledgement of its own
//! kind. Knows nothing of signatures; whoever asks has proven the request.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use triphammer_model::is_json_media_type;

use crate::error::{InvalidHook, Refused};
use crate::json::Pointer;
use crate::raw::RawAnswer;
use crate::request::Fields;
use crate::template::{Place, Template};

/// An answer to a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    pub status: StatusCode,
    pub content_type: Option<HeaderValue>,
    pub body: Bytes,
}

/// When which answer is given.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Whether the request is an event besides; the answer then waits until it is stored.
    pub(crate) event: bool,
    when: Vec<(Pointer, String)>,
    unless: Vec<Pointer>,
    status: StatusCode,
    content_type: Option<HeaderValue>,
    body: Option<Template>,
}

const ANSWERS_MAX: usize = 16;
const CONDITIONS_MAX: usize = 8;
/// The longest body of an answer: what it repeats comes from outside.
const BODY_LEN_MAX: usize = 4096;

pub(crate) fn check(raw: Vec<RawAnswer>) -> Result<Vec<Answer>, InvalidHook> {
    if raw.len() > ANSWERS_MAX {
        let rule = format!("are more than {ANSWERS_MAX}");
        return Err(InvalidHook::setting("provider.answers", rule));
    }
    raw.into_iter().map(Answer::check).collect()
}

impl Answer {
    fn check(raw: RawAnswer) -> Result<Self, InvalidHook> {
        let invalid = |name: &str, rule: String| {
            InvalidHook::setting(format!("provider.answers.{name}"), rule)
        };
        if raw.when.len() + raw.unless.len() > CONDITIONS_MAX {
            return Err(invalid("when", format!("has more than {CONDITIONS_MAX} conditions")));
        }
        let pointer = |text: &str| {
            text.parse::<Pointer>().map_err(|rule| invalid("when", format!("is wrong: {rule}")))
        };
        let when = raw.when.into_iter().map(|(at, value)| Ok((pointer(&at)?, value.into_text())));
        let status = StatusCode::from_u16(raw.status).ok().filter(StatusCode::is_success);
        let status = status.ok_or_else(|| invalid("status", "must be 200 to 299".into()))?;
        let content_type = raw.content_type.map(|text| text.parse()).transpose();
        let body: Option<Template> =
            raw.body.map(|text| text.parse()).transpose().map_err(|rule| invalid("body", rule))?;
        let of_request = |place: &Place| matches!(place, Place::Json(_) | Place::Form(_));
        if body.as_ref().is_some_and(|body| !body.places().all(of_request)) {
            return Err(invalid("body", "may have the places `json:` and `form:` only".into()));
        }
        if body.is_some() && status == StatusCode::NO_CONTENT {
            return Err(invalid("body", "can't go with the status 204".into()));
        }
        Ok(Self {
            event: raw.event,
            when: when.collect::<Result<_, InvalidHook>>()?,
            unless: raw.unless.iter().map(|at| pointer(at)).collect::<Result<_, _>>()?,
            status,
            content_type: content_type
                .map_err(|_| invalid("content_type", "is no value of a header".into()))?,
            body,
        })
    }

    pub(crate) fn applies(&self, fields: &Fields<'_>) -> Result<bool, Refused> {
        for (pointer, value) in &self.when {
            if fields.scalar(pointer)?.as_deref() != Some(value) {
                return Ok(false);
            }
        }
        for pointer in &self.unless {
            if fields.exists(pointer)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) fn reply(&self, fields: &Fields<'_>) -> Result<Reply, Refused> {
        let body = match &self.body {
            None => String::new(),
            Some(template) => {
                let rule = "what the answer repeats is missing";
                let json = self.content_type.as_ref().is_some_and(is_json);
                let value = |place: &Place| {
                    let found = fields.at(place)?;
                    Ok(if json { found.map(|text| escape(&text).into()) } else { found })
                };
                let text = template.render(&value)?;
                text.ok_or(Refused::BodyMalformed { rule })?
            }
        };
        if body.len() > BODY_LEN_MAX {
            let rule = "what the answer repeats is longer than 4096 bytes";
            return Err(Refused::BodyMalformed { rule });
        }
        let content_type = self.content_type.clone();
        Ok(Reply { status: self.status, content_type, body: body.into() })
    }
}

fn is_json(content_type: &HeaderValue) -> bool {
    content_type.to_str().is_ok_and(is_json_media_type)
}

/// What stands in a JSON string for this text.
fn escape(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::request::Request;

    fn answer(toml: &str) -> Result<Answer, InvalidHook> {
        Answer::check(toml::from_str(toml).unwrap())
    }

    #[track_caller]
    fn check(toml: &str, body: &str, expect: Result<Option<&str>, &str>) {
        let (headers, body) = (HeaderMap::new(), Bytes::from(body.to_owned()));
        let request = Request { method: &Method::POST, url: "", headers: &headers, body: &body };
        let fields = Fields::new(request, None).unwrap();
        let answer = answer(toml).unwrap();
        let given = match answer.applies(&fields).unwrap() {
            true => answer.reply(&fields).map(|reply| Some(reply.body)),
            false => Ok(None),
        };
        let given = given.map_err(|refused| refused.code());
        assert_eq!(given, expect.map(|text| text.map(|text| Bytes::from(text.to_owned()))));
    }

    #[test]
    fn what_is_repeated_in_json_stays_in_its_string() {
        let toml = r#"
            status = 200
            content_type = "application/json"
            body = '{{"c":"{json:/c}"}}'
        "#;
        check(toml, r#"{"c":"a\",\n"}"#, Ok(Some(r#"{"c":"a\",\n"}"#)));
        check("status=200\nbody='{json:/c}'", r#"{"c":"a\""}"#, Ok(Some("a\"")));
    }

    #[test]
    fn conditions_hold_together() {
        let toml = "status=200\nbody='{json:/c}'\nwhen={'/a'=1,'/b'='x'}\nunless=['/d']";
        check(toml, r#"{"a":1,"b":"x","c":"y"}"#, Ok(Some("y")));
        check(toml, r#"{"a":1,"b":"x","c":"y","d":null}"#, Ok(Some("y")));
        check(toml, r#"{"a":1,"b":"x","c":"y","d":0}"#, Ok(None));
        check(toml, r#"{"a":2,"b":"x"}"#, Ok(None));
        check(toml, r#"{"a":1}"#, Ok(None));
        check(toml, r#"{"a":1,"b":"x"}"#, Err("hook.body_malformed"));
        check("status=204", "", Ok(Some("")));
        let echo = "status=200\nbody='{json:/c}'";
        let long = |len: usize| format!(r#"{{"c":"{}"}}"#, "a".repeat(len));
        check(echo, &long(BODY_LEN_MAX), Ok(Some(&"a".repeat(BODY_LEN_MAX))));
        check(echo, &long(BODY_LEN_MAX + 1), Err("hook.body_malformed"));
    }

    #[test]
    fn nonsense_is_refused() {
        for toml in [
            "status=99",
            "status=302",
            "status=200\nbody='{'",
            "status=200\nbody='{header:cookie}'",
            "status=200\ncontent_type='a\\nb'\nbody=''",
            "status=204\nbody='a'",
            "status=200\nwhen={a=1}",
            "status=200\nunless=['']",
            "status=200\nunless=['/1','/2','/3','/4','/5','/6','/7','/8','/9']",
        ] {
            assert_eq!(answer(toml).unwrap_err().code(), "hook.setting", "{toml}");
        }
        let raw: RawAnswer = toml::from_str("status=204").unwrap();
        assert!(super::check(vec![raw.clone(); ANSWERS_MAX]).is_ok());
        assert!(super::check(vec![raw; ANSWERS_MAX + 1]).is_err());
    }
}
