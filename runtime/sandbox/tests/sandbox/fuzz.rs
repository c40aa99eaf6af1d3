//! Modules that were bent: refused with a code and without a trace, or run within their limits.

use std::path::Path;
use std::time::Duration;

use triphammer_sandbox::{Fault, Sandbox, SandboxOptions};

#[path = "../../../../tests/fuzz/engine.rs"]
mod engine;

use engine::{Corpus, Seen};

use crate::harness::{call, scratch};
use crate::text;

fn corpus() -> Corpus {
    let fine = text::component(text::FINE);
    let core = text::wasm("(module (memory (export \"m\") 1) (func (export \"f\") (loop (br 0))))");
    let words = vec!["\0asm\r\0\u{1}\0", "handle", "describe", "memory", "\u{7f}", "\u{b}", "\0\0"];
    Corpus { entries: vec![fine.clone(), fine.clone(), fine, core], words }
}

/// Compiled modules that are kept.
fn artefacts(dir: &Path) -> usize {
    let engines = std::fs::read_dir(dir).unwrap();
    engines.map(|engine| std::fs::read_dir(engine.unwrap().path()).unwrap().count()).sum()
}

#[test]
fn bent_modules_leave_nothing_or_run() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = scratch();
    let sandbox = Sandbox::new(SandboxOptions::new(dir.path())).unwrap();
    engine::run(30, corpus(), move |input| {
        let prepared = match runtime.block_on(sandbox.prepare(input.to_vec().into())) {
            Ok(prepared) => prepared,
            Err(error) => {
                assert!(error.code().starts_with("module."), "{error}");
                assert_ne!(error.code(), "module.host", "{error}");
                assert_eq!(artefacts(dir.path()), 0, "{}: {error}", error.code());
                return Seen::Refused;
            }
        };
        let mut call = call(&prepared.module, "a.b", "{}");
        call.timeout = Duration::from_millis(50);
        let invoked = runtime.block_on(sandbox.invoke(call));
        if let Err(error) = invoked.result {
            assert_ne!(error.fault(), Fault::Host, "{error}");
        }
        assert!(invoked.memory_bytes <= 64 << 20);
        sandbox.forget(&prepared.digest);
        Seen::Taken
    });
}
