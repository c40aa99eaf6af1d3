//! Codes of deploys, functions, subscriptions and listings.

use super::{Section, noted, refused};

pub(super) const FUNCTIONS: Section = Section {
    title: "Functions",
    about: "",
    codes: &[
        refused(
            422,
            "module.malformed",
            "the body is no WebAssembly, or is cut off",
            "build it again with `trip build`, and send all of it",
        ),
        refused(
            422,
            "module.core",
            "a core module, and no component",
            "build a component: `trip build`",
        ),
        refused(
            422,
            "module.world",
            "exports are missing, both `handle` and `handle-batch` are there, or imports are \
             not allowed",
            "mend all that the answer names under `problems`",
        ),
        refused(
            422,
            "module.describe",
            "its `describe` failed",
            "run it in a test; it may use nothing but its own memory",
        ),
        refused(
            422,
            "module.resources",
            "it needs more memories, tables or instances than a function may have",
            "build it with fewer",
        ),
        refused(
            413,
            "module.too_large",
            "it has more than 32 MiB",
            "build it with `--release`, without debug information",
        ),
        refused(
            422,
            "module.damaged",
            "a stored module is not what it was",
            "deploy the same component again",
        ),
        refused(
            500,
            "module.host",
            "the host could not compile or store it",
            "look at the host's log and at its disk, then deploy again",
        ),
        refused(
            422,
            "manifest.invalid",
            "a member of the manifest is wrong, or unknown to this version",
            "mend the member that the answer names, by its rule",
        ),
        refused(
            400,
            "deploy.config",
            "the config is too large",
            "keep what is large in state, or in the module",
        ),
        refused(
            400,
            "deploy.weight",
            "a weight is 1 to 100, in percent, and goes with a revision that is activated",
            "leave out `--no-activate`, or the weight",
        ),
        refused(
            400,
            "deploy.failures",
            "the bound of a canary's failures is 0 to 100, in percent, and goes with a weight \
             below 100",
            "give a weight as well, or leave the bound out",
        ),
        refused(
            409,
            "canary.no_active",
            "no revision is active that a canary could run beside",
            "deploy without a weight",
        ),
        refused(
            409,
            "canary.is_active",
            "the revision is the active one already",
            "choose another revision",
        ),
        refused(
            409,
            "canary.key",
            "a canary's ordering key is that of the active revision: another one has other state",
            "deploy it without a weight, when nothing waits",
        ),
        refused(
            400,
            "function.no_name",
            "neither the deploy nor the manifest gives a name",
            "deploy with `--name`",
        ),
        refused(
            404,
            "function.not_found",
            "there is no such function",
            "list them with `trip functions`",
        ),
        refused(
            404,
            "function.no_revision",
            "the function has no such revision",
            "list them with `trip function NAME`",
        ),
        refused(
            409,
            "function.no_previous",
            "nothing was active before",
            "name the revision: `trip activate NAME REVISION`",
        ),
        refused(
            409,
            "function.not_active",
            "it has no active revision",
            "activate one: `trip activate NAME REVISION`",
        ),
        refused(
            409,
            "function.subscription",
            "the name is a subscription's, which has a sink and no module",
            "deploy under another name",
        ),
        refused(
            409,
            "function.deliveries_wait",
            "deliveries wait",
            "let them finish, or remove with `--discard` (`discard=true`)",
        ),
        refused(
            409,
            "function.key_change",
            "the ordering key can't change while deliveries wait",
            "let them finish, dead letters apart, or deploy under another name",
        ),
        refused(
            422,
            "function.load",
            "the revision can't be loaded",
            "deploy the same component again",
        ),
        refused(
            403,
            "trust.unsigned",
            "this host takes signed modules only",
            "sign it: `trip deploy --sign KEY`",
        ),
        refused(
            403,
            "trust.untrusted",
            "the signature is by no key of `trust.keys`, or is of another module or manifest",
            "sign with a key that the host knows, exactly what is sent",
        ),
        refused(
            400,
            "trust.malformed",
            "the header `Triphammer-Signature` is not the base64 of 64 bytes",
            "let `trip deploy --sign` make it",
        ),
        noted(
            "trust.key",
            "a file is no ed25519 key in PKCS#8, or a text no public key (`ed25519:` and base64)",
            "make one with `trip key FILE`",
        ),
        noted(
            "trust.random",
            "no key could be made: the operating system gives no random numbers",
            "try again; if it stays so, something is wrong with the machine",
        ),
    ],
};

pub(super) const SUBSCRIPTIONS: Section = Section {
    title: "Subscriptions",
    about: "",
    codes: &[
        refused(
            409,
            "subscription.function",
            "the name is a function's",
            "remove the function first, or give the subscription another name",
        ),
        refused(
            422,
            "subscription.invalid",
            "a member of the subscription is wrong",
            "mend the member that the answer names as `member`",
        ),
        refused(
            404,
            "subscription.not_found",
            "there is no such subscription",
            "list them with `GET /subscriptions`",
        ),
        refused(
            409,
            "subscription.too_many",
            "there are as many as `subscriptions_max`",
            "delete some, or raise the setting",
        ),
    ],
};

pub(super) const DELIVERIES: Section = Section {
    title: "Deliveries and listings",
    about: "",
    codes: &[
        refused(
            400,
            "delivery.no_selection",
            "the request says nothing of which deliveries are meant",
            "name ids, or what they have in common: `function`, `status`, `code`, `diedAfter`, \
             `diedBefore`",
        ),
        refused(
            400,
            "delivery.selection",
            "the selection has both ids and a filter, or a wrong id or time",
            "use one of the two; an id is `seq/function`, a time is RFC 3339",
        ),
        refused(
            400,
            "delivery.status",
            "no such status",
            "use `ready`, `running`, `waiting`, `blocked` or `dead`",
        ),
        refused(
            400,
            "delivery.settled",
            "committed and dropped deliveries are not listed",
            "they are shown with their events: `trip event ID`",
        ),
        refused(
            400,
            "query.cursor",
            "the cursor is of no listing like this",
            "begin without a cursor, with the same filters",
        ),
    ],
};
