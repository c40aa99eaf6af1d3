//! What a hook's settings may be.

use http::Method;
use triphammer_model::Timestamp;

use super::{by_name, hook};
use crate::{Hook, InvalidHook, Request};

const GITHUB: &str = "provider='github'\nsecrets=['x']\n";

#[track_caller]
fn refused(toml: &str, code: &str, part: &str) {
    let error = hook(toml, &["a"]).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(part), "{error}");
}

#[test]
fn settings_that_make_no_hook_are_named() {
    refused("provider='githab'\nsecrets=['x']", "hook.provider_unknown", "`githab`");
    refused("provider='github'\nsecrets=[]", "hook.setting", "`secrets`");
    refused("provider='github'\nsecrets=['x','y']", "hook.secret_unresolved", "number 2");
    refused("provider='discord'\nsecrets=['x']", "hook.secret", "number 1 is not hex");
    for (setting, more) in [
        ("`header`", "header='a b'"),
        ("`tolerance`", "tolerance='5m'"),
        ("`type`", "type='{'"),
        ("`type`", "type='{body}'"),
        ("`type`", "type='triphammer.delivery.dead'"),
        ("`type`", "type='./'"),
        ("`source`", "source=''"),
        ("`source`", "source='a b'"),
        ("`keep_headers`", "keep_headers=['cookie']"),
        ("`body_limit`", "body_limit='0B'"),
        ("`body_limit`", "body_limit='33MiB'"),
        ("`body_limit`", "body_limit='1MB'"),
    ] {
        refused(&format!("{GITHUB}{more}"), "hook.setting", setting);
    }
    refused("provider='stripe'\nsecrets=['x']\ntolerance='0s'", "hook.setting", "`tolerance`");
    let pair = hook(
        "provider='gitlab-signed'\nsecrets=['x']",
        &["whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="],
    );
    assert_eq!(pair.unwrap_err().code(), "hook.secret");
}

#[test]
fn a_hook_s_name_is_part_of_a_path() {
    let of = |name: &str| {
        Hook::new(name, toml::from_str(GITHUB).unwrap(), |_| Ok(crate::Secret::new("a")))
    };
    assert!(of("a-1").is_ok());
    for name in ["", "A", "a/b", "-a", "a-", "ü", &"a".repeat(64)] {
        assert_eq!(of(name).unwrap_err().code(), "hook.name");
    }
}

#[test]
fn what_is_set_goes_before_the_provider_s_own() {
    let sample = by_name("github");
    let check = |more: &str| {
        let hook = hook(&format!("{GITHUB}{more}"), &[sample.secret]).unwrap();
        let verified = sample.verify_with(&hook, &sample.header_map(), sample.body.as_bytes());
        match verified.unwrap() {
            crate::Outcome::Event(verified) => verified.parts,
            crate::Outcome::Answer(reply) => panic!("{reply:?}"),
        }
    };
    assert_eq!(check("type='code.{type}'").ty, "code.push");
    assert_eq!(check("type='{hook}.All'").ty, "h.all");
    assert_eq!(check("source='https://github.com/a'").source, "https://github.com/a");
    let names = |parts: triphammer_model::EventParts| -> Vec<String> {
        parts.extensions.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(check("")), ["hdrxgithubevent"]);
    assert_eq!(names(check("keep_headers=['X-GitHub-Delivery']")), ["hdrxgithubdelivery"]);
    assert!(names(check("keep_headers=[]")).is_empty());
}

#[test]
fn another_header_can_have_the_signature() {
    let sample = by_name("api-key").with("authorization", "bearer k-1");
    let toml = "provider='api-key'\nsecrets=['x']\nheader='Authorization'";
    let hook = hook(toml, &["k-1"]).unwrap();
    let mut headers = sample.header_map();
    headers.remove("x-api-key");
    assert!(sample.verify_with(&hook, &headers, b"{}").is_ok());
    headers.remove("authorization");
    let refused = sample.verify_with(&hook, &headers, b"{}").unwrap_err();
    assert_eq!(refused.code(), "hook.signature_missing");
}

#[test]
fn larger_bodies_and_other_methods_are_refused() {
    let sample = by_name("basic");
    let hook = hook("provider='basic'\nsecrets=['x']\nbody_limit='5B'", &[sample.secret]).unwrap();
    assert_eq!(hook.body_bytes_max(), 5);
    let headers = sample.header_map();
    assert!(sample.verify_with(&hook, &headers, b"hello").is_ok());
    let refused = sample.verify_with(&hook, &headers, b"hello!").unwrap_err();
    assert_eq!((refused.code(), refused.status().as_u16()), ("hook.too_large", 413));
    for method in [Method::GET, Method::PUT] {
        let body = sample.body.clone().into();
        let request = Request { method: &method, url: sample.url, headers: &headers, body: &body };
        let refused = hook.verify(request, Timestamp(0)).unwrap_err();
        assert_eq!((refused.code(), refused.status().as_u16()), ("hook.method", 405));
    }
}

#[test]
fn nothing_secret_is_shown() {
    let secret = "hunter2-hunter2";
    let toml = "provider='api-key'\nsecrets=['hunter2-hunter2']";
    let raw: crate::RawHook = toml::from_str(toml).unwrap();
    assert!(!format!("{raw:?}").contains("hunter2"));
    let made = Hook::new("h", raw, |text| Ok(crate::Secret::new(text))).unwrap();
    assert!(!format!("{made:?}").contains("hunter2"));
    let wrong = hook("provider='discord'\nsecrets=['x']", &[secret]).unwrap_err();
    assert!(!format!("{wrong:?}{wrong}").contains("hunter2"));
    let none: InvalidHook = hook("provider='api-key'\nsecrets=['hunter2']", &[]).unwrap_err();
    assert!(!format!("{none:?}{none}").contains("hunter2"));
}
