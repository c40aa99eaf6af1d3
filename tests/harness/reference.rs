//! Pages of the book that are written from code: compared with what the code says now, or, with
//! `TRIPHAMMER_WRITE_REFERENCE=1`, written. The unit tests of several crates include this file.

use std::path::Path;
use std::{env, fs};

/// Fails when a page is not this text. `page` is its path from the root of the workspace, under
/// which every crate that includes this lies two folders deep.
#[track_caller]
pub(crate) fn agrees(page: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    if env::var_os("TRIPHAMMER_WRITE_REFERENCE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let same = found.lines().zip(text.lines()).take_while(|(found, text)| found == text).count();
    assert!(
        found == text,
        "{page}:{} is not what the code says: `{}`. To write it again, run this test with \
         TRIPHAMMER_WRITE_REFERENCE=1",
        same + 1,
        text.lines().nth(same).unwrap_or_default(),
    );
}
