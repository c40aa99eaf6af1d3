//! The dashboard's files: built into the host, served as they are, and nothing from anywhere else.
//! Knows what a file is called and what it is; not what is on the page.
//!
//! What a page may do is bounded by a policy: scripts, styles and requests of this host alone, no
//! markup out of strings, and no frame around it.

use std::sync::LazyLock;

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

use crate::body::ResponseBody;
use crate::problem::Problem;
use crate::route::{Answer, Call, respond};

const HTML: &str = "text/html; charset=utf-8";
pub(crate) const CSS: &str = "text/css; charset=utf-8";
pub(crate) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(crate) const IMAGE: &str = "image/svg+xml";

/// Trusted types make a browser refuse text where markup is asked for, wherever a script tries.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; \
    form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

/// Files of the folder `ui`, each under its own name.
macro_rules! assets {
    ($($content_type:ident: $($name:literal)+;)+) => {
        [$($(Asset {
            name: $name,
            content_type: $content_type,
            bytes: include_bytes!(concat!("ui/", $name)),
        }),+),+]
    };
}

const PAGE: Asset =
    Asset { name: "index.html", content_type: HTML, bytes: include_bytes!("ui/index.html") };

const ASSETS: [Asset; ASSETS_LEN] = assets! {
    CSS: "style.css";
    IMAGE: "icon.svg";
    SCRIPT: "aftermath.js" "api.js" "app.js" "attempts.js" "diff.js" "dom.js" "dryrun.js"
        "format.js" "history.js" "json.js" "keys.js" "live.js" "manifest.js" "notice.js"
        "page-dead.js" "page-event.js" "page-events.js" "page-function.js" "page-functions.js"
        "page-overview.js" "page-queue.js" "page-send.js" "page-settings.js" "page-state.js"
        "plot.js" "replay.js" "review.js" "sample.js" "scale.js" "table.js" "theme.js" "upload.js"
        "waterfall.js";
};
const ASSETS_LEN: usize = 35;

/// The tag of each asset, and of the page last: made from the content, so that a browser asks
/// again after an upgrade and is told at once when nothing has changed.
static TAGS: LazyLock<Vec<HeaderValue>> =
    LazyLock::new(|| ASSETS.iter().chain([&PAGE]).filter_map(tag).collect());

fn tag(asset: &Asset) -> Option<HeaderValue> {
    let hash = blake3::hash(asset.bytes).to_hex();
    HeaderValue::try_from(format!("\"{}\"", &hash[..32])).ok()
}

/// `GET /`
pub(crate) fn page(call: Call<'_>) -> Answer {
    call.query.done()?;
    Ok(serve(&PAGE, ASSETS.len(), &call.parts.headers))
}

/// `GET /ui/{name}`
pub(crate) fn asset(call: Call<'_>, name: &str) -> Answer {
    call.query.done()?;
    let Some(index) = ASSETS.iter().position(|asset| asset.name == name) else {
        return Err(Problem::no_such_path(call.parts.uri.path()));
    };
    Ok(serve(&ASSETS[index], index, &call.parts.headers))
}

fn serve(asset: &Asset, index: usize, asked: &HeaderMap) -> Response<ResponseBody> {
    let tag = TAGS.get(index);
    let mut response = if tag.is_some_and(|tag| has(asked, tag)) {
        let mut response = Response::new(ResponseBody::from(Vec::new()));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        respond(StatusCode::OK, asset.content_type, asset.bytes.to_vec())
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Kept, and asked about each time: the page and its files must be of one version.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Some(tag) = tag {
        headers.insert(ETAG, tag.clone());
    }
    response
}

/// Whether the client has what the tag stands for (RFC 9110, section 13.1.2).
fn has(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let texts = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one).as_bytes() == tag.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dashboard/ui");
        let found: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let served = ASSETS.iter().chain([&PAGE]).map(|asset| asset.name.to_owned());
        assert_eq!(found, served.collect());
        assert_eq!(TAGS.len(), ASSETS.len() + 1);
    }

    /// What of a file would be loaded from elsewhere, or would read data as markup.
    const FORBIDDEN: [&str; 8] = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "setAttribute(\"style\"",
        "https://",
    ];

    #[test]
    fn nothing_reads_markup_and_nothing_comes_from_elsewhere() {
        for asset in ASSETS.iter().chain([&PAGE]) {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            for word in FORBIDDEN {
                assert!(!text.contains(word), "{} has {word}", asset.name);
            }
            assert!(text.lines().count() < 400, "{} is long", asset.name);
        }
    }

    #[test]
    fn every_script_says_what_it_is_for() {
        let scripts = ASSETS.iter().filter(|asset| asset.content_type == SCRIPT);
        for asset in scripts {
            assert!(asset.bytes.starts_with(b"// "), "{}", asset.name);
        }
    }

    #[test]
    fn what_a_browser_has_is_not_sent_again() {
        let tag = TAGS[0].to_str().unwrap();
        for (asked, status) in [
            (None, 200),
            (Some(tag.to_owned()), 304),
            (Some(format!("W/{tag}")), 304),
            (Some(format!("\"x\", {tag}")), 304),
            (Some("*".into()), 304),
            (Some("\"x\"".into()), 200),
            (Some(TAGS[1].to_str().unwrap().to_owned()), 200),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(asked) = &asked {
                headers.insert(IF_NONE_MATCH, asked.parse().unwrap());
            }
            let response = serve(&ASSETS[0], 0, &headers);
            assert_eq!(response.status(), status, "{asked:?}");
            assert_eq!(response.headers()["etag"], tag);
            assert!(response.headers().contains_key("content-security-policy"));
        }
    }
}
