//! Tokens as they are written: TOML that a person can read. Checks everything that it reads.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use triphammer_model::Timestamp;

use crate::scope::Scope;
use crate::text::{Hash, is_id};
use crate::token::{Secret, Token};

/// The most tokens that there are at a time.
pub(crate) const TOKENS_MAX: usize = 1000;
const VERSION: u32 = 1;
const HEAD: &str = "# Made by `trip token`. The secrets themselves are not in here.\n";

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    version: u32,
    #[serde(default, rename = "token", skip_serializing_if = "Vec::is_empty")]
    tokens: Vec<RawToken>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawToken {
    id: String,
    name: String,
    scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    functions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<String>,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(rename = "secret")]
    secrets: Vec<RawSecret>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawSecret {
    hash: String,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

/// The tokens in a text, or what is wrong with it.
pub(crate) fn read(text: &str) -> Result<Vec<Token>, String> {
    let raw: RawFile = toml::from_str(text).map_err(|error| one_line(&error.to_string()))?;
    if raw.version != VERSION {
        return Err(format!("they are of version {}, not {VERSION}", raw.version));
    }
    if raw.tokens.len() > TOKENS_MAX {
        return Err(format!("there are more than {TOKENS_MAX}"));
    }
    let tokens: Vec<Token> =
        raw.tokens.into_iter().map(RawToken::check).collect::<Result<_, _>>()?;
    let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
    match tokens.iter().find(|token| !ids.insert(&token.id) || !names.insert(&token.name)) {
        Some(twice) => Err(format!("`{}` has the id or the name of another", twice.name)),
        None => Ok(tokens),
    }
}

pub(crate) fn write(tokens: &[Token]) -> Result<String, String> {
    let tokens = tokens.iter().map(RawToken::of).collect();
    let text = toml::to_string(&RawFile { version: VERSION, tokens });
    text.map(|text| format!("{HEAD}{text}")).map_err(|error| error.to_string())
}

/// What the reader of TOML says has a picture of the place, over several lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl RawToken {
    fn of(token: &Token) -> Self {
        let secret = |secret: &Secret| RawSecret {
            hash: secret.hash.to_text(),
            created: secret.created.to_rfc3339(),
            until: secret.until.map(Timestamp::to_rfc3339),
        };
        Self {
            id: token.id.clone(),
            name: token.name.clone(),
            scopes: token.scopes.iter().map(|scope| scope.to_string()).collect(),
            types: token.types.as_deref().map(texts),
            functions: token.functions.as_deref().map(texts),
            rate: token.rate.map(|rate| rate.to_string()),
            created: token.created.to_rfc3339(),
            expires: token.expires.map(Timestamp::to_rfc3339),
            secrets: token.secrets.iter().map(secret).collect(),
        }
    }

    fn check(self) -> Result<Token, String> {
        if !is_id(&self.id) {
            return Err(format!("the id of `{}` is none", self.name));
        }
        let scopes: Vec<Scope> = all(&self.scopes)?;
        let token = Token {
            scopes: scopes.into_iter().collect(),
            types: self.types.as_deref().map(all).transpose()?,
            functions: self.functions.as_deref().map(all).transpose()?,
            rate: self.rate.as_deref().map(one).transpose()?,
            created: time(&self.created)?,
            expires: self.expires.as_deref().map(time).transpose()?,
            secrets: self.secrets.iter().map(RawSecret::check).collect::<Result<_, _>>()?,
            id: self.id,
            name: self.name,
        };
        token.check().map_err(|error| error.to_string())?;
        Ok(token)
    }
}

impl RawSecret {
    fn check(&self) -> Result<Secret, String> {
        let hash = Hash::parse(&self.hash).ok_or("a hash is not `blake3:` and 64 digits")?;
        let until = self.until.as_deref().map(time).transpose()?;
        Ok(Secret { hash, created: time(&self.created)?, until })
    }
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn one<T: FromStr<Err: ToString>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn all<T: FromStr<Err: ToString>>(texts: &[String]) -> Result<Vec<T>, String> {
    texts.iter().map(|text| one(text)).collect()
}

fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("`{}` is no time", text.chars().take(64).collect::<String>());
    Timestamp::parse_rfc3339(text).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::TokenText;
    use crate::token::NewToken;

    fn token(name: &str) -> Token {
        let new = NewToken {
            name: name.into(),
            scopes: [Scope::Send, Scope::Read].into_iter().collect(),
            types: Some(vec!["order.**".parse().unwrap()]),
            functions: Some(vec!["billing-*".parse().unwrap()]),
            rate: Some("100/s".parse().unwrap()),
            expires: Some(Timestamp(2_000_000)),
        };
        Token::new(new, &TokenText::generate().unwrap(), Timestamp(1_000_000)).unwrap()
    }

    #[test]
    fn tokens_come_back_as_they_were() {
        let mut rotated = token("b");
        rotated.rotate(std::time::Duration::from_secs(5), Timestamp(1_500_000)).unwrap();
        let tokens = [token("a"), rotated];
        let text = write(&tokens).unwrap();
        assert_eq!(read(&text).unwrap(), tokens);
        assert_eq!(read("version = 1").unwrap(), []);
        assert_eq!(read(&write(&[]).unwrap()).unwrap(), []);
    }

    #[track_caller]
    fn refused(from: &str, to: &str, part: &str) {
        let text = write(&[token("a"), token("b")]).unwrap();
        assert!(text.contains(from), "{text}");
        let error = read(&text.replace(from, to)).unwrap_err();
        assert!(error.contains(part) && !error.contains('\n'), "{error}");
    }

    #[test]
    fn nothing_that_is_not_understood_is_let_through() {
        refused("version = 1", "version = 2", "version 2");
        refused("version = 1", "version = 1\nextra = 1", "extra");
        refused("name = \"b\"", "name = \"a\"", "`a`");
        refused("name = \"b\"", "name = \"B\"", "needs a name");
        refused("\"send\"", "\"root\"", "`root` is no scope");
        refused("[\"order.**\"]", "[]", "1 to 64 patterns");
        refused("order.**", "order..x", "pattern");
        refused("billing-*", "Billing", "pattern");
        refused("100/s", "fast", "no rate");
        refused("blake3:", "md5:", "hash");
        refused("1970-01-01T00:16:40.000Z", "yesterday", "no time");
        refused("id = \"", "id = \"x", "id");
        refused("rate = ", "rates = ", "rates");
    }
}
