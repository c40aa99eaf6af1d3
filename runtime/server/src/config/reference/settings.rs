//! What each setting is, and its bounds, with values on either side of them.

use toml::Value;

/// One setting, as the reference tells it.
pub(super) struct Setting {
    /// Its whole name, such as `dedup.window`.
    pub(super) name: &'static str,
    pub(super) bounds: Bounds,
    pub(super) is: &'static str,
}

#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Where the default does not tell it.
    kind: &'static str,
    text: &'static str,
    /// Values, as they are written in the file.
    pub(super) taken: &'static [&'static str],
    pub(super) refused: &'static [&'static str],
}

impl Bounds {
    pub(super) fn kind(&self, default: &Value) -> &'static str {
        match default {
            _ if !self.kind.is_empty() => self.kind,
            Value::Integer(_) => "number",
            Value::Boolean(_) => "`true` or `false`",
            Value::Array(_) => "list of texts",
            _ => "text",
        }
    }

    pub(super) fn text(&self) -> &'static str {
        if self.text.is_empty() { "–" } else { self.text }
    }
}

const fn bounds(
    kind: &'static str,
    text: &'static str,
    taken: &'static [&'static str],
    refused: &'static [&'static str],
) -> Bounds {
    Bounds { kind, text, taken, refused }
}

const ADDRESS: Bounds = bounds(
    "",
    "an address and a port",
    &["\"[::1]:1\"", "\"localhost:7070\""],
    &["\"7070\"", "\"a\""],
);
const PATH: Bounds = bounds("path", "not empty", &["\"a\""], &["\"\""]);
const PATH_OR_NONE: Bounds = bounds("path", "", &["\"\""], &["1"]);
const TEXT: Bounds = bounds("", "visible ASCII, no spaces", &["\"a-b\""], &["\"a b\"", "\"ä\""]);
const FORMAT: Bounds = bounds("", "`text` or `json`", &["\"json\""], &["\"xml\"", "\"\""]);
const RATIO: Bounds =
    bounds("number", "from 0 to 1", &["0", "0.25", "1.0"], &["-0.1", "1.5", "nan", "\"all\""]);
const ENDPOINT: Bounds = bounds(
    "",
    "an `http` or `https` URL without a query or a password",
    &["\"http://127.0.0.1:4318\"", "\"https://otel.example.com/otlp\""],
    &["\"collector:4317\"", "\"http://a:b@c\""],
);
const HEADERS: Bounds = bounds(
    "table",
    "at most 32; each `env:NAME` or `file:PATH`",
    &["{}", "{ a = \"file:/dev/null\" }"],
    &["{ a = \"b\" }", "{ a = 1 }", "1"],
);
const ANY: Bounds = bounds("", "", &["\"a\""], &["1"]);
const NAMES: Bounds =
    bounds("", "names or addresses", &["[\"a.example\"]"], &["[\"a:1\"]", "[\"http://a\"]"]);
const URL: Bounds = bounds(
    "",
    "`http://` or `https://`, no query",
    &["\"https://a.example\""],
    &["\"a.example\"", "\"https://a/?b\""],
);
const WORKERS: Bounds = bounds("", "0 to 1024", &["0", "1024"], &["1025", "-1"]);
const ANY_COUNT: Bounds = bounds("", "0 or more", &["0"], &["-1"]);
const COUNT_32: Bounds =
    bounds("", "0 to 4,294,967,295", &["0", "4294967295"], &["-1", "4294967296"]);
const AT_LEAST_1: Bounds = bounds("", "1 or more", &["1"], &["0"]);
const HOPS: Bounds = bounds("", "0 to 65,535", &["0", "65535"], &["-1", "65536"]);
const FLAG: Bounds = bounds("", "", &["true"], &["1"]);
const REQUIRED: Bounds = bounds("", "needs `keys`", &["false"], &["1"]);
const DURATION: Bounds =
    bounds("duration", "0 or more", &["\"0s\"", "\"3650d\""], &["\"-1s\"", "\"3651d\""]);
const MORE_THAN_0: Bounds = bounds("duration", "more than 0", &["\"1ms\""], &["\"0s\""]);
const ANY_SIZE: Bounds =
    bounds("size", "0 or more", &["\"0B\"", "\"9GiB\""], &["\"1.5MiB\"", "\"1\""]);
const SIZE: Bounds =
    bounds("size", "1 KiB to 2 GiB", &["\"1KiB\"", "\"2GiB\""], &["\"1023B\"", "\"2097153KiB\""]);
const BATCH_SIZE: Bounds = bounds(
    "size",
    "`bytes_max` to 2 GiB",
    &["\"1MiB\"", "\"2GiB\""],
    &["\"1023KiB\"", "\"2097153KiB\""],
);
const BODY_MEMORY: Bounds =
    bounds("size", "the largest body or more", &["\"64MiB\""], &["\"63MiB\""]);
const AUDIT_FILES: Bounds = bounds("", "1 to 1000", &["1", "1000"], &["0", "1001"]);
const AUDIT_SIZE: Bounds =
    bounds("size", "1 KiB to 1 GiB", &["\"1KiB\"", "\"1GiB\""], &["\"1023B\"", "\"1025MiB\""]);
