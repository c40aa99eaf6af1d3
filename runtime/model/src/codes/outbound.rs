//! Codes of the HTTP requests that functions make.

use super::{Section, noted};

pub(super) const OUTBOUND: Section = Section {
    title: "Requests of functions",
    about: "They stand in the log lines of an attempt; the function itself gets an error of \
            `wasi:http`. What is allowed, and how much, is in [`outbound.md`](outbound.md).",
    codes: &[
        noted(
            "outbound.undeclared",
            "the function's manifest has no `http`",
            "declare it: `http(allow = \"api.example.com\")`",
        ),
        noted(
            "outbound.manifest",
            "the manifest's `http.allow` does not name this host, scheme and port",
            "add the pattern to `http.allow`, and deploy",
        ),
        noted(
            "outbound.operator",
            "the operator's `http_out.allow` does not name this host, scheme and port",
            "add the pattern to `http_out.allow`, and restart the host",
        ),
        noted(
            "outbound.address",
            "the host has an address that is not on the public internet",
            "name it in `http_out.allow_private`, if it is meant to be reached",
        ),
        noted(
            "outbound.target",
            "the URL has no host that could be meant, or its path is too long",
            "write the host as a name, or an address in its usual form",
        ),
        noted("outbound.method", "`CONNECT` and `TRACE` are not sent", "use another method"),
        noted(
            "outbound.requests",
            "the attempt has made as many requests as its manifest says",
            "raise the manifest's `http.requests`",
        ),
        noted(
            "outbound.bytes",
            "the bodies of the attempt's requests and responses together are larger than its \
             manifest says",
            "raise the manifest's `http.bytes`",
        ),
        noted(
            "outbound.secret",
            "there is no such secret, or it is not for this function or host, or the \
             placeholder is malformed",
            "look at its `hosts` and `functions` in `[secrets]`",
        ),
        noted(
            "outbound.dry_run",
            "a dry run makes no requests",
            "nothing; deploy the function to let it make them",
        ),
        noted(
            "outbound.busy",
            "too many requests are under way on this host",
            "raise `http_out.concurrency`, or lower the functions' `concurrency`",
        ),
        noted(
            "outbound.resolve",
            "the name can't be resolved",
            "look at the name, and at the host's DNS",
        ),
        noted(
            "outbound.connect",
            "no connection: refused, unreachable, or it took too long",
            "see whether the other side is up, and reachable from this host",
        ),
        noted(
            "outbound.tls",
            "no TLS connection, or a certificate that is not trusted",
            "name its authority in `http_out.certificates`",
        ),
        noted(
            "outbound.timeout",
            "the request took longer than it may",
            "raise the manifest's `http.timeout`, or the subscription's `timeout`",
        ),
        noted(
            "outbound.response",
            "the response is no HTTP/1.1, its head is too large, or it ended too early",
            "look at what the other side answers; `http_out.response_head` bounds the head",
        ),
        noted(
            "outbound.body",
            "the function did not finish the body that it sent",
            "finish the body before waiting for the response",
        ),
        noted(
            "outbound.setup",
            "the client for functions' requests can't be set up",
            "look at the rest of the message: mostly it is TLS",
        ),
        noted(
            "outbound.certificates",
            "`http_out.certificates` or `otlp.certificates` is no file of PEM certificates",
            "mend the file, or the setting",
        ),
    ],
};
