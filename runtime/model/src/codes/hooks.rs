//! Codes of webhooks: of requests to them, of their settings, and of messages that are signed.

use super::{Section, noted, refused};

pub(super) const HOOKS: Section = Section {
    title: "Webhooks",
    about: "Providers and their rules are in [`hooks.md`](hooks.md).",
    codes: &[
        refused(
            403,
            "http.webhook_origin",
            "a sender that asks by `OPTIONS` whether it may deliver may not",
            "name it in `handshake.origins`",
        ),
        refused(
            410,
            "hook.gone",
            "there was such a hook, and its sender is to stop",
            "take the address out of the sender's settings",
        ),
        refused(
            404,
            "hook.unknown",
            "the configuration has no hook of this name",
            "look at the name in the URL, and at `[hooks]`",
        ),
        refused(405, "hook.method", "webhooks come with `POST`", "let the sender use `POST`"),
        refused(
            413,
            "hook.too_large",
            "the body is larger than `body_limit`",
            "raise the hook's `body_limit`, which `events.bytes_max` bounds as well",
        ),
        refused(
            415,
            "hook.content_type",
            "the provider sends no such media type",
            "set the sender to the media type of its provider, mostly `application/json`",
        ),
        refused(
            401,
            "hook.signature_missing",
            "the header with the signature is missing",
            "see whether the sender has a secret, and whether a proxy takes headers away",
        ),
        refused(
            401,
            "hook.signature_malformed",
            "the header has no signature that can be read: another prefix, another encoding, or \
             more than 8",
            "see whether `provider` is the one that sends",
        ),
        refused(
            401,
            "hook.signature_wrong",
            "none of the secrets signed this request: a wrong secret, a body that was changed \
             on the way, or for Twilio another URL",
            "compare the secret on both sides; behind a proxy set `public_url`",
        ),
        refused(
            401,
            "hook.timestamp_missing",
            "the time of signing is missing",
            "see whether `provider` is the one that sends",
        ),
        refused(
            401,
            "hook.timestamp_malformed",
            "the time of signing is no whole number",
            "see whether `provider` is the one that sends",
        ),
        refused(
            401,
            "hook.timestamp_stale",
            "it was signed longer ago than `tolerance`, or as far in the future",
            "check the clocks of both sides",
        ),
        refused(
            400,
            "hook.header_twice",
            "what is looked at (a header, a field, a parameter) is given more than once",
            "send it once; see what a proxy adds",
        ),
        refused(
            400,
            "hook.header_malformed",
            "a header is not ASCII, or is too long",
            "mend the header that the answer names",
        ),
        refused(
            400,
            "hook.id_missing",
            "the provider signs the delivery's id, and there is none",
            "see whether `provider` is the one that sends",
        ),
        refused(
            400,
            "hook.id_malformed",
            "the id has more than 512 bytes, control characters, or what ends it where it is \
             signed",
            "mend the sender",
        ),
        refused(400, "hook.type_missing", "the request says no type", "set the hook's `type`"),
        refused(
            400,
            "hook.type_malformed",
            "the type has more than 256 bytes",
            "set the hook's `type`",
        ),
        refused(
            403,
            "hook.type_reserved",
            "the type would begin with `triphammer.`",
            "set the hook's `type` to another beginning",
        ),
        refused(
            400,
            "hook.body_malformed",
            "the body is not the JSON that it says it is, is nested more than 128 deep, or \
             lacks what the answer repeats",
            "mend the sender",
        ),
        refused(400, "hook.fields_too_many", "the form has more than 1000 fields", "send fewer"),
        refused(
            400,
            "hook.url_malformed",
            "the URL is not absolute, or has more than 8192 bytes",
            "mend `public_url`, or the address that the sender has",
        ),
    ],
};

pub(super) const HOOK_SETTINGS: Section = Section {
    title: "Settings of webhooks",
    about: "Of a host that does not start, and of messages to [sinks](subscriptions.md).",
    codes: &[
        noted(
            "hook.name",
            "a hook's name has 1 to 63 of `a-z`, `0-9` and `-`",
            "rename it in `[hooks]`",
        ),
        noted(
            "hook.provider_unknown",
            "no provider is called so",
            "take one of the names that the message lists, or write the provider out",
        ),
        noted(
            "hook.setting",
            "a setting of a hook is wrong",
            "mend the setting that the message names",
        ),
        noted(
            "hook.secret",
            "a secret is not of the form that the provider's secrets have",
            "mend the secret with the number that the message names",
        ),
        noted(
            "hook.secret_unresolved",
            "the variable or the file of a secret is not there",
            "set the variable, or put the file where the setting says",
        ),
        noted(
            "sign.secret",
            "a message can't be signed: the secret is none",
            "give the subscription a `whsec_` or `whsk_` secret",
        ),
        noted(
            "sign.keys",
            "there is no key to sign with, or there are more than 8",
            "name one or two secrets",
        ),
        noted(
            "sign.id",
            "a message's id has more than visible ASCII, or a full stop",
            "send events with such an id to a sink without secrets",
        ),
    ],
};
