//! The log of changes, as an operator reads it: the newest first.

use crate::problem::Problem;
use crate::route::{self, Answer, Call};

pub(crate) async fn list(mut call: Call<'_>) -> Answer {
    let limit = call.query.limit()?;
    let before: Option<u64> = call.query.filled("cursor").as_deref().map(cursor).transpose()?;
    call.query.done()?;
    let audit = call.server.gate.audit();
    // It reads files.
    let reading = tokio::task::spawn_blocking(move || audit.list(before, limit)).await;
    let page = match reading {
        Ok(page) => page.map_err(|error| Problem::internal(error.to_string()))?,
        Err(error) => return Err(Problem::internal(error.to_string())),
    };
    let cursor = page.cursor.map(|before| before.to_string());
    route::list("entries", &page.entries, cursor.as_deref())
}

fn cursor(text: &str) -> Result<u64, Problem> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    let detail =
        || format!("`{}` is no cursor of this list", text.chars().take(64).collect::<String>());
    number.ok_or_else(|| Problem::bad_request("query.cursor", detail()))
}
