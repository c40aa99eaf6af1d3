//! Query strings, read once and used up: a parameter that nobody took is refused by name.

use std::fmt::Display;
use std::str::FromStr;

use triphammer_model::Timestamp;

use crate::problem::Problem;

/// The parameters of one request that are not taken yet.
#[derive(Debug)]
pub(crate) struct Query {
    parameters: Vec<(String, String)>,
}

const PARAMETERS_MAX: usize = 32;
/// How many entries a list has when the request does not say.
pub(crate) const LIMIT_DEFAULT: usize = 50;
pub(crate) const LIMIT_MAX: usize = 1000;

impl Query {
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| wrong(name, "is not percent-encoded UTF-8"))?;
            let value =
                decode(value).ok_or_else(|| wrong(&name, "is not percent-encoded UTF-8"))?;
            if parameters.iter().any(|(earlier, _)| *earlier == name) {
                return Err(wrong(&name, "is given twice"));
            }
            if parameters.len() == PARAMETERS_MAX {
                return Err(Problem::bad_request("http.query", "there are too many parameters"));
            }
            parameters.push((name, value));
        }
        Ok(Self { parameters })
    }

    /// Takes a parameter out; none when it is not given.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let index = self.parameters.iter().position(|(given, _)| given == name)?;
        Some(self.parameters.swap_remove(index).1)
    }

    /// Takes a parameter that is empty when it means nothing.
    pub(crate) fn filled(&mut self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty())
    }

    pub(crate) fn parsed<T: FromStr<Err: Display>>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.filled(name) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|error| wrong(name, &format!("is wrong: {error}")))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &str, default: bool) -> Result<bool, Problem> {
        match self.filled(name).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(wrong(name, "is `true` or `false`")),
        }
    }

    pub(crate) fn time(&mut self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.filled(name) else {
            return Ok(None);
        };
        let time = Timestamp::parse_rfc3339(&text);
        time.map(Some).ok_or_else(|| wrong(name, "is a time such as 2026-01-02T03:04:05Z"))
    }

    /// The parameter `limit`.
    pub(crate) fn limit(&mut self) -> Result<usize, Problem> {
        Ok(self.limit_if_any()?.unwrap_or(LIMIT_DEFAULT))
    }

    /// The same for a list that is whole when the request does not say.
    pub(crate) fn limit_if_any(&mut self) -> Result<Option<usize>, Problem> {
        match self.parsed::<usize>("limit")? {
            Some(limit) if !(1..=LIMIT_MAX).contains(&limit) => {
                Err(wrong("limit", "is a number from 1 to 1000"))
            }
            limit => Ok(limit),
        }
    }

    /// Refuses what is left.
    pub(crate) fn done(&self) -> Result<(), Problem> {
        match self.parameters.first() {
            None => Ok(()),
            Some((name, _)) => Err(wrong(name, "is not known here")),
        }
    }
}

fn wrong(name: &str, rule: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    let detail = format!("the query parameter `{}` {rule}", name.escape_debug());
    Problem::bad_request("http.query", detail).text_member("parameter", &name)
}

fn decode(text: &str) -> Option<String> {
    let spaced: Vec<u8> = text.bytes().map(|b| if b == b'+' { b' ' } else { b }).collect();
    let bytes = crate::codec::percent_decoded(&spaced)?;
    String::from_utf8(bytes.into_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_used_up() {
        let mut query = Query::parse(Some("type=a.*&subject=x%20y+z&limit=7&n=1&&e=")).unwrap();
        assert_eq!(query.text("type").as_deref(), Some("a.*"));
        assert_eq!(query.text("subject").as_deref(), Some("x y z"));
        assert_eq!(query.limit().unwrap(), 7);
        assert_eq!(query.filled("e"), None);
        let problem = query.done().unwrap_err();
        assert!(String::from_utf8(problem.to_json()).unwrap().contains("`n` is not known here"));
    }

    #[track_caller]
    fn refused(text: &str, read: impl FnOnce(&mut Query) -> Result<(), Problem>) {
        let result = Query::parse(Some(text)).and_then(|mut query| read(&mut query));
        assert_eq!(result.unwrap_err().code(), "http.query", "{text}");
    }

    #[test]
    fn wrong_parameters_are_refused() {
        refused("a=%zz", |_| Ok(()));
        refused("a=%ff", |_| Ok(()));
        refused("a=1&a=2", |_| Ok(()));
        refused("limit=0", |query| query.limit().map(drop));
        refused("limit=1001", |query| query.limit().map(drop));
        refused("limit=x", |query| query.limit().map(drop));
        refused("activate=1", |query| query.flag("activate", true).map(drop));
        refused("after=now", |query| query.time("after").map(drop));
    }
}
