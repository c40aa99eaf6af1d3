//! Components written as text, for what the SDK would never make.

use triphammer_sandbox::{ModuleError, Prepared};

use crate::harness::SANDBOX;

/// The types of the contract, and the exports lifted from a core module that the caller gives. It
/// must export `memory`, `realloc`, `handle` and `describe`, and begin with `(core module $m`.
const FRAME: &str = r#"(component
  (import "triphammer:function/types@1.0.0" (instance $types
    (type $value' (variant (case "boolean" bool) (case "integer" s32) (case "text" string)))
    (export "extension-value" (type $value (eq $value')))
    (type $event' (record (field "id" string) (field "source" string) (field "type" string)
      (field "subject" (option string)) (field "time" (option string))
      (field "datacontenttype" (option string)) (field "dataschema" (option string))
      (field "extensions" (list (tuple string $value))) (field "data" (option (list u8)))))
    (export "event" (type $event (eq $event')))
    (type $delivery' (record (field "seq" string) (field "function" string)
      (field "revision" string) (field "attempt" u32) (field "key" (option string))
      (field "accepted-ms" u64) (field "deadline-ms" u64) (field "idempotency-key" string)))
    (export "delivery" (type $delivery (eq $delivery')))
    (type $reply' (record (field "content-type" string) (field "data" (list u8))))
    (export "reply" (type $reply (eq $reply')))
    (type $retry' (record (field "message" string) (field "after-ms" (option u64))))
    (export "retry" (type $retry (eq $retry')))
    (type $fault' (variant (case "retry" $retry) (case "reject" string)))
    (export "fault" (type $fault (eq $fault')))))
  (alias export $types "event" (type $event))
  (alias export $types "delivery" (type $delivery))
  (alias export $types "reply" (type $reply))
  (alias export $types "fault" (type $fault))
  CORE
  (core instance $i (instantiate $m INSTANTIATE))
  (func (export "handle") (param "event" $event) (param "delivery" $delivery)
    (result (result (option $reply) (error $fault)))
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (func (export "describe") (result string)
    (canon lift (core func $i "describe") (memory (core memory $i "memory")))))"#;

/// `realloc` hands out the memory from 4096 on and takes nothing back; `describe` is at 0.
macro_rules! core {
    ($declared:literal, $handle:literal) => {
        concat!(
            "(core module $m ",
            $declared,
            r#"
            (data (i32.const 0) "\08\00\00\00\0b\00\00\00{\"on\":\"t\"}\20")
            (global $top (mut i32) (i32.const 4096))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32)
              (global.set $top (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
              (global.get $top)
              (global.set $top (i32.add (global.get $top) (local.get 3))))
            (func (export "describe") (result i32) (i32.const 0))
            (func (export "handle") (param i32) (result i32)
            "#,
            $handle,
            "(i32.const 1024)))"
        )
    };
}

/// Answers "no reply": the result at 1024 is all zeros.
pub(crate) const FINE: &str = core!(r#"(memory (export "memory") 1)"#, "");

/// Grows both memories of one module in turn.
pub(crate) const TWO_MEMORIES: &str = core!(
    r#"(memory (export "memory") 1) (memory $other 1)"#,
    "(loop $again
       (drop (memory.grow 0 (i32.const 1)))
       (drop (memory.grow $other (i32.const 1)))
       (br $again))"
);

/// Grows the memories of two instances in turn.
pub(crate) const TWO_INSTANCES: &str = concat!(
    r#"(core module $other (memory (export "memory") 1)
         (func (export "grow") (drop (memory.grow (i32.const 1)))))
       (core instance $o (instantiate $other))
    "#,
    core!(
        r#"(import "other" "grow" (func $grow)) (memory (export "memory") 1)"#,
        "(loop $again
           (drop (memory.grow (i32.const 1)))
           (call $grow)
           (br $again))"
    )
);

/// Grows a table while the engine lets it.
pub(crate) const GROWS_TABLE: &str = core!(
    r#"(memory (export "memory") 1) (table $t 1 funcref)"#,
    "(loop $again
       (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))))"
);

/// Never ends to start.
pub(crate) const ENDLESS_START: &str =
    core!(r#"(memory (export "memory") 1) (func $f (loop $again (br $again))) (start $f)"#, "");

/// Breaks off when it starts.
pub(crate) const BROKEN_START: &str =
    core!(r#"(memory (export "memory") 1) (func $f unreachable) (start $f)"#, "");

/// Runs into an `unreachable` without a word.
pub(crate) const UNREACHABLE: &str = core!(r#"(memory (export "memory") 1)"#, "unreachable");

/// More memories than an instance may have.
pub(crate) const SEVENTEEN_MEMORIES: &str = core!(
    r#"(memory (export "memory") 1) (memory 1) (memory 1) (memory 1) (memory 1) (memory 1)
       (memory 1) (memory 1) (memory 1) (memory 1) (memory 1) (memory 1) (memory 1) (memory 1)
       (memory 1) (memory 1) (memory 1)"#,
    ""
);

/// As many, over nine instances of a module with two each.
pub(crate) fn nine_instances() -> String {
    let other = "(core module $two (memory 1) (memory 1))";
    let instances: String = (0..9).map(|_| "(core instance (instantiate $two))").collect();
    format!("{other} {instances} {FINE}")
}

/// More instances than a component may have.
pub(crate) fn many_instances() -> String {
    let instances = "(core instance (instantiate $none))".repeat(101);
    format!("(core module $none) {instances} {FINE}")
}

/// A component of this world around a core module.
pub(crate) fn component(core: &str) -> Vec<u8> {
    let instantiate =
        if core.contains("(core instance $o") { r#"(with "other" (instance $o))"# } else { "" };
    wasm(&FRAME.replace("CORE", core).replace("INSTANTIATE", instantiate))
}

pub(crate) fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) async fn prepare_text(core: &str) -> Result<Prepared, ModuleError> {
    SANDBOX.prepare(component(core).into()).await
}
