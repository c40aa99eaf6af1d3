//! What a parsed expression may not have, and the meter that its loops get. Knows nothing of
//! events.

use cel::IdedExpr;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, MapExpr, operators,
};

use super::{CompileError, DEPTH_MAX, NODES_MAX};
use crate::view;

/// How deep loops may be in each other.
const LOOP_DEPTH_MAX: usize = 2;
/// The most loops of an expression.
const LOOPS_MAX: usize = 8;
/// The most additions of an expression: each may make a text of the length of both.
const ADDITIONS_MAX: usize = 8;

/// The payload's variable.
pub(super) const DATA: &str = "data";
/// The variable that is a map of the attributes.
pub(super) const EVENT: &str = "event";

/// What stands for a function or an operator; a macro is none of them.
const FUNCTIONS: [&str; 29] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::NOT_STRICTLY_FALSE,
    operators::IN,
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "type",
];

/// What one step of each loop costs: its body's nodes, and how often it may read the payload.
#[derive(Debug, Default)]
pub(super) struct Loops {
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    pub(super) nodes: usize,
    pub(super) reads: usize,
}

/// Refuses what is unknown or can't be bounded, and puts the meter into the conditions of loops.
pub(super) fn check(root: &mut IdedExpr) -> Result<Loops, CompileError> {
    let mut check = Check::default();
    check.walk(root, 0)?;
    Ok(check.loops)
}

/// The name by which a loop's condition asks the meter.
fn meter_name(index: usize) -> String {
    format!("@meter{index}")
}

/// The loop whose condition asks by this name. No expression that is written can have it.
pub(super) fn metered(name: &str) -> Option<usize> {
    name.strip_prefix("@meter")?.parse().ok()
}

/// Whether the value may be a boolean, as far as the outermost node tells.
pub(super) fn may_be_boolean(root: &IdedExpr) -> bool {
    match &root.expr {
        Expr::Literal(literal) => matches!(literal, LiteralValue::Boolean(_)),
        Expr::Ident(name) => !view::is_core(name) && name != EVENT,
        Expr::List(_) | Expr::Map(_) => false,
        Expr::Comprehension(comprehension) => !is_filter(comprehension),
        Expr::Call(call) => !matches!(
            call.func_name.as_str(),
            operators::SUBSTRACT
                | operators::ADD
                | operators::MULTIPLY
                | operators::DIVIDE
                | operators::MODULO
                | operators::NEGATE
                | "size"
                | "int"
                | "uint"
                | "double"
                | "string"
                | "type"
        ),
        _ => true,
    }
}

#[derive(Default)]
struct Check {
    loops: Loops,
    /// The variables of the loops whose bodies are around.
    variables: Vec<String>,
    /// Loops around, whether this is in their bodies or in what they go through.
    inside: usize,
    nodes: usize,
    /// How often the payload, the map of attributes or the variable of a loop further out is
    /// mentioned so far.
    reads: usize,
    /// The same and all variables of loops, which are parts of the payload.
    mentions: usize,
    additions: usize,
}

