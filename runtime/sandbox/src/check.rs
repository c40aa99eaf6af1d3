//! What a component must be to be deployed: its exports, and imports that this host offers. Every
//! problem is named, not only the first.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::bindings::FunctionPre;
use crate::bindings::batch::BatchFunctionPre;
use crate::engine::{MEMORIES_MAX, TABLES_MAX};
use crate::error::ModuleError;
use crate::host::Guest;
use crate::http;
use crate::module::Entry;
use crate::wasi;

/// The longest module, in bytes.
pub(crate) const MODULE_LEN_MAX: usize = 32 << 20;
const PACKAGE: &str = "triphammer:function";
const INTERFACES: [&str; 6] = ["types", "outbox", "state", "timers", "config", "log"];
/// An export, and the type that it must have.
type Export = (&'static str, &'static str);
const DESCRIBE: Export = ("describe", "func() -> string");
const HANDLE: Export =
    ("handle", "func(event: event, delivery: delivery) -> result<option<reply>, fault>");
const HANDLE_BATCH: Export =
    ("handle-batch", "func(events: list<tuple<event, delivery>>) -> result<option<reply>, fault>");

/// Tells by the first bytes what this is, before anything is compiled.
pub(crate) fn check_bytes(wasm: &[u8]) -> Result<(), ModuleError> {
    let malformed = |message: &str| Err(ModuleError::Malformed { message: message.to_owned() });
    if wasm.len() > MODULE_LEN_MAX {
        return Err(ModuleError::TooLarge { len: wasm.len(), max: MODULE_LEN_MAX });
    }
    match wasm {
        [] => malformed("the module is empty"),
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(ModuleError::Core),
        [0, b'a', b's', b'm', _, _, _, _, ..] => {
            malformed("this is WebAssembly of a version that this host does not know")
        }
        [0, b'a', b's', b'm', ..] => malformed("the module is cut off after its first bytes"),
        _ if looks_like_text(wasm) => malformed(
            "this is text, not a WebAssembly component; build the component and upload the \
             `.wasm` file",
        ),
        _ => malformed("this is not WebAssembly: it does not begin with `\\0asm`"),
    }
}

fn looks_like_text(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(512)];
    let plain = |byte: &u8| *byte >= 0x20 || byte.is_ascii_whitespace();
    start.iter().all(plain) && std::str::from_utf8(start).is_ok_and(|text| !text.trim().is_empty())
}

/// Resolves everything that an instance needs, or says all that is wrong.
pub(crate) fn link(component: &Component, linker: &Linker<Guest>) -> Result<Entry, ModuleError> {
    let engine = component.engine();
    let mut problems = import_problems(component, engine);
    problems.extend(export_problems(component, engine));
    if !problems.is_empty() {
        return Err(ModuleError::World { problems });
    }
    check_resources(component)?;
    // The names are right, so what fails now is a type.
    let wrong = |error: wasmtime::Error| ModuleError::World { problems: vec![chain(&error)] };
    let pre: InstancePre<Guest> = linker.instantiate_pre(component).map_err(wrong)?;
    match has(component, HANDLE_BATCH) {
        true => BatchFunctionPre::new(pre).map(Entry::Batch).map_err(wrong),
        false => FunctionPre::new(pre).map(Entry::Single).map_err(wrong),
    }
}

/// The names of the interfaces that a component imports.
pub(crate) fn imports(component: &Component) -> Vec<String> {
    let ty = component.component_type();
    ty.imports(component.engine()).map(|(name, _)| name.to_owned()).collect()
}

fn import_problems(component: &Component, engine: &Engine) -> Vec<String> {
    let ty = component.component_type();
    let problem = |(name, item): (&str, _)| match item {
        ComponentItem::ComponentInstance(_) => interface_problem(name),
        _ => Some(format!("it imports `{name}`, which this host does not offer")),
    };
    ty.imports(engine).filter_map(|(name, import)| problem((name, import.ty))).collect()
}

fn interface_problem(import: &str) -> Option<String> {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    if let Some((PACKAGE, interface)) = name.split_once('/') {
        return match (INTERFACES.contains(&interface), version.starts_with("1.")) {
            (true, true) => None,
            (true, false) => Some(format!("it imports `{import}`; this host has version 1")),
            (false, _) => Some(format!("it imports `{import}`, which this host does not know")),
        };
    }
    if wasi::INTERFACES.contains(&name) || http::INTERFACES.contains(&name) {
        let same = version.starts_with("0.2.");
        return (!same).then(|| format!("it imports `{import}`; this host has version 0.2"));
    }
    let reason = match name.split_once('/').map_or(name, |(package, _)| package) {
        "wasi:sockets" => {
            "not allowed: functions have no sockets; they make requests by `wasi:http`"
        }
        "wasi:http" => "not allowed: functions make requests and take none",
        _ => "which this host does not offer",
    };
    Some(format!("it imports `{import}`, {reason}"))
}

fn has(component: &Component, (name, _): Export) -> bool {
    component.component_type().get_export(component.engine(), name).is_some()
}

/// `describe`, and one of the two that handle events.
fn export_problems(component: &Component, engine: &Engine) -> Vec<String> {
    let ty = component.component_type();
    let problem = |(name, signature): Export| match ty.get_export(engine, name) {
        Some(export) if matches!(export.ty, ComponentItem::ComponentFunc(_)) => None,
        Some(_) => Some(format!("its export `{name}` is not a function; it must be `{signature}`")),
        None => Some(format!("it does not export `{name}: {signature}`")),
    };
    let handler = match (has(component, HANDLE), has(component, HANDLE_BATCH)) {
        (true, true) => Some("it exports both `handle` and `handle-batch`, not one of them".into()),
        (false, true) => problem(HANDLE_BATCH),
        (true, false) => problem(HANDLE),
        (false, false) => problem(HANDLE)
            .map(|problem| format!("{problem}, nor `{}: {}`", HANDLE_BATCH.0, HANDLE_BATCH.1)),
    };
    handler.into_iter().chain(problem(DESCRIBE)).collect()
}

fn check_resources(component: &Component) -> Result<(), ModuleError> {
    // Unknown only for components that import modules, and those were refused.
    let Some(needs) = component.resources_required() else { return Ok(()) };
    let needed =
        [(needs.num_memories, MEMORIES_MAX, "memories"), (needs.num_tables, TABLES_MAX, "tables")];
    match needed.into_iter().find(|(count, max, _)| count > max) {
        Some((count, max, what)) => {
            Err(ModuleError::Resources { message: format!("{count} {what}, of at most {max}") })
        }
        None => Ok(()),
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &wasmtime::Error) -> String {
    format!("{error:#}")
}
