//! The part of the workspace's Cargo.lock that the SDK needs.

use std::collections::BTreeSet;

use toml::{Table, Value};

/// The entries of `lock` that `root` leads to, but for those behind `left_out`.
pub(super) fn pruned(lock: &str, root: &str, left_out: &[&str]) -> Option<String> {
    let mut lock: Table = lock.parse().ok()?;
    let packages = lock.get("package")?.as_array()?;
    let mut wanted = BTreeSet::new();
    let mut open = vec![root.to_owned()];
    while let Some(next) = open.pop() {
        // `name`, or `name version` where there are several.
        let mut words = next.split(' ');
        let (name, version) = (words.next()?, words.next());
        let matches = |package: &&Value| {
            let is = |key, text| package.get(key).and_then(Value::as_str) == Some(text);
            is("name", name) && version.is_none_or(|version| is("version", version))
        };
        let index = packages.iter().position(|package| matches(&package))?;
        if wanted.insert(index) {
            let dependencies = packages.get(index)?.get("dependencies").and_then(Value::as_array);
            let names = dependencies.into_iter().flatten().filter_map(Value::as_str);
            open.extend(names.filter(|name| !left_out.contains(name)).map(str::to_owned));
        }
    }
    let mut kept: Vec<Value> = wanted.iter().map(|index| packages[*index].clone()).collect();
    for package in &mut kept {
        let dependencies = package.get_mut("dependencies").and_then(Value::as_array_mut);
        if let Some(dependencies) = dependencies {
            dependencies.retain(|name| !name.as_str().is_some_and(|n| left_out.contains(&n)));
        }
    }
    lock.insert("package".to_owned(), Value::Array(kept));
    toml::to_string(&lock).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_keeps_what_is_reached() {
        let text = r#"
            version = 4
            [[package]]
            name = "a"
            version = "1"
            dependencies = ["b 2", "dev"]
            [[package]]
            name = "b"
            version = "1"
            [[package]]
            name = "b"
            version = "2"
            dependencies = ["a"]
            [[package]]
            name = "dev"
            version = "1"
        "#;
        let kept: Table = pruned(text, "a", &["dev"]).unwrap().parse().unwrap();
        let names: Vec<_> =
            kept["package"].as_array().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(!kept.to_string().contains("dev"), "{kept}");
        assert_eq!(pruned(text, "nowhere", &[]), None);
    }
}
