//! Every member at once, and a handler in a module of its own.

use triphammer_sdk::{Context, Event, Fault, Reply, function};

mod nested {
    use super::*;

    #[function(
        on = ["order.*", "stock.**"],
        filter = "data.total > 10",
        key = "data./order/id",
        retry(attempts = 8, initial = "200ms", factor = 1.5, max = "30s", age = "1d"),
        dead_letter(lane = "skip", keep = "30d"),
        timeout = "2s",
        memory = "16MiB",
        concurrency = 4,
        key_concurrency = 2,
        priority = 9,
        rate_limit(limit = 5, period = "1s"),
        throttle(limit = 100, period = "1m"),
        debounce(period = "5s", max = "1m"),
        breaker(failures = 10, probe = "30s"),
        schedule(name = "nightly", cron = "0 4 * * mon-fri", zone = "Europe/Berlin", missed = "all"),
        schedule(cron = "*/15 * * * *"),
        http(allow = ["api.example.com", "http://*.local:8080"], requests = 4, bytes = "256KiB"),
    )]
    pub(crate) fn handler(mut event: Event<Vec<u8>>, _: &mut Context) -> Result<Option<Reply>, Fault> {
        event.data.clear();
        Ok(Some(Reply::text("done")))
    }
}

mod batched {
    use super::*;

    #[function(on = "reading", key = "subject", batch(max = 100, wait = "1s"))]
    pub(crate) fn handler(events: Vec<Event<f64>>, _: &mut Context) -> Result<(), Fault> {
        assert_eq!(events.len(), 2);
        Ok(())
    }
}

fn main() {
    use triphammer_sdk::testing::{Host, event};

    let done = Host::new().call(nested::handler, event("order.placed").data("x"));
    assert_eq!(done.unwrap().reply, Some(Reply::text("done")));
    let events = ["1.5", "2"].map(|data| event("reading").subject("s").data(data));
    Host::new().call_batch(batched::handler, events).unwrap();
}
