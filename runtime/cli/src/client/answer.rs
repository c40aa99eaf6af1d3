//! A host's answer: its status and body, or the problem in it.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Error, Problem};

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    body: Bytes,
}

impl Answer {
    /// Anything but a 2xx is an error.
    pub(super) fn checked(status: u16, body: Bytes) -> Result<Self, Error> {
        if (200..300).contains(&status) {
            return Ok(Self { status, body });
        }
        let problem = serde_json::from_slice::<Problem>(&body);
        Err(problem.map_or(Error::Unexpected { status }, Error::Problem))
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(Error::Shape)
    }

    pub(crate) fn value(&self) -> Result<Value, Error> {
        self.json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &'static str, expect: &str) {
        let error = Answer::checked(status, Bytes::from_static(body.as_bytes())).unwrap_err();
        assert_eq!(error.to_string(), expect);
    }

    #[test]
    fn a_problem_is_shown_with_its_code() {
        check(
            404,
            r#"{"type":"about:blank","title":"Not found","status":404,"code":"function.not_found","detail":"there is no function `x`"}"#,
            "there is no function `x` (function.not_found)",
        );
        check(
            401,
            r#"{"title":"a token is needed","status":401,"code":"auth.token"}"#,
            "a token is needed (auth.token)",
        );
    }

    #[test]
    fn what_is_no_problem_is_said_to_be_unexpected() {
        let expect = "the answer has the unexpected status 502";
        check(502, "<html>", expect);
        check(502, r#"{"error": "x"}"#, expect);
    }

    #[test]
    fn a_success_is_read_as_json() {
        let answer = Answer::checked(202, Bytes::from_static(b"[1]")).unwrap();
        assert_eq!(answer.json::<Vec<u8>>().unwrap(), [1]);
        assert!(answer.json::<String>().is_err());
    }
}
