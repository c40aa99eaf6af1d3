//! Lists that come in pages, put together.

use serde_json::Value;

use crate::client::{Client, Error, Path};

/// The most entries that a host gives at a time.
const PAGE_MAX: usize = 1000;

/// The first `limit` entries under `member`, in an object as the host answers it.
pub(super) fn fetch(
    client: &Client,
    path: &Path,
    member: &str,
    limit: usize,
) -> Result<Value, Error> {
    fetch_by(client, path, member, (limit, PAGE_MAX))
}

/// The same, so many at a time: for entries that are large.
pub(super) fn fetch_by(
    client: &Client,
    path: &Path,
    member: &str,
    (limit, page_max): (usize, usize),
) -> Result<Value, Error> {
    let mut entries = Vec::new();
    let mut damaged = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = (limit - entries.len()).clamp(1, page_max);
        let path = path.clone().query("limit", page).maybe("cursor", cursor.as_deref());
        let mut answer = client.get(path)?.value()?;
        cursor = answer["cursor"].as_str().map(str::to_owned);
        if let Some(found) = answer.get_mut("damaged").and_then(Value::as_array_mut) {
            damaged.append(found);
        }
        let Some(found) = answer[member].as_array_mut() else { return Ok(answer) };
        entries.append(found);
        if cursor.is_none() || entries.len() >= limit {
            answer[member] = entries.into();
            if !damaged.is_empty() {
                answer["damaged"] = damaged.into();
            }
            return Ok(answer);
        }
    }
}
