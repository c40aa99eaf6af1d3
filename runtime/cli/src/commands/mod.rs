//! One file for each command: its arguments, and what it does with them.

pub(crate) mod activate;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod completions;
pub(crate) mod dead;
pub(crate) mod demo;
pub(crate) mod deploy;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod event;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod function;
pub(crate) mod functions;
pub(crate) mod key;
pub(crate) mod man;
pub(crate) mod new;
pub(crate) mod pause;
pub(crate) mod remove;
pub(crate) mod replay;
pub(crate) mod replays;
pub(crate) mod resume;
pub(crate) mod rollback;
pub(crate) mod send;
pub(crate) mod state;
pub(crate) mod tail;
pub(crate) mod test;
pub(crate) mod token;
pub(crate) mod top;
pub(crate) mod up;

mod deployment;
mod feed;
mod listing;
mod outgoing;
mod show;

use crate::args::{Args, Command, Global};
use crate::client::Client;
use crate::error::Error;
use crate::output::Output;

/// Where the admin API is.
const API: &str = "/api/v1";

pub(crate) fn run(args: Args, output: &mut Output) -> Result<(), Error> {
    let global = &args.global;
    match args.command {
        Command::Up(args) => up::run(args, output),
        Command::Demo(args) => demo::run(args, output),
        Command::New(args) => new::run(args, output),
        Command::Build(args) => build::run(args, output),
        Command::Deploy(args) => deploy::run(args, &connect(global)?, output),
        Command::Functions(args) => functions::run(args, &connect(global)?, output),
        Command::Function(args) => function::run(args, &connect(global)?, output),
        Command::Activate(args) => activate::run(args, &connect(global)?, output),
        Command::Rollback(args) => rollback::run(args, &connect(global)?, output),
        Command::Pause(args) => pause::run(args, &connect(global)?, output),
        Command::Resume(args) => resume::run(args, &connect(global)?, output),
        Command::Remove(args) => remove::run(args, &connect(global)?, output),
        Command::State(args) => state::run(args, &connect(global)?, output),
        Command::Send(args) => send::run(args, &connect(global)?, output),
        Command::Tail(args) => tail::run(args, &connect(global)?, output),
        Command::Top(args) => top::run(args, &connect(global)?, output),
        Command::Events(args) => events::run(args, &connect(global)?, output),
        Command::Event(args) => event::run(args, &connect(global)?, output),
        Command::Dead(args) => dead::run(args, &connect(global)?, output),
        Command::Replay(args) => replay::run(args, &connect(global)?, output),
        Command::Replays(args) => replays::run(args, &connect(global)?, output),
        Command::Test(args) => test::run(args, &connect(global)?, output),
        Command::Dev(args) => dev::run(args, &connect(global)?, output),
        Command::Doctor(args) => doctor::run(&args, global, output),
        Command::Completions(args) => completions::run(&args, output),
        Command::Man(args) => man::run(&args, output),
        Command::Token(args) => token::run(args, output),
        Command::Key(args) => key::run(&args, output),
        Command::Audit(args) => audit::run(args, &connect(global)?, output),
        Command::Explain(args) => explain::run(&args, output),
        Command::Bench(args) => bench::run(args, &connect(global)?, output),
    }
}

fn connect(global: &Global) -> Result<Client, Error> {
    Ok(Client::new(global)?)
}
