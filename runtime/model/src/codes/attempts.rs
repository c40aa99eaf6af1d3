//! Codes of attempts at a delivery, of those given up, and of what a function is told.

use super::{Section, noted};

pub(super) const ATTEMPTS: Section = Section {
    title: "Attempts",
    about: "The error of an attempt in its event's story, and of a dead letter.",
    codes: &[
        noted(
            "invoke.rejected",
            "the handler said that trying again is useless",
            "read the message: it is the function's own; mend the event or the function, then \
             redrive",
        ),
        noted(
            "invoke.retry",
            "the handler asked to be tried again, until the attempts were used up",
            "mend what it waits for, then redrive",
        ),
        noted(
            "invoke.trap",
            "the function broke off: a panic, a stack overflow, an illegal access; the message \
             has its last words",
            "run it on the same event with `trip test`, mend it, deploy, redrive",
        ),
        noted(
            "invoke.deadline",
            "it ran longer than its `timeout`",
            "raise the manifest's `timeout`, or let it do less for each event",
        ),
        noted("invoke.exit", "it called `exit` instead of returning", "return from the handler"),
        noted(
            "invoke.host",
            "the host could not run it; the attempt does not count",
            "look at the host's log; after five minutes of nothing else the function is paused",
        ),
        noted(
            "invoke.crashed",
            "three attempts in a row ended together with the host",
            "find out what ended the host (its log, the kernel's), then redrive",
        ),
        noted(
            "limit.memory",
            "more memory than the manifest's `memory`, over all memories and tables together",
            "raise the manifest's `memory`, which `limits.memory` bounds",
        ),
        noted(
            "limit.emits",
            "more emitted events than one attempt may have, the events of timers among them",
            "emit fewer, or raise `limits.emits`",
        ),
        noted(
            "limit.emit_bytes",
            "the emitted events are larger together than one attempt may have",
            "emit less, or raise `limits.emit_bytes`",
        ),
        noted(
            "limit.timers",
            "more timers set and cancelled than one attempt may",
            "set fewer, or raise `limits.timers`",
        ),
        noted(
            "limit.state_writes",
            "more names of state written than one attempt may",
            "write fewer, or raise `limits.state_writes`",
        ),
        noted(
            "limit.state_bytes",
            "more state written than one attempt may",
            "write less, or raise `limits.state_bytes`",
        ),
        noted(
            "limit.function_state",
            "the function's state would take more in all than it may; what deletes, or writes \
             less than was there, is still committed",
            "delete some, give entries a time to live, or raise `limits.function_state`",
        ),
        noted("limit.reply", "the reply is too large", "reply with less, or raise `limits.reply`"),
        noted(
            "limit.logs",
            "more log lines than one attempt may write",
            "log less, or raise `limits.log_lines`",
        ),
        noted(
            "limit.call",
            "one call hands the host more than it takes",
            "hand over less at a time",
        ),
        noted(
            "limit.hops",
            "the emitted event would be too many hops from the one that came in: a loop",
            "see in the event's story which functions answer each other, and let one of them stop",
        ),
        noted(
            "sink.refused",
            "the sink of a subscription answered 400, 413, 415 or 422: the same would be \
             refused again",
            "ask the sink's owner what is wrong with the event",
        ),
        noted(
            "sink.gone",
            "the sink answered 410",
            "remove the subscription, or give it another sink",
        ),
        noted(
            "sink.status",
            "the sink answered something else that is no 2xx, until the attempts were used up",
            "wait until the sink is well, then redrive",
        ),
        noted(
            "sink.secret",
            "a secret that is to sign is missing, of the wrong form, or not for this \
             subscription and sink",
            "look at its `hosts` and `functions` in `[secrets]`",
        ),
        noted(
            "sink.url",
            "no request can be made of the subscription's `sink`",
            "set another `sink`",
        ),
        noted(
            "sink.method",
            "no request can be made with the subscription's method",
            "set `POST`, `PUT` or `PATCH`",
        ),
    ],
};

pub(super) const GIVEN_UP: Section = Section {
    title: "Deliveries that are given up",
    about: "The error of a delivery whose status is `dropped` or `expired`, in its event's \
            story and for a sender that waits.",
    codes: &[
        noted(
            "drop.operator",
            "an operator dropped it",
            "nothing; a replay makes a new delivery of its event",
        ),
        noted(
            "drop.removed",
            "its function was removed with `discard=true`",
            "nothing; deploy the function again and replay the event",
        ),
        noted(
            "drop.expired",
            "its event's `expirytime` had passed, or it was a dead letter for longer than \
             `deadLetter.keep`",
            "nothing, if that was meant; else give it more time",
        ),
        noted(
            "drop.debounced",
            "a later delivery of the same key took its place",
            "nothing: `debounce` asks for it",
        ),
        noted(
            "drop.rate_limited",
            "its function's `rateLimit` was used up",
            "raise `rateLimit`, or use `throttle`, which waits and loses nothing",
        ),
        noted(
            "drop.cancelled",
            "a timer that its function cancelled or set again, or a firing of a schedule that \
             was changed",
            "nothing",
        ),
        noted(
            "drop.missed",
            "a slot of a schedule that passed while the host was down, or the function paused",
            "set the schedule's `missed` to `once` or `all` if it is to be made up for",
        ),
    ],
};

pub(super) const GUEST: Section = Section {
    title: "Answered to the function",
    about: "The function may go on after them. Of the Rust SDK's own are `state.decode`, \
            `json.encode` and those that begin with `http.`. A call may also be answered with \
            `event.malformed` or `event.reserved_type`.",
    codes: &[
        noted("state.name", "a name of state is empty", "give it a name"),
        noted(
            "limit.state_name",
            "a name of state is too long",
            "take a shorter one, or raise `limits.state_name_len`",
        ),
        noted(
            "limit.state_value",
            "a value of state is too large",
            "split it over several names, or raise `limits.state_value`",
        ),
        noted("state.ttl", "a time to live that is not 1 ms to ten years", "take one within that"),
        noted(
            "state.decode",
            "a value of state is not of the type that is asked for",
            "ask for the type that was stored, or let `serde` fill in what is new",
        ),
        noted(
            "json.encode",
            "a value can't be written as JSON",
            "mend the type: a map whose keys are no texts, for instance",
        ),
        noted("timer.name", "a timer's name is empty", "give it a name"),
        noted("limit.timer_name", "a timer's name has more than 128 bytes", "take a shorter one"),
        noted("timer.delay", "a timer of more than ten years", "take a shorter time"),
        noted(
            "http.denied",
            "a request of the function is not allowed",
            "read the `outbound.` code in the attempt's log lines",
        ),
        noted(
            "http.failed",
            "a request of the function failed",
            "read the `outbound.` code in the attempt's log lines",
        ),
        noted(
            "http.malformed",
            "a request of the function is malformed",
            "mend the part that the message names",
        ),
        noted(
            "http.status",
            "the answer to a request has a status that is none of success, and \
             `error_for_status` was asked",
            "look at the status before, if it is expected",
        ),
        noted(
            "http.too_large",
            "a request or an answer is larger than it may be",
            "raise the manifest's `http.bytes`",
        ),
        noted("http.url", "a URL begins with `https://` or `http://`, and a host", "mend the URL"),
    ],
};
