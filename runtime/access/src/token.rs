//! One token: what it is for, for whom, and how long. Checked when it is made or read.

use std::time::Duration;

use triphammer_model::{Timestamp, TypePattern};

use crate::error::Error;
use crate::pattern::FunctionPattern;
use crate::rate::Rate;
use crate::scope::{Scope, Scopes};
use crate::text::{Hash, TokenText};

/// What is kept of a token. Its text is not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    pub id: String,
    pub name: String,
    pub scopes: Scopes,
    /// Types of events that may be sent; all when none.
    pub types: Option<Vec<TypePattern>>,
    /// Functions that may be looked at and changed; all when none.
    pub functions: Option<Vec<FunctionPattern>>,
    pub rate: Option<Rate>,
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
    /// The newest first.
    pub secrets: Vec<Secret>,
}

/// One of the secrets that prove a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Secret {
    pub hash: Hash,
    pub created: Timestamp,
    /// Set when another has taken its place.
    pub until: Option<Timestamp>,
}

/// What a new token is to be.
#[derive(Clone, Debug, Default)]
pub struct NewToken {
    pub name: String,
    pub scopes: Scopes,
    pub types: Option<Vec<TypePattern>>,
    pub functions: Option<Vec<FunctionPattern>>,
    pub rate: Option<Rate>,
    pub expires: Option<Timestamp>,
}

impl Token {
    pub const NAME_LEN_MAX: usize = 63;
    pub const PATTERNS_MAX: usize = 64;
    /// Those that are being replaced included.
    pub const SECRETS_MAX: usize = 4;

    pub(crate) fn new(new: NewToken, text: &TokenText, now: Timestamp) -> Result<Self, Error> {
        let NewToken { name, scopes, types, functions, rate, expires } = new;
        let secrets = vec![Secret { hash: text.hash(), created: now, until: None }];
        let id = text.id().to_owned();
        let token =
            Self { id, name, scopes, types, functions, rate, created: now, expires, secrets };
        token.check()?;
        Ok(token)
    }

