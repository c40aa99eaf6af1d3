//! The reference of the command line, `docs/reference/cli.md`, written from the definition that
//! reads the arguments. Knows no command by name.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command, CommandFactory};

use crate::args::Args;

#[path = "../../../tests/harness/reference.rs"]
mod page;

const HEAD: &str = "# The command line

One binary, `trip`. This page is written from the definition that reads its arguments; `trip COMMAND --help` says the same.

The exit status is 0 when it is done, 1 when it failed, 2 when the command was not understood. A failure is one line on standard
error, with its [code](../errors.md) in brackets where it has one, and a second line, `next: …`, where there is something to do
about it.
";

fn document() -> String {
    let mut root = Args::command();
    root.build();
    let mut out = HEAD.to_owned();
    out.push_str("\n## All commands\n\nEverywhere:\n\n");
    write_arguments(&mut out, root.get_arguments().filter(|arg| arg.is_global_set()));
    out.push_str("\n| command | does |\n|---|---|\n");
    for command in shown(&root) {
        let name = command.get_name();
        writeln!(out, "| [`trip {name}`](#trip-{name}) | {} |", about(command)).unwrap();
    }
    for command in shown(&root) {
        write_command(&mut out, command, "trip", 2);
    }
    out
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help")
}

fn about(command: &Command) -> String {
    let about = command.get_long_about().or_else(|| command.get_about());
    cell(&about.map(ToString::to_string).unwrap_or_default())
}

/// A command, and those below it.
fn write_command(out: &mut String, command: &Command, parent: &str, depth: usize) {
    let name = format!("{parent} {}", command.get_name());
    let usage = command.clone().bin_name(&name).render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").lines().map(str::trim).collect::<Vec<_>>();
    write!(out, "\n{} {name}\n\n{}.\n\n", "#".repeat(depth), about(command)).unwrap();
    write!(out, "```text\n{}\n```\n", usage.join("\n")).unwrap();
    // What holds for all below a command is told with that.
    let told = |arg: &Arg| arg.is_hide_set() || is_everywhere(arg);
    let own = |arg: &&Arg| !told(arg) && (depth == 2 || !arg.is_global_set());
    if command.get_arguments().any(|arg| own(&arg)) {
        out.push('\n');
        write_arguments(out, command.get_arguments().filter(own));
    }
    for below in shown(command) {
        write_command(out, below, &name, depth + 1);
    }
}

/// Said once, of all commands.
fn is_everywhere(arg: &Arg) -> bool {
    let root = Args::command();
    let help = matches!(arg.get_action(), ArgAction::Help | ArgAction::HelpLong)
        || matches!(arg.get_action(), ArgAction::HelpShort | ArgAction::Version);
    help || root.get_arguments().any(|other| other.get_id() == arg.get_id())
}

fn write_arguments<'a>(out: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    out.push_str("| argument | is |\n|---|---|\n");
    for arg in arguments {
        writeln!(out, "| `{}` | {} |", spelling(arg).replace('|', "\\|"), meaning(arg)).unwrap();
    }
}

/// As it is written on the command line.
fn spelling(arg: &Arg) -> String {
    let takes = arg.get_action().takes_values();
    let names = arg.get_value_names().map(|names| names.join(" ")).filter(|_| takes);
    let Some(long) = arg.get_long() else {
        let name = names.unwrap_or_else(|| arg.get_id().to_string().to_uppercase());
        return if arg.is_required_set() { name } else { format!("[{name}]") };
    };
    let short = arg.get_short().map_or_else(String::new, |short| format!("-{short}, "));
    match names {
        Some(names) => format!("{short}--{long} {names}"),
        None => format!("{short}--{long}"),
    }
}

/// What it does, what it may be, and what it is when it is left out.
fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let mut text = cell(&help.map(ToString::to_string).unwrap_or_default());
    let values = arg.get_possible_values();
    let values: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
    if arg.get_action().takes_values() && !values.is_empty() {
        write!(text, "; one of {}", values.join(", ")).unwrap();
    }
    if arg.is_required_set() && arg.get_long().is_some() {
        text.push_str("; required");
    }
    if matches!(arg.get_action(), ArgAction::Append) {
        text.push_str("; may be given several times");
    }
    if let Some(variable) = arg.get_env() {
        write!(text, "; else the variable `{}`", variable.to_string_lossy()).unwrap();
    }
    let defaults: Vec<_> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if arg.get_action().takes_values() && !defaults.is_empty() {
        write!(text, "; `{}` if left out", defaults.join(" ")).unwrap();
    }
    text
}

/// On one line, and without what ends a table's cell.
fn cell(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace('|', "\\|").replace('<', "\\<")
}

#[test]
fn the_reference_is_that_of_the_commands() {
    page::agrees("docs/reference/cli.md", &document());
}

#[test]
fn a_cell_stays_in_its_place() {
    assert_eq!(cell("a |\n b <c>"), "a \\| b \\<c>");
}
