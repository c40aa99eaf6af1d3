//! Components that were built with earlier releases of the SDK go on running: the files in
//! `tests/old` are never built again.

use std::fs;

use crate::guests::workspace;
use crate::harness::{Committed, SANDBOX, call, effects, prepare};

#[tokio::test]
async fn components_of_earlier_releases_still_run() {
    let old = workspace().join("tests/old");
    let mut found = 0;
    for entry in fs::read_dir(old).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        found += 1;
        let prepared = prepare(fs::read(&path).unwrap()).await;
        let state = "triphammer:function/state@1.0.0".to_owned();
        assert!(prepared.imports.contains(&state), "{:?}", prepared.imports);
        assert!(!prepared.module.handles_batches());
        assert!(prepared.manifest_json.contains("bench.event"), "{}", path.display());
        let data = r#"{"customer":"c","amount":5,"items":[]}"#;
        let mut call = call(&prepared.module, "bench.event", data);
        call.state = Committed::of(&[("count", "1")]);
        let effects = effects(SANDBOX.invoke(call).await);
        assert_eq!(effects.writes[0].value.as_deref(), Some(&b"2"[..]), "{}", path.display());
        assert_eq!(effects.emits[0].parts.ty, "bench.done", "{}", path.display());
    }
    assert!(found > 0);
}
