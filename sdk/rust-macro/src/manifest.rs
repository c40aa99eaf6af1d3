//! The attribute's arguments, which are the manifest's members: which there are, and what they must
//! be together. Whether the host enforces a member is the host's to say.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Meta, Result, Token};

use crate::cron::cron;
use crate::members::{Errors, List, Member, Object, Rule};
use crate::text;

const CONCURRENCY_MAX: u64 = 1024;
const ATTEMPTS_MAX: u64 = 1000;
const SCHEDULES_MAX: usize = 16;
/// The host's defaults, for a pair of which only one is given.
const INITIAL_DEFAULT: &str = "500ms";
const MAX_DEFAULT: &str = "5m";

const fn member(name: &'static str, json: &'static str, rule: Rule) -> Member {
    Member { name, json, rule }
}

const fn same(name: &'static str, rule: Rule) -> Member {
    member(name, name, rule)
}

static MEMBERS: [Member; 17] = [
    same("on", Rule::Patterns(text::pattern)),
    same("filter", Rule::TextOrList(text::filter, FILTER)),
    same("key", Rule::Text(text::key)),
    same("retry", Rule::List(RETRY)),
    member("dead_letter", "deadLetter", Rule::List(DEAD_LETTER)),
    same("timeout", Rule::Text(text::duration)),
    same("memory", Rule::Text(text::memory)),
    same("concurrency", Rule::Whole(1, CONCURRENCY_MAX)),
    member("key_concurrency", "keyConcurrency", Rule::Whole(1, CONCURRENCY_MAX)),
    same("priority", Rule::Whole(0, 9)),
    member("rate_limit", "rateLimit", Rule::List(RATE)),
    same("throttle", Rule::List(RATE)),
    same("debounce", Rule::List(DEBOUNCE)),
    same("batch", Rule::List(BATCH)),
    same("breaker", Rule::List(BREAKER)),
    same("schedule", Rule::Lists { list: SCHEDULE, max: SCHEDULES_MAX, unique: &["name", "cron"] }),
    same("http", Rule::List(HTTP)),
];

const FILTER: List = List {
    example: "cel = \"data.amount > 100.0\"",
    members: &[same("cel", Rule::Text(text::filter)), same("sql", Rule::Text(text::filter))],
    needs: &[],
    together: |filter| {
        let both = filter.has("cel") && filter.has("sql");
        let neither = !filter.has("cel") && !filter.has("sql");
        (both || neither).then(|| "has one of `cel` and `sql`".to_owned())
    },
};

const RETRY: List = List {
    example: "attempts = 8, initial = \"200ms\", factor = 2.0, max = \"30s\", age = \"1d\"",
    members: &[
        same("attempts", Rule::Whole(1, ATTEMPTS_MAX)),
        same("initial", Rule::Text(text::wait)),
        same("factor", Rule::Factor),
        same("max", Rule::Text(text::wait)),
        same("age", Rule::Span("1s", "3650d")),
    ],
    needs: &[],
    together: |policy| {
        let ms = |name: &str, default: &str| {
            policy.ms(name).or_else(|| text::duration_ms(default).ok()).unwrap_or_default()
        };
        (ms("initial", INITIAL_DEFAULT) > ms("max", MAX_DEFAULT)).then(|| {
            format!(
                "the first wait, `initial`, is longer than the longest, `max` \
                 (left out, they are {INITIAL_DEFAULT} and {MAX_DEFAULT})"
            )
        })
    },
};

const DEAD_LETTER: List = List {
    example: "lane = \"halt\", keep = \"30d\"",
    members: &[
        same("lane", Rule::Choice(&["skip", "halt"])),
        same("keep", Rule::Span("1s", "3650d")),
    ],
    needs: &[],
    together: |_| None,
};

const RATE: List = List {
    example: "limit = 5, period = \"1s\"",
    members: &[same("limit", Rule::Whole(1, 1_000_000)), same("period", Rule::Span("10ms", "7d"))],
    needs: &["limit", "period"],
    together: |_| None,
};

const DEBOUNCE: List = List {
    example: "period = \"5s\", max = \"1m\"",
    members: &[same("period", Rule::Span("1ms", "7d")), same("max", Rule::Span("1ms", "7d"))],
    needs: &["period"],
    together: |debounce| {
        let shorter = debounce.ms("max") < debounce.ms("period");
        (debounce.has("max") && shorter)
            .then(|| "the longest wait, `max`, is shorter than `period`".to_owned())
    },
};

const BATCH: List = List {
    example: "max = 100, wait = \"1s\"",
    members: &[same("max", Rule::Whole(1, 1000)), same("wait", Rule::Span("0s", "1h"))],
    needs: &["max"],
    together: |_| None,
};

const BREAKER: List = List {
    example: "failures = 10, probe = \"30s\"",
    members: &[same("failures", Rule::Whole(1, 10_000)), same("probe", Rule::Span("100ms", "1d"))],
    needs: &["failures"],
    together: |_| None,
};

const SCHEDULE: List = List {
    example: "cron = \"0 4 * * *\", zone = \"Europe/Berlin\", name = \"nightly\", missed = \"once\"",
    members: &[
        same("name", Rule::Text(text::schedule_name)),
        same("cron", Rule::Text(cron)),
        same("zone", Rule::Text(text::zone)),
        same("missed", Rule::Choice(&["skip", "once", "all"])),
    ],
    needs: &["cron"],
    together: |schedule| {
        let name = schedule.json("name").or_else(|| schedule.json("cron")).unwrap_or_default();
        // The quotes are not part of it.
        (name.len() > text::SCHEDULE_NAME_LEN_MAX + 2)
            .then(|| "a cron line longer than 64 bytes needs a `name` beside it".to_owned())
    },
};

