//! Every member at once, and a handler in a module of its own.

use triphammer_sdk::{Context, Event, Fault, Reply, function};

mod nested {
    use super::*;

    #[function(
        on = ["order.*", "stock.**"],
        filter = "data.total > 10",
        key = "data./order/id",
        retry(attempts = 8, initial = "200ms", factor = 1.5, max = "30s"),
        timeout = "2s",
        memory = "16MiB",
        concurrency = 4,
        priority = 9,
    )]
    pub(crate) fn handler(mut event: Event<Vec<u8>>, _: &mut Context) -> Result<Option<Reply>, Fault> {
        event.data.clear();
        Ok(Some(Reply::text("done")))
    }
}

fn main() {
    use triphammer_sdk::testing::{Host, event};

    let done = Host::new().call(nested::handler, event("order.placed").data("x"));
    assert_eq!(done.unwrap().reply, Some(Reply::text("done")));
}
