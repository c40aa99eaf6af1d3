//! Codes of HTTP itself, of a host that does not start, and of its journal.

use super::{Section, noted, refused};

pub(super) const HTTP: Section = Section {
    title: "HTTP",
    about: "What is neither HTTP/1.1 nor HTTP/2 never becomes a request, so it is answered \
            without a body, and so without a code; the connection is closed behind it. 400 is a \
            request line, a version or a header that can't be read. 431 is a head of more than \
            100 headers, or one that is too large: 64 KiB are always taken, the path included. \
            A head that takes longer than `http.header_timeout` is not answered at all.",
    codes: &[
        refused(404, "http.not_found", "no such path", "see `/openapi.json` for all there are"),
        refused(405, "http.method", "the path knows other methods", "use one that `Allow` names"),
        refused(
            400,
            "http.query",
            "a query parameter is unknown, twice, or wrong",
            "mend the parameter that the answer names",
        ),
        refused(
            400,
            "http.name",
            "a name in the path is none",
            "a function's name has 1 to 63 of `a-z`, `0-9` and `-`",
        ),
        refused(400, "http.header", "a header is wrong", "mend the header that the answer names"),
        refused(
            400,
            "http.prefer",
            "`Prefer: wait` is no number of seconds, or its `depth` no number from 0 to 16",
            "write `Prefer: wait=5; depth=3`",
        ),
        refused(
            400,
            "http.body_malformed",
            "the body is not what this path takes",
            "see the path's schema in `/openapi.json`",
        ),
        refused(
            415,
            "http.content_encoding",
            "the body is compressed (`Content-Encoding`); the host unpacks none",
            "send it as it is",
        ),
        refused(400, "http.body_broken", "the body ended before it was whole", "send it again"),
        refused(413, "http.body_too_large", "the body is larger than this path takes", "send less"),
        refused(
            408,
            "http.timeout",
            "the request took too long to arrive; told to a function, that its own request took \
             too long",
            "send it again; `http.body_timeout` says how long it may take",
        ),
        refused(
            503,
            "http.connections",
            "too many connections",
            "close some, or raise `http.connections_max`",
        ),
        refused(503, "http.requests", "too many requests over HTTP/2 are under way", "try again"),
        refused(
            503,
            "http.streams",
            "too many live feeds",
            "close some, or raise `http.streams_max`",
        ),
        refused(
            403,
            "http.host",
            "the `Host` is not one of this host's names",
            "add it to `allowed_hosts`",
        ),
        refused(
            403,
            "http.origin",
            "a web page of another origin may not speak to this host",
            "open the host's own page",
        ),
    ],
};

pub(super) const HOST: Section = Section {
    title: "The host",
    about: "",
    codes: &[
        refused(503, "host.stopping", "the host is about to stop", "try again when it is up"),
        refused(
            503,
            "host.not_ready",
            "the host wants no work at the moment: its disk is full or behind, or it is stopping",
            "try again after `Retry-After`; the answer says what it is",
        ),
        refused(
            500,
            "host.internal",
            "an error of the host's own",
            "look at its log; report it if it comes again",
        ),
        noted(
            "host.failed",
            "the host had to end; what was acknowledged is on disk",
            "read the rest of the message, mend that, and start it again",
        ),
        noted(
            "host.listen",
            "the address can't be listened on",
            "see what listens there, or choose another with `--listen`",
        ),
        noted(
            "host.threads",
            "the operating system gives no more threads",
            "raise the limit of processes, or lower `workers`",
        ),
        noted(
            "config.unreadable",
            "the configuration can't be read",
            "look at the path and its rights",
        ),
        noted(
            "config.syntax",
            "the configuration is no TOML, or has a setting that does not exist",
            "mend the line that the message names",
        ),
        noted(
            "config.invalid",
            "a setting is wrong",
            "mend the setting that the message names, by its rule",
        ),
        noted(
            "config.environment",
            "a variable `TRIPHAMMER_…` is wrong",
            "mend the variable that the message names, by its rule",
        ),
        noted(
            "config.secret",
            "a secret has no value that can be read, or a wrong name, host or function; its \
             value is not shown",
            "mend the secret that the message names",
        ),
        noted(
            "config.exposed",
            "an address that is not loopback needs tokens and TLS",
            "set them up, or ask for it twice: `access.insecure = true` and `--insecure-listen`",
        ),
        noted(
            "sandbox.engine",
            "the sandbox could not be set up",
            "see whether the machine has memory to map, and a supported processor",
        ),
        noted(
            "sandbox.artefacts",
            "the directory of compiled modules can't be used",
            "look at the rights of `artefacts` in the data directory; it may be deleted",
        ),
        noted(
            "sandbox.thread",
            "a thread of the sandbox could not be started",
            "raise the limit of processes",
        ),
    ],
};

pub(super) const JOURNAL: Section = Section {
    title: "The journal",
    about: "Nothing on disk is changed by a start that is refused. What to do about each is in \
            [the guide on recovering](guides/recovering.md).",
    codes: &[
        noted(
            "journal.in_use",
            "another process uses the data directory",
            "stop that one, or give this one a directory of its own",
        ),
        noted(
            "journal.version",
            "the data directory has another format",
            "start the version that wrote it, or take another directory",
        ),
        noted(
            "journal.damaged",
            "a file is damaged; it is named, with the offset",
            "restore the data directory from a backup",
        ),
        noted(
            "journal.missing",
            "a file of the data directory is missing",
            "put the file back, or restore the directory from a backup",
        ),
        noted(
            "journal.checkpoint_ahead",
            "the checkpoint has seen more than the log has",
            "restore log and checkpoint from the same backup",
        ),
        noted(
            "journal.checkpoint_behind",
            "the log begins later than the checkpoint needs it",
            "restore log and checkpoint from the same backup",
        ),
        refused(
            503,
            "journal.disk_full",
            "no events are taken in until there is room; nothing is lost",
            "free some space: the host goes on by itself",
        ),
        refused(
            503,
            "journal.behind",
            "more waits for the disk than may be held in memory",
            "try again after `Retry-After`; a faster disk helps, and fewer, larger requests",
        ),
        noted(
            "journal.record_too_large",
            "a record is larger than a segment",
            "commit less at a time",
        ),
        refused(
            503,
            "journal.failed",
            "a write or sync failed, and the host ends: the next start sorts it out",
            "see what is wrong with the disk, then start the host again",
        ),
        noted(
            "journal.io",
            "a file of the journal can't be used",
            "look at the path, its rights and the disk",
        ),
        refused(
            500,
            "journal.read",
            "the journal could not be read",
            "see what is wrong with the disk; the host's log names the file",
        ),
        noted(
            "journal.gone",
            "the record is past the retention",
            "nothing; `[retention]` says how long records are kept",
        ),
    ],
};
