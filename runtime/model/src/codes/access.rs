//! Codes of tokens, TLS and the audit log.

use super::{Section, noted, refused};

pub(super) const ACCESS: Section = Section {
    title: "Access",
    about: "Rules and examples are in [`access.md`](access.md).",
    codes: &[
        refused(
            401,
            "http.unauthorized",
            "a token is needed, or is wrong, or was revoked",
            "give one with `--token` or `TRIPHAMMER_TOKEN`, or as `Authorization: Bearer`",
        ),
        refused(
            401,
            "access.expired",
            "the token, or this secret of it, is over",
            "get a new one: `trip token rotate NAME`",
        ),
        refused(
            400,
            "access.credentials",
            "the request has more than one token, or none that can be read",
            "send one, in one place",
        ),
        refused(
            403,
            "access.scope",
            "the token lacks the scope that the answer names as `scope`",
            "use a token with that scope: `trip token create NAME --scope …`",
        ),
        refused(
            403,
            "access.type",
            "the token is not for events of this type, or is for some only and this is about all",
            "use a token whose `--type` has it, or that has none",
        ),
        refused(
            403,
            "access.function",
            "the token is not for this function, or is for some only and this is about all",
            "use a token whose `--function` has it, or that has none",
        ),
        refused(
            429,
            "access.rate",
            "the token's limit is used up",
            "wait for as long as `Retry-After` says",
        ),
        refused(400, "tls.required", "this host speaks TLS", "use `https://`"),
    ],
};

pub(super) const TOKENS: Section = Section {
    title: "Tokens and certificates",
    about: "Of `trip token`, or of a host that does not start.",
    codes: &[
        noted(
            "access.setting",
            "a token can't be so: a name, a scope, a pattern or a rate is wrong, or two of them \
             do not go together",
            "mend what the message names",
        ),
        noted(
            "access.exists",
            "there is a token of this name already",
            "rotate it, or revoke it first",
        ),
        noted(
            "access.no_token",
            "there is no token of this name",
            "list them with `trip token list`",
        ),
        noted("access.too_many", "there are 1000 tokens", "revoke some that nobody uses"),
        noted(
            "access.file",
            "the file of tokens is not as `trip token` writes it; nothing of it is used, nor \
             overwritten",
            "mend it at the place that the message names, or restore it",
        ),
        noted(
            "access.io",
            "the file of tokens or the audit log can't be read or written",
            "look at the rights of the file that the message names, and at the disk",
        ),
        noted(
            "access.random",
            "the operating system gives no random numbers",
            "try again; if it stays so, something is wrong with the machine",
        ),
        noted(
            "tls.unreadable",
            "a file of certificates can't be read",
            "look at the path and its rights",
        ),
        noted(
            "tls.malformed",
            "a file of certificates is no PEM",
            "mend the file that the message names",
        ),
        noted(
            "tls.unfit",
            "certificate and key do not fit together",
            "put the pair of one renewal in place",
        ),
    ],
};
