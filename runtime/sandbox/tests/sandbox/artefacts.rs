//! Compiled modules on disk: used again, and never believed when they are damaged.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use triphammer_sandbox::{Module, Sandbox, SandboxOptions};

use crate::guests::guest;
use crate::harness::{call, reply, scratch};
use crate::text;

fn sandbox(dir: &Path) -> Arc<Sandbox> {
    let mut options = SandboxOptions::new(dir);
    options.slots = Some(4);
    Sandbox::new(options).unwrap()
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let engines = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let files = engines.flat_map(|engine| fs::read_dir(engine).unwrap());
    let paths = files.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

async fn works(sandbox: &Sandbox, module: &Module) {
    assert_eq!(reply(sandbox.invoke(call(module, "misbehave.ok", "{}")).await), "ok");
}

#[tokio::test]
async fn a_restart_does_not_compile() {
    let dir = scratch();
    let prepared = sandbox(dir.path()).prepare(guest("misbehave")).await.unwrap();
    let again = sandbox(dir.path());
    let never = || -> io::Result<bytes::Bytes> { panic!("the artefact is there") };
    let module = again.load(prepared.digest, never).await.unwrap();
    works(&again, &module).await;
}

#[tokio::test]
async fn what_is_damaged_is_compiled_again() {
    let dir = scratch();
    let digest = sandbox(dir.path()).prepare(guest("misbehave")).await.unwrap().digest;
    let [artefact] = &files(dir.path(), "cwasm")[..] else { panic!("one artefact") };
    let [sum] = &files(dir.path(), "sum")[..] else { panic!("one sum") };
    let whole = fs::read(artefact).unwrap();
    let damages: [&dyn Fn(); 4] = [
        &|| {
            let mut bent = whole.clone();
            bent[whole.len() / 2] ^= 1;
            fs::write(artefact, bent).unwrap();
        },
        &|| fs::write(artefact, &whole[..whole.len() - 1]).unwrap(),
        &|| fs::remove_file(sum).unwrap(),
        &|| fs::remove_file(artefact).unwrap(),
    ];
    for damage in damages {
        damage();
        let again = sandbox(dir.path());
        let module = again.load(digest, || Ok(guest("misbehave"))).await.unwrap();
        works(&again, &module).await;
        assert_eq!(fs::read(artefact).unwrap().len(), whole.len());
    }
}

#[tokio::test]
async fn what_another_engine_made_is_deleted() {
    let dir = scratch();
    let other = dir.path().join("engine-0000000000000000");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("x.cwasm"), "x").unwrap();
    sandbox(dir.path());
    assert!(!other.exists());
}

#[tokio::test]
async fn an_artefact_of_another_module_is_not_taken_for_this_one() {
    let dir = scratch();
    let first = sandbox(dir.path()).prepare(text::component(text::FINE).into()).await.unwrap();
    // The artefact is good, so nobody asks for the wrong bytes.
    let loaded = sandbox(dir.path()).load(first.digest, || Ok(guest("bench"))).await;
    assert!(loaded.is_ok());
    sandbox(dir.path()).forget(&first.digest);
    assert_eq!(files(dir.path(), "cwasm"), Vec::<PathBuf>::new());
    let error = sandbox(dir.path()).load(first.digest, || Ok(guest("bench"))).await.unwrap_err();
    assert_eq!(error.code(), "module.damaged");
    let gone = || Err(io::Error::new(io::ErrorKind::NotFound, "no such module"));
    let error = sandbox(dir.path()).load(first.digest, gone).await.unwrap_err();
    assert_eq!(error.code(), "module.host");
}

#[tokio::test]
async fn a_module_that_is_refused_leaves_nothing() {
    let dir = scratch();
    let error = sandbox(dir.path()).prepare(guest("connect")).await.unwrap_err();
    assert_eq!(error.code(), "module.world");
    let silent = text::component(text::BROKEN_START);
    let error = sandbox(dir.path()).prepare(silent.into()).await.unwrap_err();
    assert_eq!(error.code(), "module.describe");
    for extension in ["cwasm", "sum"] {
        assert_eq!(files(dir.path(), extension), Vec::<PathBuf>::new());
    }
}

#[tokio::test]
async fn modules_that_nobody_uses_are_cleared_away() {
    let dir = scratch();
    let sandbox = sandbox(dir.path());
    let used = sandbox.prepare(text::component(text::FINE).into()).await.unwrap().digest;
    let unused = sandbox.prepare(guest("misbehave")).await.unwrap().digest;
    assert_ne!(used, unused);
    assert_eq!(sandbox.retain(&[used].into()).unwrap(), 1);
    let left = files(dir.path(), "cwasm");
    assert!(left.len() == 1 && left[0].ends_with(format!("{used}.cwasm")), "{left:?}");
    assert_eq!(files(dir.path(), "sum").len(), 1);
    assert_eq!(sandbox.retain(&[used].into()).unwrap(), 0);
}

#[tokio::test]
async fn the_same_module_is_compiled_once() {
    let dir = scratch();
    let sandbox = sandbox(dir.path());
    let uploads: Vec<_> = (0..4)
        .map(|_| {
            let sandbox = Arc::clone(&sandbox);
            tokio::spawn(async move { sandbox.prepare(guest("misbehave")).await.unwrap() })
        })
        .collect();
    for upload in uploads {
        works(&sandbox, &upload.await.unwrap().module).await;
    }
    assert_eq!(sandbox.compiled(), 1);
}

/// Whether this process has a file of this directory mapped.
#[cfg(target_os = "linux")]
fn is_mapped(dir: &Path) -> bool {
    fs::read_to_string("/proc/self/maps").unwrap().contains(dir.to_str().unwrap())
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_module_that_nobody_holds_is_not_in_memory() {
    let dir = scratch();
    let sandbox = sandbox(dir.path());
    let prepared = sandbox.prepare(guest("misbehave")).await.unwrap();
    let (digest, held) = (prepared.digest, prepared.module.clone());
    drop(prepared);
    works(&sandbox, &held).await;
    assert!(is_mapped(dir.path()));
    drop(held);
    assert!(!is_mapped(dir.path()));
    let never = || -> io::Result<bytes::Bytes> { panic!("the artefact is there") };
    let module = sandbox.load(digest, never).await.unwrap();
    works(&sandbox, &module).await;
    assert_eq!(sandbox.compiled(), 1);
}
