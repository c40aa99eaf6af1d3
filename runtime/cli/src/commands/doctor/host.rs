//! Whether a host answers, takes events, and is of this version.

use serde::Deserialize;

use super::finding::Finding;
use crate::args::Global;
use crate::client::{self, Client};
use crate::error::{Error, chain};
use crate::hints;
use crate::output::one_line;

/// Whether a host is where one was looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answers {
    Yes,
    No,
}

pub(super) fn look(global: &Global, findings: &mut Vec<Finding>) -> Answers {
    match asked(global) {
        Ok(version) => {
            findings.push(told(&one_line(&global.url), version.as_deref()));
            Answers::Yes
        }
        Err(error) => {
            let is_connection = error.is_connection();
            let error = Error::from(error);
            let says = chain(&error);
            let next = hints::next(&error).unwrap_or_else(|| "see what the host logs".to_owned());
            // No host is no mistake: one may be about to be started.
            let finding = if is_connection { Finding::warn } else { Finding::fail };
            findings.push(finding("host", says, next));
            if is_connection { Answers::No } else { Answers::Yes }
        }
    }
}

/// The version of a host that takes events, if it tells.
fn asked(global: &Global) -> Result<Option<String>, client::Error> {
    #[derive(Deserialize)]
    struct Document {
        info: Info,
    }
    #[derive(Deserialize)]
    struct Info {
        version: String,
    }
    let client = Client::new(global)?;
    client.get("/readyz")?;
    // Without the right token the host keeps its version to itself.
    let document = client.get("/openapi.json").and_then(|answer| answer.json::<Document>());
    Ok(document.ok().map(|document| document.info.version))
}

fn told(url: &str, version: Option<&str>) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    match version.map(one_line) {
        None => Finding::ok("host", format!("{url} is ready")),
        Some(theirs) if theirs == ours => Finding::ok("host", format!("{url} is ready: {theirs}")),
        Some(theirs) => Finding::warn(
            "host",
            format!("{url} is ready: {theirs}, and this `trip` is {ours}"),
            "use the `trip` of the host's version",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn another_version_is_told() {
        assert_eq!(told("u", Some(env!("CARGO_PKG_VERSION"))).verdict, Verdict::Ok);
        assert_eq!(told("u", None).verdict, Verdict::Ok);
        let other = told("u", Some("99.0\n0"));
        assert_eq!(other.verdict, Verdict::Warn);
        assert!(other.says.starts_with("u is ready: 99.0 0, and this"), "{}", other.says);
    }
}
