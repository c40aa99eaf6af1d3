//! What to do next about an error, as the second line of what a failed command says.
//!
//! Of codes it is what `model::codes` says, which is the host's part; here is what the command line
//! itself knows. Errors that say it themselves have no hint.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use triphammer_model::codes;

use crate::error::Error;
use crate::{client, host, load, project};

/// What a person at this command line does about a code, where that is more than anybody else can.
const CODES: [(&str, &str); 8] = [
    ("http.unauthorized", TOKEN),
    ("auth.token", TOKEN),
    ("http.not_found", "see with `trip doctor` whether the host is of this version"),
    ("http.streams", "end another `trip tail` or `trip top`, or raise `http.streams_max`"),
    ("event.not_found", "see with `trip events` what is kept"),
    ("module.core", "build it with `trip build DIR`, and deploy what that names"),
    ("journal.in_use", "see with `trip doctor --data DIR` who has it, or give another with --data"),
    ("journal.disk_full", "make room, and see with `trip doctor` how much there is"),
];
const TOKEN: &str = "give one with --token or TRIPHAMMER_TOKEN; `trip token create NAME` on the \
    host's machine makes one";
const START: &str = "start a host with `trip up`, or name the one that runs with --url";

/// What to do about this error, if there is anything that the error does not say.
pub(crate) fn next(error: &Error) -> Option<String> {
    if let Some(hint) = error.code().and_then(of_code) {
        return Some(hint.to_owned());
    }
    match error {
        Error::Client(error) => of_client(error),
        Error::Project(error) => of_project(error),
        Error::Load(load::Error::Connect { .. }) => Some(START),
        Error::Load(load::Error::HostGone { .. }) => Some("see what the host logged"),
        Error::Host(error) => of_host(error),
        Error::NoEvent { .. } => Some("see with `trip events` what is kept"),
        Error::Terminal(_) => Some("print lines with --plain, or one look with --once"),
        Error::Watch(_) => Some(WATCH),
        _ => None,
    }
    .map(str::to_owned)
}

const WATCH: &str = "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances, or watch \
    fewer directories";

fn of_code(code: &str) -> Option<&'static str> {
    let ours = CODES.iter().find(|(known, _)| *known == code).map(|(_, hint)| *hint);
    ours.or_else(|| codes::find(code).map(|code| code.next).filter(|next| !next.is_empty()))
}

fn of_client(error: &client::Error) -> Option<&'static str> {
    use client::Error;
    Some(match error {
        Error::Url { .. } => "write http://ADDRESS:PORT or https://ADDRESS:PORT",
        Error::Token => "copy it again: a token has only printable ASCII",
        Error::Handshake { .. } => "see --ca, --client-cert and --client-key",
        Error::Unreachable { .. } => START,
        Error::Broken { .. } => "see with `trip doctor` whether the host still runs",
        Error::TimedOut { .. } => "see what the host logs, or try again",
        Error::Unexpected { .. } => "see whether --url names a Triphammer host",
        Error::Shape(_) => "see with `trip doctor` whether the host is of this version",
        Error::Pem { .. } => "name a file that has BEGIN and END lines",
        _ => return None,
    })
}

fn of_project(error: &project::Error) -> Option<&'static str> {
    use project::Error;
    Some(match error {
        Error::NoManifest { .. } => {
            "give a function's directory, or begin a function with `trip new NAME`"
        }
        Error::Workspace { .. } => "give the directory of one of its functions",
        Error::NoComponent { .. } => {
            "add `crate-type = [\"cdylib\"]` to [lib] in the package's Cargo.toml"
        }
        Error::NoTool { .. } => "install Rust from https://rustup.rs",
        Error::NoTarget { .. } => "run `rustup target add wasm32-wasip2`",
        Error::Build { .. } => "mend what the compiler names, and build again",
        Error::Metadata { .. } => "mend its Cargo.toml",
        Error::Exists { .. } => "choose another name, or remove it",
        Error::Embedded => "build `trip` again",
        _ => return None,
    })
}

