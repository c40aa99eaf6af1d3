//! What a token is good for. Knows no routes.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// One kind of thing that can be done. None implies another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Events in.
    Send,
    /// All that only looks.
    Read,
    /// New code: deploys, which revision serves, dry runs.
    Deploy,
    /// What becomes of functions and deliveries, replays, the audit log.
    Operate,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Send, Self::Read, Self::Deploy, Self::Operate];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Read => "read",
            Self::Deploy => "deploy",
            Self::Operate => "operate",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let rule = "is no scope: there are send, read, deploy and operate";
        let known = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        known.ok_or_else(|| Error::setting("the scope", text, rule))
    }
}

/// Any of the scopes, each at most once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Scopes(u8);

impl Scopes {
    pub const ALL: Self = Self(0b1111);

    pub fn has(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | bit(scope)))
    }
}

fn bit(scope: Scope) -> u8 {
    match scope {
        Scope::Send => 1,
        Scope::Read => 2,
        Scope::Deploy => 4,
        Scope::Operate => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_none_of_the_others() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse::<Scope>().unwrap(), scope);
            let only: Scopes = [scope, scope].into_iter().collect();
            assert_eq!(only.iter().collect::<Vec<_>>(), [scope]);
        }
        assert_eq!(Scope::ALL.into_iter().collect::<Scopes>(), Scopes::ALL);
        assert!(Scopes::default().is_empty());
        for text in ["", "Send", "admin", "send "] {
            assert_eq!(text.parse::<Scope>().unwrap_err().code(), "access.setting", "{text}");
        }
    }
}