impl Check {
    fn walk(&mut self, expr: &mut IdedExpr, depth: usize) -> Result<(), CompileError> {
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            return Err(too_complex("it is nested too deep or has too many parts"));
        }
        let depth = depth + 1;
        match &mut expr.expr {
            Expr::Ident(name) => self.variable(name),
            Expr::Literal(_) => Ok(()),
            Expr::Select(select) => self.walk(&mut select.operand, depth),
            Expr::Call(call) => self.call(call, depth),
            Expr::List(list) => {
                let before = self.mentions;
                list.elements.iter_mut().try_for_each(|element| self.walk(element, depth))?;
                self.check_gathered(before)
            }
            Expr::Map(map) => self.map(map, depth),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, depth),
            Expr::Struct(_) => Err(CompileError::Unsupported("messages")),
            Expr::Unspecified => Err(CompileError::Unsupported("empty expressions")),
        }
    }

    fn variable(&mut self, name: &str) -> Result<(), CompileError> {
        let looped = self.variables.iter().any(|variable| variable == name);
        let read = name == DATA || name == EVENT;
        // What a loop further out is at may be most of the payload, and here is seen again and
        // again; what this loop goes through is seen once.
        let outer = looped && self.variables.last().is_none_or(|innermost| innermost != name);
        self.reads += usize::from(read || outer);
        self.mentions += usize::from(read || looped);
        if read || looped || name == ACCUMULATOR || view::is_attribute_name(name) {
            return Ok(());
        }
        Err(unknown("variable", name))
    }

    fn call(&mut self, call: &mut CallExpr, depth: usize) -> Result<(), CompileError> {
        if !FUNCTIONS.contains(&call.func_name.as_str()) {
            return Err(unknown("function", &call.func_name));
        }
        if call.func_name == operators::ADD && !call.args.first().is_some_and(is_accumulator) {
            self.additions += 1;
            if self.additions > ADDITIONS_MAX {
                return Err(too_complex(&format!("it has more than {ADDITIONS_MAX} additions")));
            }
        }
        if let Some(target) = &mut call.target {
            self.walk(target, depth)?;
        }
        call.args.iter_mut().try_for_each(|argument| self.walk(argument, depth))
    }

    fn map(&mut self, map: &mut MapExpr, depth: usize) -> Result<(), CompileError> {
        let before = self.mentions;
        for entry in &mut map.entries {
            let EntryExpr::MapEntry(entry) = &mut entry.expr else {
                return Err(CompileError::Unsupported("messages"));
            };
            self.walk(&mut entry.key, depth)?;
            self.walk(&mut entry.value, depth)?;
        }
        self.check_gathered(before)
    }

    /// A list or a map may hold parts of the payload only outside of loops, which could go through
    /// it or compare it again and again.
    fn check_gathered(&self, mentions_before: usize) -> Result<(), CompileError> {
        if self.inside > 0 && self.mentions > mentions_before {
            return Err(CompileError::Unsupported("lists and maps of payload parts in a loop"));
        }
        Ok(())
    }

    fn comprehension(
        &mut self,
        comprehension: &mut ComprehensionExpr,
        depth: usize,
    ) -> Result<(), CompileError> {
        let index = self.loops.steps.len();
        if index == LOOPS_MAX || self.variables.len() == LOOP_DEPTH_MAX {
            return Err(too_complex(&format!(
                "it has more than {LOOPS_MAX} loops, or more than {LOOP_DEPTH_MAX} in each other"
            )));
        }
        let variable = comprehension.iter_var.clone();
        if !view::is_attribute_name(&variable) || variable == EVENT {
            return Err(unknown("variable of a loop like", &variable));
        }
        self.loops.steps.push(Step::default());
        self.inside += 1;
        self.walk(&mut comprehension.iter_range, depth)?;
        let (nodes, reads) = (self.nodes, self.reads);
        self.variables.push(variable);
        self.body(comprehension, depth)?;
        self.variables.pop();
        self.inside -= 1;
        let step = Step { nodes: self.nodes - nodes + 8, reads: self.reads - reads };
        self.loops.steps[index] = step;
        put_meter(comprehension, index);
        Ok(())
    }

    fn body(
        &mut self,
        comprehension: &mut ComprehensionExpr,
        depth: usize,
    ) -> Result<(), CompileError> {
        if !is_list(&comprehension.accu_init) {
            return self.walk(&mut comprehension.loop_step, depth);
        }
        if !is_filter(comprehension) {
            return Err(CompileError::Unsupported("`map` loops"));
        }
        match &mut comprehension.loop_step.expr {
            Expr::Call(call) => match call.args.first_mut() {
                Some(guard) => self.walk(guard, depth),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// What a macro calls the result so far.
const ACCUMULATOR: &str = "@result";

fn is_accumulator(expr: &IdedExpr) -> bool {
    matches!(&expr.expr, Expr::Ident(name) if name == ACCUMULATOR)
}

fn is_list(expr: &IdedExpr) -> bool {
    matches!(&expr.expr, Expr::List(_))
}

/// Whether the loop keeps elements as they are: `guard ? @result + [element] : @result`.
fn is_filter(comprehension: &ComprehensionExpr) -> bool {
    let Expr::Call(step) = &comprehension.loop_step.expr else { return false };
    let [_, kept, otherwise] = step.args.as_slice() else { return false };
    let Expr::Call(kept) = &kept.expr else { return false };
    let [before, added] = kept.args.as_slice() else { return false };
    let Expr::List(added) = &added.expr else { return false };
    let [element] = added.elements.as_slice() else { return false };
    is_accumulator(before)
        && is_accumulator(otherwise)
        && matches!(&element.expr, Expr::Ident(name) if *name == comprehension.iter_var)
}

/// Has the loop ask the meter before each step: in its condition, or in the guard of a filter,
/// which the engine runs faster with a constant condition.
fn put_meter(comprehension: &mut ComprehensionExpr, index: usize) {
    let guarded = is_filter(comprehension);
    let place = match &mut comprehension.loop_step.expr {
        Expr::Call(call) if guarded => call.args.first_mut(),
        _ => None,
    };
    let place = place.unwrap_or(&mut comprehension.loop_cond);
    let condition = std::mem::take(place);
    let node = |expr| IdedExpr { id: condition.id, expr };
    let meter = node(Expr::Ident(meter_name(index)));
    let never = node(Expr::Literal(LiteralValue::Boolean(false.into())));
    *place = node(Expr::Call(CallExpr {
        func_name: operators::CONDITIONAL.to_owned(),
        target: None,
        args: vec![meter, condition.clone(), never],
    }));
}

fn unknown(what: &'static str, name: &str) -> CompileError {
    CompileError::Unknown { what, name: name.chars().take(64).collect() }
}

fn too_complex(rule: &str) -> CompileError {
    CompileError::TooComplex(rule.to_owned())
}