fn of_host(error: &host::Error) -> Option<&'static str> {
    use host::Error;
    Some(match error {
        Error::Filter { .. } => "write info, or target=level with commas between",
        Error::Ended { .. } | Error::NotReady { .. } => "see with `trip doctor` what is in its way",
        _ => return None,
    })
}

/// What to do about a command that was not understood; `words` is what was written behind `trip`.
pub(crate) fn usage(error: &clap::Error, words: &[String], commands: &[String]) -> Option<String> {
    let command = words.iter().find(|word| commands.contains(word));
    match (error.kind(), command) {
        (ErrorKind::InvalidSubcommand, _) => Some(match suggested(error) {
            Some(nearest) => format!("`trip {nearest}`, or `trip help` for all commands"),
            None => "`trip help` lists the commands".to_owned(),
        }),
        (ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, _) => None,
        (_, Some(command)) => Some(format!("`trip {command} --help` says what it takes")),
        (_, None) => Some("`trip help` lists the commands".to_owned()),
    }
}

/// The command that looks most like what was written.
fn suggested(error: &clap::Error) -> Option<&str> {
    match error.get(ContextKind::SuggestedSubcommand)? {
        ContextValue::String(nearest) => Some(nearest),
        ContextValue::Strings(nearest) => nearest.first().map(String::as_str),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::args::Args;

    #[track_caller]
    fn check(error: impl Into<Error>, expect: Option<&str>) {
        let found = next(&error.into());
        match expect {
            Some(part) => assert!(found.as_deref().is_some_and(|f| f.contains(part)), "{found:?}"),
            None => assert_eq!(found, None),
        }
    }

    fn problem(code: &str) -> client::Error {
        client::Error::Problem(serde_json::from_value(serde_json::json!({"code": code})).unwrap())
    }

    #[test]
    fn what_the_command_line_knows_says_what_to_do() {
        let cause = || io::Error::from(io::ErrorKind::ConnectionRefused);
        check(client::Error::Unreachable { url: "u".into(), cause: cause() }, Some("trip up"));
        check(client::Error::Unexpected { status: 502 }, Some("--url"));
        let build = project::Error::Build { package: "p".into(), message: None };
        check(build, Some("compiler"));
        check(project::Error::NoManifest { dir: "d".into() }, Some("trip new"));
        check(load::Error::Connect { address: "a".into(), cause: cause() }, Some("trip up"));
        let ended = host::Error::NotReady { seconds: 1, last: String::new() };
        check(ended, Some("trip doctor"));
        check(Error::NoEvent { id: "x".into() }, Some("trip events"));
        check(Error::Terminal(cause()), Some("--plain"));
        check(Error::Failed("it failed".into()), None);
    }

    #[test]
    fn codes_of_the_host_say_what_to_do() {
        check(problem("http.unauthorized"), Some("trip token"));
        check(problem("function.not_found"), Some("trip functions"));
        check(problem("manifest.invalid"), Some("member"));
        check(Error::Run { code: "invoke.deadline".into() }, Some("timeout"));
        check(problem("not.a_code"), None);
        for (code, _) in CODES.iter().filter(|(code, _)| !code.starts_with("auth.")) {
            assert!(codes::find(code).is_some(), "{code}");
        }
    }

    #[track_caller]
    fn check_usage(words: &[&str], expect: Option<&str>) {
        let error = Args::try_parse_from([&["trip"], words].concat()).unwrap_err();
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let root = Args::command();
        let commands: Vec<_> =
            root.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        assert_eq!(usage(&error, &words, &commands).as_deref(), expect);
    }

    #[test]
    fn wrong_usage_names_the_nearest_command_or_its_help() {
        check_usage(&["tial"], Some("`trip tail`, or `trip help` for all commands"));
        check_usage(&["xyzzy"], Some("`trip help` lists the commands"));
        check_usage(&["--json", "tail", "--colour"], Some("`trip tail --help` says what it takes"));
        check_usage(&["--colour"], Some("`trip help` lists the commands"));
        check_usage(&[], None);
    }
}
