//! Codes of events on their way in, of filters, and of the past sent again.

use super::{Section, noted, refused};

pub(super) const EVENTS: Section = Section {
    title: "Events in",
    about: "",
    codes: &[
        refused(
            400,
            "event.malformed",
            "an attribute breaks a rule of CloudEvents 1.0.2, is no time where one is meant \
             (`notbefore`, `delay`, `expirytime`), or the body is not what its media type \
             promises",
            "mend the attribute that the answer names as `attribute`, of the event that it \
             counts as `index` in a batch",
        ),
        refused(
            400,
            "event.specversion",
            "`specversion` is missing, or is not `1.0`",
            "send `ce-specversion: 1.0`, or `\"specversion\":\"1.0\"` in the body",
        ),
        refused(
            415,
            "event.unsupported_format",
            "the media type is none that events come in",
            "send `application/cloudevents+json` or `-batch+json`, `ce-` headers with any body, \
             or any body to `/events/{type}`",
        ),
        refused(
            413,
            "event.too_large",
            "the event is larger than this host takes",
            "send less, a reference to the data for instance, or raise `events.bytes_max`",
        ),
        refused(
            413,
            "event.batch_too_large",
            "the batch is larger than this host takes",
            "send it in parts, or raise `events.batch_bytes_max`",
        ),
        refused(
            413,
            "event.batch_too_long",
            "the batch has more events than this host takes",
            "send it in parts, or raise `events.batch_events_max`",
        ),
        refused(
            422,
            "event.key_reused",
            "this `Idempotency-Key` came before, with another type, subject or payload",
            "give every event a key of its own",
        ),
        refused(
            400,
            "event.idempotency_key",
            "the header `Idempotency-Key` is no string of 1 to 255 printable characters, or a \
             CloudEvent came with a key that is not its `id`",
            "write it in quotation marks, as in `Idempotency-Key: \"order-17\"`; leave it out \
             with a CloudEvent",
        ),
        refused(
            403,
            "event.reserved_type",
            "types that begin with `triphammer.` are the host's own",
            "choose another beginning for the type",
        ),
        refused(
            404,
            "event.not_found",
            "no event with this number is kept",
            "look for it with `trip events`; what is older than `[retention]` keeps is gone",
        ),
        refused(
            400,
            "event.outcome",
            "events are asked for by an outcome that there is not",
            "use `open`, `committed`, `dead`, `dropped`, `expired` or `unrouted`",
        ),
        noted(
            "route.key_missing",
            "the event lacks the ordering key that the function's manifest names, so its \
             delivery is a dead letter at once",
            "send the event with the key, or deploy the function with another `key`, then \
             redrive it",
        ),
    ],
};

pub(super) const FILTERS: Section = Section {
    title: "Filters",
    about: "What a filter may say is in [`filters.md`](filters.md). One that fails on an event \
            counts as false: the function does not get the event.",
    codes: &[
        refused(
            422,
            "filter.syntax",
            "the filter, or the expression in it, is malformed",
            "look at the member `path` names, at the byte `position` of its expression",
        ),
        refused(
            422,
            "filter.unsupported",
            "there is no such dialect, or the expression uses what is left out of it",
            "write it in `sql` or `cel`, without what the answer names",
        ),
        refused(
            422,
            "filter.unknown",
            "the expression calls a function, or names an attribute, that can't be",
            "look at the spelling at `position`",
        ),
        refused(
            422,
            "filter.too_complex",
            "it is longer, deeper, or has more parts than a filter may have",
            "split it over two functions, or decide in the handler",
        ),
        refused(
            422,
            "filter.not_boolean",
            "it can't be true or false; at run time: it was neither",
            "compare what it comes to with something",
        ),
        noted(
            "filter.missing_attribute",
            "an attribute that the expression needs is not on the event",
            "ask with `EXISTS` (`has` in CEL) first",
        ),
        noted(
            "filter.cast",
            "a value can't be converted to the type that is needed",
            "try the expression on such an event with `POST /api/v1/filters/test`",
        ),
        noted(
            "filter.math",
            "a division by zero, or a number out of range",
            "ask for the divisor first, or compare smaller numbers",
        ),
        noted(
            "filter.function",
            "a function got an argument that it can't take",
            "try the expression on such an event with `POST /api/v1/filters/test`",
        ),
        noted(
            "filter.limit",
            "it took more steps than a filter may take on one event",
            "make it simpler, or decide in the handler",
        ),
        noted(
            "filter.payload",
            "the payload can't be looked at: it is not JSON, or has more than 64 KiB",
            "filter by attributes, or decide in the handler",
        ),
        noted(
            "filter.evaluation",
            "the expression failed in another way",
            "try it on such an event with `POST /api/v1/filters/test`",
        ),
    ],
};

pub(super) const REPLAYS: Section = Section {
    title: "Replays",
    about: "",
    codes: &[
        refused(
            404,
            "replay.not_found",
            "no replay with this id runs, or is among the last hundred that have ended",
            "list them with `trip replays`",
        ),
        refused(
            400,
            "replay.rate",
            "a replay makes 1 to 100,000 events a second",
            "ask for a rate within that",
        ),
        refused(
            409,
            "replay.too_many",
            "sixteen replays run already",
            "wait for one to end, or end one with `trip replays cancel`",
        ),
    ],
};
