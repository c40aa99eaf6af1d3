//! What the users' page shows is what there is: its settings make hooks, and it names every
//! provider.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::{Hook, RawHook, Secret, builtin_providers};

#[derive(Deserialize)]
struct Settings {
    hooks: BTreeMap<String, RawHook>,
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/hooks.md");
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_settings_on_the_page_make_hooks() {
    let page = page();
    let blocks = page.split("```toml\n").skip(1);
    let blocks: Vec<&str> = blocks.filter(|block| block.starts_with("[hooks.")).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let settings: Settings = toml::from_str(block.split("```").next().unwrap()).unwrap();
        for (name, raw) in settings.hooks {
            Hook::new(&name, raw, |_| Ok(Secret::new("00ff"))).unwrap();
        }
    }
}

#[test]
fn the_page_names_every_provider() {
    for provider in builtin_providers() {
        let row = format!("| `{provider}` |");
        assert!(page().contains(&row), "{provider}");
    }
}
