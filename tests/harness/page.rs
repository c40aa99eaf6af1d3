//! The dashboard of a host, in a browser. Knows its addresses, and nothing of what stands there.

use std::ops::{Deref, DerefMut};

use serde_json::json;

use super::browser::Browser;
use super::host::Host;

/// A browser that looks at a page of a host.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) browser: Browser,
    url: String,
}

impl Page {
    pub(crate) fn of(host: &Host) -> Option<Self> {
        let mut page = Self { browser: Browser::find()?, url: host.url() };
        page.browser.open(&format!("{}/", page.url));
        Some(page)
    }

    /// Another page of the dashboard, as a link leads there.
    #[track_caller]
    pub(crate) fn go(&mut self, place: &str) {
        // The page before it may have the same headings.
        self.browser.run(&format!(
            "const hash = {};
             if (location.hash === hash) return;
             document.querySelector('main .page')?.setAttribute('data-old', '');
             location.hash = hash;",
            json!(format!("#/{place}"))
        ));
        self.browser.wait("document.querySelector('main .page:not([data-old]) h1')");
    }

    #[track_caller]
    pub(crate) fn at(&mut self, place: &str) {
        self.browser.wait(&format!("location.hash === {}", json!(format!("#/{place}"))));
    }

    #[track_caller]
    pub(crate) fn is_well(&mut self, expected: &[&str]) {
        let complaints = self.browser.complaints(expected);
        assert!(complaints.is_empty(), "the browser complains: {complaints:#?}");
        assert_eq!(self.browser.run("return window.hit ?? null"), json!(null), "markup was read");
    }
}

impl Deref for Page {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        &self.browser
    }
}

impl DerefMut for Page {
    fn deref_mut(&mut self) -> &mut Browser {
        &mut self.browser
    }
}
