//! The `#[function]` attribute of `triphammer-sdk`, which documents it. Not used on its own.
//!
//! It knows the spelling of a manifest's members and the shape of a handler. Whether the host
//! enforces a member is the host's to say, at upload.

mod expand;
mod manifest;
mod text;

use proc_macro::TokenStream;

/// Makes a handler the function of its crate.
///
/// The arguments are the manifest's members. Only `on` is required.
///
/// | argument | says |
/// |---|---|
/// | `on = "order.*"` or `on = ["a.b", "c.**"]` | which event types reach it: `*` is one segment, `**` any number |
/// | `filter = "…"` | which of them, by their attributes and data |
/// | `key = "subject"` | the ordering key: `subject`, `source`, an extension's name or `data./json/pointer` |
/// | `retry(attempts = 8, initial = "200ms", factor = 2.0, max = "30s")` | how often and when a failed attempt is tried again |
/// | `timeout = "2s"` | how long an attempt may take |
/// | `memory = "16MiB"` | how much memory an attempt may use |
/// | `concurrency = 4` | how many attempts run at the same time |
/// | `priority = 5` | 0 to 9, 9 first |
///
/// The handler takes an `Event<T>` and a `&mut Context`, and returns a `Result<R, Fault>` with `R`
/// being `()`, `Json<T>` or `Reply`. It stays an ordinary function under its own name, so tests call
/// it natively. A crate has one `#[function]`: the module is the unit of deployment.
#[proc_macro_attribute]
pub fn function(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::function(arguments.into(), item.into()).into()
}