const HTTP: List = List {
    example: "allow = \"api.example.com\", requests = 16, bytes = \"1MiB\", timeout = \"10s\"",
    members: &[
        same("allow", Rule::Patterns(text::target)),
        same("requests", Rule::Whole(1, 1_000_000)),
        same("bytes", Rule::Text(text::size)),
        same("timeout", Rule::Text(text::duration)),
    ],
    needs: &["allow"],
    together: |_| None,
};

/// The members that were given.
#[derive(Debug)]
pub(crate) struct Manifest(Object);

impl Manifest {
    /// The members without the enclosing braces, so that the name can be put in front.
    pub(crate) fn json_members(&self) -> String {
        self.0.json_members()
    }

    /// Whether the handler takes lists of events.
    pub(crate) fn has_batch(&self) -> bool {
        self.0.has("batch")
    }
}

impl Parse for Manifest {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let arguments = Punctuated::<Meta, Token![,]>::parse_terminated(input)?;
        let mut errors = Errors::default();
        let object = Object::read(&arguments, &MEMBERS, &mut errors);
        // A wrong `on` has been reported already.
        if !arguments.iter().any(|argument| argument.path().is_ident("on")) {
            errors.note::<()>(Err(Error::new(
                proc_macro2::Span::call_site(),
                "which events reach this function? Add `on`: \
                 `#[function(on = \"order.created\")]` or `on = [\"order.*\", \"stock.**\"]`",
            )));
        }
        let keyed = arguments.iter().any(|argument| argument.path().is_ident("key"));
        for (name, problem) in together(&object, keyed) {
            errors.note::<()>(Err(Error::new(object.span(name), problem)));
        }
        errors.done().map(|()| Self(object))
    }
}

/// What members must be together: which one is wrong, and why.
fn together(object: &Object, keyed: bool) -> Vec<(&'static str, &'static str)> {
    let many = object.json("key_concurrency").is_some_and(|count| count != "1");
    let halts = object.json("dead_letter").is_some_and(|json| json.contains("\"lane\":\"halt\""));
    let mut problems = Vec::new();
    if many && !keyed {
        problems.push(("key_concurrency", "`key_concurrency` needs a `key`"));
    }
    if halts && !keyed {
        problems.push(("dead_letter", "`halt` needs a `key`: without one there is no lane"));
    }
    if halts && many {
        problems.push(("dead_letter", "`halt` needs a `key_concurrency` of 1"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &str, expect: std::result::Result<&str, &str>) {
        let manifest = syn::parse_str::<Manifest>(arguments);
        let outcome = manifest.map(|m| m.json_members()).map_err(|e| e.to_string());
        assert_eq!(outcome.as_deref().map_err(String::as_str), expect, "{arguments}");
    }

    #[test]
    fn only_what_is_given_is_in_the_manifest() {
        check(r#"on = "a.*""#, Ok(r#""on":["a.*"]"#));
        check(
            r#"on = ["a", "b.**"], key = "data./a\"b""#,
            Ok(r#""on":["a","b.**"],"key":"data./a\"b""#),
        );
        check(
            r#"on = "a", retry(attempts = 8, initial = "200ms", factor = 2, max = "30s"), timeout = "2s","#,
            Ok(
                r#""on":["a"],"retry":{"attempts":8,"initial":"200ms","factor":2.0,"max":"30s"},"timeout":"2s""#,
            ),
        );
        check(
            r#"on = "a", memory = "16MiB", concurrency = 4, priority = 0"#,
            Ok(r#""on":["a"],"memory":"16MiB","concurrency":4,"priority":0"#),
        );
        check(r#"on = "a", retry()"#, Ok(r#""on":["a"],"retry":{}"#));
        check(
            r#"on = "a", schedule(cron = "* * * * *"), priority = 1, schedule(cron = "0 4 * * *")"#,
            Ok(r#""on":["a"],"schedule":[{"cron":"* * * * *"},{"cron":"0 4 * * *"}],"priority":1"#),
        );
    }

    /// The host reads the same file in a test of its own.
    #[test]
    fn every_member_is_spelled_as_the_host_reads_it() {
        let arguments = include_str!("../../../tests/manifest/every_member.attribute");
        let manifest = include_str!("../../../tests/manifest/every_member.json");
        let written = syn::parse_str::<Manifest>(arguments).unwrap().json_members();
        assert_eq!(format!("{{{written}}}"), manifest.trim_end());
    }

    #[test]
    fn control_characters_are_escaped() {
        check(
            r#"on = "a", filter(cel = "data.n > 4")"#,
            Ok(r#""on":["a"],"filter":{"cel":"data.n > 4"}"#),
        );
        check(r#"on = "a", filter = "x\n\u{7f}""#, Ok(r#""on":["a"],"filter":"x\u000a\u007f""#));
    }

    #[test]
    fn a_member_is_given_once() {
        check(r#"on = "a", on = "b""#, Err("`on` is given twice"));
        check(r#"on = ["a", "a"]"#, Err("this pattern is given twice"));
    }

    #[test]
    fn schedules_are_told_apart_and_counted() {
        let twice = r#"on = "a", schedule(cron = "* * * * *"), schedule(cron = "* * * * *")"#;
        check(twice, Err("two of `schedule` are called \"* * * * *\"; give them names"));
        let many: String =
            (0..17).map(|n| format!(r#", schedule(cron = "{n} * * * *")"#)).collect();
        check(&format!(r#"on = "a"{many}"#), Err("`schedule` is given more than 16 times"));
    }
}