const ORIGINS: Bounds = bounds("", "DNS names, or `*`", &["[\"*\"]"], &["[\"https://a\"]"]);
const NAMES_OF_HOOKS: Bounds = bounds("", "none of `[hooks]`", &["[\"a\"]"], &["1"]);
const KEYS: Bounds = bounds("", "at most 64 keys, `ed25519:` and base64", &[], &["[\"a\"]"]);
const TARGETS: Bounds = bounds(
    "",
    "[patterns](../outbound.md#where-a-request-may-go)",
    &["[\"a.example\"]"],
    &["[\"a b\"]"],
);

const fn setting(name: &'static str, bounds: Bounds, is: &'static str) -> Setting {
    Setting { name, bounds, is }
}

/// In the order of the example.
pub(super) const SETTINGS: &[Setting] = &[
    setting(
        "listen",
        ADDRESS,
        "address and port; any address but a loopback one needs tokens and TLS",
    ),
    setting(
        "data",
        PATH,
        "the data directory; made if it is missing, and used by one host at a time",
    ),
    setting(
        "token",
        TEXT,
        "one token for everything, beside those of `trip token`; best given by `TRIPHAMMER_TOKEN`",
    ),
    setting("token_file", PATH_OR_NONE, "a file that holds that token"),
    setting(
        "allowed_hosts",
        NAMES,
        "names under which clients reach this host, without scheme and port; `localhost`, \
         `127.0.0.1`, `[::1]` and the address of `listen` are always allowed",
    ),
    setting(
        "public_url",
        URL,
        "where senders reach this host when that is not what they write in `Host`: behind a \
         proxy. Only webhooks whose providers sign the URL need it",
    ),
    setting("workers", WORKERS, "threads that run functions; 0 is one for each core"),
    setting("attempts_max", AT_LEAST_1, "attempts that run at the same time, over all functions"),
    setting("subscriptions_max", ANY_COUNT, "subscriptions of HTTP sinks that there may be"),
    setting(
        "shutdown_grace",
        DURATION,
        "how long a stopping host waits for attempts that run; the rest are run again by the \
         next start",
    ),
    setting(
        "access.tokens",
        PATH_OR_NONE,
        "where `trip token` keeps the tokens; left out: `access/tokens.toml` in the data directory",
    ),
    setting("access.required", FLAG, "ask for tokens even where there is no such file"),
    setting(
        "access.insecure",
        FLAG,
        "the second of the two times that an open address must be asked for: this, and `trip up \
         --insecure-listen`",
    ),
    setting(
        "audit.path",
        PATH_OR_NONE,
        "the log of all changes; left out: `access/audit.jsonl` in the data directory",
    ),
    setting(
        "audit.files",
        AUDIT_FILES,
        "how many files there are, the one that is written included",
    ),
    setting("audit.file_bytes", AUDIT_SIZE, "how large each gets"),
    setting(
        "tls.cert",
        PATH_OR_NONE,
        "the host's certificate, followed by those between it and a root, as PEM; plain HTTP \
         without it",
    ),
    setting("tls.key", PATH_OR_NONE, "its key, as PEM"),
    setting(
        "tls.client_ca",
        PATH_OR_NONE,
        "who signs the certificates of clients: with it, every client needs one",
    ),
    setting(
        "http.connections_max",
        AT_LEAST_1,
        "more connections than this are turned away with 503",
    ),
    setting("http.streams_max", ANY_COUNT, "live feeds (`GET /api/v1/stream`) at a time"),
    setting(
        "http.header_timeout",
        MORE_THAN_0,
        "how long a client may take to send the head of a request, and may keep a connection idle",
    ),
    setting(
        "http.body_timeout",
        MORE_THAN_0,
        "how long it may take for a small body; large ones get a second more for each 128 KiB",
    ),
    setting("http.write_timeout", MORE_THAN_0, "how long it may read nothing of an answer"),
    setting(
        "http.body_memory",
        BODY_MEMORY,
        "memory for all request bodies over 64 KiB together; what does not fit waits",
    ),
    setting("http.component_bytes_max", SIZE, "the largest component that can be deployed"),
    setting("events.bytes_max", SIZE, "the largest event"),
    setting("events.batch_bytes_max", BATCH_SIZE, "the largest batch"),
    setting("events.batch_events_max", AT_LEAST_1, "the most events in a batch"),
    setting(
        "handshake.origins",
        ORIGINS,
        "DNS names of senders that ask first and may deliver; `*` for all",
    ),
    setting(
        "handshake.rate",
        ANY_COUNT,
        "the most requests a minute that they are told; 0 for any number",
    ),
    setting(
        "handshake.retired_hooks",
        NAMES_OF_HOOKS,
        "names of hooks that there were: their senders are told to stop, with 410",
    ),
    setting(
        "trust.keys",
        KEYS,
        "public keys, as `trip key` shows them, whose modules are taken; a signature that comes \
         with an upload is then checked",
    ),
    setting("trust.required", REQUIRED, "an upload needs a signature"),
    setting(
        "dedup.window",
        DURATION,
        "for how long an event that comes again with the same source and id is answered with \
         the first one's receipt",
    ),
    setting("dedup.bytes", ANY_SIZE, "bounds the memory of ids on disk, and wins over the time"),
    setting(
        "retention.age",
        DURATION,
        "how long settled events are kept for looking at and replaying",
    ),
    setting("retention.bytes", ANY_SIZE, "how much of them is kept"),
    setting(
        "memory.payload_cache",
        ANY_SIZE,
        "payloads of waiting events that are kept in memory; beyond it they are read back from \
         disk",
    ),
    setting(
        "memory.state_cache",
        SIZE,
        "committed state that is kept in memory; the rest is read from the last checkpoint",
    ),
    setting(
        "journal.checkpoint_bytes",
        ANY_SIZE,
        "how much of the log a restart may have to read; less means more writing while running",
    ),
    setting("limits.timeout", MORE_THAN_0, "the longest time of an attempt"),
    setting("limits.memory", ANY_SIZE, "all memories and tables of an instance together"),
    setting("limits.emits", ANY_COUNT, "emitted events of an attempt"),
    setting("limits.emit_bytes", SIZE, "their size together"),
    setting(
        "limits.timers",
        ANY_COUNT,
        "timers set or cancelled by an attempt; those that are set count among the emitted \
         events too",
    ),
    setting("limits.state_writes", ANY_COUNT, "different names of state that an attempt writes"),
    setting("limits.state_bytes", SIZE, "their size together with the values"),
    setting(
        "limits.function_state",
        ANY_SIZE,
        "all state of one function, over all its ordering keys: names and values",
    ),
    setting("limits.state_name_len", AT_LEAST_1, "the longest name, in bytes"),
    setting("limits.state_value", SIZE, "the largest value"),
    setting("limits.state_scan", AT_LEAST_1, "entries that one scan returns"),
    setting("limits.reply", SIZE, "the largest reply"),
    setting("limits.log_lines_kept", ANY_COUNT, "log lines of an attempt that are kept"),
    setting("limits.log_bytes_kept", SIZE, "bytes of them that are kept"),
    setting(
        "limits.log_lines",
        ANY_COUNT,
        "log lines that an attempt may write; what is not kept is counted",
    ),
    setting("limits.hops", HOPS, "emits between an event and the one that came in from outside"),
    setting(
        "alerts.lag",
        DURATION,
        "how long a delivery that could run may wait before `triphammer.lag.high` is raised; `0s` for \
         ever",
    ),
    setting(
        "alerts.disk_free",
        ANY_SIZE,
        "with less room on the disk `triphammer.disk.low` is raised; `0B` for never",
    ),
    setting("log.format", FORMAT, "the form of the host's own lines, on standard error"),
    setting("log.filter", ANY, "which there are: a level, or target=level, with commas between"),
    setting(
        "otlp.endpoint",
        ENDPOINT,
        "the collector that gets traces and logs by OTLP/HTTP; without it \
         `OTEL_EXPORTER_OTLP_ENDPOINT`",
    ),
    setting(
        "otlp.service",
        ANY,
        "the host's name there; without it `OTEL_SERVICE_NAME`, then `triphammer`",
    ),
    setting("otlp.ratio", RATIO, "how many of the traces that begin at this host are sent"),
    setting(
        "otlp.traces_per_second",
        COUNT_32,
        "the most of them in a second; of a host where more begin a smaller share is sent. `0` for \
         any number",
    ),
    setting("otlp.timeout", MORE_THAN_0, "for one request to the collector, with its answer"),
    setting(
        "otlp.queue",
        SIZE,
        "spans that may wait, and log records as much again; more are dropped, and counted",
    ),
    setting(
        "otlp.certificates",
        PATH_OR_NONE,
        "a file with certificates in PEM by which the collector is trusted, besides the system's",
    ),
    setting(
        "otlp.headers",
        HEADERS,
        "headers of the requests to the collector, by their names; without any those of \
         `OTEL_EXPORTER_OTLP_HEADERS`",
    ),
    setting(
        "http_out.allow",
        TARGETS,
        "where functions may send requests, if their manifests allow it as well: \
         `api.example.com` (https), `*.example.com`, `http://intern.example:8080`, or `**` for \
         every name",
    ),
    setting(
        "http_out.allow_private",
        TARGETS,
        "names and addresses that may be private, loopback or link-local ones; all others must \
         be on the public internet",
    ),
    setting("http_out.requests", AT_LEAST_1, "requests of one attempt that a manifest may ask for"),
    setting("http_out.bytes", ANY_SIZE, "their bodies and answers together"),
    setting(
        "http_out.concurrency",
        AT_LEAST_1,
        "requests under way at a time, over all functions; more wait until `connect_timeout`",
    ),
    setting(
        "http_out.connect_timeout",
        MORE_THAN_0,
        "how long it may take to look up the name and to connect",
    ),
    setting("http_out.response_head", SIZE, "the largest head of a response"),
    setting(
        "http_out.certificates",
        PATH_OR_NONE,
        "a file with certificates in PEM that are trusted besides the system's",
    ),
];
