//! A copy of the SDK builds with the workspace in `standalone.toml`. It must say what the
//! repository's own says, or a copy would be another SDK.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The lines of one table of a manifest, without comments and empty ones.
fn table(manifest: &str, name: &str) -> BTreeSet<String> {
    let header = format!("[{name}]");
    let lines = manifest.lines().skip_while(|line| *line != header).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn the_copy_and_the_repository_agree() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let copy = fs::read_to_string(here.join("standalone.toml")).unwrap();
    let own = fs::read_to_string(here.join("../../Cargo.toml")).unwrap();

    assert_eq!(table(&copy, "workspace.package"), table(&own, "workspace.package"));
    let own = table(&own, "workspace.dependencies");
    // The path differs, and has to.
    let paths = |line: &String| !line.contains("path = ");
    let differ: Vec<String> = table(&copy, "workspace.dependencies")
        .into_iter()
        .filter(paths)
        .filter(|line| !own.contains(line))
        .collect();
    assert!(differ.is_empty(), "not in the repository's Cargo.toml: {differ:?}");
}

#[test]
fn the_copy_has_every_dependency_of_its_crates() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let copy = fs::read_to_string(here.join("standalone.toml")).unwrap();
    let known = table(&copy, "workspace.dependencies");
    for crate_dir in [here.to_owned(), here.join("../rust-macro")] {
        let manifest = fs::read_to_string(crate_dir.join("Cargo.toml")).unwrap();
        let inherited = manifest.lines().filter_map(|line| line.strip_suffix(".workspace = true"));
        let package = ["version", "edition", "rust-version", "license", "repository", "publish"];
        for name in inherited.filter(|name| !package.contains(name)) {
            let prefix = format!("{name} = ");
            assert!(known.iter().any(|line| line.starts_with(&prefix)), "{name} is missing");
        }
    }
}
