//! The `#[function]` attribute of `triphammer-sdk`, which documents it. Not used on its own.
//!
//! It knows the spelling of a manifest's members and the shape of a handler. Whether the host
//! enforces a member is the host's to say, at upload.

mod cron;
mod expand;
mod manifest;
mod members;
mod text;

use proc_macro::TokenStream;

/// Makes a handler the function of its crate.
///
/// The arguments are the manifest's members. Only `on` is required.
///
/// | argument | says |
/// |---|---|
/// | `on = "order.*"` or `on = ["a.b", "c.**"]` | which event types reach it: `*` is one segment, `**` any number |
/// | `filter = "…"` | which of them: CloudEvents SQL over attributes; or `filter(cel = "…")` over attributes and data |
/// | `key = "subject"` | the ordering key: `subject`, `source`, an extension's name or `data./json/pointer` |
/// | `retry(attempts = 8, initial = "200ms", factor = 2.0, max = "30s", age = "1d")` | how often and when a failed attempt is tried again, and how old a delivery may be for it |
/// | `dead_letter(lane = "halt", keep = "30d")` | whether its lane goes on after a dead letter (`skip`) or waits for it (`halt`), and how long it is kept |
/// | `timeout = "2s"` | how long an attempt may take |
/// | `memory = "16MiB"` | how much memory an attempt may use |
/// | `concurrency = 4`, `key_concurrency = 1` | how many attempts run at the same time, in all and of one ordering key |
/// | `priority = 5` | 0 to 9, 9 first |
/// | `rate_limit(limit = 5, period = "1s")` | how many attempts may begin within a period, others being dropped |
/// | `throttle(limit = 5, period = "1s")` | the same, others waiting |
/// | `debounce(period = "5s", max = "1m")` | of events of one key that come close together only the last |
/// | `batch(max = 100, wait = "1s")` | the handler takes a list |
/// | `breaker(failures = 10, probe = "30s")` | pauses a function that keeps failing, and probes it |
/// | `schedule(cron = "0 4 * * *", zone = "Europe/Berlin", name = "nightly", missed = "once")` | an event for it alone by the clock; may be given again |
///
/// The handler takes an `Event<T>` and a `&mut Context`, and returns a `Result<R, Fault>` with `R`
/// being `()`, `Json<T>` or `Reply`; with `batch` it takes a `Vec<Event<T>>`. It stays an ordinary
/// function under its own name, so tests call it natively. A crate has one `#[function]`: the module is the unit of deployment.
#[proc_macro_attribute]
pub fn function(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::function(arguments.into(), item.into()).into()
}
