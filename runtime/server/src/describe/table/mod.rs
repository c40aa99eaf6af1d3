//! The table of operations: everything that this host answers to, one file for each group of paths.
//! Knows no OpenAPI beyond what an operation is made of.

mod deliveries;
mod events;
mod functions;
mod host;
mod ingress;
mod replays;
mod subscriptions;

use super::operation::Operation;
use super::schemas::Schemas;

/// All of them.
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    let groups = [
        ingress::operations,
        functions::operations,
        events::operations,
        replays::operations,
        deliveries::operations,
        subscriptions::operations,
        host::operations,
    ];
    groups.into_iter().flat_map(|group| group(schemas)).collect()
}

/// What several operations refuse for the same reasons.
type Problems = [(u16, &'static str)];

const QUERY: &Problems = &[(400, "http.query")];
const NAME: &Problems = &[(400, "http.name")];
const HEADER: &Problems = &[(400, "http.header")];
const PAGE: &Problems = &[(400, "query.cursor")];
/// Of any body.
const BODY: &Problems =
    &[(400, "http.body_broken"), (408, "http.timeout"), (415, "http.content_encoding")];
/// Of a small JSON body.
const JSON_BODY: &Problems = &[
    (400, "http.body_broken"),
    (400, "http.body_malformed"),
    (408, "http.timeout"),
    (413, "http.body_too_large"),
    (415, "http.content_encoding"),
];
/// Of an event in a body.
const EVENT: &Problems =
    &[(400, "event.malformed"), (400, "event.specversion"), (413, "event.too_large")];
/// Of whatever must be on disk before it is told.
const DISK: &Problems = &[
    (500, "journal.read"),
    (503, "host.stopping"),
    (503, "journal.failed"),
    (503, "journal.behind"),
    (503, "journal.disk_full"),
];
const FUNCTION: &Problems = &[(404, "function.not_found")];
const FILTER: &Problems = &[
    (422, "filter.syntax"),
    (422, "filter.unsupported"),
    (422, "filter.unknown"),
    (422, "filter.too_complex"),
    (422, "filter.not_boolean"),
];
/// Of a component.
const MODULE: &Problems = &[
    (400, "deploy.config"),
    (413, "module.too_large"),
    (422, "module.malformed"),
    (422, "module.core"),
    (422, "module.world"),
    (422, "module.describe"),
    (422, "module.resources"),
    (422, "module.damaged"),
    (422, "manifest.invalid"),
    (500, "module.host"),
];
/// Of a share of the work.
const SHARE: &Problems = &[
    (400, "deploy.weight"),
    (400, "deploy.failures"),
    (409, "canary.no_active"),
    (409, "canary.is_active"),
    (409, "canary.key"),
    (409, "function.key_change"),
];
