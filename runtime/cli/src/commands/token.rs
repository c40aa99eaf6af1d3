//! `trip token`: makes, lists, revokes and renews tokens, in the file that a host reads them from.
//!
//! No host is asked: who may write the file may make tokens. A host that runs takes a change within
//! a second.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};
use triphammer_access::{FunctionPattern, NewToken, Rate, Scope, Token, TokenFile, TokenText};
use triphammer_model::{Timestamp, TypePattern, parse_duration};
use triphammer_server::{AccessConfig, Overrides};

use crate::clock;
use crate::error::Error;
use crate::host;
use crate::output::{BAD, Cell, DIM, NAME, NOTE, Output, Table, note, when};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    place: Place,
}

/// Which host's tokens.
#[derive(clap::Args, Debug)]
struct Place {
    /// The data directory of the host [default: ./triphammer-data]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    /// The host's file of settings, which may keep its tokens elsewhere
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token, and show it this once
    Create(Create),
    /// List the tokens; none is shown
    List,
    /// Take a token away
    Revoke {
        /// The token's name
        name: String,
    },
    /// Give a token a new secret, and show it this once
    Rotate {
        /// The token's name
        name: String,
        /// How long the old secret is still good
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
        grace: Duration,
    },
}

#[derive(clap::Args, Debug)]
struct Create {
    /// What to call it: 1 to 63 of `a-z`, `0-9`, `.`, `-` and `_`
    name: String,
    /// What it may do: send, read, deploy, operate
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// Types of events that it may send, such as `order.*`; all without this
    #[arg(long = "type", value_name = "PATTERN", value_delimiter = ',')]
    types: Vec<TypePattern>,
    /// Functions that it may see and change, such as `billing-*`; all without this
    #[arg(long = "function", value_name = "PATTERN", value_delimiter = ',')]
    functions: Vec<FunctionPattern>,
    /// How fast it may be used, such as 100/s, 60/m, 500/h or 10000/d
    #[arg(long, value_name = "RATE")]
    rate: Option<Rate>,
    /// When it ends: in 12h or 90d, or at a time such as 2030-01-01T00:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = parse_when)]
    expires: Option<When>,
}

#[derive(Clone, Copy, Debug)]
enum When {
    After(Duration),
    At(Timestamp),
}

pub(crate) fn run(args: Args, output: &mut Output) -> Result<(), Error> {
    let overrides = Overrides { data: args.place.data, ..Overrides::default() };
    let access = AccessConfig::load(args.place.config.as_deref(), &overrides);
    let file = TokenFile::new(access.map_err(host::Error::Config)?.tokens);
    match args.action {
        Action::Create(new) => {
            let (token, text) = file.create(new.into(), clock::now())?;
            shown_once(&token, &text, &file, output)
        }
        Action::List => list(&file, output),
        Action::Revoke { name } => {
            let token = file.revoke(&name)?;
            match output.is_json() {
                true => output.json(&view(&token)),
                false => output.line(format_args!("revoked {}", token.name)),
            }
        }
        Action::Rotate { name, grace } => {
            let (token, text) = file.rotate(&name, grace, clock::now())?;
            shown_once(&token, &text, &file, output)
        }
    }
}

/// The token alone is the output, so that a script can keep it.
fn shown_once(
    token: &Token,
    text: &TokenText,
    file: &TokenFile,
    output: &mut Output,
) -> Result<(), Error> {
    if output.is_json() {
        let mut view = view(token);
        view["token"] = text.reveal().into();
        return output.json(&view);
    }
    output.line(text.reveal())?;
    note(format_args!("token `{}`: it is shown this once, keep it", token.name));
    // Where there was none, the host may be another's.
    note(format_args!("its hash is in {}", absolute(file.path()).display()));
    Ok(())
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn list(file: &TokenFile, output: &mut Output) -> Result<(), Error> {
    let tokens = file.read()?;
    if output.is_json() {
        let tokens: Vec<Value> = tokens.iter().flatten().map(view).collect();
        return output.json(&json!({ "tokens": tokens }));
    }
    let path = absolute(file.path());
    let Some(tokens) = tokens else {
        return output.line(format_args!("no tokens: there is no {}", path.display()));
    };
    if tokens.is_empty() {
        return output.line(format_args!("no tokens in {}", path.display()));
    }
    let now = clock::now();
    let mut table =
        Table::new(["NAME", "SCOPES", "TYPES", "FUNCTIONS", "RATE", "CREATED", "EXPIRES"]);
    for token in &tokens {
        let style = if token.is_expired(now) { BAD } else { NOTE };
        let expires = token.expires.map_or_else(|| "never".into(), Timestamp::to_rfc3339);
        table.row([
            Cell::styled(NAME, &token.name),
            scopes(token).join(",").into(),
            patterns(token.types.as_deref())
                .map_or_else(|| "all".into(), |all| all.join(","))
                .into(),
            patterns(token.functions.as_deref())
                .map_or_else(|| "all".into(), |all| all.join(","))
                .into(),
            token.rate.map_or_else(|| "none".to_owned(), |rate| rate.to_string()).into(),
            Cell::styled(DIM, when(&token.created.to_rfc3339())),
            Cell::styled(style, expires),
        ]);
    }
    output.text(&table.render())
}

/// All that is known of a token, which its text is not.
fn view(token: &Token) -> Value {
    let secrets = token.secrets.iter().map(|secret| {
        json!({
            "created": secret.created.to_rfc3339(),
            "until": secret.until.map(Timestamp::to_rfc3339),
        })
    });
    json!({
        "id": token.id,
        "name": token.name,
        "scopes": scopes(token),
        "types": patterns(token.types.as_deref()),
        "functions": patterns(token.functions.as_deref()),
        "rate": token.rate.map(|rate| rate.to_string()),
        "created": token.created.to_rfc3339(),
        "expires": token.expires.map(Timestamp::to_rfc3339),
        "secrets": secrets.collect::<Vec<_>>(),
    })
}

fn scopes(token: &Token) -> Vec<String> {
    token.scopes.iter().map(|scope| scope.to_string()).collect()
}

/// None for all.
fn patterns<T: ToString>(patterns: Option<&[T]>) -> Option<Vec<String>> {
    patterns.map(|patterns| patterns.iter().map(ToString::to_string).collect())
}

fn parse_when(text: &str) -> Result<When, String> {
    if let Some(time) = Timestamp::parse_rfc3339(text) {
        return Ok(When::At(time));
    }
    parse_duration(text).map(When::After).map_err(|error| format!("{error}, or a time (RFC 3339)"))
}

impl From<Create> for NewToken {
    fn from(create: Create) -> Self {
        let Create { name, scopes, types, functions, rate, expires } = create;
        let expires = expires.map(|when| match when {
            When::After(time) => clock::now().plus(time),
            When::At(time) => time,
        });
        Self {
            name,
            scopes: scopes.into_iter().collect(),
            types: (!types.is_empty()).then_some(types),
            functions: (!functions.is_empty()).then_some(functions),
            rate,
            expires,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_time_or_how_long_until_then() {
        assert!(
            matches!(parse_when("90d"), Ok(When::After(time)) if time.as_secs() == 90 * 86_400)
        );
        assert!(matches!(parse_when("1970-01-01T00:00:01Z"), Ok(When::At(Timestamp(1000)))));
        for wrong in ["", "soon", "2030-01-01", "-1d"] {
            assert!(parse_when(wrong).is_err(), "{wrong}");
        }
    }
}
