//! Every setting, by file and by environment, and what is refused.

use super::*;

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = |name: &str| {
        environment.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned())
    };
    Config::from_parts(Path::new("test.toml"), text, environment, &Overrides::default())
}

/// The error with its cause, as it is shown at start.
fn shown(error: &ConfigError) -> String {
    let cause = std::error::Error::source(error).map_or_else(String::new, ToString::to_string);
    format!("{error}: {cause}")
}

#[track_caller]
fn refused(text: &str, code: &str, named: &str) {
    let error = load(text, &[]).unwrap_err();
    assert_eq!(error.code(), code, "{text}");
    assert!(shown(&error).contains(named), "{}", shown(&error));
}

#[test]
fn the_example_has_every_setting_with_its_default() {
    let example = include_str!("../../../../deploy/triphammer.toml");
    let defaults = load("", &[]).unwrap();
    assert_eq!(format!("{:?}", load(example, &[]).unwrap()), format!("{defaults:?}"));
    for name in RawConfig::names() {
        let written = |line: &str| {
            let line = line.strip_prefix("# ").unwrap_or(line);
            line.strip_prefix(&name).is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        assert!(example.lines().any(written), "deploy/triphammer.toml lacks `{name}`");
    }
}

#[test]
fn what_is_commented_out_of_the_example_is_valid_too() {
    let example = include_str!("../../../../deploy/triphammer.toml");
    let text = example.replace("# token = ", "token = ");
    assert_ne!(text, example);
    assert!(load(&text, &[]).unwrap().token.is_some());
}

#[test]
fn limits_default_to_the_models() {
    assert_eq!(load("", &[]).unwrap().pipeline.limits, Limits::default());
}

#[test]
fn wrong_settings_are_named() {
    refused("listn = \"a\"", "config.syntax", "listn");
    refused("[dedup]\nwindw = \"1d\"", "config.syntax", "windw");
    refused("workers = \"many\"", "config.syntax", "workers");
    refused("listen = ", "config.syntax", "test.toml");
    refused("listen = \"7070\"", "config.invalid", "`listen`");
    refused("data = \"\"", "config.invalid", "`data`");
    refused("workers = 2000", "config.invalid", "`workers`");
    refused("token = \"a b\"", "config.invalid", "`token`");
    refused("token = \"a\"\ntoken_file = \"b\"", "config.invalid", "`token_file`");
    refused("token_file = \"/does/not/exist\"", "config.unreadable", "/does/not/exist");
    refused("allowed_hosts = [\"http://a\"]", "config.invalid", "`allowed_hosts`");
    refused("allowed_hosts = [\"a:80\"]", "config.invalid", "`allowed_hosts`");
    refused("[dedup]\nwindow = \"a day\"", "config.invalid", "`dedup.window`");
    refused("[events]\nbytes_max = \"1B\"", "config.invalid", "`events.bytes_max`");
    refused("[events]\nbatch_bytes_max = \"1KiB\"", "config.invalid", "`events.batch_bytes_max`");
    refused("[events]\nbatch_events_max = 0", "config.invalid", "`events.batch_events_max`");
    refused("[http]\nbody_memory = \"1MiB\"", "config.invalid", "`http.body_memory`");
    refused("[http]\nbody_timeout = \"0s\"", "config.invalid", "`http.body_timeout`");
    refused("[audit]\nfiles = 0", "config.invalid", "`audit.files`");
    refused("[audit]\nfile_bytes = \"1B\"", "config.invalid", "`audit.file_bytes`");
    refused("[tls]\ncert = \"c\"", "config.invalid", "`tls.key`");
    refused("[tls]\nkey = \"k\"", "config.invalid", "`tls.cert`");
    refused("[tls]\nclient_ca = \"ca\"", "config.invalid", "`tls.cert`");
}

const SECRET: &str = "[secrets.KEY]\nhosts = [\"a.example\"]\nfunctions = [\"pay\"]\n";

#[test]
fn requests_and_secrets_are_read_from_where_they_are() {
    let text = format!("[http_out]\nallow = [\"*.example\"]\nrequests = 5\n{SECRET}env = \"K\"");
    let environment =
        [("K", "s3cret\n"), ("TRIPHAMMER_HTTP_OUT_ALLOW_PRIVATE", "db.local, 10.0.0.7")];
    let config = load(&text, &environment).unwrap();
    let out = &config.pipeline.http_out;
    assert_eq!((out.allow.len(), out.allow_private.len()), (1, 2));
    assert_eq!(config.pipeline.limits.http_requests_max, 5);
    let function = "pay".parse().unwrap();
    assert_eq!(out.secrets.refusal(&"KEY".parse().unwrap(), &function), None);
    assert!(!format!("{config:?}").contains("s3cret"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "from-a-file\n").unwrap();
    let text = format!("{SECRET}file = {:?}", file.path().display().to_string());
    assert!(load(&text, &[]).is_ok());
}

#[test]
fn wrong_requests_and_secrets_are_named_and_not_shown() {
    refused("[http_out]\nallow = [\"ftp://a\"]", "config.invalid", "`http_out.allow`");
    refused("[http_out]\nallow_private = [\"10.0.0.0/8\"]", "config.invalid", "allow_private");
    refused("[http_out]\nrequests = 0", "config.invalid", "`http_out.requests`");
    refused("[http_out]\nconcurrency = 0", "config.invalid", "`http_out.concurrency`");
    refused("[http_out]\nconnect_timeout = \"0s\"", "config.invalid", "connect_timeout");
    refused("[http_out]\ncertificates = \"/nowhere\"", "config.unreadable", "/nowhere");
    refused(SECRET, "config.secret", "one of `env`, `file` and `value`");
    refused(&format!("{SECRET}env = \"NOT_SET\""), "config.secret", "NOT_SET is not set");
    refused(&format!("{SECRET}file = \"/nowhere\""), "config.secret", "/nowhere");
    refused(&format!("{SECRET}env = \"A\"\nvalue = \"b\""), "config.secret", "one of");
    refused(&format!("{SECRET}valu = \"b\""), "config.syntax", "valu");
    refused("[secrets.\"a b\"]\nvalue = \"x\"", "config.secret", "`a b`");
    refused("[secrets.KEY]\nvalue = \"x\"", "config.secret", "`hosts`");
    for wrong in ["4711", "\"4711\\n4711\"", "\"4711ä\"", "[\"4711\"]"] {
        let error = load(&format!("{SECRET}value = {wrong}"), &[]).unwrap_err();
        assert_eq!(error.code(), "config.secret", "{wrong}");
        assert!(!shown(&error).contains("4711"), "{}", shown(&error));
    }
    let broken = load(&format!("{SECRET}value = \"4711"), &[]).unwrap_err();
    assert!(!shown(&broken).contains("4711"), "{}", shown(&broken));
}

#[test]
fn the_environment_overrides_the_file() {
    let environment = [
        ("TRIPHAMMER_LISTEN", "localhost:1"),
        ("TRIPHAMMER_WORKERS", "3"),
        ("TRIPHAMMER_ALLOWED_HOSTS", "a.example, B.example"),
        ("TRIPHAMMER_DEDUP_WINDOW", "2h"),
        ("TRIPHAMMER_PORT", "tcp://10.0.0.1:7070"),
    ];
    let config = load("listen = \"127.0.0.1:2\"\nworkers = 5", &environment).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:1");
    assert_eq!(config.pipeline.workers, 3);
    assert_eq!(config.allowed_hosts, ["a.example", "b.example"]);
    assert_eq!(config.pipeline.dedup_window, Duration::from_secs(7200));
    let error = load("", &[("TRIPHAMMER_WORKERS", "x")]).unwrap_err();
    assert!(error.to_string().contains("TRIPHAMMER_WORKERS"), "{error}");
    let error = load("", &[("TRIPHAMMER_ACCESS_INSECURE", "yes")]).unwrap_err();
    assert!(error.to_string().contains("true or false"), "{error}");
}

#[test]
fn the_command_line_overrides_all() {
    let overrides = Overrides {
        listen: Some("[::1]:9".into()),
        data: Some("/d".into()),
        insecure_listen: true,
    };
    let none = |_: &str| None;
    let config = Config::from_parts(Path::new("f"), "data = \"/e\"", none, &overrides).unwrap();
    assert_eq!(config.listen.to_string(), "[::1]:9");
    assert_eq!(config.pipeline.data, Path::new("/d"));
    assert_eq!(config.access.insecure, Insecure { by_flag: true, by_setting: false });
}

#[test]
fn tokens_and_the_audit_log_are_in_the_data_directory_unless_told() {
    let config = load("data = \"/d\"", &[("TRIPHAMMER_ACCESS_REQUIRED", "true")]).unwrap();
    assert_eq!(config.access.tokens, Path::new("/d/access/tokens.toml"));
    assert_eq!(config.audit.path, Path::new("/d/access/audit.jsonl"));
    assert!(config.access.required && config.tls.is_none());
    let text =
        "[access]\ntokens = \"/t\"\n[audit]\npath = \"/a\"\n[tls]\ncert = \"c\"\nkey = \"k\"";
    let config = load(text, &[]).unwrap();
    assert_eq!((config.access.tokens, config.audit.path), ("/t".into(), "/a".into()));
    let tls = config.tls.unwrap();
    assert_eq!((tls.cert, tls.key, tls.client_ca), ("c".into(), "k".into(), None));
}

#[test]
fn a_token_is_never_shown() {
    assert_eq!(format!("{:?}", Token::new("s3cret").unwrap()), "Token(…)");
    assert!(["", "a b", "ä", "a\n"].iter().all(|text| Token::new(text).is_none()));
}
