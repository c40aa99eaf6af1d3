//! Codes of traces and logs that could not be sent to a collector.

use super::{Section, noted};

pub(super) const TELEMETRY: Section = Section {
    title: "Traces and logs",
    about: "All but the last are told in the host's log, the first time that something could not be \
            sent. No event is concerned: what is not sent is counted, and given up.",
    codes: &[
        noted(
            "otlp.connect",
            "the collector can't be reached",
            "see whether it listens at `otlp.endpoint`: OTLP over HTTP, mostly on port 4318",
        ),
        noted(
            "otlp.tls",
            "the collector's certificate is not trusted, or it speaks no TLS",
            "set `otlp.certificates`, or write `http://` where there is no TLS",
        ),
        noted(
            "otlp.timeout",
            "the collector did not answer within `otlp.timeout`",
            "look at how busy it is, or give it longer",
        ),
        noted(
            "otlp.broken",
            "the connection to the collector broke off",
            "look at the collector's log, and at what stands between",
        ),
        noted(
            "otlp.status",
            "the collector answered with another status than 200",
            "look at its log; 401 and 403 are mostly `[otlp.headers]`, 404 the path of the endpoint",
        ),
        noted(
            "otlp.thread",
            "the thread that sends traces and logs could not be started",
            "raise the limit of processes",
        ),
    ],
};
