//! What a deploy says of requests that its function could never make. Makes none, and refuses nothing: the
//! operator may allow them later.

use std::collections::BTreeMap;

use triphammer_model::{FunctionName, HostPattern, Manifest, Target, TargetPattern};
use triphammer_outbound::{Client, SecretName};

/// What is deployed.
pub(crate) struct Of<'a> {
    pub(crate) function: &'a FunctionName,
    pub(crate) manifest: &'a Manifest,
    pub(crate) config: &'a BTreeMap<String, String>,
}

pub(crate) fn warnings(of: &Of<'_>, makes_requests: bool, client: &Client) -> Vec<String> {
    let mut warnings = Vec::new();
    match (&of.manifest.http, makes_requests) {
        (None, true) => warnings.push(
            "the component imports `wasi:http`, and its manifest has no `http`: all its requests \
             are denied"
                .to_owned(),
        ),
        (Some(_), false) => warnings.push(
            "the manifest has `http`, and the component does not import `wasi:http`: it makes no \
             requests"
                .to_owned(),
        ),
        (Some(_), true) | (None, false) => {}
    }
    let allow = of.manifest.http.iter().flat_map(|http| &http.allow);
    let denied = allow.filter_map(target).filter(|target| !client.allows(target));
    warnings.extend(denied.map(|target| {
        format!("this host's `http_out.allow` does not name {target}: requests to it are denied")
    }));
    let secrets = of.config.iter().filter_map(|(key, value)| Some((key, secret(value)?)));
    warnings.extend(secrets.filter_map(|(key, name)| {
        let refusal = client.secrets().refusal(&name, of.function)?;
        Some(format!("`{key}` of the configuration: {refusal}"))
    }));
    warnings
}

/// The one target of a pattern, if it has only one.
fn target(pattern: &TargetPattern) -> Option<Target> {
    match pattern {
        TargetPattern::At { scheme, host: HostPattern::Exact(host), port } => {
            Some(Target { scheme: *scheme, host: host.clone(), port: *port })
        }
        _ => None,
    }
}

/// The secret that a value of the configuration stands for.
fn secret(value: &str) -> Option<SecretName> {
    value.strip_prefix("secret:")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use triphammer_model::Limits;
    use triphammer_outbound::Options;

    use super::*;

    #[track_caller]
    fn check(http: &str, config: &[(&str, &str)], makes_requests: bool, expect: &[&str]) {
        let text = format!(r#"{{"on": "a"{http}}}"#);
        let manifest = Manifest::from_json(&text, &Limits::default()).unwrap();
        let config =
            config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let allow = vec!["*.example.com".parse().unwrap()];
        let client = Client::new(Options { allow, ..Options::default() }).unwrap();
        let function = "pay".parse().unwrap();
        let of = Of { function: &function, manifest: &manifest, config: &config };
        let found = warnings(&of, makes_requests, &client);
        assert_eq!(found.len(), expect.len(), "{found:?}");
        for (warning, says) in found.iter().zip(expect) {
            assert!(warning.contains(says), "{warning}");
        }
    }

    #[test]
    fn what_could_never_be_sent_is_told_at_the_deploy() {
        check("", &[], false, &[]);
        check("", &[], true, &["has no `http`"]);
        let http =
            r#", "http": {"allow": ["api.example.com", "*.evil.org", "http://a.example.com"]}"#;
        check(http, &[], true, &["does not name http://a.example.com"]);
        check(r#", "http": {"allow": "api.example.com"}"#, &[], false, &["does not import"]);
    }

    #[test]
    fn secrets_that_a_function_may_not_use_are_told() {
        let config = [("key", "secret:KEY"), ("text", "secret"), ("odd", "secret:a b")];
        check("", &config, false, &["`key` of the configuration: this host has no secret `KEY`"]);
    }
}