    /// Refuses what would mean nothing, or not what it seems to.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |rule| Err(Error::setting("the token", &self.name, rule));
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        let in_range = (1..=Self::NAME_LEN_MAX).contains(&self.name.len());
        if !in_range || !self.name.bytes().all(allowed) {
            return wrong("needs a name of 1 to 63 of a-z, 0-9, -, _ and .");
        }
        if self.scopes.is_empty() {
            return wrong("needs a scope: send, read, deploy or operate");
        }
        let changes = self.scopes.has(Scope::Deploy) || self.scopes.has(Scope::Operate);
        let sizes = [self.types.as_ref().map(Vec::len), self.functions.as_ref().map(Vec::len)];
        if sizes.into_iter().flatten().any(|len| !(1..=Self::PATTERNS_MAX).contains(&len)) {
            return wrong("has a list of 1 to 64 patterns, or none for all");
        }
        if self.types.is_some() && !self.scopes.has(Scope::Send) {
            return wrong("has types of events, which are for the scope `send`");
        }
        if self.types.is_some() && changes {
            return wrong(
                "has types of events: with `deploy` or `operate` it could have a function send \
                 any, so they would bind nothing",
            );
        }
        if self.functions.is_some() && !changes && !self.scopes.has(Scope::Read) {
            return wrong("has functions, which are for the scopes `read`, `deploy` and `operate`");
        }
        if !(1..=Self::SECRETS_MAX).contains(&self.secrets.len()) {
            return wrong("has 1 to 4 secrets");
        }
        Ok(())
    }

    /// Makes a new secret; the others end `grace` from now.
    pub(crate) fn rotate(&mut self, grace: Duration, now: Timestamp) -> Result<TokenText, Error> {
        let text = TokenText::with_id(&self.id)?;
        let end = now.plus(grace);
        for secret in &mut self.secrets {
            secret.until = Some(secret.until.map_or(end, |until| until.min(end)));
        }
        self.secrets.retain(|secret| secret.until.is_some_and(|until| until > now));
        self.secrets.insert(0, Secret { hash: text.hash(), created: now, until: None });
        if self.secrets.len() > Self::SECRETS_MAX {
            let rule = "has 4 secrets already: wait until the oldest has ended, or rotate with \
                        --grace 0s";
            return Err(Error::setting("the token", &self.name, rule));
        }
        Ok(text)
    }

    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether this is a secret of the token's; none when it was, and its time is over.
    pub(crate) fn proves(&self, hash: Hash, now: Timestamp) -> Proof {
        // All are compared, whichever it is.
        let same = |proof, secret: &Secret| match secret.hash == hash {
            false => proof,
            true if secret.until.is_some_and(|until| until <= now) => Proof::Ended,
            true => Proof::Good,
        };
        self.secrets.iter().fold(Proof::Wrong, same)
    }

    pub fn may_send(&self, ty: &str) -> bool {
        self.types.as_ref().is_none_or(|types| types.iter().any(|pattern| pattern.matches(ty)))
    }

    pub fn may_touch(&self, function: &str) -> bool {
        let matches = |functions: &Vec<FunctionPattern>| {
            functions.iter().any(|pattern| pattern.matches(function))
        };
        self.functions.as_ref().is_none_or(matches)
    }

    /// Whether functions are no matter: none is left out.
    pub fn is_for_all_functions(&self) -> bool {
        let all = |functions: &Vec<FunctionPattern>| functions.iter().any(FunctionPattern::is_all);
        self.functions.as_ref().is_none_or(all)
    }

    /// Whether types are no matter: none that a sender may use is left out.
    pub fn is_for_all_types(&self) -> bool {
        let all = |types: &Vec<TypePattern>| types.iter().any(|pattern| pattern.as_str() == "**");
        self.types.as_ref().is_none_or(all)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Proof {
    Good,
    Ended,
    Wrong,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn new(scopes: &[Scope]) -> NewToken {
        let scopes = scopes.iter().copied().collect();
        NewToken { name: "ci".into(), scopes, ..NewToken::default() }
    }

    fn make(new: NewToken) -> Result<Token, Error> {
        Token::new(new, &TokenText::generate().unwrap(), NOW)
    }

    fn types(patterns: &[&str]) -> Option<Vec<TypePattern>> {
        Some(patterns.iter().map(|pattern| pattern.parse().unwrap()).collect())
    }

    fn functions(patterns: &[&str]) -> Option<Vec<FunctionPattern>> {
        Some(patterns.iter().map(|pattern| pattern.parse().unwrap()).collect())
    }

    #[test]
    fn what_would_bind_nothing_is_refused() {
        use Scope::{Deploy, Operate, Read, Send};
        let refused = |new| assert_eq!(make(new).unwrap_err().code(), "access.setting");
        refused(new(&[]));
        refused(NewToken { name: "A b".into(), ..new(&[Send]) });
        refused(NewToken { types: types(&[]), ..new(&[Send]) });
        refused(NewToken { types: types(&["a"]), ..new(&[Read]) });
        refused(NewToken { types: types(&["a"]), ..new(&[Send, Deploy]) });
        refused(NewToken { types: types(&["a"]), ..new(&[Send, Operate]) });
        refused(NewToken { functions: functions(&["a"]), ..new(&[Send]) });
        refused(NewToken { functions: functions(&["a"; 65]), ..new(&[Read]) });
        let both = NewToken { types: types(&["a"]), functions: functions(&["b"]), ..new(&[]) };
        assert!(make(NewToken { scopes: new(&[Send, Read]).scopes, ..both }).is_ok());
    }

    #[test]
    fn patterns_bind() {
        let token = make(NewToken {
            types: types(&["order.*", "user.created"]),
            functions: functions(&["billing-*"]),
            ..new(&[Scope::Send, Scope::Read])
        });
        let token = token.unwrap();
        assert!(token.may_send("order.placed") && token.may_send("user.created"));
        assert!(!token.may_send("user.deleted") && !token.may_send("triphammer.delivery.dead"));
        assert!(token.may_touch("billing-eu") && !token.may_touch("orders"));
        assert!(!token.is_for_all_types() && !token.is_for_all_functions());
        let all = make(NewToken { types: types(&["a", "**"]), ..new(&[Scope::Send]) }).unwrap();
        assert!(all.is_for_all_types() && all.is_for_all_functions() && all.may_touch("x"));
    }

    #[test]
    fn the_old_secret_is_good_for_the_grace() {
        let mut token = make(new(&[Scope::Send])).unwrap();
        let old = token.secrets[0].hash;
        let grace = Duration::from_secs(60);
        let text = token.rotate(grace, NOW).unwrap();
        let (end, just_before) = (NOW.plus(grace), Timestamp(NOW.ms() + 59_999));
        assert_eq!(text.id(), token.id);
        assert_eq!(token.proves(text.hash(), end), Proof::Good);
        assert_eq!(token.proves(old, just_before), Proof::Good);
        assert_eq!(token.proves(old, end), Proof::Ended);
        assert_eq!(token.proves(Hash::of(b"x"), NOW), Proof::Wrong);
        // A longer grace later does not lengthen the first one.
        token.rotate(Duration::from_secs(600), NOW).unwrap();
        assert_eq!(token.proves(old, end), Proof::Ended);
        token.rotate(grace, NOW).unwrap();
        assert_eq!(token.rotate(grace, NOW).unwrap_err().code(), "access.setting");
        token.rotate(Duration::ZERO, NOW).unwrap();
        assert_eq!(token.secrets.len(), 1);
    }
}
